//! The settings of a sampler and what can be wrong with them.

use super::{MAX_VOCABULARY, TokenRules};
use crate::generation_config::GenerationConfig;

/// How the next token is picked; see [`Sampler`](super::Sampler) for the formulas.
///
/// The default draws from the model's own distribution: every filter is off.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplerConfig {
    /// The logits are divided by it, `≥ 0`. Below 1 likely tokens become likelier; 0 takes the likeliest (greedy).
    pub temperature: f32,
    /// Only the `top_k` largest logits stay; 0 is off.
    pub top_k: usize,
    /// Only the likeliest tokens that together reach this probability stay, in (0, 1]; 1 is off.
    pub top_p: f32,
    /// Only tokens at least this share as likely as the likeliest stay, in [0, 1); 0 is off.
    pub min_p: f32,
    /// Tokens of the context become less likely by it where it is above 1, `> 0`; 1 is off.
    pub repetition_penalty: f32,
    /// Only tokens stay that together have this share of the entropy, in (0, 1]; `None` is off.
    pub top_h: Option<f32>,
    /// Only the most typical tokens that together reach this probability stay, above 0; from 1 on it is off.
    pub typical_p: f32,
    /// Only tokens of at least this probability stay; 0, or 1 and above, is off.
    pub epsilon_cutoff: f32,
    /// As `epsilon_cutoff`, but lower if the entropy is large; 0, or 1 and above, is off.
    pub eta_cutoff: f32,
    /// Which tokens may come where.
    pub rules: TokenRules,
    /// Start of the random sequence: the same seed and logits give the same tokens.
    pub seed: u64,
}

impl Default for SamplerConfig {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            top_h: None,
            typical_p: 1.0,
            epsilon_cutoff: 0.0,
            eta_cutoff: 0.0,
            rules: TokenRules::default(),
            seed: 0,
        }
    }
}

/// Candidates of a model that samples and does not say how many, as in transformers.
const USUAL_TOP_K: usize = 50;

impl From<&GenerationConfig> for SamplerConfig {
    /// What transformers does with a model that has this configuration: it takes the likeliest token unless the file asks for
    /// sampling.
    fn from(config: &GenerationConfig) -> SamplerConfig {
        let base = SamplerConfig {
            repetition_penalty: config.repetition_penalty.unwrap_or(1.0),
            rules: config.rules.clone(),
            ..SamplerConfig::greedy()
        };
        if config.do_sample != Some(true) {
            return base;
        }
        SamplerConfig {
            temperature: config.temperature.unwrap_or(1.0),
            top_k: config.top_k.unwrap_or(USUAL_TOP_K),
            top_p: config.top_p.unwrap_or(1.0),
            min_p: config.min_p.unwrap_or(0.0),
            top_h: config.top_h,
            typical_p: config.typical_p.unwrap_or(1.0),
            epsilon_cutoff: config.epsilon_cutoff.unwrap_or(0.0),
            eta_cutoff: config.eta_cutoff.unwrap_or(0.0),
            ..base
        }
    }
}

impl SamplerConfig {
    /// The settings that take the likeliest token every time.
    pub fn greedy() -> Self {
        Self { temperature: 0.0, ..Self::default() }
    }

    /// Checks each setting against its range.
    ///
    /// # Errors
    /// Returns [`SamplerError::Setting`] for the first setting that is out of range.
    pub fn validate(&self) -> Result<(), SamplerError> {
        const ABOVE_0: &str = "a finite number above 0";
        const FROM_0: &str = "a finite number of at least 0";
        const SHARE: &str = "a number above 0 and at most 1";
        let is_positive = |x: f32| x > 0.0 && x.is_finite();
        let is_not_negative = |x: f32| x >= 0.0 && x.is_finite();
        let is_share = |x: f32| x > 0.0 && x <= 1.0;
        let (top_h, encoder_penalty) = (self.top_h.unwrap_or(1.0), self.rules.encoder_repetition_penalty);
        let checks = [
            ("temperature", self.temperature, is_not_negative(self.temperature), FROM_0),
            ("top_p", self.top_p, is_share(self.top_p), SHARE),
            ("min_p", self.min_p, (0.0..1.0).contains(&self.min_p), "a number of at least 0 and below 1"),
            ("repetition_penalty", self.repetition_penalty, is_positive(self.repetition_penalty), ABOVE_0),
            ("top_h", top_h, is_share(top_h), SHARE),
            ("typical_p", self.typical_p, is_positive(self.typical_p), ABOVE_0),
            ("epsilon_cutoff", self.epsilon_cutoff, is_not_negative(self.epsilon_cutoff), FROM_0),
            ("eta_cutoff", self.eta_cutoff, is_not_negative(self.eta_cutoff), FROM_0),
            ("encoder_repetition_penalty", encoder_penalty, is_positive(encoder_penalty), ABOVE_0),
        ];
        match checks.into_iter().find(|&(_, _, is_valid, _)| !is_valid) {
            Some((field, found, _, wanted)) => Err(SamplerError::Setting { field, wanted, found }),
            None => Ok(()),
        }
    }
}

/// Why no sampler could be made, or no token be picked.
#[derive(Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SamplerError {
    /// A setting lies outside its range.
    #[error("{field}: wanted {wanted}, found {found}")]
    Setting {
        /// Name of the setting.
        field: &'static str,
        /// Its range in words.
        wanted: &'static str,
        /// The value given.
        found: f32,
    },
    /// The vocabulary is empty or absurdly large.
    #[error("vocabulary: wanted 1 to {MAX_VOCABULARY} tokens, found {found}")]
    Vocabulary {
        /// The size given.
        found: usize,
    },
    /// The logits do not belong to this vocabulary.
    #[error("logits: wanted {wanted}, one for each token of the vocabulary, found {found}")]
    Length {
        /// Size of the vocabulary.
        wanted: usize,
        /// Number of logits.
        found: usize,
    },
    /// A logit is not a number: the model's weights or arithmetic are broken.
    #[error("logits: wanted numbers, found NaN for token {token}")]
    NotANumber {
        /// The first token with such a logit.
        token: u32,
    },
    /// The machine has not enough memory for the sampler's buffers.
    #[error("cannot allocate {bytes} bytes")]
    OutOfMemory {
        /// Bytes asked for.
        bytes: usize,
    },
    /// Every logit is −∞.
    #[error("logits: wanted one above -inf, found none among {vocabulary}{}", after_rules(rules))]
    NothingPossible {
        /// Size of the vocabulary.
        vocabulary: usize,
        /// The settings that ban tokens, if the model's own logits were not all −∞.
        rules: Vec<&'static str>,
    },
}

cke_kernels::debug_as_display!(SamplerError);

fn after_rules(rules: &[&str]) -> String {
    let names: Vec<String> = rules.iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() { String::new() } else { format!(" that {} leave", names.join(", ")) }
}
