//! `cke inspect`.

use crate::support::{Outcome, arg, cke, keys};
use cke_testkit::tiny_models::{Bert, Dtype, Gpt2, ModelDir};
use serde_json::{Value, json};

fn inspect(model: &ModelDir, flags: &[&str]) -> Outcome {
    cke(&[&["inspect", arg(model.path())], flags].concat())
}

fn elements(model: &ModelDir) -> usize {
    model.tensors.iter().map(|tensor| tensor.values.len()).sum()
}

#[test]
fn inspect_gpt2_json_has_every_fact() {
    let model =
        Gpt2 { vocabulary: 300, dtype: Dtype::Bf16, shards: 2, ..Gpt2::default() }.write().expect("a directory");
    let report = inspect(&model, &["--json"]).json();
    assert_eq!(
        keys(&report),
        [
            "architecture",
            "config",
            "dtypes",
            "files",
            "input_limit",
            "memory",
            "model",
            "notices",
            "packed",
            "parameters",
            "path",
            "sentence",
            "tensors",
            "tokenizer"
        ]
    );
    assert_eq!(report["architecture"], "gpt2");
    assert_eq!(report["parameters"], elements(&model));
    assert_eq!(report["dtypes"], json!({ "BF16": { "tensors": model.tensors.len(), "bytes": 2 * elements(&model) } }));
    assert_eq!(report["files"].as_array().map(Vec::len), Some(2));
    assert_eq!(report["tokenizer"], json!({ "kind": "byte-level BPE", "vocabulary": 257, "error": null }));
    assert_eq!(
        report["config"],
        json!({ "vocabulary": 300, "context": 40, "width": 39, "layers": 2, "heads": 3, "key_heads": 3, "head_dim": 13, "inner": 156,
                "activation": "gelu (tanh)", "tied_embeddings": true })
    );
}

#[test]
fn inspect_json_lists_every_tensor() {
    let model = Gpt2::default().write().expect("a directory");
    let report = inspect(&model, &["--json"]).json();
    let listed: Vec<(&str, Value)> = report["tensors"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|tensor| (tensor["name"].as_str().expect("a name"), tensor["shape"].clone()))
        .collect();
    let written: Vec<(&str, Value)> =
        model.tensors.iter().map(|tensor| (tensor.name.as_str(), json!(tensor.shape))).collect();
    assert_eq!(listed, written);
    assert_eq!(keys(&report["tensors"][0]), ["bytes", "dtype", "file", "name", "shape"]);
}

#[test]
fn inspect_memory_holds_the_weights_in_f32() {
    let model = Gpt2::default().write().expect("a directory");
    let memory = &inspect(&model, &["--json"]).json()["memory"];
    let size = |key: &str| memory[key].as_u64().expect("a size");
    assert_eq!(keys(memory), ["activations", "context", "dtype", "kv_cache", "threads", "total", "weights"]);
    // Two layers of keys and values of 40 positions, at least.
    assert!(size("kv_cache") >= 2 * 2 * 40 * 39 * 4);
    // All but layer norms and their like.
    assert!(size("weights") >= 211 * 39 * 4 + 2 * 12 * 39 * 39 * 4);
    assert_eq!(size("total"), size("weights") + size("kv_cache") + size("activations"));
}

#[test]
fn inspect_text_shares_lines_between_layers_unless_all_are_wanted() {
    let model = Gpt2::default().write().expect("a directory");
    let short = inspect(&model, &[]).success().to_owned();
    assert!(short.contains("h.{0…1}.attn.c_attn.weight") && !short.contains("h.1.attn"), "{short}");
    let long = inspect(&model, &["--tensors"]).success().to_owned();
    assert!(long.contains("| h.0.attn.c_attn.weight") && long.contains("| h.1.attn.c_attn.weight"), "{long}");
}

#[test]
fn inspect_model_without_tokenizer_says_so() {
    let model = Gpt2::default().write().expect("a directory");
    assert!(inspect(&model, &[]).success().to_owned().contains("none: text needs one"));
    let report = inspect(&model, &["--json"]).json();
    assert_eq!(report["tokenizer"], json!({ "kind": null, "vocabulary": null, "error": null }));
}

#[test]
fn inspect_malformed_tokenizer_says_why() {
    let model = Gpt2::default().write().expect("a directory");
    model.replace("tokenizer.json", "{").expect("a file");
    let report = inspect(&model, &["--json"]).json();
    let error = report["tokenizer"]["error"].as_str().expect("a reason");
    assert!(error.contains("tokenizer.json"), "{error}");
}

#[test]
fn inspect_bert_has_its_own_facts() {
    let model = Bert { prefix: "bert.", ..Bert::default() }.write().expect("a directory");
    let report = inspect(&model, &["--json"]).json();
    assert_eq!((&report["architecture"], &report["tokenizer"]["kind"]), (&json!("bert"), &json!("WordPiece")));
    assert_eq!(report["parameters"], elements(&model));
    assert_eq!((&report["config"]["inner"], &report["config"]["tied_embeddings"]), (&json!(77), &Value::Null));
    assert_eq!((&report["memory"]["kv_cache"], &report["sentence"]), (&json!(0), &Value::Null));
    assert!(inspect(&model, &[]).success().to_owned().contains("bert.encoder.layer.{0…1}.output.dense.weight"));
}

#[test]
fn inspect_sentence_layout_tells_the_pooling() {
    let model = Bert::default().write().expect("a directory");
    let modules = r#"[{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Transformer"},
        {"idx":1,"name":"1","path":"1_Pooling","type":"sentence_transformers.models.Pooling"}]"#;
    model.replace("modules.json", modules).expect("a file");
    model.replace("sentence_bert_config.json", r#"{"max_seq_length":32}"#).expect("a file");
    std::fs::create_dir(model.path().join("1_Pooling")).expect("a directory");
    model.replace("1_Pooling/config.json", r#"{"pooling_mode_cls_token":true}"#).expect("a file");
    let report = inspect(&model, &["--json"]).json();
    let prompts = json!({ "query": "", "document": "" });
    assert_eq!(
        report["sentence"],
        json!({ "pooling": "cls", "normalize": false, "max_tokens": 32, "prompts": prompts, "default_prompt": null,
                "include_prompt": true, "truncate_dim": null, "similarity": null })
    );
    let limit = json!({ "tokens": 32, "file": "sentence_bert_config.json", "key": "max_seq_length" });
    assert_eq!(report["input_limit"], limit);
    let text = inspect(&model, &[]).success().to_owned();
    assert!(text.contains("cls, not normalized"), "{text}");
    assert!(text.contains("32 tokens, by `max_seq_length` of sentence_bert_config.json"), "{text}");

    let settings =
        r#"{"prompts":{"query":"q: "},"default_prompt_name":"query","truncate_dim":8,"similarity_fn_name":"dot"}"#;
    model.replace("config_sentence_transformers.json", settings).expect("a file");
    let text = inspect(&model, &[]).success().to_owned();
    for part in ["first 8 numbers", "query: \"q: \" (put before every text)", "| similarity", "dot"] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

#[test]
fn inspect_encoder_without_a_layout_tells_its_longest_input() {
    let model = Bert::default().write().expect("a directory");
    let limit = |model: &ModelDir| inspect(model, &["--json"]).json()["input_limit"].clone();
    let positions = json!({ "tokens": 40, "file": "config.json", "key": "max_position_embeddings" });
    assert_eq!(limit(&model), positions);
    model.replace("tokenizer_config.json", r#"{"model_max_length":16}"#).expect("a file");
    assert_eq!(limit(&model), json!({ "tokens": 16, "file": "tokenizer_config.json", "key": "model_max_length" }));
}

#[test]
fn inspect_lists_what_the_files_say_and_is_not_followed() {
    let model = Gpt2 { vocabulary: 300, ..Gpt2::default() }.write().expect("a directory");
    model.replace("generation_config.json", r#"{"num_beams":4,"eos_token_id":-1}"#).expect("a file");
    model.replace("tokenizer_config.json", r#"{"colour":"red"}"#).expect("a file");
    let outcome = inspect(&model, &["--json"]);
    let report = outcome.json();
    let notices: Vec<(&str, &str)> = report["notices"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|notice| (notice["kind"].as_str().expect("a kind"), notice["key"].as_str().expect("a key")))
        .collect();
    assert_eq!(notices, [("not followed", "num_beams"), ("unusable id", "eos_token_id"), ("unknown key", "colour")]);
    assert_eq!(keys(&report["notices"][0]), ["file", "key", "kind", "message"]);
    assert_eq!(outcome.stderr, "");
    let text = inspect(&model, &[]).success().to_owned();
    assert!(text.contains("what is not followed") && text.contains("`num_beams` 4 is not followed"), "{text}");
}

#[test]
fn inspect_no_such_model_names_the_file() {
    cke(&["inspect", "/nonexistent/model"])
        .failure(1, &["/nonexistent/model: wanted a model directory", "No such file"]);
}

#[test]
fn inspect_contradicting_config_is_an_error() {
    let model = Gpt2::default().write().expect("a directory");
    model
        .replace("config.json", r#"{"model_type":"gpt2","vocab_size":211,"n_embd":39,"n_layer":2,"n_head":2}"#)
        .expect("a file");
    inspect(&model, &[]).failure(1, &["n_head"]);
}
