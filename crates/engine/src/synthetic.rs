//! The sizes of well-known models, to measure speed with random weights.

use crate::config::{
    Activation, BertConfig, DecoderConfig, Family, Gpt2Config, LayerConfig, ModelConfig, RopeConfig, RopeScaling,
};

/// Names that [`config`] knows.
pub const NAMES: [&str; 7] =
    ["gpt2", "gpt2-medium", "bert-base", "minilm", "smollm2-135m", "llama-3.2-1b", "qwen3-0.6b"];

/// The configuration of a model by name.
pub fn config(name: &str) -> Option<ModelConfig> {
    match name {
        "gpt2" => Some(gpt2(768, 12, 12)),
        "gpt2-medium" => Some(gpt2(1024, 24, 16)),
        "bert-base" => Some(bert(768, 12)),
        "minilm" => Some(bert(384, 6)),
        "smollm2-135m" => Some(ModelConfig::Decoder(llama(49_152, 576, 30, (9, 3, 64), 1536))),
        "llama-3.2-1b" => Some(ModelConfig::Decoder(llama(128_256, 2048, 16, (32, 8, 64), 8192))),
        "qwen3-0.6b" => {
            let llama = llama(151_936, 1024, 28, (16, 8, 128), 3072);
            Some(ModelConfig::Decoder(DecoderConfig { family: Family::Qwen3, ..llama }))
        }
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

/// A Llama with a tied head; `heads` are those of queries, those of keys and their columns.
fn llama(vocabulary: usize, width: usize, layers: usize, heads: (usize, usize, usize), inner: usize) -> DecoderConfig {
    let (query_heads, key_heads, head_dim) = heads;
    DecoderConfig {
        family: Family::Llama,
        vocab_size: vocabulary,
        max_position_embeddings: 8192,
        hidden_size: width,
        intermediate_size: inner,
        num_attention_heads: query_heads,
        num_key_value_heads: key_heads,
        head_dim,
        activation: Activation::Silu,
        rms_norm_eps: 1e-5,
        tie_word_embeddings: true,
        has_qkv_bias: false,
        has_output_bias: false,
        has_mlp_bias: false,
        attention_scale: 1.0 / (head_dim as f32).sqrt(),
        attention_cap: None,
        logit_cap: None,
        ropes: vec![RopeConfig { theta: 1e5, rotary_dims: head_dim, scaling: RopeScaling::None }],
        layers: vec![LayerConfig { window: None, rope: Some(0) }; layers],
        eos_token_ids: Vec::new(),
        bos_token_id: None,
    }
}
