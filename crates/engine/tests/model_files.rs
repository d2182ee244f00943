//! What the files of a model say about its weights and settings: followed, named, or refused.

use cke_engine::bundle::Bundle;
use cke_engine::embed::{EmbedOptions, Embedder, Prompt};
use cke_engine::error::Error;
use cke_engine::load_error::LoadError;
use cke_engine::models::causal::{CausalModel, Results, Sequence};
use cke_engine::notice::Notice;
use cke_engine::runtime::Runtime;
use cke_testkit::tiny_models::{self, Dtype, ModelDir, Tensor, safetensors, safetensors_bytes};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

fn runtime() -> Runtime {
    Runtime::new(Some(1)).unwrap()
}

fn load(dir: &Path, runtime: &Runtime) -> Arc<dyn CausalModel> {
    Bundle::open(dir).unwrap().into_causal_model(runtime, &|_| ()).unwrap()
}

/// The logits after a few tokens.
fn logits(dir: &Path) -> Vec<f32> {
    let runtime = runtime();
    let model = load(dir, &runtime);
    let mut sequences = [Sequence { pending: vec![3, 1, 4, 1, 5], cache: model.cache(5).unwrap() }];
    let mut state = model.activations().unwrap();
    model.forward(&mut sequences, Results::Last, &mut state, &runtime).unwrap();
    let mut out = vec![0.0; model.vocabulary()];
    model.logits(0..1, &mut out, &mut state, &runtime).unwrap();
    out
}

/// The notices of a model, with the names of files alone.
fn notices(dir: &Path) -> Vec<String> {
    let bundle = Bundle::open(dir).unwrap();
    let prefix = format!("{}/", dir.display());
    let all = bundle.notices().iter().chain(&bundle.generation().notices);
    all.map(|notice| notice.to_string().replace(&prefix, "")).collect()
}

fn gpt2() -> ModelDir {
    tiny_models::Gpt2::default().write().unwrap()
}

/// A head of another size or other values than the embedding.
fn head(model: &ModelDir, change: impl Fn(f32) -> f32) -> Tensor {
    let table = model.tensor("wte.weight").unwrap();
    let values = table.values.iter().map(|&x| change(x)).collect();
    Tensor { name: "lm_head.weight".to_owned(), shape: table.shape.clone(), values }
}

fn replace_weights(model: &ModelDir, tensors: &[Tensor]) {
    model.replace("model.safetensors", safetensors(tensors, Dtype::F32)).unwrap();
}

/// One key of a JSON file set to another value.
fn set(model: &ModelDir, file: &str, key: &str, value: Value) {
    let path = model.path().join(file);
    let mut json: Value =
        std::fs::read(&path).map_or_else(|_| json!({}), |text| serde_json::from_slice(&text).unwrap());
    json[key] = value;
    model.replace(file, json.to_string()).unwrap();
}

#[test]
fn head_that_differs_from_the_tied_embedding_is_used_and_named() {
    let model = gpt2();
    let plain = logits(model.path());
    let own = head(&model, |x| 2.0 * x + 1.0);
    replace_weights(&model, &[model.tensors.clone(), vec![own]].concat());
    let both = logits(model.path());
    assert_ne!(both, plain);
    assert_eq!(
        notices(model.path()),
        [
            "config.json: `tie_word_embeddings` true is not followed: the checkpoint's `lm_head.weight` differs from its \
          `wte.weight`, and both are used"
        ]
    );
    let runtime = runtime();
    let loaded = load(model.path(), &runtime);
    let of_positions = 40 * loaded.width() * size_of::<f32>();
    assert!(loaded.weight_bytes() - loaded.bytes_per_token() > of_positions, "a table of its own");
    // As if the flag said so.
    set(&model, "config.json", "tie_word_embeddings", json!(false));
    assert_eq!(logits(model.path()), both);
    assert_eq!(notices(model.path()), [""; 0]);
}

#[test]
fn head_that_equals_the_tied_embedding_changes_nothing() {
    let model = gpt2();
    let plain = logits(model.path());
    replace_weights(&model, &[model.tensors.clone(), vec![head(&model, |x| x)]].concat());
    assert_eq!(logits(model.path()), plain);
    assert_eq!(notices(model.path()), [""; 0]);
}

#[test]
fn head_alone_stands_for_the_tied_embedding() {
    for prefix in ["", "transformer."] {
        let model = tiny_models::Gpt2 { prefix, ..tiny_models::Gpt2::default() }.write().unwrap();
        let plain = logits(model.path());
        let mut tensors = model.tensors.clone();
        tensors[0].name = "lm_head.weight".to_owned();
        replace_weights(&model, &tensors);
        assert_eq!(logits(model.path()), plain, "{prefix:?}");
        assert_eq!(notices(model.path()), [""; 0]);
    }
}

#[test]
fn decoder_with_a_tied_head_follows_its_tensors() {
    let model = tiny_models::Llama::default().write().unwrap();
    let untied = logits(model.path());
    set(&model, "config.json", "tie_word_embeddings", json!(true));
    assert_eq!(logits(model.path()), untied);
    let wanted = "`tie_word_embeddings` true is not followed: the checkpoint's `lm_head.weight` differs from its `embed_tokens.weight`";
    assert!(matches!(&notices(model.path())[..], [notice] if notice.contains(wanted)), "{:?}", notices(model.path()));
    // Either stands for both.
    let is_head = |tensor: &Tensor| tensor.name == "lm_head.weight";
    let mut tensors: Vec<Tensor> = model.tensors.iter().filter(|tensor| !is_head(tensor)).cloned().collect();
    replace_weights(&model, &tensors);
    let table = logits(model.path());
    assert_ne!(table, untied);
    tensors[0].name = "lm_head.weight".to_owned();
    replace_weights(&model, &tensors);
    assert_eq!((logits(model.path()), notices(model.path())), (table, Vec::new()));
}

#[test]
fn settings_of_a_rope_that_are_not_followed_are_named() {
    let model = tiny_models::Llama::default().write().unwrap();
    let plain = logits(model.path());
    set(&model, "config.json", "partial_rotary_factor", json!(0.5));
    set(&model, "config.json", "rope_scaling", json!({"rope_type": "default", "new_thing": 3}));
    assert_eq!(logits(model.path()), plain);
    let wanted = [
        "config.json: `rope_scaling.new_thing` 3 is an unknown key and is not followed",
        "config.json: `partial_rotary_factor` 0.5 is not followed: whole heads are turned, as transformers does for llama",
    ];
    assert_eq!(notices(model.path()), wanted);
}

#[test]
fn name_that_the_metadata_gives_to_a_tensor_is_found_as_save_model_leaves_it() {
    let model = tiny_models::Gpt2 { prefix: "transformer.", ..tiny_models::Gpt2::default() }.write().unwrap();
    let plain = logits(model.path());
    let mut tensors = model.tensors.clone();
    tensors[0].name = "lm_head.weight".to_owned();
    let file = safetensors(&tensors, Dtype::F32);
    let header_len = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header = std::str::from_utf8(&file[8..8 + header_len]).unwrap();
    let metadata = r#"{"transformer.wte.weight":"lm_head.weight","format":"pt"}"#;
    let header = header.replacen(r#"{"format":"pt"}"#, metadata, 1);
    model.replace("model.safetensors", safetensors_bytes(&header, &file[8 + header_len..])).unwrap();
    for tied in [true, false] {
        set(&model, "config.json", "tie_word_embeddings", json!(tied));
        assert_eq!(logits(model.path()), plain, "tied: {tied}");
        assert_eq!(notices(model.path()), [""; 0]);
    }
}

#[test]
fn untied_head_that_is_missing_is_an_error() {
    let model = gpt2();
    set(&model, "config.json", "tie_word_embeddings", json!(false));
    let error = Bundle::open(model.path()).unwrap().into_causal_model(&runtime(), &|_| ()).unwrap_err();
    assert!(
        matches!(&error, Error::Load(LoadError::MissingTensor { wanted, .. }) if wanted == &["lm_head.weight"]),
        "{error}"
    );
}

#[test]
fn tensors_that_nothing_uses_are_named_but_masks_and_heads_are_not() {
    let extra = |name: &str| Tensor { name: name.to_owned(), shape: vec![1], values: vec![0.0] };
    let model = gpt2();
    let known = ["h.0.attn.bias", "h.1.attn.masked_bias", "score.weight"].map(extra);
    let unknown = ["h.2.ln_1.weight", "h.0.attn.c_attn.lora_A.weight", "v_head.bias"].map(extra);
    replace_weights(&model, &[model.tensors.clone(), known.to_vec(), unknown.to_vec()].concat());
    let wanted =
        "model.safetensors: 3 tensors are not used: `h.2.ln_1.weight`, `h.0.attn.c_attn.lora_A.weight`, `v_head.bias`";
    assert_eq!(notices(model.path()), [wanted]);

    let bert = tiny_models::Bert { prefix: "bert.", ..tiny_models::Bert::default() }.write().unwrap();
    let known = ["bert.embeddings.position_ids", "cls.predictions.bias", "bert.pooler.dense.extra", "qa_outputs.bias"];
    let unknown = ["bert.encoder.layer.9.output.dense.bias", "linear.weight"].map(extra);
    replace_weights(&bert, &[bert.tensors.clone(), known.map(extra).to_vec(), unknown.to_vec()].concat());
    let wanted = "model.safetensors: 2 tensors are not used: `bert.encoder.layer.9.output.dense.bias`, `linear.weight`";
    assert_eq!(notices(bert.path()), [wanted]);
}

#[test]
fn golden_models_use_all_of_their_tensors() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    for entry in std::fs::read_dir(golden).unwrap() {
        let dir = entry.unwrap().path();
        if dir.join("config.json").exists() {
            let bundle = Bundle::open(&dir).unwrap();
            // Of fp8 the rounding of activations is not followed, whatever the tensors are.
            let of_tensors = bundle.notices().iter().filter(|notice| notice.key() != Some("quantization_config"));
            let notices: Vec<&Notice> = of_tensors.chain(&bundle.generation().notices).collect();
            assert!(notices.is_empty(), "{}: {notices:?}", dir.display());
        }
    }
}

#[test]
fn end_token_that_no_token_has_never_matches_and_is_named() {
    for (value, wanted) in [(json!(50256), vec![]), (json!(-1), vec![]), (json!([7, 211]), vec![7])] {
        let model = gpt2();
        set(&model, "config.json", "eos_token_id", value.clone());
        set(&model, "config.json", "bos_token_id", json!(50256));
        set(&model, "generation_config.json", "eos_token_id", value);
        let bundle = Bundle::open(model.path()).unwrap();
        assert_eq!((&bundle.generation().eos_token_ids, bundle.generation().bos_token_id), (&wanted, None));
        let notices = notices(model.path());
        assert!(
            notices.len() == 1 && notices[0].starts_with("generation_config.json: `eos_token_id` has id"),
            "{notices:?}"
        );
    }
}

#[test]
fn wishes_for_generation_that_cannot_be_followed_are_named() {
    let model = gpt2();
    let wishes = json!({
        "num_beams": 4, "guidance_scale": 1.5, "penalty_alpha": 0.6, "num_return_sequences": 2, "token_healing": true,
        "watermarking_config": {"bias": 2.0}, "chat_format": "raw", "length_penalty": 2.0, "use_cache": false,
        "output_scores": true, "transformers_version": "5.23.0", "_from_model_config": true, "forced_bos_token_id": 9999
    });
    model.replace("generation_config.json", wishes.to_string()).unwrap();
    let bundle = Bundle::open(model.path()).unwrap();
    let keys: Vec<&str> = bundle.generation().notices.iter().filter_map(Notice::key).collect();
    assert_eq!(
        keys,
        [
            "chat_format",
            "guidance_scale",
            "num_beams",
            "num_return_sequences",
            "penalty_alpha",
            "token_healing",
            "watermarking_config",
            "forced_bos_token_id"
        ]
    );
    let beams = &bundle.generation().notices[2].to_string();
    assert!(
        beams.ends_with("generation_config.json: `num_beams` 4 is not followed: no beam search is done"),
        "{beams}"
    );
}

#[test]
fn wishes_in_the_models_configuration_count_without_a_file_of_their_own() {
    let model = gpt2();
    set(&model, "config.json", "do_sample", json!(true));
    set(&model, "config.json", "num_beams", json!(2));
    let bundle = Bundle::open(model.path()).unwrap();
    assert_eq!(bundle.generation().do_sample, Some(true));
    assert_eq!(notices(model.path()), ["config.json: `num_beams` 2 is not followed: no beam search is done"]);
    model.replace("generation_config.json", "{}").unwrap();
    assert_eq!(Bundle::open(model.path()).unwrap().generation().do_sample, None);
    assert_eq!(
        notices(model.path()),
        [
            "config.json: `do_sample` true is not used: generation_config.json comes first",
            "config.json: `num_beams` 2 is not used: generation_config.json comes first"
        ]
    );
}

#[test]
fn keys_of_the_configuration_are_followed_named_or_refused() {
    let model = gpt2();
    set(&model, "config.json", "colour", json!("red"));
    set(&model, "config.json", "prefix", json!("Say: "));
    set(&model, "config.json", "summary_type", json!("last"));
    set(&model, "config.json", "task_specific_params", json!({"text-generation": {"do_sample": true}}));
    assert_eq!(
        notices(model.path()),
        [
            "config.json: `colour` \"red\" is an unknown key and is not followed",
            "config.json: `prefix` \"Say: \" is not followed: nothing is put before a text (transformers' pipelines would)"
        ]
    );
    for (key, value) in [
        ("is_encoder_decoder", json!(true)),
        ("pruned_heads", json!({"0": [1]})),
        ("transformers_weights", json!("other.safetensors")),
        ("hidden_size", json!(40)),
    ] {
        let model = gpt2();
        set(&model, "config.json", key, value);
        let error = Bundle::open(model.path()).unwrap_err();
        assert!(matches!(&error, LoadError::Config { key: found, .. } if found == key), "{error}");
    }
}

#[test]
fn sizes_under_their_general_names_are_read() {
    let model = gpt2();
    let plain = logits(model.path());
    let config = tiny_models::Gpt2::default().config();
    let renamed = config
        .replace("n_positions", "max_position_embeddings")
        .replace("n_embd", "hidden_size")
        .replace("\"n_head\"", "\"num_attention_heads\"")
        .replace("n_layer", "num_hidden_layers");
    model.replace("config.json", renamed).unwrap();
    assert_eq!(logits(model.path()), plain);
}

#[test]
fn adapter_beside_the_weights_is_refused() {
    let model = gpt2();
    model.replace("adapter_config.json", r#"{"peft_type":"LORA"}"#).unwrap();
    let message = Bundle::open(model.path()).unwrap_err().to_string();
    assert!(message.contains("adapter_config.json") && message.contains("merge"), "{message}");
}

/// A BERT in the layout of sentence-transformers, with 512 positions.
fn sentence_model() -> ModelDir {
    let model = tiny_models::Bert { context: 512, ..tiny_models::Bert::default() }.write().unwrap();
    let modules = r#"[{"path":"","type":"sentence_transformers.models.Transformer"},
        {"path":"1_Pooling","type":"sentence_transformers.models.Pooling"}]"#;
    model.replace("modules.json", modules).unwrap();
    std::fs::create_dir(model.path().join("1_Pooling")).unwrap();
    model.replace("1_Pooling/config.json", r#"{"pooling_mode":"mean"}"#).unwrap();
    model
}

fn open(model: &ModelDir, options: EmbedOptions) -> Result<Embedder, Error> {
    Embedder::open(model.path(), options, &runtime(), &|_| ())
}

#[test]
fn longest_input_of_a_model_saved_again_is_256_of_its_tokenizer_and_not_512() {
    let model = sentence_model();
    // What sentence-transformers 6 writes.
    let settings = json!({"transformer_task": "feature-extraction", "module_output_name": "token_embeddings",
        "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}});
    model.replace("sentence_bert_config.json", settings.to_string()).unwrap();
    set(&model, "tokenizer_config.json", "model_max_length", json!(256));
    let embedder = open(&model, EmbedOptions::default()).unwrap();
    assert_eq!(embedder.limit().to_string(), "256 tokens (`model_max_length` of tokenizer_config.json)");
    assert_eq!(embedder.tokens(&"a ".repeat(600)).unwrap().len(), 256);
    assert_eq!(embedder.notices(), []);
    let runtime = runtime();
    let texts = ["a".to_owned(), "b ".repeat(254), "c ".repeat(255), "d ".repeat(9999)];
    let state = &mut embedder.model().activations().unwrap();
    assert_eq!(embedder.embed_noting_cuts(&texts, state, &runtime).unwrap().cut.len(), 2);

    set(&model, "sentence_bert_config.json", "max_seq_length", json!(128));
    let embedder = open(&model, EmbedOptions::default()).unwrap();
    assert_eq!(embedder.limit().to_string(), "128 tokens (`max_seq_length` of sentence_bert_config.json)");

    set(&model, "sentence_bert_config.json", "max_seq_length", json!(null));
    set(&model, "tokenizer_config.json", "model_max_length", json!(1e30));
    let embedder = open(&model, EmbedOptions::default()).unwrap();
    assert_eq!(embedder.limit().to_string(), "512 tokens (`max_position_embeddings` of config.json)");
}

#[test]
fn longest_input_beyond_the_positions_is_named() {
    let model = sentence_model();
    model.replace("sentence_bert_config.json", r#"{"max_seq_length":1000}"#).unwrap();
    let embedder = open(&model, EmbedOptions::default()).unwrap();
    assert_eq!(embedder.max_tokens(), 512);
    let notice = embedder.notices()[0].to_string();
    assert!(
        notice.ends_with("`max_seq_length` 1000 is not followed: texts are cut at the model's 512 positions"),
        "{notice}"
    );
}

#[test]
fn sentence_settings_that_would_make_other_vectors_are_refused() {
    let cases = [
        ("sentence_bert_config.json", "transformer_task", json!("fill-mask")),
        ("sentence_bert_config.json", "module_output_name", json!("sentence_embedding")),
        ("sentence_bert_config.json", "modality_config", json!({"message": {"method": "forward"}})),
        ("sentence_bert_config.json", "config_args", json!({"num_hidden_layers": 1})),
        ("sentence_bert_config.json", "tokenizer_args.do_lower_case", json!({"do_lower_case": false})),
        (
            "sentence_bert_config.json",
            "processing_kwargs.text.add_special_tokens",
            json!({"text": {"add_special_tokens": false}}),
        ),
        ("config_sentence_transformers.json", "model_type", json!("SparseEncoder")),
        ("config_sentence_transformers.json", "default_prompt_name", json!("no such")),
        ("config_sentence_transformers.json", "truncate_dim", json!(0)),
        ("config_sentence_transformers.json", "prompts.query", json!({"query": 1})),
        ("1_Pooling/config.json", "pooling_mode", json!(["mean", "cls"])),
        ("1_Pooling/config.json", "embedding_dimension", json!(40)),
        ("tokenizer_config.json", "model_max_length", json!(-1)),
        ("tokenizer_config.json", "truncation_side", json!("middle")),
    ];
    for (file, key, value) in cases {
        let model = sentence_model();
        let top = key.split('.').next().unwrap();
        let top = if key.starts_with("prompts") { "prompts" } else { top };
        set(&model, file, top, value);
        let error = open(&model, EmbedOptions::default()).unwrap_err();
        let message = error.to_string();
        assert!(
            matches!(&error, Error::Load(LoadError::Config { key: found, .. }) if found == key),
            "{key}: {message}"
        );
        assert!(message.contains(file), "{message}");
    }
    let model = sentence_model();
    model
        .replace(
            "modules.json",
            r#"[{"path":"","type":"custom_st.Transformer"},{"path":"1_Pooling","type":"custom_st.Pooling"}]"#,
        )
        .unwrap();
    let message = open(&model, EmbedOptions::default()).unwrap_err().to_string();
    assert!(message.contains("custom_st.Transformer"), "{message}");
}

#[test]
fn sentence_settings_that_are_not_followed_are_named() {
    let model = sentence_model();
    model
        .replace(
            "sentence_bert_config.json",
            r#"{"query_length":32,"colour":1,"model_args":{"torch_dtype":"float16"}}"#,
        )
        .unwrap();
    model
        .replace("config_sentence_transformers.json", r#"{"__version__":{},"similarity_fn_name":"dot","size":2}"#)
        .unwrap();
    let embedder = open(&model, EmbedOptions::default()).unwrap();
    let keys: Vec<&str> = embedder.notices().iter().filter_map(Notice::key).collect();
    assert_eq!(keys, ["model_args", "query_length", "colour", "size"]);

    std::fs::remove_file(model.path().join("modules.json")).unwrap();
    let embedder = open(&model, EmbedOptions::default()).unwrap();
    let kinds: Vec<&str> = embedder.notices().iter().map(Notice::kind).collect();
    assert_eq!(kinds, ["unread file", "unread file"]);
}

#[test]
fn prompt_that_the_model_does_not_have_is_an_error_with_those_it_has() {
    let model = sentence_model();
    model
        .replace("config_sentence_transformers.json", r#"{"prompts":{"query":"query: ","passage":"passage: "}}"#)
        .unwrap();
    let named = |name: &str| EmbedOptions { prompt: Some(Prompt::Named(name.to_owned())), ..EmbedOptions::default() };
    let message = open(&model, named("quest")).unwrap_err().to_string();
    assert_eq!(message, "prompt \"quest\": wanted one of `document`, `passage`, `query`");
    assert_eq!(open(&model, named("passage")).unwrap().prompt(), "passage: ");
}

#[test]
fn arguments_of_the_tokenizer_under_their_older_name_come_first() {
    let model = sentence_model();
    set(&model, "sentence_bert_config.json", "tokenizer_args", json!({"model_max_length": 10}));
    set(&model, "sentence_bert_config.json", "processor_kwargs", json!({"model_max_length": 12}));
    let embedder = open(&model, EmbedOptions::default()).unwrap();
    let wanted = "10 tokens (`tokenizer_args.model_max_length` of sentence_bert_config.json)";
    assert_eq!(embedder.limit().to_string(), wanted);
}

#[test]
fn norm_of_bert_that_has_both_names_is_the_older_one_as_in_transformers() {
    let vector = |model: &ModelDir| {
        let embedder = open(model, EmbedOptions::default()).unwrap();
        embedder.embed(&["a b"], &mut embedder.model().activations().unwrap(), &runtime()).unwrap()
    };
    let model = sentence_model();
    let plain = vector(&model);
    let at = model.tensors.iter().position(|tensor| tensor.name == "embeddings.LayerNorm.weight").unwrap();
    let mut changed = model.tensors.clone();
    changed[at].values.iter_mut().for_each(|x| *x *= -3.0);
    replace_weights(&model, &changed);
    let wanted = vector(&model);
    assert_ne!(wanted, plain);
    let older = Tensor { name: "embeddings.LayerNorm.gamma".to_owned(), ..changed[at].clone() };
    replace_weights(&model, &[model.tensors.clone(), vec![older]].concat());
    assert_eq!(vector(&model), wanted);
    assert_eq!(notices(model.path()), ["model.safetensors: 1 tensor is not used: `embeddings.LayerNorm.weight`"]);
}

#[test]
fn norm_of_gpt2_under_the_older_name_is_missing_as_in_transformers() {
    let model = gpt2();
    let mut tensors = model.tensors.clone();
    tensors.iter_mut().for_each(|tensor| tensor.name = tensor.name.replace("ln_f.weight", "ln_f.gamma"));
    replace_weights(&model, &tensors);
    assert_eq!(notices(model.path()), ["model.safetensors: 1 tensor is not used: `ln_f.gamma`"]);
    let error = Bundle::open(model.path()).unwrap().into_causal_model(&runtime(), &|_| ()).unwrap_err();
    assert!(
        matches!(&error, Error::Load(LoadError::MissingTensor { wanted, .. }) if wanted == &["ln_f.weight"]),
        "{error}"
    );
}

#[test]
fn longest_input_without_room_for_the_special_tokens_is_refused_by_file_and_key() {
    let model = sentence_model();
    model.replace("sentence_bert_config.json", r#"{"max_seq_length":1}"#).unwrap();
    let message = open(&model, EmbedOptions::default()).unwrap_err().to_string();
    assert!(
        message.ends_with(
            "sentence_bert_config.json: `max_seq_length`: wanted at least the 2 special tokens of each text, found 1"
        ),
        "{message}"
    );
}

#[test]
fn stop_strings_without_a_tokenizer_are_named() {
    let model = gpt2();
    model.replace("generation_config.json", r#"{"stop_strings":["Q:"]}"#).unwrap();
    let bundle = Bundle::open(model.path()).unwrap();
    let notice = bundle.stop_strings_notice().unwrap().to_string();
    assert!(
        notice.contains("generation_config.json: `stop_strings` [\"Q:\"] is not followed: the model has no tokenizer"),
        "{notice}"
    );
}
