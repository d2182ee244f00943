//! The scaling of rotary frequencies.

use super::{config, model};
use cke_engine::weights::Checkpoint;
use cke_testkit::{Gguf, GgufLlama};
use serde_json::json;

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
