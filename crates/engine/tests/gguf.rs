//! GGUF files as models: which files are opened, in parts and under any name, and what is made of their keys.

use std::path::Path;

use cke_engine::bundle::Bundle;
use cke_engine::formats::gguf::{Array, GgufFile, GgufModel, Value, ValueType};
use cke_engine::generate::{GenerateOptions, Tokens};
use cke_engine::load_error::LoadError;
use cke_engine::model_files::ModelFiles;
use cke_engine::runtime::Runtime;
use cke_engine::tokenizer::gguf::GgufTokenizer;
use cke_engine::weight_format::WeightFormat;
use cke_engine::weights::{Checkpoint, Dtype};
use cke_testkit::{Data, Gguf, GgufLlama, GgufValue};
use serde_json::{Value as Json, json};

/// A file of this content in a directory of its own.
fn written(name: &str, file: &Gguf) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, file.bytes()).unwrap();
    (dir, path)
}

fn model(file: &Gguf) -> Result<GgufModel, LoadError> {
    GgufModel::new(GgufFile::from_bytes(file.bytes(), "m.gguf")?)
}

fn own_file(file: &Gguf, name: &str) -> Json {
    serde_json::from_slice(model(file).unwrap().own_file(name).unwrap().unwrap()).unwrap()
}

fn config(file: &Gguf) -> Json {
    own_file(file, "config.json")
}

#[test]
fn values_of_every_type_are_read() {
    let values: [(GgufValue, Value<'_>); 12] = [
        (GgufValue::U8(200), Value::Integer(ValueType::Uint8, 200)),
        (GgufValue::I8(-2), Value::Integer(ValueType::Int8, -2)),
        (GgufValue::U16(60_000), Value::Integer(ValueType::Uint16, 60_000)),
        (GgufValue::I16(-3), Value::Integer(ValueType::Int16, -3)),
        (GgufValue::U32(u32::MAX), Value::Integer(ValueType::Uint32, u32::MAX.into())),
        (GgufValue::I32(-4), Value::Integer(ValueType::Int32, -4)),
        (GgufValue::U64(u64::MAX), Value::Integer(ValueType::Uint64, u64::MAX.into())),
        (GgufValue::I64(i64::MIN), Value::Integer(ValueType::Int64, i64::MIN.into())),
        (GgufValue::F32(0.1), Value::Float(ValueType::Float32, 0.1)),
        (GgufValue::F64(1e300), Value::Float(ValueType::Float64, 1e300)),
        (GgufValue::Bool(true), Value::Bool(true)),
        (GgufValue::Text("é".to_owned()), Value::Text("é")),
    ];
    for version in [2, 3] {
        let mut file = Gguf { version, ..Gguf::new() };
        for (index, (value, _)) in values.iter().enumerate() {
            file = file.key(&format!("k{index}"), value.clone());
        }
        file = file.key("list", GgufValue::Texts(vec!["a".to_owned(), String::new()]));
        let file = GgufFile::from_bytes(file.bytes(), "keys.gguf").unwrap();
        assert_eq!((file.version(), file.keys().count(), file.infos().count()), (version, 13, 0));
        for (index, (_, wanted)) in values.iter().enumerate() {
            assert_eq!(file.value(&format!("k{index}")).unwrap().as_ref(), Some(wanted));
        }
        let list = |array: Array<'_>| array.values().map(|value| value.unwrap().to_string()).collect::<Vec<_>>();
        match file.value("list").unwrap() {
            Some(Value::Array(array)) => {
                assert_eq!((array.len(), array.element()), (2, ValueType::String));
                assert_eq!(list(array), ["STRING \"a\"", "STRING \"\""]);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(file.value("none").unwrap(), None);
    }
}

#[test]
fn file_is_opened_by_its_magic_whatever_its_name() {
    for name in ["m.gguf", "m.bin", "model.safetensors", "m"] {
        let (dir, path) = written(name, &GgufLlama::default().gguf());
        assert!(GgufFile::is_at(&path));
        let checkpoint = Checkpoint::open(&path).unwrap();
        assert_eq!(checkpoint.tensor("model.layers.0.self_attn.q_proj.weight").unwrap().dtype(), Dtype::Q8_0);
        // Beside a configuration a directory has the weights.
        if name != "m" && name != "m.bin" {
            assert_eq!(Checkpoint::open(dir.path()).unwrap().len(), checkpoint.len());
        }
    }
    let (_dir, path) = written("m.gguf", &Gguf::new());
    std::fs::write(&path, b"<!DOCTYPE html>").unwrap();
    assert!(!GgufFile::is_at(&path) && Checkpoint::open(&path).unwrap_err().to_string().contains("an HTML page"));
}

#[test]
fn bundle_of_a_gguf_file_has_its_configuration_and_runs() {
    let (_dir, path) = written("m.gguf", &GgufLlama::default().gguf());
    let files = ModelFiles::open(&path).unwrap();
    assert_eq!(files.path("config.json"), path.join("config.json"));
    let bundle = Bundle::of_files(&files).unwrap();
    assert_eq!(bundle.config().architecture(), "llama");
    assert_eq!(bundle.usual_format(), WeightFormat::Stored);
    let runtime = Runtime::new(Some(1)).unwrap().with_weights(WeightFormat::Stored);
    let model = bundle.into_causal_model(&runtime, &|_| ()).unwrap();
    let options = GenerateOptions { max_tokens: 3, ..GenerateOptions::default() };
    assert_eq!(Tokens::new(&*model, &runtime, vec![1, 2], options).unwrap().filter_map(Result::ok).count(), 3);
}

#[test]
fn bias_in_a_later_layer_alone_is_named() {
    let biased = GgufLlama { layers: 2, ..GgufLlama::default() }.gguf().f32("blk.1.attn_q.bias", &[64], &[50.0; 64]);
    let (_dir, path) = written("m.gguf", &biased);
    let bundle = Bundle::open(&path).unwrap();
    let notices: Vec<String> = bundle.notices().iter().map(ToString::to_string).collect();
    assert!(notices.iter().any(|notice| notice.contains("`blk.1.attn_q.bias`")), "{notices:?}");
}

#[test]
fn directory_with_a_gguf_file_alone_says_which_file_was_meant() {
    let (dir, path) = written("m.gguf", &GgufLlama::default().gguf());
    let message = Bundle::open(dir.path()).unwrap_err().to_string();
    assert!(message.ends_with(&format!("found a directory with GGUF files; did you mean `{}`?", path.display())));
}

/// The parts of a file, a tensor in each.
fn parts(dir: &Path, count: u16) -> Vec<std::path::PathBuf> {
    let whole = GgufLlama::default().gguf();
    let per_part = whole.tensors.len().div_ceil(usize::from(count));
    let mut paths = Vec::new();
    for (number, tensors) in (0..count).zip(whole.tensors.chunks(per_part)) {
        let mut part = if number == 0 { whole.clone() } else { Gguf::new() };
        part.tensors = tensors.to_vec();
        let part = part.key("split.no", GgufValue::U16(number)).key("split.count", GgufValue::U16(count));
        let part = part.key("split.tensors.count", GgufValue::I32(whole.tensors.len() as i32));
        paths.push(dir.join(format!("m-{:05}-of-{count:05}.gguf", number + 1)));
        std::fs::write(&paths[usize::from(number)], part.bytes()).unwrap();
    }
    paths
}

#[test]
fn first_of_several_parts_opens_all() {
    let dir = tempfile::tempdir().unwrap();
    let paths = parts(dir.path(), 3);
    let whole = Checkpoint::from_bytes(GgufLlama::default().gguf().bytes(), "whole.gguf").unwrap();
    for opened in [Checkpoint::open(&paths[0]).unwrap(), Checkpoint::open(dir.path()).unwrap()] {
        assert_eq!(opened.files().collect::<Vec<_>>(), paths);
        for info in whole.infos() {
            let (found, wanted) = (opened.tensor(info.name).unwrap(), whole.tensor(info.name).unwrap());
            assert_eq!(found.read_f32().unwrap(), wanted.read_f32().unwrap(), "{}", info.name);
        }
        assert_eq!(opened.len(), whole.len());
    }
    assert_eq!(GgufModel::open(&paths[0]).unwrap().file().infos().count(), whole.len());
}

#[test]
fn parts_that_do_not_match_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let paths = parts(dir.path(), 3);
    let message = |path: &Path| GgufFile::open(path).unwrap_err().to_string();
    assert!(message(&paths[1]).contains("it is part 2 of 3: wanted the first part, named `…-00001-of-00003.gguf`"));
    let renamed = dir.path().join("renamed.gguf");
    std::fs::copy(&paths[0], &renamed).unwrap();
    assert!(message(&renamed).contains("wanted the name `…-00001-of-00003.gguf`"));
    let bytes = std::fs::read(&paths[0]).unwrap();
    assert!(GgufFile::from_bytes(bytes, &paths[0].to_string_lossy()).is_err());
    std::fs::copy(&paths[1], &paths[2]).unwrap();
    assert!(message(&paths[0]).contains("wanted part 3 of 3, found what its keys"));
    std::fs::remove_file(&paths[2]).unwrap();
    assert!(matches!(GgufFile::open(&paths[0]).unwrap_err(), LoadError::Io { file, .. } if file == paths[2]));
    let two = Gguf::new().key("split.no", 2u32).key("split.count", 3u32);
    std::fs::write(&paths[2], two.bytes()).unwrap();
    assert!(message(&paths[0]).contains("as key `split.tensors.count` says, found"));
    let twice = two.f32("output_norm.weight", &[1], &[1.0]);
    std::fs::write(&paths[2], twice.bytes()).unwrap();
    assert!(message(&paths[0]).contains("tensor `output_norm.weight`: it is there twice"));
}

#[test]
fn part_that_was_cut_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let paths = parts(dir.path(), 3);
    for path in &paths {
        let whole = std::fs::read(path).unwrap();
        for length in [0, 3, whole.len() / 2, whole.len() - 33] {
            std::fs::write(path, &whole[..length]).unwrap();
            let error = GgufFile::open(&paths[0]).unwrap_err();
            assert!(matches!(&error, LoadError::Gguf { file, .. } if file == path), "{length}: {error}");
        }
        std::fs::write(path, whole).unwrap();
    }
    GgufFile::open(&paths[0]).unwrap();
}

#[test]
fn configuration_has_the_defaults_of_the_format() {
    let file = GgufLlama::default().gguf().without("llama.rope.freq_base").without("llama.attention.head_count_kv");
    let mut file = file.without("llama.rope.dimension_count");
    // As many heads of keys as of queries.
    let key = file.tensors.iter_mut().find(|tensor| tensor.name == "blk.0.attn_k.weight").unwrap();
    (key.shape, key.data) = (vec![64, 64], vec![0; 64 * 2 * 34]);
    let found = config(&file);
    assert_eq!((&found["rope_theta"], &found["num_key_value_heads"]), (&json!(10_000.0), &json!(4)));
    assert_eq!((&found["head_dim"], &found["tie_word_embeddings"]), (&json!(16), &json!(true)));
    assert_eq!((&found["attention_bias"], found.get("rope_scaling")), (&json!(false), None));
    assert_eq!(config(&GgufLlama { tied: false, ..GgufLlama::default() }.gguf())["tie_word_embeddings"], false);
}

#[test]
fn scaling_of_rotary_frequencies_follows_keys_and_tensors() {
    let file = GgufLlama::default().gguf();
    let scaling = |file: &Gguf| config(file).get("rope_scaling").cloned();
    assert_eq!(scaling(&file.clone().key("llama.rope.scaling.type", "none")), None);
    let factor = file.clone().key("llama.rope.scaling.factor", 2.5f32);
    assert_eq!(scaling(&factor), Some(json!({"rope_type": "linear", "factor": 2.5})));
    let yarn = factor.key("llama.rope.scaling.type", "yarn").key("llama.rope.scaling.original_context_length", 64u32);
    let wanted = json!({"rope_type": "yarn", "factor": 2.5, "original_max_position_embeddings": 64});
    assert_eq!(scaling(&yarn), Some(wanted));
    let other = file.clone().key("llama.rope.scaling.type", "ntk").key("llama.rope.scaling.factor", 2.0f32);
    let message = model(&other).unwrap_err().to_string();
    assert!(
        message.contains("`llama.rope.scaling.type`: wanted one of none, linear, yarn, found \"ntk\""),
        "{message}"
    );
}

/// The factors of Llama 3's rule for frequencies 10000^(−i/8), as its authors' code computes them.
fn llama3_factors(factor: f64) -> Vec<f32> {
    let of_pair = |pair: i32| {
        let wave = std::f64::consts::TAU * 10_000f64.powf(f64::from(pair) / 8.0);
        let smooth = (8192.0 / wave - 1.0) / 3.0;
        match wave {
            _ if wave < 8192.0 / 4.0 => 1.0,
            _ if wave > 8192.0 => factor,
            _ => 1.0 / ((1.0 - smooth) / factor + smooth),
        }
    };
    (0..8).map(|pair| of_pair(pair) as f32).collect()
}

#[test]
fn factors_of_llama_3_become_its_constants() {
    for factor in [8.0, 32.0] {
        let file = GgufLlama::default().gguf().f32("rope_freqs.weight", &[8], &llama3_factors(factor));
        let wanted = json!({
            "rope_type": "llama3", "factor": factor, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        });
        assert_eq!(config(&file)["rope_scaling"], wanted);
        let checkpoint = Checkpoint::from_bytes(file.bytes(), "m.gguf").unwrap();
        assert_eq!(checkpoint.tensor("rope_freqs.weight").unwrap().read_f32().unwrap(), llama3_factors(factor));
    }
    let ones = GgufLlama::default().gguf().f32("rope_freqs.weight", &[8], &[1.0; 8]);
    assert_eq!(config(&ones).get("rope_scaling"), None);
    for (factors, part) in
        [(vec![2.0; 8], "found 2 for pair 0"), (vec![1.0; 7], "found [7] of F32"), (vec![0.0; 8], "above 0")]
    {
        let file = GgufLlama::default().gguf().f32("rope_freqs.weight", &[factors.len() as u64], &factors);
        let message = model(&file).unwrap_err().to_string();
        assert!(message.contains("tensor `rope_freqs.weight`") && message.contains(part), "{message}");
    }
}

#[test]
fn key_that_nothing_follows_is_kept_for_the_notices_and_one_that_matters_is_refused() {
    let file = GgufLlama::default().gguf().key("llama.new_thing", 3u32).key("llama.list", &["a"][..]);
    let found = config(&file.clone().key("llama.expert_count", 0u32));
    assert_eq!((&found["llama.new_thing"], &found["llama.list"]), (&json!(3), &json!("ARRAY of 1 STRING")));
    assert!(found.as_object().unwrap().keys().filter(|key| key.starts_with("llama.")).count() == 2, "{found}");
    for (key, value) in
        [("expert_count", GgufValue::U32(8)), ("logit_scale", 2f32.into()), ("attention.scale", 2f32.into())]
    {
        let message = model(&file.clone().key(&format!("llama.{key}"), value)).unwrap_err().to_string();
        assert!(message.contains(&format!("`llama.{key}`: wanted no such key or 0")), "{message}");
    }
}

/// All that a file's model says and is not followed.
fn notices(file: &Gguf) -> Vec<String> {
    let (_dir, path) = written("m.gguf", file);
    let bundle = Bundle::open(&path).unwrap();
    bundle.notices().iter().chain(&bundle.generation().notices).map(ToString::to_string).collect()
}

#[test]
fn attention_to_later_tokens_is_refused_and_another_vocabulary_named() {
    let file = || GgufLlama::default().gguf();
    for causal in [true, false] {
        match model(&file().key("llama.attention.causal", causal)) {
            Ok(_) => assert!(causal),
            Err(error) => {
                assert!(!causal && error.to_string().contains("`llama.attention.causal`: wanted true"), "{error}")
            }
        }
    }
    assert_eq!(notices(&file().key("llama.vocab_size", 40u32)), [""; 0]);
    let found = notices(&file().key("llama.vocab_size", 41u32));
    assert!(matches!(&found[..], [notice] if notice.contains("`llama.vocab_size` 41")), "{found:?}");
}

#[test]
fn every_end_token_outside_the_vocabulary_is_named() {
    let file = GgufLlama::default().gguf();
    let file = file.key("tokenizer.ggml.eot_token_id", 40u32).key("tokenizer.ggml.eom_token_id", 99u32);
    let found = notices(&file);
    for id in ["id 40", "id 99"] {
        assert!(found.iter().any(|notice| notice.contains("`eos_token_id`") && notice.contains(id)), "{found:?}");
    }
}

#[test]
fn tensors_have_the_names_of_the_file_in_errors() {
    let error = |change: fn(&mut Gguf)| {
        let mut file = GgufLlama::default().gguf();
        change(&mut file);
        let (_dir, path) = written("m.gguf", &file);
        let runtime = Runtime::new(Some(1)).unwrap();
        let loaded =
            Bundle::open(&path).map_err(Into::into).and_then(|bundle| bundle.into_causal_model(&runtime, &|_| ()));
        loaded.unwrap_err().to_string()
    };
    let message = error(|file| file.tensors.retain(|tensor| tensor.name != "blk.0.ffn_down.weight"));
    assert!(message.contains("wanted tensor `blk.0.ffn_down.weight`, found no such name"), "{message}");
    let message = error(|file| {
        let tensor = file.tensors.iter_mut().find(|tensor| tensor.name == "blk.0.ffn_up.weight").unwrap();
        tensor.shape.reverse();
    });
    assert!(message.contains("tensor `blk.0.ffn_up.weight`: wanted shape [32, 64], found [64, 32]"), "{message}");
}

#[test]
fn wrong_or_absent_key_is_an_error_under_its_own_name() {
    let file = GgufLlama::default().gguf();
    for key in ["block_count", "embedding_length", "context_length", "attention.layer_norm_rms_epsilon"] {
        let message = model(&file.clone().without(&format!("llama.{key}"))).unwrap_err().to_string();
        assert!(message.starts_with(&format!("m.gguf: `llama.{key}`: wanted")), "{message}");
        assert!(message.ends_with("found no such key"), "{message}");
        let message = model(&file.clone().key(&format!("llama.{key}"), "two")).unwrap_err().to_string();
        assert!(message.starts_with(&format!("m.gguf: `llama.{key}`: wanted")), "{message}");
        assert!(message.ends_with("found STRING \"two\""), "{message}");
    }
    for (key, value, part) in [
        (
            "general.architecture",
            GgufValue::from("mamba"),
            "wanted one of llama, smollm3, qwen2, qwen3, gemma2, gemma3, phi3, found \"mamba\"",
        ),
        ("general.type", "adapter".into(), "wanted \"model\", found \"adapter\""),
        ("llama.attention.head_count", 0u32.into(), "wanted a whole number from 1"),
        ("llama.attention.head_count", GgufValue::I32(-1), "found INT32 -1"),
        ("llama.attention.head_count", 3u32.into(), "wanted a divisor of the width 64, found 3"),
        ("llama.rope.dimension_count", 8u32.into(), "wanted the 16 of a head, found 8"),
        ("llama.attention.value_length", 8u32.into(), "wanted the 16 of keys, found 8"),
        (
            "llama.attention.layer_norm_rms_epsilon",
            f32::NAN.into(),
            "wanted a finite FLOAT32 or FLOAT64, found FLOAT32 NaN",
        ),
        ("tokenizer.ggml.eos_token_id", GgufValue::I32(-1), "found INT32 -1"),
    ] {
        let message = model(&file.clone().key(key, value)).unwrap_err().to_string();
        assert!(message.contains(&format!("`{key}`: ")) && message.contains(part), "{message}");
    }
    let mut without = file.clone();
    without.tensors.retain(|tensor| tensor.name != "token_embd.weight");
    assert!(matches!(model(&without).unwrap_err(), LoadError::MissingTensor { .. }));
    let heads = Checkpoint::from_bytes(file.key("llama.attention.head_count", 3u32).bytes(), "m.gguf").unwrap_err();
    assert!(
        heads.to_string().contains("tensor `blk.0.attn_q.weight`: wanted an even number of rows for each of 3 heads")
    );
}

/// A model of another architecture with the sizes of a tiny Llama.
fn as_architecture(name: &str) -> Gguf {
    let llama = GgufLlama::default().gguf();
    let mut file = Gguf { keys: Vec::new(), ..llama.clone() };
    for (key, value) in llama.keys {
        file = file.key(&key.replace("llama.", &format!("{name}.")), value);
    }
    file.key("general.architecture", name)
}

#[test]
fn llama_with_a_window_is_a_mistral() {
    const WINDOW: &str = "llama.attention.sliding_window";
    let file = GgufLlama::default().gguf();
    for (file, window) in
        [(file.clone(), None), (file.clone().key(WINDOW, 0u32), None), (file.key(WINDOW, 9u32), Some(9))]
    {
        let (found, kind) = (config(&file), if window.is_some() { "mistral" } else { "llama" });
        assert_eq!((&found["model_type"], found["sliding_window"].as_u64()), (&json!(kind), window));
        assert_eq!(notices(&file), [""; 0]);
    }
}

#[test]
fn gemma_3_has_its_windows_and_what_scores_are_divided_by() {
    let file = as_architecture("gemma3").key("gemma3.attention.sliding_window", 512u32);
    let found = config(&file);
    assert_eq!((&found["sliding_window"], &found["query_pre_attn_scalar"]), (&json!(512), &json!(16)));
    assert_eq!((&found["rope_local_base_freq"], found.get("sliding_window_pattern")), (&json!(10_000.0), None));
    assert_eq!(config(&file.clone().key("gemma3.attention.scale", 0.25f32))["query_pre_attn_scalar"], 16.0);
    const PATTERN: &str = "gemma3.attention.sliding_window_pattern";
    assert_eq!(config(&file.clone().key(PATTERN, 6u32))["sliding_window_pattern"], 6);
    let listed = config(&file.clone().key(PATTERN, GgufValue::Bools(vec![true])));
    assert_eq!(listed["layer_types"], json!(["sliding_attention"]));
    let message = model(&file.key(PATTERN, GgufValue::Bools(vec![true; 2]))).unwrap_err().to_string();
    assert!(message.contains("wanted a BOOL for each of 1 layers, found ARRAY of 2 BOOL"), "{message}");
}

#[test]
fn phi_3_has_its_factors_and_the_part_of_a_head_that_is_rotated() {
    let file = as_architecture("phi3").key("phi3.rope.dimension_count", 12u32);
    let long = file.clone().f32("rope_factors_long.weight", &[6], &[2.0; 6]);
    let message = model(&long).unwrap_err().to_string();
    assert!(message.contains("wanted tensor `rope_factors_short.weight`"), "{message}");
    let both = long.f32("rope_factors_short.weight", &[6], &[1.5; 6]).key("phi3.rope.scaling.attn_factor", 1.25f32);
    let found = config(&both.key("phi3.rope.scaling.original_context_length", 64u32));
    let wanted = json!({
        "rope_type": "longrope", "long_factor": vec![2.0; 6], "short_factor": vec![1.5; 6], "attention_factor": 1.25,
    });
    assert_eq!(found["rope_scaling"], wanted);
    assert_eq!(
        (&found["partial_rotary_factor"], &found["original_max_position_embeddings"]),
        (&json!(0.75), &json!(64))
    );
    assert_eq!(config(&file).get("rope_scaling"), None);
}

#[test]
fn generation_settings_have_every_end_token_and_the_recommended_sampler() {
    let file = GgufLlama::default().gguf().key("tokenizer.ggml.eot_token_id", 7u32);
    let wanted = json!({"eos_token_id": [2, 7], "bos_token_id": 1});
    assert_eq!(own_file(&file, "generation_config.json"), wanted);
    let same = file.key("tokenizer.ggml.eot_token_id", 2u32).key("general.sampling.temp", 0.6f32);
    let found = own_file(&same.key("general.sampling.mirostat", 1u32), "generation_config.json");
    assert_eq!((&found["eos_token_id"], &found["temperature"]), (&json!([2]), &json!(0.6)));
    assert_eq!((&found["do_sample"], &found["general.sampling.mirostat"]), (&json!(true), &json!(1)));
    let bare =
        GgufLlama::default().gguf().without("tokenizer.ggml.bos_token_id").without("tokenizer.ggml.eos_token_id");
    assert_eq!(model(&bare).unwrap().own_file("generation_config.json").unwrap(), None);
}

#[test]
fn tokenizer_has_what_the_keys_say() {
    let file = Gguf::new()
        .key("tokenizer.ggml.model", "llama")
        .key("tokenizer.ggml.tokens", &["<unk>", "a", "▁b"][..])
        .key("tokenizer.ggml.scores", GgufValue::F32s(vec![0.0, -1.0, -2.5]))
        .key("tokenizer.ggml.token_type", GgufValue::I32s(vec![2, 1, 1]))
        .key("tokenizer.ggml.unknown_token_id", 0u32)
        .key("tokenizer.ggml.add_bos_token", true)
        .key("tokenizer.chat_template", "{{ x }}");
    let read = |file: &Gguf| GgufFile::from_bytes(file.bytes(), "t.gguf").unwrap().tokenizer();
    let wanted = GgufTokenizer {
        model: "llama".to_owned(),
        tokens: ["<unk>", "a", "▁b"].map(str::to_owned).to_vec(),
        scores: Some(vec![0.0, -1.0, -2.5]),
        token_types: Some(vec![2, 1, 1]),
        unk: Some(0),
        add_bos: Some(true),
        chat_template: Some("{{ x }}".to_owned()),
        ..GgufTokenizer::default()
    };
    assert_eq!(read(&file).unwrap(), Some(wanted));
    assert_eq!(read(&Gguf::new()).unwrap(), None);
    let malformed = [&8u32.to_le_bytes()[..], &1u64.to_le_bytes(), &1u64.to_le_bytes(), b"\xff"].concat();
    for (key, value, part) in [
        ("scores", GgufValue::F32s(vec![0.0]), "wanted an array of 3 FLOAT32, one for each token, found 1 of them"),
        (
            "token_type",
            GgufValue::F32s(vec![0.0; 3]),
            "wanted an array of 3 INT32, one for each token, found ARRAY of 3 FLOAT32",
        ),
        ("tokens", GgufValue::U32(1), "wanted an array of STRING, found UINT32 1"),
        (
            "tokens",
            GgufValue::Raw(9, malformed),
            "wanted an array of STRING, found element 0: not UTF-8 from byte 0 of it on",
        ),
        ("add_bos_token", GgufValue::U8(1), "wanted a BOOL, found UINT8 1"),
    ] {
        let message = read(&file.clone().key(&format!("tokenizer.ggml.{key}"), value)).unwrap_err().to_string();
        assert!(message.contains(&format!("`tokenizer.ggml.{key}`: {part}")), "{message}");
    }
}

/// Reads all of a file that may be damaged; whether it was accepted as a model.
fn read_all(bytes: Vec<u8>) -> bool {
    let size = bytes.len();
    let Ok(file) = GgufFile::from_bytes(bytes, "mutated.gguf") else { return false };
    for key in file.keys() {
        if let Ok(Some(Value::Array(array))) = file.value(key) {
            let _ = array.values().take_while(Result::is_ok).count();
        }
    }
    let _ = file.tokenizer();
    let Ok(checkpoint) = Checkpoint::of_gguf(&file) else { return false };
    assert!(checkpoint.total_bytes() <= size);
    for info in checkpoint.infos() {
        let tensor = checkpoint.tensor(info.name).unwrap();
        let Ok(values) = tensor.read_f32() else { continue };
        assert_eq!(values.len(), tensor.rows() * tensor.row_len());
        if let Some(blocks) = tensor.blocks(0..tensor.rows()).unwrap() {
            assert_eq!(blocks.len(), info.bytes);
        }
        tensor.release();
    }
    GgufModel::new(file).is_ok()
}

#[test]
fn mutated_files_are_read_or_refused() {
    const MUTATIONS: usize = 100_000;
    let sizes = GgufLlama { width: 32, heads: 2, key_heads: 1, vocabulary: 3, ..GgufLlama::default() };
    let file = sizes.gguf().key("general.alignment", 32u32).key("tokenizer.ggml.model", "gpt2");
    let file = file.key("tokenizer.ggml.tokens", &["a", "b", "c"][..]).f32("rope_freqs.weight", &[8], &[1.0; 8]);
    let file = file.tensor("vector", &[256], 12, vec![7; 144]).bytes();
    let header = file.windows(6).position(|bytes| bytes == b"vector").unwrap() + 50;
    let data = &mut Data::new(42);
    assert!(read_all(file.clone()));
    let mut accepted = 0;
    for _ in 0..MUTATIONS {
        let mut mutated = file.clone();
        for _ in 0..1 + data.below(3) {
            let at = data.below(header.min(mutated.len() - 16));
            match data.below(6) {
                0 => mutated[at] ^= 1 << data.below(8),
                1 => mutated[at] = data.choose(&[0, 1, 0x7F, 0x80, 0xFF]),
                2 => {
                    let field = &mut mutated[at..at + 8];
                    field.copy_from_slice(
                        &data.choose(&[0, 1, 8, 13, u64::MAX, 1 << 63, 1 << 32, 1 << 61]).to_le_bytes(),
                    );
                }
                3 => mutated[at..at + 4].copy_from_slice(&(data.below(45) as u32).to_le_bytes()),
                4 => drop(mutated.drain(at..at + data.below(9))),
                _ => mutated.truncate(data.below(mutated.len()).max(64)),
            }
        }
        accepted += usize::from(read_all(mutated));
    }
    // Most mutations of names and numbers leave a file that can be read.
    assert!((MUTATIONS / 100..MUTATIONS).contains(&accepted), "{accepted}");
}
