//! What is refused or not followed, and under which names.

use super::{model, notices, written};
use cke_engine::bundle::Bundle;
use cke_engine::load_error::LoadError;
use cke_engine::runtime::Runtime;
use cke_engine::weights::Checkpoint;
use cke_testkit::{Gguf, GgufLlama, GgufValue};

#[test]
fn bias_in_a_later_layer_alone_is_named() {
    let biased = GgufLlama { layers: 2, ..GgufLlama::default() }.gguf().f32("blk.1.attn_q.bias", &[64], &[50.0; 64]);
    let (_dir, path) = written("m.gguf", &biased);
    let bundle = Bundle::open(&path).unwrap();
    let notices: Vec<String> = bundle.notices().iter().map(ToString::to_string).collect();
    assert!(notices.iter().any(|notice| notice.contains("`blk.1.attn_q.bias`")), "{notices:?}");
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
    assert!(
        matches!(&found[..], [notice] if notice.contains("`llama.vocab_size` 41 is not used: the number of rows of `token_embd.weight`, 40, comes first")),
        "{found:?}"
    );
}

#[test]
fn every_end_token_outside_the_vocabulary_is_named() {
    let file = GgufLlama::default().gguf();
    let file = file.key("tokenizer.ggml.eot_token_id", 40u32).key("tokenizer.ggml.eom_token_id", 99u32);
    let found = notices(&file);
    let keys = ["eos", "eot", "eom"].map(|token| format!("tokenizer.ggml.{token}_token_id")).join(", ");
    for id in [40, 99] {
        let wanted = format!("m.gguf: `{keys}` has id {id}, outside the model's vocabulary of 40: it never matches");
        assert!(found.iter().any(|notice| notice.ends_with(&wanted)), "{found:?}");
    }
}

#[test]
fn value_that_the_reader_of_the_configuration_refuses_has_the_names_of_the_file() {
    let message = |key: &str, value: GgufValue| {
        let (_dir, path) = written("m.gguf", &GgufLlama::default().gguf().key(key, value));
        Bundle::open(&path).map(|bundle| bundle.notices().len()).unwrap_err().to_string()
    };
    for (key, value) in [
        ("llama.context_length", GgufValue::U32(u32::MAX)),
        ("llama.rope.freq_base", (-1f32).into()),
        ("llama.rope.scaling.factor", (-2f32).into()),
        ("llama.attention.layer_norm_rms_epsilon", (-1f32).into()),
        ("general.sampling.temp", (-1f32).into()),
    ] {
        let found = message(key, value);
        assert!(found.contains(&format!("m.gguf: `{key}`: wanted ")), "{found}");
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
