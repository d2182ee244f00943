//! The configuration of BERT.

use super::keys::refuse_if_set;
use super::{Activation, MAX_INNER, MAX_LAYERS, MAX_POSITIONS, MAX_VOCABULARY, MAX_WIDTH, epsilon, heads};
use crate::activations::Widths;
use crate::formats::json_object::JsonObject;
use crate::load_error::LoadError;
use crate::qkv_shape::QkvShape;

/// The sizes and switches of a BERT model; names as in its `config.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct BertConfig {
    /// Rows of the token embedding.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Attention heads; divides `hidden_size`.
    pub num_attention_heads: usize,
    /// Width of the feed-forward layer.
    pub intermediate_size: usize,
    /// Nonlinearity of the feed-forward layer.
    pub activation: Activation,
    /// Added to the variance in LayerNorm.
    pub layer_norm_eps: f32,
    /// Longest input, in tokens.
    pub max_position_embeddings: usize,
    /// Rows of the token-type embedding.
    pub type_vocab_size: usize,
    /// Token that fills short inputs, if it is in the vocabulary.
    pub pad_token_id: Option<u32>,
}

impl BertConfig {
    pub(super) fn read(json: &JsonObject) -> Result<Self, LoadError> {
        refuse_if_set(json, "is_decoder")?;
        refuse_if_set(json, "add_cross_attention")?;
        if json.text("position_embedding_type")?.is_some_and(|kind| kind != "absolute") {
            return Err(json.wrong("position_embedding_type", "\"absolute\""));
        }
        let vocab_size = json.required_size("vocab_size", MAX_VOCABULARY)?;
        let hidden_size = json.required_size("hidden_size", MAX_WIDTH)?;
        Ok(Self {
            vocab_size,
            hidden_size,
            num_hidden_layers: json.required_size("num_hidden_layers", MAX_LAYERS)?,
            num_attention_heads: heads(json, "num_attention_heads", hidden_size)?,
            intermediate_size: json.required_size("intermediate_size", MAX_INNER)?,
            activation: Activation::read(json, "hidden_act", Activation::GeluErf)?,
            layer_norm_eps: epsilon(json, "layer_norm_eps")?.unwrap_or(1e-12),
            max_position_embeddings: json.size("max_position_embeddings", MAX_POSITIONS)?.unwrap_or(512),
            type_vocab_size: json.size("type_vocab_size", MAX_VOCABULARY)?.unwrap_or(2),
            pad_token_id: json.token_id("pad_token_id", vocab_size)?,
        })
    }

    /// Width of an attention head.
    pub fn head_dim(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }

    /// Queries, keys and values of a layer.
    pub(crate) fn qkv_shape(&self) -> QkvShape {
        let heads = self.num_attention_heads;
        QkvShape { heads, key_heads: heads, head_dim: self.head_dim() }
    }

    /// Columns of the model's buffers.
    pub(crate) fn widths(&self) -> Widths {
        Widths { stream: self.hidden_size, inner: self.intermediate_size, qkv: self.qkv_shape() }
    }
}
