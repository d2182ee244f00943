//! From logits to the next token.
//!
//! Most programs only fill in a [`SamplerConfig`], as a part of [`GenerateOptions`](crate::generate::GenerateOptions) or
//! [`ChatOptions`](crate::chat::session::ChatOptions). [`Sampler`] is for those that run a model themselves.

mod candidates;
mod config;
mod random;
mod rules;
#[cfg(test)]
mod tests;
mod weight;

pub use config::{SamplerConfig, SamplerError};
pub use rules::{Context, TokenRules};

use candidates::{Candidates, TOP_H_TOKENS, buffer_len, kth_largest};
use random::SplitMix64;

/// The largest vocabulary of a sampler: the sum of that many token weights fits 64 bits.
pub const MAX_VOCABULARY: usize = 1 << 22;

/// Picks tokens from logits.
///
/// With logits `xᵢ`, in this order, which is that of the transformers library's processors:
///
/// 1. biases of sequences ([`TokenRules`]); repetition penalty `r`, once for each distinct token of the context:
///    `xᵢ ← xᵢ·r` where `xᵢ < 0`, else `xᵢ / r` (Keskar et al.: *CTRL*, arXiv:1909.05858); then the other rules;
/// 2. temperature `T`: `xᵢ ← xᵢ / T`; `T = 0` takes the largest logit here, of equal ones the lowest token;
/// 3. top-h (Baghaei Potraghloo et al.: *Top-H Decoding*, arXiv:2509.02510): of the 100 likeliest, from the likeliest on,
///    tokens stay while their share `−Σ p ln p` of the entropy is at most `top_h`; the likeliest always stays;
/// 4. top-k: tokens below the k-th largest logit go, those equal to it all stay, so that more than k may;
/// 5. top-p (Holtzman et al.: *The Curious Case of Neural Text Degeneration*, arXiv:1904.09751): with `p = softmax(x)`
///    in ascending order, tokens go while the running sum of `p` is at most `1 − top_p`; of equal logits the lower
///    token goes first; the likeliest always stays;
/// 6. min-p (Nguyen et al.: *Min P Sampling*, arXiv:2407.01082): tokens with `pᵢ < min_p · max p` go;
/// 7. typical-p (Meister et al.: *Locally Typical Sampling*, arXiv:2202.00666): with the entropy `H = −Σ p ln p`, tokens go that
///    are further from it, by `|−ln pᵢ − H|`, than the one with which the nearest reach the mass `typical_p`;
/// 8. epsilon and eta cutoff (Hewitt et al.: *Truncation Sampling as Language Model Desmoothing*, arXiv:2210.15191): tokens with
///    `pᵢ < ε` go, then those with `pᵢ < min(η, √η·e^−H)`; the likeliest always stays;
/// 9. one of the rest is drawn by its probability.
///
/// Steps 2, 3 and 5–9 are computed in `f64` and in integers, where the library rounds to `f32` after each step: a
/// token whose probability lies within such a rounding of a filter's limit may fall on the other side of it. A token
/// of less than 2⁻⁴¹ of the likeliest one's probability is never drawn.
///
/// The result depends on the settings, the logits, the context and the number of tokens drawn before, and on nothing
/// else: no library's `exp`, no order of summation. Nothing is allocated after [`Sampler::new`].
///
/// ```
/// use cke_engine::sampler::{Sampler, SamplerConfig};
///
/// let config = SamplerConfig { temperature: 0.8, top_k: 2, seed: 7, ..SamplerConfig::default() };
/// let mut sampler = Sampler::new(config, 4)?;
/// let token = sampler.sample(&mut [0.5, 3.0, -1.0, 2.5], &[])?;
/// assert!(token == 1 || token == 3);
/// # Ok::<(), cke_engine::sampler::SamplerError>(())
/// ```
#[derive(Debug)]
pub struct Sampler {
    config: SamplerConfig,
    vocabulary: usize,
    random: SplitMix64,
    candidates: Candidates,
    /// Room for [`kth_largest`].
    largest: Vec<f32>,
    /// One bit for each token: whether the context has been seen to hold it.
    seen: Vec<u64>,
}

impl Sampler {
    /// A sampler for a vocabulary of that many tokens.
    ///
    /// # Errors
    /// Fails if a setting is out of range, the vocabulary is empty or larger than [`MAX_VOCABULARY`], or an allocation
    /// fails.
    pub fn new(config: SamplerConfig, vocabulary: usize) -> Result<Self, SamplerError> {
        config.validate()?;
        if !(1..=MAX_VOCABULARY).contains(&vocabulary) {
            return Err(SamplerError::Vocabulary { found: vocabulary });
        }
        let most = if config.top_h.is_some() { config.top_k.max(TOP_H_TOKENS) } else { config.top_k };
        let words = vocabulary.div_ceil(u64::BITS as usize);
        let mut seen = reserved(words)?;
        seen.resize(words, 0);
        // Greedy decoding needs no candidates.
        let candidates = if config.temperature == 0.0 { 0 } else { vocabulary };
        Ok(Self {
            random: SplitMix64::new(config.seed),
            candidates: Candidates::new(reserved(candidates)?),
            largest: reserved(buffer_len(most, vocabulary))?,
            seen,
            config,
            vocabulary,
        })
    }

    /// The settings.
    pub fn config(&self) -> &SamplerConfig {
        &self.config
    }

    /// Starts the random sequence of `seed`, as a new sampler would.
    pub fn reseed(&mut self, seed: u64) {
        self.config.seed = seed;
        self.random = SplitMix64::new(seed);
    }

    /// The next token, given the `logits` of each token of the vocabulary and the tokens so far.
    ///
    /// The logits come back with the rules and the repetition penalty applied. Tokens of the context outside the vocabulary do
    /// not matter. A logit of −∞ is never picked; those of +∞ share the whole probability.
    ///
    /// # Errors
    /// Fails if the number of logits is not the size of the vocabulary, or if, after the rules, a logit is NaN or all are
    /// −∞.
    pub fn sample(&mut self, logits: &mut [f32], context: &[u32]) -> Result<u32, SamplerError> {
        self.sample_in(logits, &Context::from(context))
    }

    /// As [`Sampler::sample`], for rules that tell the prompt from what was generated.
    ///
    /// # Errors
    /// As [`Sampler::sample`].
    pub fn sample_in(&mut self, logits: &mut [f32], context: &Context<'_>) -> Result<u32, SamplerError> {
        if logits.len() != self.vocabulary {
            return Err(SamplerError::Length { wanted: self.vocabulary, found: logits.len() });
        }
        let was_possible = logits.iter().any(|&logit| logit > f32::NEG_INFINITY);
        self.apply_rules(logits, context);
        let likeliest = argmax(logits)?.ok_or_else(|| {
            let rules = if was_possible { self.config.rules.bans() } else { Vec::new() };
            SamplerError::NothingPossible { vocabulary: self.vocabulary, rules }
        })?;
        if self.config.temperature == 0.0 {
            return Ok(likeliest);
        }
        self.filter(logits, logits[likeliest as usize]);
        Ok(self.candidates.draw(&mut self.random))
    }

    /// Step 1.
    fn apply_rules(&mut self, logits: &mut [f32], context: &Context<'_>) {
        self.config.rules.apply_biases(logits, context);
        let prompt = &context.tokens[..context.prompt_len.min(context.tokens.len())];
        let favour = (1.0 / f64::from(self.config.rules.encoder_repetition_penalty)) as f32;
        self.penalize(prompt, favour, logits);
        self.penalize(context.tokens, self.config.repetition_penalty, logits);
        self.config.rules.apply_bans(logits, context);
    }

    /// The repetition penalty of some tokens.
    fn penalize(&mut self, tokens: &[u32], penalty: f32, logits: &mut [f32]) {
        if penalty == 1.0 {
            return;
        }
        self.seen.fill(0);
        for &token in tokens {
            let token = token as usize;
            let (word, bit) = (token / u64::BITS as usize, 1 << (token % u64::BITS as usize));
            if token >= logits.len() || self.seen[word] & bit != 0 {
                continue;
            }
            self.seen[word] |= bit;
            let logit = &mut logits[token];
            *logit = if *logit < 0.0 { *logit * penalty } else { *logit / penalty };
        }
    }

    /// Leaves in `self.candidates` what steps 3–8 leave.
    fn filter(&mut self, logits: &[f32], max: f32) {
        let SamplerConfig { temperature, top_k, top_h, top_p, min_p, typical_p, epsilon_cutoff, eta_cutoff, .. } =
            self.config;
        let mut threshold = |k| match k {
            0 => f32::NEG_INFINITY,
            k => kth_largest(logits, k, &mut self.largest),
        };
        let candidates = &mut self.candidates;
        match top_h {
            None => candidates.fill(logits, threshold(top_k), max, temperature),
            Some(top_h) => {
                candidates.fill(logits, threshold(TOP_H_TOKENS), max, temperature);
                candidates.keep_top_h(top_h);
                candidates.keep_top_k(top_k);
            }
        }
        if top_p < 1.0 {
            candidates.keep_top_p(top_p);
        }
        if min_p > 0.0 {
            candidates.keep_min_p(min_p);
        }
        if typical_p < 1.0 {
            candidates.keep_typical(typical_p);
        }
        if epsilon_cutoff > 0.0 && epsilon_cutoff < 1.0 {
            candidates.keep_from(f64::from(epsilon_cutoff));
        }
        if eta_cutoff > 0.0 && eta_cutoff < 1.0 {
            candidates.keep_eta(f64::from(eta_cutoff));
        }
    }
}

/// An empty list with room for `capacity` elements.
fn reserved<T>(capacity: usize) -> Result<Vec<T>, SamplerError> {
    let mut list = Vec::new();
    list.try_reserve_exact(capacity).map_err(|_| SamplerError::OutOfMemory { bytes: capacity * size_of::<T>() })?;
    Ok(list)
}

/// The token with the largest logit, of equal ones the lowest; `None` if all are −∞.
fn argmax(logits: &[f32]) -> Result<Option<u32>, SamplerError> {
    let (mut best, mut max, mut has_nan) = (None, f32::NEG_INFINITY, false);
    for (token, &logit) in (0..).zip(logits) {
        has_nan |= logit.is_nan();
        if logit > max {
            (best, max) = (Some(token), logit);
        }
    }
    if has_nan {
        let token = (0..).zip(logits).find(|(_, logit)| logit.is_nan()).map_or(0, |(token, _)| token);
        return Err(SamplerError::NotANumber { token });
    }
    Ok(best)
}
