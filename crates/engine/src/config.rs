//! `config.json`: which model it is, and its sizes.
//!
//! Keys and defaults are those of the `transformers` library, except that the sizes of the network have no default:
//! a file without them is an error, not a model of the usual size.

pub(crate) mod keys;

use std::path::Path;

use self::keys::{refuse_if_set, refuse_other_models};
use crate::formats::json_object::JsonObject;
use crate::load_error::LoadError;
use crate::model_files::ModelFiles;
use crate::qkv_shape::QkvShape;

/// The name of the file.
pub(crate) const FILE: &str = "config.json";

/// Largest width: about five times that of the widest published dense models.
const MAX_WIDTH: usize = 1 << 17;
/// Widest inner layer of the feed-forward network: four times the largest width.
const MAX_INNER: usize = 4 * MAX_WIDTH;
/// Most layers: eight times as many as the deepest published models.
const MAX_LAYERS: usize = 1 << 10;
/// Most positions, each a row of a learned table.
const MAX_POSITIONS: usize = 1 << 20;
/// Largest vocabulary: four times the largest published ones.
pub(crate) const MAX_VOCABULARY: usize = 1 << 20;

/// The nonlinearity of a feed-forward network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// max(x, 0)
    Relu,
    /// x·Φ(x), with Φ the normal distribution: x/2·(1 + erf(x/√2))
    GeluErf,
    /// x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³)))
    GeluTanh,
    /// x/(1 + e⁻ˣ)
    Silu,
    /// tanh x
    Tanh,
}

impl Activation {
    /// Every name that configurations use, with its function.
    const NAMES: [(&'static str, Self); 9] = [
        ("relu", Self::Relu),
        ("gelu", Self::GeluErf),
        ("gelu_python", Self::GeluErf),
        ("gelu_new", Self::GeluTanh),
        ("gelu_fast", Self::GeluTanh),
        ("gelu_pytorch_tanh", Self::GeluTanh),
        ("silu", Self::Silu),
        ("swish", Self::Silu),
        ("tanh", Self::Tanh),
    ];

    /// The activation named by `key`, or `default` where the file says nothing.
    fn read(json: &JsonObject, key: &str, default: Self) -> Result<Self, LoadError> {
        let Some(name) = json.text(key)? else { return Ok(default) };
        match Self::NAMES.iter().find(|(known, _)| *known == name) {
            Some((_, activation)) => Ok(*activation),
            None => {
                let known = Self::NAMES.map(|(known, _)| known).join(", ");
                Err(json.wrong(key, format!("one of {known}")))
            }
        }
    }

    /// A short name for reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::GeluErf => "gelu (erf)",
            Self::GeluTanh => "gelu (tanh)",
            Self::Silu => "silu",
            Self::Tanh => "tanh",
        }
    }
}

/// A model's configuration, checked.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelConfig {
    /// GPT-2: a decoder with learned positions.
    Gpt2(Gpt2Config),
    /// BERT: an encoder with learned positions and token types.
    Bert(BertConfig),
}

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

impl ModelConfig {
    /// Reads `config.json` of a model's files (a path is a directory).
    ///
    /// # Errors
    ///
    /// The file is missing, not JSON, of an unsupported model, or a value of it makes no model: the error names the
    /// key, the values that would do, and the value found.
    pub fn load(files: impl Into<ModelFiles>) -> Result<Self, LoadError> {
        Self::from_object(&JsonObject::read(&files.into(), FILE)?)
    }

    /// Reads the content of a `config.json`; `file` is for messages.
    ///
    /// # Errors
    ///
    /// As [`ModelConfig::load`].
    pub fn from_json(json: &[u8], file: &Path) -> Result<Self, LoadError> {
        Self::from_object(&JsonObject::parse(json, file)?)
    }

    /// The model that an object describes.
    pub(crate) fn from_object(json: &JsonObject) -> Result<Self, LoadError> {
        const SUPPORTED: &str = "\"gpt2\" or \"bert\"";
        let is_gpt2 = match json.text("model_type")? {
            Some("gpt2") => true,
            Some("bert") => false,
            Some(_) => return Err(json.wrong("model_type", SUPPORTED)),
            None => match architecture_named(json) {
                Some("GPT2") => true,
                Some("Bert") => false,
                _ => return Err(json.wrong("model_type", SUPPORTED)),
            },
        };
        refuse_other_models(json)?;
        if is_gpt2 { Gpt2Config::read(json).map(Self::Gpt2) } else { BertConfig::read(json).map(Self::Bert) }
    }

    /// `"gpt2"` or `"bert"`.
    pub fn architecture(&self) -> &'static str {
        match self {
            Self::Gpt2(_) => "gpt2",
            Self::Bert(_) => "bert",
        }
    }

    /// Rows of the token embedding.
    pub fn vocab_size(&self) -> usize {
        match self {
            Self::Gpt2(config) => config.vocab_size,
            Self::Bert(config) => config.vocab_size,
        }
    }

    /// Longest input, in tokens.
    pub fn max_positions(&self) -> usize {
        match self {
            Self::Gpt2(config) => config.n_positions,
            Self::Bert(config) => config.max_position_embeddings,
        }
    }

    /// Width of the residual stream.
    pub fn width(&self) -> usize {
        match self {
            Self::Gpt2(config) => config.n_embd,
            Self::Bert(config) => config.hidden_size,
        }
    }

    /// Number of layers.
    pub fn layers(&self) -> usize {
        match self {
            Self::Gpt2(config) => config.n_layer,
            Self::Bert(config) => config.num_hidden_layers,
        }
    }
}

/// The model family in the first of `architectures` (`GPT2LMHeadModel`, `BertModel`), for files older than
/// `model_type`.
fn architecture_named(json: &JsonObject) -> Option<&str> {
    let class = json.get("architectures")?.as_array()?.first()?.as_str()?;
    // "Bert" must be followed by a class name such as "Model" or "ForMaskedLM", for "BertGeneration…" is another model.
    let family = |family: &&str| {
        class.strip_prefix(*family).is_some_and(|rest| ["Model", "LMHead", "For"].iter().any(|w| rest.starts_with(w)))
    };
    ["GPT2", "Bert"].into_iter().find(family)
}

impl Gpt2Config {
    fn read(json: &JsonObject) -> Result<Self, LoadError> {
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
}

impl BertConfig {
    fn read(json: &JsonObject) -> Result<Self, LoadError> {
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
}

/// A size that has two names, as transformers has them for GPT-2; both may be given if they agree.
fn either(json: &JsonObject, name: &str, other: &str, limit: usize) -> Result<Option<usize>, LoadError> {
    match (json.size(name, limit)?, json.size(other, limit)?) {
        (Some(size), Some(same)) if size != same => Err(json.wrong(other, format!("the {size} of `{name}`"))),
        (size, same) => Ok(size.or(same)),
    }
}

/// The number of heads, which must divide the width.
fn heads(json: &JsonObject, key: &str, width: usize) -> Result<usize, LoadError> {
    let heads = json.required_size(key, width)?;
    if width.is_multiple_of(heads) {
        return Ok(heads);
    }
    Err(json.wrong(key, format!("a divisor of the width {width}")))
}

/// LayerNorm's ε. It guards a division by zero, so it must be above zero in f32; at 1 and above it would drown the
/// variance that it is added to.
fn epsilon(json: &JsonObject, key: &str) -> Result<Option<f32>, LoadError> {
    json.number(key, "a number above 0 and below 1", |epsilon| epsilon > 0.0 && epsilon < 1.0)
}
