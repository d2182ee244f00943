//! From logits to the next token.

mod candidates;
mod config;
mod random;
#[cfg(test)]
mod tests;
mod weight;

pub use config::{SamplerConfig, SamplerError};

use candidates::{Candidates, buffer_len, kth_largest};
use random::SplitMix64;

/// The largest vocabulary that a sampler takes, four million tokens: sums of the weights of so many fit 64 bits.
pub const MAX_VOCABULARY: usize = 1 << 22;

/// Picks tokens from logits.
///
/// With logits `xᵢ`, in this order, which is that of the transformers library's processors:
///
/// 1. repetition penalty `r`, once for each distinct token of the context: `xᵢ ← xᵢ·r` where `xᵢ < 0`, else `xᵢ / r`
///    (Keskar et al.: *CTRL*, arXiv:1909.05858);
/// 2. temperature `T`: `xᵢ ← xᵢ / T`; `T = 0` takes the largest logit here, of equal ones the lowest token;
/// 3. top-k: tokens below the k-th largest logit go, those equal to it all stay, so that more than k may;
/// 4. top-p (Holtzman et al.: *The Curious Case of Neural Text Degeneration*, arXiv:1904.09751): with `p = softmax(x)`
///    in ascending order, tokens go while the running sum of `p` is at most `1 − top_p`; of equal logits the lower
///    token goes first; the likeliest always stays;
/// 5. min-p (Nguyen et al.: *Min P Sampling*, arXiv:2407.01082): tokens with `pᵢ < min_p · max p` go;
/// 6. one of the rest is drawn by its probability.
///
/// Steps 2 and 4–6 are computed in `f64` and then in integers, where the library rounds to `f32` after each step: a
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
    /// A setting outside its range, an empty vocabulary or one above [`MAX_VOCABULARY`].
    pub fn new(config: SamplerConfig, vocabulary: usize) -> Result<Self, SamplerError> {
        config.validate()?;
        if !(1..=MAX_VOCABULARY).contains(&vocabulary) {
            return Err(SamplerError::Vocabulary { found: vocabulary });
        }
        Ok(Self {
            random: SplitMix64::new(config.seed),
            candidates: Candidates::with_capacity(vocabulary),
            largest: Vec::with_capacity(buffer_len(config.top_k, vocabulary)),
            seen: vec![0; vocabulary.div_ceil(u64::BITS as usize)],
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
    /// The logits come back with the repetition penalty applied. Tokens of the context outside the vocabulary do
    /// not matter. A logit of −∞ is never picked; those of +∞ share the whole probability.
    ///
    /// # Errors
    /// Another number of logits than tokens, a NaN among them, or nothing but −∞.
    pub fn sample(&mut self, logits: &mut [f32], context: &[u32]) -> Result<u32, SamplerError> {
        if logits.len() != self.vocabulary {
            return Err(SamplerError::Length { wanted: self.vocabulary, found: logits.len() });
        }
        self.penalize_repetition(logits, context);
        let likeliest = argmax(logits)?;
        if self.config.temperature == 0.0 {
            return Ok(likeliest);
        }
        self.filter(logits, logits[likeliest as usize]);
        Ok(self.candidates.draw(&mut self.random))
    }

    fn penalize_repetition(&mut self, logits: &mut [f32], context: &[u32]) {
        let penalty = self.config.repetition_penalty;
        if penalty == 1.0 {
            return;
        }
        self.seen.fill(0);
        for &token in context {
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

    /// Leaves in `self.candidates` what steps 3–5 leave.
    fn filter(&mut self, logits: &[f32], max: f32) {
        let SamplerConfig { temperature, top_k, top_p, min_p, .. } = self.config;
        let threshold = match top_k {
            0 => f32::NEG_INFINITY,
            k => kth_largest(logits, k, &mut self.largest),
        };
        self.candidates.fill(logits, threshold, max, temperature);
        if top_p < 1.0 {
            self.candidates.keep_top_p(top_p);
        }
        if min_p > 0.0 {
            self.candidates.keep_min_p(min_p);
        }
    }
}

/// The token with the largest logit, of equal ones the lowest.
fn argmax(logits: &[f32]) -> Result<u32, SamplerError> {
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
    best.ok_or(SamplerError::NothingPossible { vocabulary: logits.len() })
}
