//! Configurations that make no model.

use std::path::Path;

use cke_engine::config::ModelConfig;
use cke_engine::generation_config::GenerationConfig;
use cke_engine::load_error::LoadError;
use cke_engine::sentence::SentenceConfig;

use crate::Dir;

const GPT2: &str = r#"{"model_type":"gpt2","vocab_size":211,"n_positions":48,"n_embd":51,"n_layer":2,"n_head":3}"#;
const BERT: &str = r#"{"model_type":"bert","vocab_size":211,"hidden_size":51,"num_hidden_layers":2,
    "num_attention_heads":3,"intermediate_size":100}"#;

/// `json` with `key` set to `value`.
fn with(json: &str, key: &str, value: &str) -> String {
    let mut object: serde_json::Value = serde_json::from_str(json).unwrap();
    object[key] = serde_json::from_str(value).unwrap();
    object.to_string()
}

/// The message for a `config.json` that must be refused for `key`.
#[track_caller]
fn config_error(json: &str, key: &str) -> String {
    let error = ModelConfig::from_json(json.as_bytes(), Path::new("config.json")).unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, LoadError::Config { key: found, .. } if found == key), "{key}: {message}");
    assert!(message.starts_with(&format!("config.json: `{key}`: wanted ")), "{message}");
    message
}

#[test]
fn config_heads_that_do_not_divide_the_width_are_refused() {
    let message = config_error(&with(GPT2, "n_head", "4"), "n_head");
    assert_eq!(message, "config.json: `n_head`: wanted a divisor of the width 51, found 4");
    config_error(&with(BERT, "num_attention_heads", "2"), "num_attention_heads");
}

#[test]
fn config_absurd_sizes_are_refused() {
    let absurd = ["0", "-1", "1.5", "18446744073709551615", "1e30", "\"12\"", "[1]", "true"];
    for value in absurd {
        for key in ["vocab_size", "n_positions", "n_embd", "n_layer", "n_head", "n_inner"] {
            assert!(config_error(&with(GPT2, key, value), key).contains("a whole number from 1 to"));
        }
        for key in [
            "vocab_size",
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "intermediate_size",
            "max_position_embeddings",
            "type_vocab_size",
        ] {
            assert!(config_error(&with(BERT, key, value), key).contains("a whole number from 1 to"));
        }
    }
}

#[test]
fn config_missing_sizes_are_refused() {
    for key in ["vocab_size", "n_embd", "n_layer", "n_head"] {
        let message = config_error(&with(GPT2, key, "null"), key);
        assert!(message.ends_with("found null"), "{message}");
        let mut without: serde_json::Value = serde_json::from_str(GPT2).unwrap();
        without.as_object_mut().unwrap().remove(key);
        let message = config_error(&without.to_string(), key);
        assert!(message.ends_with("found no such key"), "{message}");
    }
}

#[test]
fn config_epsilon_that_is_no_small_positive_number_is_refused() {
    for value in ["0", "-1e-5", "1e-60", "1", "\"NaN\""] {
        config_error(&with(GPT2, "layer_norm_epsilon", value), "layer_norm_epsilon");
        config_error(&with(BERT, "layer_norm_eps", value), "layer_norm_eps");
    }
    for literal in ["NaN", "Infinity", "1e999"] {
        let json = GPT2.replace('}', &format!(",\"layer_norm_epsilon\":{literal}}}"));
        let error = ModelConfig::from_json(json.as_bytes(), Path::new("config.json")).unwrap_err();
        assert!(matches!(error, LoadError::Json { .. }), "{literal}: {error}");
    }
}

#[test]
fn config_unknown_names_are_refused_with_the_known_ones() {
    let message = config_error(&with(GPT2, "activation_function", "\"quick_gelu\""), "activation_function");
    assert!(message.contains("gelu_new") && message.ends_with("found \"quick_gelu\""), "{message}");
    let message = config_error(r#"{"model_type":"mamba"}"#, "model_type");
    assert!(message.starts_with("config.json: `model_type`: wanted one of gpt2, bert, llama, "), "{message}");
    assert!(message.ends_with(", found \"mamba\""), "{message}");
    config_error("{}", "model_type");
    config_error(r#"{"architectures":["BertGenerationEncoder"]}"#, "model_type");
    config_error(&with(BERT, "position_embedding_type", "\"relative_key\""), "position_embedding_type");
    config_error(&with(BERT, "is_decoder", "true"), "is_decoder");
}

#[test]
fn config_token_ids_outside_the_vocabulary_never_match() {
    for (value, wanted) in
        [("211", vec![]), ("-1", vec![]), ("50256", vec![]), ("[1,211]", vec![1]), ("210", vec![210])]
    {
        let json = with(GPT2, "eos_token_id", value);
        let model = ModelConfig::from_json(json.as_bytes(), Path::new("config.json")).unwrap();
        let ModelConfig::Gpt2(config) = model else { panic!("a GPT-2") };
        assert_eq!(config.eos_token_ids, wanted, "{value}");
    }
    let json = with(BERT, "pad_token_id", "211");
    let model = ModelConfig::from_json(json.as_bytes(), Path::new("config.json")).unwrap();
    assert!(matches!(model, ModelConfig::Bert(config) if config.pad_token_id.is_none()));
}

#[test]
fn config_token_ids_that_are_no_whole_numbers_are_refused() {
    for value in ["[\"a\"]", "\"a\"", "1.5", "[1,[2]]", "true"] {
        config_error(&with(GPT2, "eos_token_id", value), "eos_token_id");
    }
    config_error(&with(BERT, "pad_token_id", "[1]"), "pad_token_id");
}

#[test]
fn config_of_wrong_form_is_refused() {
    for json in ["", "[]", "{", "{\"model_type\":", &format!("{}{}", "[".repeat(10_000), "]".repeat(10_000))] {
        let error = ModelConfig::from_json(json.as_bytes(), Path::new("config.json")).unwrap_err();
        assert!(matches!(error, LoadError::Json { .. } | LoadError::OtherFormat { .. }), "{error}");
    }
    let dir = Dir::with(&[]);
    assert!(matches!(ModelConfig::load(dir.path()).unwrap_err(), LoadError::Io { .. }));
    let large = Dir::with(&[("config.json", &vec![b' '; (8 << 20) + 1])]);
    assert!(matches!(ModelConfig::load(large.path()).unwrap_err(), LoadError::TooLarge { .. }));
}

#[test]
fn generation_config_out_of_range_is_refused() {
    let model = ModelConfig::from_json(GPT2.as_bytes(), Path::new("config.json")).unwrap();
    for (key, value) in [
        ("temperature", "-0.5"),
        ("temperature", "\"hot\""),
        ("top_p", "0"),
        ("top_p", "1.5"),
        ("min_p", "-0.1"),
        ("top_k", "-1"),
        ("repetition_penalty", "0"),
        ("eos_token_id", "\"end\""),
        ("do_sample", "1"),
        ("max_new_tokens", "1e3"),
    ] {
        let json = with("{}", key, value);
        let error = GenerationConfig::from_json(json.as_bytes(), Path::new("generation_config.json"), &model);
        let message = error.unwrap_err().to_string();
        assert!(message.starts_with(&format!("generation_config.json: `{key}`: wanted ")), "{message}");
    }
}

#[test]
fn sentence_layout_that_is_not_supported_is_refused() {
    let module = |class: &str, path: &str| {
        format!(r#"{{"idx":0,"name":"0","path":"{path}","type":"sentence_transformers.models.{class}"}}"#)
    };
    let load = |modules: &[String], pooling: &str| {
        let json = format!("[{}]", modules.join(","));
        let dir = Dir::with(&[("modules.json", json.as_bytes()), ("1_Pooling/config.json", pooling.as_bytes())]);
        SentenceConfig::load(dir.path(), Some(36)).unwrap_err().to_string()
    };
    let (transformer, pooling) = (module("Transformer", ""), module("Pooling", "1_Pooling"));
    let both = [transformer.clone(), pooling.clone()];
    assert!(load(&[transformer.clone(), module("Dense", "2_Dense")], "{}").ends_with("found Transformer, Dense"));
    assert!(load(&[], "{}").ends_with("found none"));
    assert!(load(&[transformer, module("Pooling", "../1_Pooling")], "{}").contains("\"../1_Pooling\""));
    assert!(load(&[module("Transformer", "/etc"), pooling], "{}").contains("\"/etc\""));
    assert!(load(&both, r#"{"word_embedding_dimension":35}"#).ends_with("wanted the model's width 36, found 35"));
    assert!(load(&both, r#"{"pooling_mode_weightedmean_tokens":true}"#).contains("not supported"));
    let two = r#"{"pooling_mode_cls_token":true,"pooling_mode_max_tokens":true}"#;
    assert!(load(&both, two).contains("another pooling is on"));
    assert!(load(&both, r#"{"pooling_mode":"sum"}"#).contains("\"sum\""));
}
