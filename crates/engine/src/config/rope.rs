//! How queries and keys are turned by their positions: `rope_parameters`, or `rope_theta` and `rope_scaling` as older files have it.

use super::decoder::{Family, MAX_TURNED_POSITIONS};
use crate::formats::json_object::{JsonObject, is_positive};
use crate::load_error::LoadError;
use cke_kernels::ops::rope::frequencies::{Llama3, Yarn, long_rope_attention_factor, yarn_attention_factor};

/// Rotary position embeddings of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct RopeConfig {
    /// Pair i of a head turns by position · theta^(−2i / `rotary_dims`), before any scaling.
    pub theta: f32,
    /// The first columns of a head that turn: an even number.
    pub rotary_dims: usize,
    /// How it was stretched beyond the positions that the model was first trained on.
    pub scaling: RopeScaling,
}

/// How angles change for long contexts.
#[derive(Debug, Clone, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// Positions are divided by a factor.
    Linear {
        /// The factor.
        factor: f32,
    },
    /// Slow pairs are slowed down by a factor, fast ones not, those between in part (Llama 3.1).
    Llama3(Llama3),
    /// The same by a ramp over pairs, with a factor on cosines and sines (Peng et al., "YaRN", 2023).
    Yarn {
        /// The ramp.
        ramp: Yarn,
        /// The factor on cosines and sines.
        attention_factor: f32,
    },
    /// A factor for each pair, of two lists: for short contexts and for those beyond the first positions (Ding et al., "LongRoPE", 2024).
    LongRope {
        /// (`rotary_dims` / 2)
        short_factor: Vec<f32>,
        /// (`rotary_dims` / 2)
        long_factor: Vec<f32>,
        /// Positions up to which a context is short.
        original_positions: usize,
        /// The factor on cosines and sines.
        attention_factor: f32,
    },
}

impl RopeConfig {
    /// Without scaling, over all columns of a head.
    pub(super) fn unscaled(theta: f32, head_dim: usize) -> RopeConfig {
        RopeConfig { theta, rotary_dims: head_dim, scaling: RopeScaling::None }
    }

    /// Reads the keys of `own`, an object of the configuration `outer`, which has those that `own` lacks.
    pub(super) fn read(
        own: Option<&JsonObject>,
        outer: &JsonObject,
        usual: UsualRope,
    ) -> Result<RopeConfig, LoadError> {
        let holder = |key: &str| own.filter(|own| own.get(key).is_some()).unwrap_or(outer);
        let theta = holder("rope_theta").positive("rope_theta")?.unwrap_or(usual.theta);
        // In transformers, all others turn whole heads, whatever the file says.
        let rotary_dims =
            if usual.family == Family::Phi3 { rotary_dims(holder(PART), usual.head_dim)? } else { usual.head_dim };
        let scaling = RopeScaling::read(own.unwrap_or(outer), outer, rotary_dims, usual)?;
        Ok(RopeConfig { theta, rotary_dims, scaling })
    }
}

/// The key that says which part of a head turns.
pub(super) const PART: &str = "partial_rotary_factor";

/// The columns of a head that turn.
fn rotary_dims(json: &JsonObject, head_dim: usize) -> Result<usize, LoadError> {
    json.positive(PART)?;
    // In f64, as in transformers: a product just below a whole number is rounded down.
    let part = json.get(PART).and_then(serde_json::Value::as_f64).unwrap_or(1.0);
    let columns = (head_dim as f64 * part) as usize;
    if columns == 0 || columns > head_dim || !columns.is_multiple_of(2) {
        let wanted = format!("a part of the {head_dim} columns of a head that is an even number of columns");
        return Err(json.wrong(PART, wanted));
    }
    Ok(columns)
}

/// What a rope has where a file does not say it.
#[derive(Debug, Clone, Copy)]
pub(super) struct UsualRope {
    pub(super) family: Family,
    pub(super) theta: f32,
    /// Columns of a head.
    pub(super) head_dim: usize,
    /// Longest context.
    pub(super) positions: usize,
}

/// Keys of an object of a rope that are followed.
pub(super) const KEYS: [&str; 16] = [
    "attention_factor",
    "beta_fast",
    "beta_slow",
    "factor",
    "high_freq_factor",
    "long_factor",
    "low_freq_factor",
    "mscale",
    "mscale_all_dim",
    "original_max_position_embeddings",
    PART,
    "rope_theta",
    "rope_type",
    "short_factor",
    "truncate",
    "type",
];

impl RopeScaling {
    /// Reads the keys of `json`; `outer` is the whole configuration.
    fn read(
        json: &JsonObject,
        outer: &JsonObject,
        rotary_dims: usize,
        usual: UsualRope,
    ) -> Result<RopeScaling, LoadError> {
        let positions = usual.positions;
        let kind_key = if json.get("rope_type").is_some() { "rope_type" } else { "type" };
        let factor = |key: &str| json.required_positive(key).map(f64::from);
        let key = "original_max_position_embeddings";
        let own = json.size(key, MAX_TURNED_POSITIONS)?;
        let outer = outer.size(key, MAX_TURNED_POSITIONS)?;
        let trained = match usual.family {
            Family::Phi3 => outer.unwrap_or(PHI3_POSITIONS),
            _ => outer.or(own).unwrap_or(positions),
        };
        match json.text(kind_key)? {
            // The dynamic one changes angles beyond the longest context alone.
            None | Some("default" | "dynamic") => Ok(RopeScaling::None),
            Some("linear") => Ok(RopeScaling::Linear { factor: json.required_positive("factor")? }),
            Some("llama3") => Ok(RopeScaling::Llama3(Llama3 {
                factor: factor("factor")?,
                low_freq_factor: factor("low_freq_factor")?,
                high_freq_factor: factor("high_freq_factor")?,
                original_max_position_embeddings: trained,
            })),
            Some("yarn") if json.get("short_factor").is_none() => Self::yarn(json, positions, trained),
            Some("longrope" | "su" | "yarn") => Self::long_rope(json, rotary_dims, positions, trained),
            Some(_) => {
                Err(json.wrong(kind_key, "\"default\", \"linear\", \"dynamic\", \"llama3\", \"yarn\" or \"longrope\""))
            }
        }
    }

    fn yarn(json: &JsonObject, positions: usize, trained: usize) -> Result<RopeScaling, LoadError> {
        // As in transformers, 0 stands for the usual value.
        let number = |key: &str| match json.get(key).and_then(serde_json::Value::as_f64) {
            Some(0.0) => Ok(None),
            _ => Ok::<_, LoadError>(json.positive(key)?.map(f64::from)),
        };
        let ramp = Yarn {
            factor: extension(json, positions, trained)?,
            original_max_position_embeddings: trained,
            beta_fast: number("beta_fast")?.unwrap_or(32.0),
            beta_slow: number("beta_slow")?.unwrap_or(1.0),
            truncate: json.flag("truncate")?.unwrap_or(true),
        };
        let scales = number("mscale")?.zip(number("mscale_all_dim")?);
        let usual = || yarn_attention_factor(ramp.factor, scales);
        let attention_factor = json.positive("attention_factor")?.unwrap_or_else(usual);
        Ok(RopeScaling::Yarn { ramp, attention_factor })
    }

    fn long_rope(
        json: &JsonObject,
        rotary_dims: usize,
        positions: usize,
        trained: usize,
    ) -> Result<RopeScaling, LoadError> {
        let list = |key: &str| -> Result<Vec<f32>, LoadError> {
            let pairs = rotary_dims / 2;
            let wanted = || json.wrong(key, format!("a list of {pairs} numbers above 0"));
            let list = json.get(key).and_then(|list| list.as_array()).filter(|list| list.len() == pairs);
            let number = |value: &serde_json::Value| value.as_f64().map(|x| x as f32).filter(|&x| is_positive(x));
            list.ok_or_else(wanted)?.iter().map(|value| number(value).ok_or_else(wanted)).collect()
        };
        let usual = long_rope_attention_factor(extension(json, positions, trained)?, trained);
        Ok(RopeScaling::LongRope {
            short_factor: list("short_factor")?,
            long_factor: list("long_factor")?,
            original_positions: trained,
            attention_factor: json.positive("attention_factor")?.unwrap_or(usual),
        })
    }
}

/// What transformers takes for Phi 3's positions of the first training if `config.json` itself, outside its objects, does not say it.
const PHI3_POSITIONS: usize = 4096;

/// How many times longer than the trained context sequences become, by the file or by its numbers of positions.
fn extension(json: &JsonObject, positions: usize, trained: usize) -> Result<f64, LoadError> {
    let implied = positions as f64 / trained as f64;
    Ok(json.positive("factor")?.map_or(implied, f64::from))
}
