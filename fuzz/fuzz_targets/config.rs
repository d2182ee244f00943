//! Any bytes as a model's configuration files: no panic, and what is accepted is a possible model.

#![no_main]

use std::path::Path;

use cke_engine::config::ModelConfig;
use cke_engine::generation_config::GenerationConfig;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| {
    let Ok(model) = ModelConfig::from_json(json, Path::new("config.json")) else { return };
    let (heads, epsilon) = match &model {
        ModelConfig::Gpt2(config) => (config.n_head, config.layer_norm_epsilon),
        ModelConfig::Bert(config) => (config.num_attention_heads, config.layer_norm_eps),
        ModelConfig::Decoder(config) => {
            assert!(config.num_attention_heads % config.num_key_value_heads == 0 && !config.ropes.is_empty());
            (1, config.rms_norm_eps)
        }
    };
    assert!(model.width() % heads == 0 && epsilon > 0.0);
    assert!(model.vocab_size() > 0 && model.max_positions() > 0 && model.layers() > 0);
    if let Ok(generation) = GenerationConfig::from_json(json, Path::new("generation_config.json"), &model) {
        assert!(generation.eos_token_ids.iter().all(|&id| (id as usize) < model.vocab_size()));
    }
});
