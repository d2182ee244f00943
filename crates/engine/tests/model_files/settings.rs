//! Settings of a language model and of its generation.

use super::{gpt2, logits, notices, set};
use cke_engine::bundle::Bundle;
use cke_engine::load_error::LoadError;
use cke_engine::notice::Notice;
use cke_testkit::tiny_models;
use serde_json::json;

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
fn adapter_beside_the_weights_is_refused() {
    let model = gpt2();
    model.replace("adapter_config.json", r#"{"peft_type":"LORA"}"#).unwrap();
    let message = Bundle::open(model.path()).unwrap_err().to_string();
    assert!(message.contains("adapter_config.json") && message.contains("merge"), "{message}");
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
