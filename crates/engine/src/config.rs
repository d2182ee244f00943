//! `config.json`: which model it is, and its sizes.
//!
//! Keys and defaults are those of the `transformers` library, except that the sizes of the network have no default:
//! a file without them is an error, not a model of the usual size.

mod bert;
mod decoder;
mod decoder_notices;
mod gpt2;
pub(crate) mod keys;
pub(crate) mod quantization;
mod rope;

use std::path::Path;

pub use self::bert::BertConfig;
pub use self::decoder::{DecoderConfig, Family, LayerConfig};
pub use self::gpt2::Gpt2Config;
pub use self::rope::{RopeConfig, RopeScaling};

use self::keys::refuse_other_models;
use crate::formats::json_object::JsonObject;
use crate::load_error::LoadError;
use crate::model_files::ModelFiles;

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
    /// Llama and what came after it: decoders that turn queries and keys by their positions.
    Decoder(DecoderConfig),
}

impl ModelConfig {
    /// Reads `config.json` of a model's files (a path is a directory).
    ///
    /// # Errors
    ///
    /// Fails if the file is missing or not JSON, the model is not supported, or a value is invalid; the error names the
    /// key, the valid values and the value found.
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
        let architecture = Architecture::of(json)?;
        refuse_other_models(json)?;
        match architecture {
            Architecture::Gpt2 => Gpt2Config::read(json).map(Self::Gpt2),
            Architecture::Bert => BertConfig::read(json).map(Self::Bert),
            Architecture::Decoder(family) => DecoderConfig::read(json, family).map(Self::Decoder),
        }
    }

    /// Its `model_type`.
    pub fn architecture(&self) -> &'static str {
        match self {
            Self::Gpt2(_) => "gpt2",
            Self::Bert(_) => "bert",
            Self::Decoder(config) => config.family.name(),
        }
    }

    /// Whether it continues texts.
    pub fn is_causal(&self) -> bool {
        !matches!(self, Self::Bert(_))
    }

    /// Whether the output projection is the token embedding.
    pub(crate) fn is_tied(&self) -> bool {
        match self {
            Self::Gpt2(config) => config.tie_word_embeddings,
            Self::Bert(_) => false,
            Self::Decoder(config) => config.tie_word_embeddings,
        }
    }

    /// Makes the output projection a tensor of its own.
    pub(crate) fn untie(&mut self) {
        match self {
            Self::Gpt2(config) => config.tie_word_embeddings = false,
            Self::Bert(_) => {}
            Self::Decoder(config) => config.tie_word_embeddings = false,
        }
    }

    /// Rows of the token embedding.
    pub fn vocab_size(&self) -> usize {
        match self {
            Self::Gpt2(config) => config.vocab_size,
            Self::Bert(config) => config.vocab_size,
            Self::Decoder(config) => config.vocab_size,
        }
    }

    /// Longest input, in tokens.
    pub fn max_positions(&self) -> usize {
        match self {
            Self::Gpt2(config) => config.n_positions,
            Self::Bert(config) => config.max_position_embeddings,
            Self::Decoder(config) => config.max_position_embeddings,
        }
    }

    /// Width of the residual stream.
    pub fn width(&self) -> usize {
        match self {
            Self::Gpt2(config) => config.n_embd,
            Self::Bert(config) => config.hidden_size,
            Self::Decoder(config) => config.hidden_size,
        }
    }

    /// Number of layers.
    pub fn layers(&self) -> usize {
        match self {
            Self::Gpt2(config) => config.n_layer,
            Self::Bert(config) => config.num_hidden_layers,
            Self::Decoder(config) => config.layers.len(),
        }
    }
}

/// Which reader a configuration needs.
#[derive(Clone, Copy)]
enum Architecture {
    Gpt2,
    Bert,
    Decoder(Family),
}

impl Architecture {
    /// By `model_type`, or by the first of `architectures` in files older than that.
    fn of(json: &JsonObject) -> Result<Architecture, LoadError> {
        let found = match json.text("model_type")? {
            Some(name) => Architecture::named(name),
            None => Architecture::of_class(json),
        };
        found.ok_or_else(|| {
            let decoders = Family::ALL.map(|(_, name, _)| name).join(", ");
            json.wrong("model_type", format!("one of gpt2, bert, {decoders}"))
        })
    }

    fn named(model_type: &str) -> Option<Architecture> {
        match model_type {
            "gpt2" => Some(Architecture::Gpt2),
            "bert" => Some(Architecture::Bert),
            _ => {
                let (family, ..) = Family::ALL.iter().find(|(_, name, _)| *name == model_type)?;
                Some(Architecture::Decoder(*family))
            }
        }
    }

    /// That of a class such as `GPT2LMHeadModel` or `BertModel`.
    fn of_class(json: &JsonObject) -> Option<Architecture> {
        let class = json.get("architectures")?.as_array()?.first()?.as_str()?;
        // "Bert" must be followed by a class name such as "Model" or "ForMaskedLM", for "BertGeneration…" is another model.
        let is_of = |family: &str| {
            class
                .strip_prefix(family)
                .is_some_and(|rest| ["Model", "LMHead", "For"].iter().any(|w| rest.starts_with(w)))
        };
        match class {
            _ if is_of("GPT2") => Some(Architecture::Gpt2),
            _ if is_of("Bert") => Some(Architecture::Bert),
            _ => {
                let (family, ..) = Family::ALL.iter().find(|(.., own)| *own == class)?;
                Some(Architecture::Decoder(*family))
            }
        }
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
