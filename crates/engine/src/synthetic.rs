//! The sizes of well-known models, to measure speed with random weights.

use crate::config::{Activation, BertConfig, Gpt2Config, ModelConfig};

/// Names that [`config`] knows.
pub const NAMES: [&str; 4] = ["gpt2", "gpt2-medium", "bert-base", "minilm"];

/// The configuration of a model by name.
pub fn config(name: &str) -> Option<ModelConfig> {
    match name {
        "gpt2" => Some(gpt2(768, 12, 12)),
        "gpt2-medium" => Some(gpt2(1024, 24, 16)),
        "bert-base" => Some(bert(768, 12)),
        "minilm" => Some(bert(384, 6)),
        _ => None,
    }
}

fn gpt2(width: usize, layers: usize, heads: usize) -> ModelConfig {
    ModelConfig::Gpt2(Gpt2Config {
        vocab_size: 50257,
        n_positions: 1024,
        n_embd: width,
        n_layer: layers,
        n_head: heads,
        n_inner: 4 * width,
        activation: Activation::GeluTanh,
        layer_norm_epsilon: 1e-5,
        tie_word_embeddings: true,
        scale_attn_weights: true,
        scale_attn_by_inverse_layer_idx: false,
        eos_token_ids: vec![50256],
        bos_token_id: Some(50256),
    })
}

fn bert(width: usize, layers: usize) -> ModelConfig {
    ModelConfig::Bert(BertConfig {
        vocab_size: 30522,
        hidden_size: width,
        num_hidden_layers: layers,
        num_attention_heads: 12,
        intermediate_size: 4 * width,
        max_position_embeddings: 512,
        type_vocab_size: 2,
        activation: Activation::GeluErf,
        layer_norm_eps: 1e-12,
        pad_token_id: Some(0),
    })
}
