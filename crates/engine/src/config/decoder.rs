//! The configuration of decoders that turn queries and keys by their positions: Llama and what came after it.

use super::keys::refuse_if_set;
use super::rope::{RopeConfig, UsualRope};
use super::{Activation, MAX_INNER, MAX_LAYERS, MAX_POSITIONS, MAX_VOCABULARY, MAX_WIDTH, epsilon};
use crate::activations::Widths;
use crate::formats::json_object::JsonObject;
use crate::load_error::LoadError;
use crate::qkv_shape::QkvShape;

/// Most positions: no table has a row for each, so that this bounds numbers only.
pub(super) const MAX_TURNED_POSITIONS: usize = 16 * MAX_POSITIONS;

/// Which decoder it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// Llama 1 to 3, SmolLM 1 and 2, and many others.
    Llama,
    /// Llama with a window.
    Mistral,
    /// Qwen 2 and 2.5: biases of queries, keys and values.
    Qwen2,
    /// Norms of queries and keys.
    Qwen3,
    /// Layers that know no positions.
    SmolLm3,
    /// Norms of what a layer adds, soft caps, local and global layers.
    Gemma2,
    /// The same without caps, with norms of queries and keys.
    Gemma3,
    /// Phi 3 and 4: joined projections.
    Phi3,
}

impl Family {
    /// Each with its `model_type` and the class that `architectures` names.
    pub(super) const ALL: [(Family, &'static str, &'static str); 8] = [
        (Family::Llama, "llama", "LlamaForCausalLM"),
        (Family::Mistral, "mistral", "MistralForCausalLM"),
        (Family::Qwen2, "qwen2", "Qwen2ForCausalLM"),
        (Family::Qwen3, "qwen3", "Qwen3ForCausalLM"),
        (Family::SmolLm3, "smollm3", "SmolLM3ForCausalLM"),
        (Family::Gemma2, "gemma2", "Gemma2ForCausalLM"),
        (Family::Gemma3, "gemma3_text", "Gemma3ForCausalLM"),
        (Family::Phi3, "phi3", "Phi3ForCausalLM"),
    ];

    /// Its `model_type`.
    pub fn name(self) -> &'static str {
        Family::ALL.iter().find(|(family, ..)| *family == self).map_or("", |(_, name, _)| name)
    }

    /// Whether it normalises what each layer adds to the stream, counts the gains of its norms from 1, and scales its embeddings.
    pub fn is_gemma(self) -> bool {
        matches!(self, Family::Gemma2 | Family::Gemma3)
    }

    /// Whether each head of queries and keys is normalised.
    pub fn has_head_norms(self) -> bool {
        matches!(self, Family::Qwen3 | Family::Gemma3)
    }

    /// Key heads if the file does not say it; `None` for as many as query heads.
    fn default_key_heads(self) -> Option<usize> {
        match self {
            Family::Llama | Family::Phi3 => None,
            Family::Mistral => Some(8),
            Family::Gemma2 | Family::Gemma3 | Family::SmolLm3 => Some(4),
            Family::Qwen2 | Family::Qwen3 => Some(32),
        }
    }

    fn default_theta(self) -> f32 {
        match self {
            Family::SmolLm3 => 2e6,
            Family::Gemma3 => 1e6,
            _ => 1e4,
        }
    }
}

/// The sizes and switches of a decoder; names as in its `config.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderConfig {
    /// Which one.
    pub family: Family,
    /// Rows of the token embedding.
    pub vocab_size: usize,
    /// Longest context, in tokens.
    pub max_position_embeddings: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the feed-forward layer.
    pub intermediate_size: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key heads, and as many value heads; divides the query heads.
    pub num_key_value_heads: usize,
    /// Columns of a head.
    pub head_dim: usize,
    /// Nonlinearity of the gates.
    pub activation: Activation,
    /// Added to the mean square in norms.
    pub rms_norm_eps: f32,
    /// Whether the output projection is the token embedding.
    pub tie_word_embeddings: bool,
    /// Whether queries, keys and values have biases.
    pub has_qkv_bias: bool,
    /// Whether attention's output has a bias.
    pub has_output_bias: bool,
    /// Whether the feed-forward layers have biases.
    pub has_mlp_bias: bool,
    /// Scores are multiplied by it.
    pub attention_scale: f32,
    /// Largest absolute value that scores are bent to.
    pub attention_cap: Option<f32>,
    /// Largest absolute value that logits are bent to.
    pub logit_cap: Option<f32>,
    /// Every way in which layers turn queries and keys.
    pub ropes: Vec<RopeConfig>,
    /// Its layers, from the first to the last.
    pub layers: Vec<LayerConfig>,
    /// Tokens that end a text; ids outside the vocabulary are left out.
    pub eos_token_ids: Vec<u32>,
    /// Token that begins a text, if it is in the vocabulary.
    pub bos_token_id: Option<u32>,
}

/// What one layer differs by from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerConfig {
    /// Positions that a query sees, its own among them; all before it if `None`.
    pub window: Option<usize>,
    /// Which of the model's ropes turns its queries and keys.
    pub rope: Option<usize>,
}

impl DecoderConfig {
    pub(super) fn read(json: &JsonObject, family: Family) -> Result<Self, LoadError> {
        refuse_other_decoders(json)?;
        let vocab_size = json.required_size("vocab_size", MAX_VOCABULARY)?;
        let hidden_size = json.required_size("hidden_size", MAX_WIDTH)?;
        let layers = json.required_size("num_hidden_layers", MAX_LAYERS)?;
        let heads = json.required_size("num_attention_heads", MAX_WIDTH)?;
        let usual_key_heads = family.default_key_heads().filter(|_| json.raw("num_key_value_heads").is_none());
        let key_heads = json.size("num_key_value_heads", heads)?.or(usual_key_heads).unwrap_or(heads);
        if !heads.is_multiple_of(key_heads) {
            return Err(json.wrong("num_key_value_heads", format!("a divisor of the {heads} heads")));
        }
        let head_dim = head_dim(json, family, hidden_size, heads)?;
        let max_position_embeddings = json.required_size("max_position_embeddings", MAX_TURNED_POSITIONS)?;
        let has_attention_bias = json.flag("attention_bias")?.unwrap_or(false);
        let is_gemma = family.is_gemma();
        let (act_key, act) =
            if is_gemma { ("hidden_activation", Activation::GeluTanh) } else { ("hidden_act", Activation::Silu) };
        let scale_of = |number: f32| 1.0 / number.sqrt();
        let query_scalar = json.positive("query_pre_attn_scalar")?.filter(|_| is_gemma);
        Ok(DecoderConfig {
            family,
            vocab_size,
            max_position_embeddings,
            hidden_size,
            intermediate_size: json.required_size("intermediate_size", MAX_INNER)?,
            num_attention_heads: heads,
            num_key_value_heads: key_heads,
            head_dim,
            activation: Activation::read(json, act_key, act)?,
            rms_norm_eps: epsilon(json, "rms_norm_eps")?.unwrap_or(if family == Family::Phi3 { 1e-5 } else { 1e-6 }),
            tie_word_embeddings: json.flag("tie_word_embeddings")?.unwrap_or(is_gemma || family == Family::SmolLm3),
            has_qkv_bias: family == Family::Qwen2 || has_attention_bias,
            has_output_bias: family != Family::Qwen2 && has_attention_bias,
            has_mlp_bias: json.flag("mlp_bias")?.unwrap_or(false),
            attention_scale: scale_of(query_scalar.unwrap_or(if is_gemma { 256.0 } else { head_dim as f32 })),
            // Transformers does not hand Gemma 3's to attention.
            attention_cap: cap(json, family, ATTENTION_CAP, 50.0)?.filter(|_| family == Family::Gemma2),
            logit_cap: cap(json, family, "final_logit_softcapping", 30.0)?,
            ropes: ropes(json, family, head_dim, max_position_embeddings)?,
            layers: layer_configs(json, family, layers)?,
            eos_token_ids: json.token_ids("eos_token_id", vocab_size)?.unwrap_or_default().usable,
            bos_token_id: json.token_id("bos_token_id", vocab_size)?,
        })
    }

    /// Queries, keys and values of a layer.
    pub(crate) fn qkv_shape(&self) -> QkvShape {
        QkvShape { heads: self.num_attention_heads, key_heads: self.num_key_value_heads, head_dim: self.head_dim }
    }

    /// Columns of the model's buffers.
    pub(crate) fn widths(&self) -> Widths {
        Widths { stream: self.hidden_size, inner: self.intermediate_size, qkv: self.qkv_shape() }
    }
}

/// Refuses what would be another model.
fn refuse_other_decoders(json: &JsonObject) -> Result<(), LoadError> {
    for key in ["use_bidirectional_attention", "add_cross_attention", "use_qk_norm", "use_double_wide_mlp"] {
        refuse_if_set(json, key)?;
    }
    for key in ["num_local_experts", "num_experts", "attention_chunk_size", "kv_lora_rank"] {
        if json.get(key).is_some() {
            return Err(json.wrong(key, "no such key (it belongs to models that are not supported)"));
        }
    }
    Ok(())
}

/// Columns of a head: the width's share unless the file says otherwise. They turn in pairs.
fn head_dim(json: &JsonObject, family: Family, width: usize, heads: usize) -> Result<usize, LoadError> {
    let (key, head_dim) = match (json.size("head_dim", MAX_WIDTH)?, family) {
        (Some(head_dim), _) => ("head_dim", head_dim),
        (None, Family::Qwen3) => ("head_dim", 128),
        (None, Family::Gemma2 | Family::Gemma3) => ("head_dim", 256),
        (None, _) if width.is_multiple_of(heads) => ("num_attention_heads", width / heads),
        (None, _) => {
            let wanted = format!("a divisor of the width {width}, or a `head_dim`");
            return Err(json.wrong("num_attention_heads", wanted));
        }
    };
    if head_dim.is_multiple_of(2) {
        return Ok(head_dim);
    }
    Err(json.wrong(key, format!("heads of an even number of columns, not of {head_dim}")))
}

/// A soft cap, which Gemma has alone: 2 by default, 3 if its file says so; `null` is none.
fn cap(json: &JsonObject, family: Family, key: &str, default: f32) -> Result<Option<f32>, LoadError> {
    let cap = json.positive(key)?;
    match family {
        Family::Gemma2 if json.raw(key).is_none() => Ok(Some(default)),
        Family::Gemma2 | Family::Gemma3 => Ok(cap),
        _ => Ok(None),
    }
}

/// The ropes that layers refer to: Gemma 3 has one for global layers and one for local ones, all others have one.
fn ropes(json: &JsonObject, family: Family, head_dim: usize, positions: usize) -> Result<Vec<RopeConfig>, LoadError> {
    let usual = UsualRope { family, theta: family.default_theta(), head_dim, positions };
    // An older object that is empty says nothing.
    let older = json.object("rope_scaling")?.filter(|older| older.entries().next().is_some());
    let newer = json.object("rope_parameters")?;
    if family != Family::Gemma3 {
        return Ok(vec![RopeConfig::read(older.or(newer).as_ref(), json, usual)?]);
    }
    let of_kind = |kind: &str| newer.as_ref().map_or(Ok(None), |newer| newer.object(kind));
    let global = match (of_kind(GLOBAL)?, older) {
        (Some(own), Some(older)) => Some(own.overlaid(older)),
        (own, older) => own.or(older),
    };
    let global = RopeConfig::read(global.as_ref(), json, usual)?;
    let local_theta = json.positive("rope_local_base_freq")?.unwrap_or(1e4);
    let local = match of_kind(LOCAL)? {
        Some(own) => RopeConfig::read(Some(&own), &own, UsualRope { theta: local_theta, ..usual })?,
        None => RopeConfig::unscaled(local_theta, head_dim),
    };
    Ok(vec![global, local])
}

/// The soft cap of scores.
pub(super) const ATTENTION_CAP: &str = "attn_logit_softcapping";

/// Kinds of layers.
pub(super) const GLOBAL: &str = "full_attention";
pub(super) const LOCAL: &str = "sliding_attention";

/// Window and rope of each layer.
fn layer_configs(json: &JsonObject, family: Family, layers: usize) -> Result<Vec<LayerConfig>, LoadError> {
    let window = window(json, family)?;
    let types = layer_types(json, layers)?;
    let has_rope = layers_with_rope(json, family, layers)?;
    let pattern = json.size("sliding_window_pattern", MAX_LAYERS)?.unwrap_or(6);
    let first_local = json.integer("max_window_layers", 0..=MAX_LAYERS as u64)?.unwrap_or(28) as usize;
    let is_local = |layer: usize| match (&types, family) {
        (_, Family::Phi3) => true,
        (Some(types), _) => types[layer],
        (None, Family::Llama) => false,
        (None, Family::Mistral) => true,
        (None, Family::Qwen2 | Family::Qwen3) => layer >= first_local,
        (None, Family::SmolLm3) => !has_rope[layer],
        (None, Family::Gemma2) => layer.is_multiple_of(2),
        (None, Family::Gemma3) => !(layer + 1).is_multiple_of(pattern),
    };
    let of_layer = |layer: usize| {
        let is_local = is_local(layer);
        let rope = usize::from(family == Family::Gemma3 && is_local);
        LayerConfig { window: window.filter(|_| is_local), rope: has_rope[layer].then_some(rope) }
    };
    Ok((0..layers).map(of_layer).collect())
}

/// The window of local layers, if there is one.
fn window(json: &JsonObject, family: Family) -> Result<Option<usize>, LoadError> {
    let window = json.size("sliding_window", MAX_TURNED_POSITIONS)?;
    Ok(match family {
        Family::Llama => None,
        Family::Phi3 => window,
        Family::Qwen2 | Family::Qwen3 if json.flag("use_sliding_window")? != Some(true) => None,
        Family::SmolLm3 if json.get("layer_types").is_none() && json.flag("use_sliding_window")? != Some(true) => None,
        Family::SmolLm3 => window,
        // As in transformers, `null` is none, and no key is the usual one.
        _ if json.raw("sliding_window").is_none() => Some(4096),
        _ => window,
    })
}

/// Whether each layer is a local one, if the file says so.
fn layer_types(json: &JsonObject, layers: usize) -> Result<Option<Vec<bool>>, LoadError> {
    let Some(value) = json.get("layer_types") else { return Ok(None) };
    let wanted = || json.wrong("layer_types", format!("a list of {layers} of \"{GLOBAL}\" and \"{LOCAL}\""));
    let types = value.as_array().filter(|types| types.len() == layers).ok_or_else(wanted)?;
    let is_local = |kind: &serde_json::Value| match kind.as_str() {
        Some(GLOBAL) => Ok(false),
        Some(LOCAL) => Ok(true),
        _ => Err(wanted()),
    };
    types.iter().map(is_local).collect::<Result<_, _>>().map(Some)
}

/// Whether each layer turns its queries and keys.
fn layers_with_rope(json: &JsonObject, family: Family, layers: usize) -> Result<Vec<bool>, LoadError> {
    if family != Family::SmolLm3 {
        return Ok(vec![true; layers]);
    }
    let Some(list) = json.get("no_rope_layers") else {
        let interval = json.size("no_rope_layer_interval", MAX_LAYERS)?.unwrap_or(4);
        return Ok((1..=layers).map(|layer| !layer.is_multiple_of(interval)).collect());
    };
    let wanted = || json.wrong("no_rope_layers", format!("a list of at least {layers} of 0 and 1"));
    let list = list.as_array().filter(|list| list.len() >= layers).ok_or_else(wanted)?;
    let has_rope = |value: &serde_json::Value| value.as_u64().filter(|&flag| flag <= 1).map(|flag| flag == 1);
    list.iter().take(layers).map(|value| has_rope(value).ok_or_else(wanted)).collect()
}
