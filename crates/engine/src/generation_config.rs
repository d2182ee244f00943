//! `generation_config.json`: how the model's authors generate with it.

pub(crate) mod keys;
mod rules;

use std::path::Path;
use std::time::Duration;

use crate::config::{self, ModelConfig};
use crate::formats::json_object::JsonObject;
use crate::load_error::LoadError;
use crate::model_files::ModelFiles;
use crate::notice::Notice;
use crate::sampler::TokenRules;

pub(crate) use self::keys::{has_effect, is_key};

/// The file's name.
pub(crate) const FILE: &str = "generation_config.json";

/// Largest number of tokens or of sampling candidates that a file may ask for.
const MAX_COUNT: u64 = u32::MAX as u64;

/// Longest time that a file may ask for, in seconds: a year.
const MAX_SECONDS: f64 = 366.0 * 86_400.0;

/// Most stop strings.
const MAX_STOPS: usize = 1000;

/// Defaults for generation. `None` means that the file says nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GenerationConfig {
    /// Whether to sample; otherwise greedy.
    pub do_sample: Option<bool>,
    /// Divides the logits. 0, which transformers refuses, stands for greedy decoding.
    pub temperature: Option<f32>,
    /// Number of most likely tokens to keep; 0 keeps all.
    pub top_k: Option<usize>,
    /// Probability mass to keep, above 0 and up to 1.
    pub top_p: Option<f32>,
    /// Smallest probability to keep, relative to the largest, from 0 to below 1.
    pub min_p: Option<f32>,
    /// Share of the entropy to keep, above 0 and up to 1.
    pub top_h: Option<f32>,
    /// Probability mass of the most typical tokens to keep, above 0; from 1 on all are kept.
    pub typical_p: Option<f32>,
    /// Smallest probability to keep, from 0; from 1 on all are kept.
    pub epsilon_cutoff: Option<f32>,
    /// Smallest probability to keep where the distribution is sharp, from 0; from 1 on all are kept.
    pub eta_cutoff: Option<f32>,
    /// Divides positive and multiplies negative logits of tokens seen before; above 0.
    pub repetition_penalty: Option<f32>,
    /// Which tokens may come where.
    pub rules: TokenRules,
    /// How many tokens to generate.
    pub max_new_tokens: Option<usize>,
    /// How long prompt and generated tokens may be together.
    pub max_length: Option<usize>,
    /// How long to generate.
    pub max_time: Option<Duration>,
    /// Texts that end a text.
    pub stop_strings: Vec<String>,
    /// Tokens that end a text.
    pub eos_token_ids: Vec<u32>,
    /// Token that begins a text.
    pub bos_token_id: Option<u32>,
    /// Token that fills short inputs.
    pub pad_token_id: Option<u32>,
    /// What the file says and is not followed.
    pub notices: Vec<Notice>,
}

impl GenerationConfig {
    /// Reads `generation_config.json` of a model's files (a path is a directory). If there is none, the keys that older checkpoints have in
    /// `config.json` take its place, as in transformers 5.
    ///
    /// # Errors
    ///
    /// Fails if the file is not JSON, or a value has the wrong type or is out of range.
    pub fn load(files: impl Into<ModelFiles>, model: &ModelConfig) -> Result<Self, LoadError> {
        let files = &files.into();
        Self::load_beside(files, &JsonObject::read(files, config::FILE)?, model)
    }

    /// As [`GenerationConfig::load`], with the model's configuration read already.
    pub(crate) fn load_beside(files: &ModelFiles, config: &JsonObject, model: &ModelConfig) -> Result<Self, LoadError> {
        match JsonObject::read_if_present(files, FILE)? {
            Some(json) => Self::read(&json, model, false),
            None => Self::read(config, model, true),
        }
    }

    /// Reads the content of a `generation_config.json`; `file` is for messages.
    ///
    /// # Errors
    ///
    /// As [`GenerationConfig::load`].
    pub fn from_json(json: &[u8], file: &Path, model: &ModelConfig) -> Result<Self, LoadError> {
        Self::read(&JsonObject::parse(json, file)?, model, false)
    }

    fn read(json: &JsonObject, model: &ModelConfig, is_model_config: bool) -> Result<Self, LoadError> {
        let vocab_size = model.vocab_size();
        if matches!(model, ModelConfig::Bert(_)) {
            // An encoder generates nothing.
            let pad_token_id = json.token_id("pad_token_id", vocab_size)?;
            return Ok(Self { pad_token_id, ..Self::default() });
        }
        const FROM_0: &str = "a finite number, 0 or above";
        let from_0 = |x: f32| x >= 0.0 && x.is_finite();
        let mut notices = keys::notices(json, is_model_config);
        let mut rules = rules::read(json, vocab_size, &mut notices)?;
        let eos = json.token_ids("eos_token_id", vocab_size)?.unwrap_or_default();
        notices.extend(eos.unusable.iter().map(|&id| json.unusable_id("eos_token_id", id, vocab_size)));
        rules.end_tokens.clone_from(&eos.usable);
        // As in transformers, a word that is the end of a text is not a bad one.
        rules.bad_words.retain(|word| !matches!(word[..], [id] if eos.usable.contains(&id)));
        let bos_token_id = json.token_id("bos_token_id", vocab_size)?;
        if json.flag("force_bos_token_to_be_generated")? == Some(true) && is_model_config {
            rules.forced_bos = bos_token_id;
        }
        Ok(Self {
            do_sample: json.flag("do_sample")?,
            temperature: json.number("temperature", FROM_0, from_0)?,
            top_k: count(json, "top_k")?,
            top_p: json.number("top_p", "a number above 0 and up to 1", |x| x > 0.0 && x <= 1.0)?,
            // The sampler wants less than 1, which keeps the likeliest alone, too.
            min_p: json
                .number("min_p", "a number from 0 to 1", |x| (0.0..=1.0).contains(&x))?
                .map(|min_p| min_p.min(1f32.next_down())),
            top_h: json.number("top_h", "a number above 0 and up to 1", |x| x > 0.0 && x <= 1.0)?,
            typical_p: json.number("typical_p", "a finite number above 0", |x| x > 0.0 && x.is_finite())?,
            epsilon_cutoff: json.number("epsilon_cutoff", FROM_0, from_0)?,
            eta_cutoff: json.number("eta_cutoff", FROM_0, from_0)?,
            repetition_penalty: json
                .number("repetition_penalty", "a finite number above 0", |x| x > 0.0 && x.is_finite())?,
            rules,
            max_new_tokens: count(json, "max_new_tokens")?,
            max_length: count(json, "max_length")?,
            max_time: max_time(json)?,
            stop_strings: stop_strings(json)?,
            eos_token_ids: eos.usable,
            bos_token_id,
            pad_token_id: json.token_id("pad_token_id", vocab_size)?,
            notices,
        })
    }
}

/// A number of things.
fn count(json: &JsonObject, key: &str) -> Result<Option<usize>, LoadError> {
    Ok(json.integer(key, 0..=MAX_COUNT)?.map(|count| count as usize))
}

fn max_time(json: &JsonObject) -> Result<Option<Duration>, LoadError> {
    let wanted = format!("seconds from 0 to {MAX_SECONDS}");
    let seconds = json.number("max_time", &wanted, |x| (0.0..=MAX_SECONDS as f32).contains(&x))?;
    Ok(seconds.map(Duration::from_secs_f32))
}

/// One text or a list of them.
fn stop_strings(json: &JsonObject) -> Result<Vec<String>, LoadError> {
    const KEY: &str = "stop_strings";
    let Some(value) = json.get(KEY) else { return Ok(Vec::new()) };
    let list = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    let wrong = || json.wrong(KEY, format!("a text or a list of at most {MAX_STOPS} texts, none empty"));
    if list.len() > MAX_STOPS {
        return Err(wrong());
    }
    list.iter().map(|text| text.as_str().filter(|text| !text.is_empty()).map(str::to_owned).ok_or_else(wrong)).collect()
}
