//! The configuration of GPT-2.

use super::keys::refuse_if_set;
use super::{Activation, MAX_INNER, MAX_LAYERS, MAX_POSITIONS, MAX_VOCABULARY, MAX_WIDTH, epsilon, heads};
use crate::activations::Widths;
use crate::formats::json_object::JsonObject;
use crate::load_error::LoadError;
use crate::qkv_shape::QkvShape;

/// The sizes and switches of a GPT-2 model; names as in its `config.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct Gpt2Config {
    /// Rows of the token embedding.
    pub vocab_size: usize,
    /// Longest context, in tokens.
    pub n_positions: usize,
    /// Width of the residual stream.
    pub n_embd: usize,
    /// Number of blocks.
    pub n_layer: usize,
    /// Attention heads; divides `n_embd`.
    pub n_head: usize,
    /// Width of the feed-forward layer; 4·`n_embd` unless the file says otherwise.
    pub n_inner: usize,
    /// Nonlinearity of the feed-forward layer.
    pub activation: Activation,
    /// Added to the variance in LayerNorm.
    pub layer_norm_epsilon: f32,
    /// Whether the output projection is the token embedding.
    pub tie_word_embeddings: bool,
    /// Whether attention scores are divided by √head_dim.
    pub scale_attn_weights: bool,
    /// Whether attention scores of block i are further divided by i + 1.
    pub scale_attn_by_inverse_layer_idx: bool,
    /// Tokens that end a text; ids outside the vocabulary are left out.
    pub eos_token_ids: Vec<u32>,
    /// Token that begins a text, if it is in the vocabulary.
    pub bos_token_id: Option<u32>,
}

impl Gpt2Config {
    pub(super) fn read(json: &JsonObject) -> Result<Self, LoadError> {
        refuse_if_set(json, "add_cross_attention")?;
        let vocab_size = json.required_size("vocab_size", MAX_VOCABULARY)?;
        let n_embd = either(json, "n_embd", "hidden_size", MAX_WIDTH)?;
        let n_embd = json.required("n_embd", n_embd, &format!("a whole number from 1 to {MAX_WIDTH}"))?;
        // `n_ctx` is the older name.
        let n_positions = match either(json, "n_positions", "max_position_embeddings", MAX_POSITIONS)? {
            Some(positions) => positions,
            None => json.size("n_ctx", MAX_POSITIONS)?.unwrap_or(1024),
        };
        let n_layer = either(json, "n_layer", "num_hidden_layers", MAX_LAYERS)?;
        let is_renamed =
            either(json, "n_head", "num_attention_heads", n_embd)?.is_some() && json.get("n_head").is_none();
        let heads_key = if is_renamed { "num_attention_heads" } else { "n_head" };
        Ok(Self {
            vocab_size,
            n_positions,
            n_embd,
            n_layer: json.required("n_layer", n_layer, &format!("a whole number from 1 to {MAX_LAYERS}"))?,
            n_head: heads(json, heads_key, n_embd)?,
            n_inner: json.size("n_inner", MAX_INNER)?.unwrap_or(4 * n_embd),
            activation: Activation::read(json, "activation_function", Activation::GeluTanh)?,
            layer_norm_epsilon: epsilon(json, "layer_norm_epsilon")?.unwrap_or(1e-5),
            tie_word_embeddings: json.flag("tie_word_embeddings")?.unwrap_or(true),
            scale_attn_weights: json.flag("scale_attn_weights")?.unwrap_or(true),
            scale_attn_by_inverse_layer_idx: json.flag("scale_attn_by_inverse_layer_idx")?.unwrap_or(false),
            eos_token_ids: json.token_ids("eos_token_id", vocab_size)?.unwrap_or_default().usable,
            bos_token_id: json.token_id("bos_token_id", vocab_size)?,
        })
    }

    /// Width of an attention head.
    pub fn head_dim(&self) -> usize {
        self.n_embd / self.n_head
    }

    /// Queries, keys and values of a layer.
    pub(crate) fn qkv_shape(&self) -> QkvShape {
        QkvShape { heads: self.n_head, key_heads: self.n_head, head_dim: self.head_dim() }
    }

    /// Columns of the model's buffers.
    pub(crate) fn widths(&self) -> Widths {
        Widths { stream: self.n_embd, inner: self.n_inner, qkv: self.qkv_shape() }
    }
}

/// A size that has two names, as transformers has them for GPT-2; both may be given if they agree.
fn either(json: &JsonObject, name: &str, other: &str, limit: usize) -> Result<Option<usize>, LoadError> {
    match (json.size(name, limit)?, json.size(other, limit)?) {
        (Some(size), Some(same)) if size != same => Err(json.wrong(other, format!("the {size} of `{name}`"))),
        (size, same) => Ok(size.or(same)),
    }
}
