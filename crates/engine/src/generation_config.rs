//! `generation_config.json`: how the model's authors sample from it.

use std::path::Path;

use crate::config::ModelConfig;
use crate::formats::json_object::JsonObject;
use crate::load_error::LoadError;

/// Largest number of tokens or of sampling candidates that a file may ask for.
const MAX_COUNT: u64 = u32::MAX as u64;

/// Defaults for generation. `None` means that the file says nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GenerationConfig {
    /// Whether to sample; otherwise greedy.
    pub do_sample: bool,
    /// Divides the logits; above 0.
    pub temperature: Option<f32>,
    /// Number of most likely tokens to keep; 0 keeps all.
    pub top_k: Option<usize>,
    /// Probability mass to keep, above 0 and up to 1.
    pub top_p: Option<f32>,
    /// Smallest probability to keep, relative to the largest, from 0 to 1.
    pub min_p: Option<f32>,
    /// Divides positive and multiplies negative logits of tokens seen before; above 0.
    pub repetition_penalty: Option<f32>,
    /// How many tokens to generate.
    pub max_new_tokens: Option<usize>,
    /// How long prompt and generated tokens may be together.
    pub max_length: Option<usize>,
    /// Tokens that end a text.
    pub eos_token_ids: Vec<u32>,
    /// Token that begins a text.
    pub bos_token_id: Option<u32>,
    /// Token that fills short inputs.
    pub pad_token_id: Option<u32>,
}

impl GenerationConfig {
    /// Reads `generation_config.json` of a model directory. Where there is none, or it says nothing of them, the
    /// tokens that begin and end a text are those of the model's own configuration.
    ///
    /// # Errors
    ///
    /// The file is not JSON, or a value is of the wrong type or out of its range.
    pub fn load(dir: &Path, model: &ModelConfig) -> Result<Self, LoadError> {
        match JsonObject::read_if_present(&dir.join("generation_config.json"))? {
            Some(json) => Self::read(&json, model),
            None => Ok(Self::of_model(model)),
        }
    }

    /// Reads the content of a `generation_config.json`; `file` is for messages.
    ///
    /// # Errors
    ///
    /// As [`GenerationConfig::load`].
    pub fn from_json(json: &[u8], file: &Path, model: &ModelConfig) -> Result<Self, LoadError> {
        Self::read(&JsonObject::parse(json, file)?, model)
    }

    /// What a model's own configuration says.
    pub fn of_model(model: &ModelConfig) -> Self {
        match model {
            ModelConfig::Gpt2(config) => Self {
                eos_token_ids: config.eos_token_ids.clone(),
                bos_token_id: config.bos_token_id,
                ..Self::default()
            },
            ModelConfig::Bert(config) => Self { pad_token_id: config.pad_token_id, ..Self::default() },
        }
    }

    fn read(json: &JsonObject, model: &ModelConfig) -> Result<Self, LoadError> {
        let vocab_size = model.vocab_size();
        let count = |key| Ok::<_, LoadError>(json.integer(key, 0..=MAX_COUNT)?.map(|count| count as usize));
        let positive = |key| json.number(key, "a finite number above 0", |x| x > 0.0 && x.is_finite());
        let base = Self::of_model(model);
        Ok(Self {
            do_sample: json.flag("do_sample")?.unwrap_or(false),
            // 0 is written for greedy decoding, which `do_sample` already says.
            temperature: json
                .number("temperature", "a finite number, 0 or above", |x| x >= 0.0 && x.is_finite())?
                .filter(|&temperature| temperature > 0.0),
            top_k: count("top_k")?,
            top_p: json.number("top_p", "a number above 0 and up to 1", |x| x > 0.0 && x <= 1.0)?,
            min_p: json.number("min_p", "a number from 0 to 1", |x| (0.0..=1.0).contains(&x))?,
            repetition_penalty: positive("repetition_penalty")?,
            max_new_tokens: count("max_new_tokens")?,
            max_length: count("max_length")?,
            eos_token_ids: json.token_ids("eos_token_id", vocab_size)?.unwrap_or(base.eos_token_ids),
            bos_token_id: json.token_id("bos_token_id", vocab_size)?.or(base.bos_token_id),
            pad_token_id: json.token_id("pad_token_id", vocab_size)?.or(base.pad_token_id),
        })
    }
}
