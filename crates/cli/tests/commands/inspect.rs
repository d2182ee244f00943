//! `cke inspect`.

use crate::support::{Outcome, arg, cke, file, keys};
use cke_testkit::GgufLlama;
use cke_testkit::tiny_models::{Bert, Dtype, Gpt2, Llama, ModelDir};
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
            "chat_template",
            "config",
            "decoder",
            "dtypes",
            "files",
            "gguf",
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
                "activation": "gelu (tanh)", "positions": "learned", "tied_embeddings": true })
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
    let wanted =
        ["activations", "available", "context", "dtype", "kv_cache", "kv_dtype", "threads", "total", "weights"];
    assert_eq!(keys(memory), wanted);
    // Two layers of keys and values of 40 positions, at least.
    assert!(size("kv_cache") >= 2 * 2 * 40 * 39 * 4);
    // All but layer norms and their like.
    assert!(size("weights") >= 211 * 39 * 4 + 2 * 12 * 39 * 39 * 4);
    assert_eq!(size("total"), size("weights") + size("kv_cache") + size("activations"));
}

#[test]
fn inspect_memory_follows_the_flags() {
    let model = Gpt2::default().write().expect("a directory");
    let memory = |flags: &[&str]| inspect(&model, &[&["--json"], flags].concat()).json()["memory"].clone();
    let (whole, short) = (memory(&[]), memory(&["--ctx", "20"]));
    let (narrow, narrowest) = (memory(&["--kv", "bf16"]), memory(&["--kv", "int8"]));
    assert_eq!((&whole["context"], &short["context"]), (&json!(40), &json!(20)));
    assert_eq!((&whole["kv_dtype"], &narrow["kv_dtype"]), (&json!("f32"), &json!("bf16")));
    let bytes = |memory: &Value| memory["kv_cache"].as_u64().expect("a size");
    assert!(bytes(&short) < bytes(&whole) && bytes(&narrow) < bytes(&whole) && bytes(&narrowest) < bytes(&narrow));
    inspect(&model, &["--ctx", "41"]).failure(2, &["--ctx 41", "at most 40, the context of"]);
    let text = inspect(&model, &["--kv", "bf16"]).success().to_owned();
    assert!(text.contains("| KV cache (keys and values), bf16"), "{text}");
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
    let text = inspect(&model, &[]).success().to_owned();
    for part in ["none: text needs one", "learned, a vector for each", "how it knows the order of tokens"] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
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
fn inspect_decoder_shows_its_parts_and_the_chat_template() {
    let model = Llama::default().write().expect("a directory");
    let report = inspect(&model, &["--json"]).json();
    let decoder = &report["decoder"];
    let norms = json!({ "kind": "RMS", "epsilon": 1e-6, "of_heads": false, "behind_layers": false });
    assert_eq!((&decoder["norms"], &decoder["biases"]), (&norms, &json!([])));
    let rope = json!({ "theta": 1e4, "columns": 6, "scaling": "none", "factor": null, "original_positions": null });
    assert_eq!(decoder["ropes"], json!([rope]));
    assert_eq!(decoder["layers"], json!([{ "count": 2, "window": null, "rope": 0 }]));
    assert_eq!(
        (&report["chat_template"]["text"], &report["config"]["positions"]),
        (&json!(Llama::CHAT_ML), &json!("rotary"))
    );
    let text = inspect(&model, &[]).success().to_owned();
    for part in [
        "6 of 6, 2 key heads",
        "theta 10000, 6 columns of a head, not scaled, all layers",
        "tokenizer_config.json, 8 lines",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    assert_eq!(inspect(&model, &["--chat-template"]).success(), format!("{}\n", Llama::CHAT_ML));
    let without = Llama { template: "", ..Llama::default() }.write().expect("a directory");
    inspect(&without, &["--chat-template"]).failure(1, &["wanted a chat template, found none"]);
}

/// What is shown of a tiny Llama with other keys in its configuration.
fn inspected(changes: &[(&str, &str)]) -> String {
    let model = Llama::default().write().expect("a directory");
    let changed = changes.iter().fold(Llama::default().config(), |config, (from, to)| {
        assert!(config.contains(from), "no {from} in {config}");
        config.replace(from, to)
    });
    model.replace("config.json", changed).expect("a file");
    inspect(&model, &[]).success().to_owned()
}

#[test]
fn inspect_decoder_shows_scalings_windows_caps_and_norms() {
    let llama3 = r#""rope_scaling":{"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,
        "original_max_position_embeddings":50},"attention_bias":true"#;
    let text = inspected(&[(r#""attention_bias":false"#, llama3)]);
    for part in ["llama3 × 8 beyond 50 positions, all layers", "queries, keys and values; attention's output"] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    let text = inspected(&[
        (r#""model_type":"llama""#, r#""model_type":"gemma2","sliding_window":30"#),
        ("LlamaFor", "Gemma2For"),
        (r#""num_hidden_layers":2"#, r#""num_hidden_layers":3"#),
    ]);
    for part in ["; behind each layer", "30 tokens, 2 of 3 layers", "scores 50, logits 30"] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

#[test]
fn inspect_gguf_shows_its_keys() {
    let path = file(".gguf", GgufLlama::default().gguf().key("general.name", "A | B").key("\x1b[31mred", 1u32).bytes());
    let text = cke(&["inspect", arg(path.path())]).success().to_owned();
    for part in ["| GGUF, version 3", "| general.architecture", "STRING \"llama\"", "A \\| B", "blk.0."] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    assert!(text.contains("[31mred") && !text.contains('\x1b'), "{text:?}");
    let report = cke(&["inspect", arg(path.path()), "--json"]).json();
    assert_eq!(report["gguf"]["version"], 3);
    assert_eq!(report["gguf"]["metadata"]["general.architecture"], "llama");
    assert!(report["gguf"]["metadata"]["llama.block_count"].is_u64(), "{report}");
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
