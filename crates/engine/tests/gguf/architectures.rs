//! What differs between architectures.

use super::{config, model, notices};
use cke_testkit::{Gguf, GgufLlama, GgufValue};
use serde_json::json;

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
