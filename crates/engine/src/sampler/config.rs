//! The settings of a sampler and what can be wrong with them.

use super::MAX_VOCABULARY;

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
    /// Start of the random sequence: the same seed and logits give the same tokens.
    pub seed: u64,
}

impl Default for SamplerConfig {
    fn default() -> Self {
        Self { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, repetition_penalty: 1.0, seed: 0 }
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
    /// [`SamplerError::Setting`] of the first one outside.
    pub fn validate(&self) -> Result<(), SamplerError> {
        let Self { temperature, top_k: _, top_p, min_p, repetition_penalty, seed: _ } = *self;
        let checks = [
            (
                "temperature",
                temperature,
                temperature >= 0.0 && temperature.is_finite(),
                "a finite number of at least 0",
            ),
            ("top_p", top_p, top_p > 0.0 && top_p <= 1.0, "a number above 0 and at most 1"),
            ("min_p", min_p, (0.0..1.0).contains(&min_p), "a number of at least 0 and below 1"),
            (
                "repetition_penalty",
                repetition_penalty,
                repetition_penalty > 0.0 && repetition_penalty.is_finite(),
                "a finite number above 0",
            ),
        ];
        match checks.into_iter().find(|&(_, _, is_valid, _)| !is_valid) {
            Some((field, found, _, wanted)) => Err(SamplerError::Setting { field, wanted, found }),
            None => Ok(()),
        }
    }
}

/// Why no sampler could be made, or no token be picked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
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
    /// Every logit is −∞.
    #[error("logits: wanted one above -inf, found none among {vocabulary}")]
    NothingPossible {
        /// Size of the vocabulary.
        vocabulary: usize,
    },
}
