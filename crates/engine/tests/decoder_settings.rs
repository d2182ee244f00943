//! Settings of decoders that contradict each other, have older forms, or are not followed: as transformers 5 reads them.

use cke_engine::config::{DecoderConfig, ModelConfig, RopeScaling};
use cke_engine::load_error::LoadError;
use serde_json::{Value, json};
use std::path::Path;

/// The configuration of a family with these keys, of four layers with two heads of 100 columns; a key that is `null` here is absent.
fn read(family: &str, keys: &Value) -> Result<DecoderConfig, LoadError> {
    let mut json = json!({
        "model_type": family, "vocab_size": 50, "hidden_size": 200, "intermediate_size": 80, "num_hidden_layers": 4,
        "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 100, "max_position_embeddings": 8192,
    });
    json.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    json.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    match ModelConfig::from_json(json.to_string().as_bytes(), Path::new("config.json"))? {
        ModelConfig::Decoder(config) => Ok(config),
        other => panic!("{other:?}"),
    }
}

fn decoder(family: &str, keys: Value) -> DecoderConfig {
    read(family, &keys).unwrap()
}

fn windows(config: &DecoderConfig) -> Vec<Option<usize>> {
    config.layers.iter().map(|layer| layer.window).collect()
}

#[test]
fn part_of_a_head_that_turns_is_phi3s_alone_and_rounded_down() {
    let keys = json!({"partial_rotary_factor": 0.58});
    for family in ["llama", "mistral", "qwen2", "qwen3", "smollm3", "gemma2", "gemma3_text"] {
        assert_eq!(decoder(family, keys.clone()).ropes[0].rotary_dims, 100, "{family}");
    }
    // 100 · 0.58 is just below 58 in f64, and 57 is odd; 100 · 0.28 is just above 28.
    assert!(read("phi3", &keys).unwrap_err().to_string().contains("an even number of columns, found 0.58"));
    for family in ["llama", "phi3"] {
        let odd = read(family, &json!({"head_dim": 3})).unwrap_err().to_string();
        assert!(odd.contains("`head_dim`: wanted heads of an even number of columns, not of 3, found 3"), "{odd}");
    }
    assert_eq!(decoder("phi3", json!({"rope_parameters": {"partial_rotary_factor": 0.28}})).ropes[0].rotary_dims, 28);
}

#[test]
fn ropes_whose_settings_say_nothing_are_the_usual_ones() {
    let keys = json!({"rope_scaling": {}, "rope_parameters": {"rope_theta": 700, "rope_type": "linear", "factor": 2}});
    let rope = &decoder("llama", keys).ropes[0];
    assert_eq!((rope.theta, &rope.scaling), (700.0, &RopeScaling::Linear { factor: 2.0 }));
    let yarn = |zero| json!({"rope_scaling": {"type": "yarn", "factor": 2, "mscale": 1, "mscale_all_dim": zero, "beta_fast": zero}});
    assert_eq!(decoder("llama", yarn(json!(0))).ropes, decoder("llama", yarn(Value::Null)).ropes);
    let dynamic = json!({"rope_scaling": {"type": "dynamic", "factor": 2}});
    assert_eq!(decoder("llama", dynamic).ropes[0].scaling, RopeScaling::None);
}

#[test]
fn gemma3_reads_the_ropes_of_its_two_kinds_of_layers() {
    let theta = |keys| decoder("gemma3_text", keys).ropes.iter().map(|rope| rope.theta).collect::<Vec<_>>();
    assert_eq!(theta(json!({})), [1e6, 1e4]);
    assert_eq!(theta(json!({"rope_theta": 700, "rope_local_base_freq": 30})), [700.0, 30.0]);
    let nested = json!({"full_attention": {"rope_type": "default"}, "sliding_attention": {"rope_theta": 9}});
    assert_eq!(theta(json!({"rope_theta": 700, "rope_parameters": nested})), [700.0, 9.0]);
    // Not nested, it belongs to no kind of layer.
    assert_eq!(theta(json!({"rope_parameters": {"rope_theta": 700}})), [1e6, 1e4]);
    let both = json!({"rope_scaling": {"rope_type": "linear", "factor": 4}, "rope_parameters": nested});
    assert_eq!(decoder("gemma3_text", both).ropes[0].scaling, RopeScaling::Linear { factor: 4.0 });
}

#[test]
fn soft_cap_of_scores_is_gemma2s_alone() {
    let keys = json!({"attn_logit_softcapping": 20});
    let cap = |family| decoder(family, keys.clone()).attention_cap;
    assert_eq!([cap("gemma2"), cap("gemma3_text"), cap("llama")], [Some(20.0), None, None]);
}

#[test]
fn kinds_of_layers_decide_which_have_the_window() {
    let kinds = json!(["sliding_attention", "full_attention", "full_attention", "sliding_attention"]);
    let keys = json!({"layer_types": kinds, "sliding_window": 8});
    let listed = [Some(8), None, None, Some(8)];
    assert_eq!(windows(&decoder("smollm3", keys.clone())), listed);
    assert_eq!(windows(&decoder("mistral", keys.clone())), listed);
    assert_eq!(windows(&decoder("phi3", keys)), [Some(8); 4]);
    assert_eq!(windows(&decoder("smollm3", json!({"sliding_window": 8}))), [None; 4]);
    let pattern = json!({"_sliding_window_pattern": 2, "sliding_window": 8});
    assert_eq!(windows(&decoder("gemma3_text", pattern)), [Some(8); 4], "every sixth layer is global");
}

#[test]
fn absent_key_heads_are_those_of_the_family() {
    let keys = json!({"num_attention_heads": 64, "num_key_value_heads": null});
    let config = |family| decoder(family, keys.clone()).num_key_value_heads;
    let found = ["llama", "phi3", "mistral", "gemma2", "gemma3_text", "smollm3", "qwen2", "qwen3"].map(config);
    assert_eq!(found, [64, 64, 8, 4, 4, 4, 32, 32]);
}

#[test]
fn phi3_was_trained_on_4096_positions_unless_the_configuration_itself_says_otherwise() {
    let factors = vec![1.0; 50];
    let rope = json!({
        "rope_type": "longrope", "short_factor": factors, "long_factor": factors, "original_max_position_embeddings": 64,
    });
    let trained = |keys| match decoder("phi3", keys).ropes[0].scaling {
        RopeScaling::LongRope { original_positions, .. } => original_positions,
        ref other => panic!("{other:?}"),
    };
    assert_eq!(trained(json!({"rope_parameters": rope})), 4096);
    assert_eq!(trained(json!({"rope_parameters": rope, "original_max_position_embeddings": 128})), 128);
}
