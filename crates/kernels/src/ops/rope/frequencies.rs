//! Inverse frequencies of rotary embeddings, and the scalings that stretch a trained context.
//!
//! Each function fills `out` with one inverse frequency for each pair of a head; `rotary_dims` is 2 · `out.len()`. Arithmetic is that of
//! transformers' `modeling_rope_utils.py`: f32 in the same order, and constants of a configuration in f64 until they meet an f32.
//! Results differ from it by the rounding of its power function alone.

use crate::error::{Error, expect_size};
use std::f64::consts::{PI, TAU};

/// fᵢ = θ^(−2i / rotary_dims)
///
/// Source: Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021, section 3.3.
pub fn inverse_frequencies(theta: f64, out: &mut [f32]) {
    let pairs = out.len();
    for (i, f) in out.iter_mut().enumerate() {
        *f = 1.0 / power(theta, i, pairs);
    }
}

/// fᵢ = θ^(−2i / rotary_dims) / factor: positions interpolated between those of training.
///
/// Source: Chen et al., "Extending Context Window of Large Language Models via Positional Interpolation", 2023.
pub fn linear(theta: f64, factor: f64, out: &mut [f32]) {
    inverse_frequencies(theta, out);
    for f in out {
        *f /= factor as f32;
    }
}

/// [`inverse_frequencies`] with a larger θ for a sequence of `length` tokens that is longer than the trained one:
///
/// ```text
/// θ' = θ · (factor · length / trained − (factor − 1))^(d / (d − 2)),  d = rotary_dims,  length ≥ trained
/// ```
///
/// Source: u/emozilla, "Dynamically Scaled RoPE further increases performance of long context LLaMA with zero fine-tuning",
/// r/LocalLLaMA, 2023.
pub fn dynamic_ntk(theta: f64, factor: f64, trained: usize, length: usize, out: &mut [f32]) {
    let dims = 2.0 * out.len() as f64;
    let growth = factor * length.max(trained) as f64 / trained as f64 - (factor - 1.0);
    inverse_frequencies(theta * growth.powf(dims / (dims - 2.0)), out);
}

/// What Llama 3.1 changed of the frequencies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Llama3 {
    /// Divides low frequencies.
    pub factor: f64,
    /// Frequencies with fewer turns than this within the trained context are low.
    pub low_freq_factor: f64,
    /// Frequencies with more turns than this within the trained context are left alone.
    pub high_freq_factor: f64,
    /// Tokens of the trained context.
    pub original_max_position_embeddings: usize,
}

/// [`inverse_frequencies`], of which the low ones are divided by a factor:
///
/// ```text
/// turns = trained · f / 2π
/// f / factor                                   for turns < low
/// f                                            for turns > high
/// (1 − t) · f / factor + t · f                 between, with t = (turns − low) / (high − low)
/// ```
///
/// Source: Grattafiori et al., "The Llama 3 Herd of Models", 2024, and the models' own code (`apply_scaling`).
pub fn llama3(theta: f64, scaling: &Llama3, out: &mut [f32]) {
    let Llama3 { factor, low_freq_factor: low, high_freq_factor: high, .. } = *scaling;
    let trained = scaling.original_max_position_embeddings as f64;
    let (longest, shortest) = ((trained / low) as f32, (trained / high) as f32);
    inverse_frequencies(theta, out);
    for f in out {
        let wavelength = 1.0 / *f * TAU as f32;
        let scaled = *f / factor as f32;
        let t = (1.0 / wavelength * trained as f32 - low as f32) / (high - low) as f32;
        if wavelength > longest {
            *f = scaled;
        } else if wavelength >= shortest {
            *f = (1.0 - t) * *f / factor as f32 + t * *f;
        }
    }
}

/// The settings of YaRN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Yarn {
    /// How many times longer than the trained context sequences become.
    pub factor: f64,
    /// Tokens of the trained context.
    pub original_max_position_embeddings: usize,
    /// Turns within the trained context from which on frequencies are left alone; 32 unless configured.
    pub beta_fast: f64,
    /// Turns within the trained context up to which frequencies are divided by the factor; 1 unless configured.
    pub beta_slow: f64,
    /// Whether the ends of the ramp between the two are whole numbers of pairs; true unless configured.
    pub truncate: bool,
}

/// [`inverse_frequencies`], of which the low ones are divided by the factor and those between mixed by a ramp over the pairs:
///
/// ```text
/// pair(turns) = rotary_dims · ln(trained / (turns · 2π)) / (2 · ln θ)
/// rᵢ = clamp((i − pair(beta_fast)) / (pair(beta_slow) − pair(beta_fast)), 0, 1)
/// fᵢ = fᵢ / factor · rᵢ + fᵢ · (1 − rᵢ)
/// ```
///
/// The cosines and sines are multiplied by [`yarn_attention_factor`], unless the configuration has a factor of its own.
///
/// Source: Peng et al., "YaRN: Efficient Context Window Extension of Large Language Models", 2023, section 3.2.
pub fn yarn(theta: f64, scaling: &Yarn, out: &mut [f32]) {
    let pairs = out.len();
    let (first, last) = yarn_ramp(theta, scaling, 2 * pairs);
    for (i, f) in out.iter_mut().enumerate() {
        let power = power(theta, i, pairs);
        let ramp = ((i as f32 - first as f32) / (last - first) as f32).clamp(0.0, 1.0);
        let kept = 1.0 - ramp;
        *f = 1.0 / (scaling.factor as f32 * power) * (1.0 - kept) + 1.0 / power * kept;
    }
}

/// The pairs at which the ramp of [`yarn`] begins and ends.
fn yarn_ramp(theta: f64, scaling: &Yarn, dims: usize) -> (f64, f64) {
    let trained = scaling.original_max_position_embeddings as f64;
    let pair = |turns: f64| dims as f64 * (trained / (turns * 2.0 * PI)).ln() / (2.0 * theta.ln());
    let (mut first, mut last) = (pair(scaling.beta_fast), pair(scaling.beta_slow));
    if scaling.truncate {
        (first, last) = (first.floor(), last.ceil());
    }
    let (first, last) = (first.max(0.0), last.min(dims as f64 - 1.0));
    (first, if first == last { last + 0.001 } else { last })
}

/// The factor on cosines and sines that belongs to [`yarn`]: m(1), or m(mscale) / m(mscale_all_dim) if the configuration has both and
/// neither is zero, with m(s) = 0.1 · s · ln(factor) + 1, or 1 for a factor up to 1.
///
/// Source: as [`yarn`], section 3.4; DeepSeek-AI, "DeepSeek-V2", 2024, for the two scales.
pub fn yarn_attention_factor(factor: f64, scales: Option<(f64, f64)>) -> f32 {
    let m = |scale: f64| if factor <= 1.0 { 1.0 } else { 0.1 * scale * factor.ln() + 1.0 };
    scales.map_or(m(1.0), |(mscale, mscale_all_dim)| m(mscale) / m(mscale_all_dim)) as f32
}

/// fᵢ = 1 / (factorᵢ · θ^(2i / rotary_dims)) with the short factors of a configuration for sequences within the trained context,
/// and its long factors beyond.
///
/// The cosines and sines are multiplied by [`long_rope_attention_factor`], unless the configuration has a factor of its own.
///
/// Source: Ding et al., "LongRoPE: Extending LLM Context Window Beyond 2 Million Tokens", 2024.
///
/// # Errors
/// Returns [`Error::Size`] if there is not one factor for each frequency. Nothing is written then.
pub fn long_rope(theta: f64, factors: &[f32], out: &mut [f32]) -> Result<(), Error> {
    expect_size("factors of the inverse frequencies", out.len(), factors.len())?;
    for (i, (f, factor)) in out.iter_mut().zip(factors).enumerate() {
        *f = 1.0 / (factor * power(theta, i, factors.len()));
    }
    Ok(())
}

/// The factor on cosines and sines that belongs to [`long_rope`]: √(1 + ln(factor) / ln(trained)), or 1 for a factor up to 1. `factor`
/// is how many times longer than the trained context sequences become.
pub fn long_rope_attention_factor(factor: f64, trained: usize) -> f32 {
    if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / (trained as f64).ln()).sqrt() as f32 }
}

/// θ^(2i / rotary_dims), the exponent and θ rounded to f32.
fn power(theta: f64, i: usize, pairs: usize) -> f32 {
    let exponent = (2 * i) as f32 / (2 * pairs) as f32;
    f64::from(theta as f32).powf(f64::from(exponent)) as f32
}
