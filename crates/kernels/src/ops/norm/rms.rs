//! RMS normalisation: layer normalisation without the mean.

use crate::cpu::Cpu;
use crate::error::{Error, expect_rows, expect_size};
use crate::ops::row::sum_of_squares;
use crate::simd::{Op, Simd, dispatch};

/// y = x / √(mean(x²) + ε) · g for each row of x (rows, width), row-major; width is the length of the gain g.
///
/// Computed in f32 as (x · 1/√(mean(x²) + ε)) · g. A row's result depends on its own values alone, bit for bit. Models that store
/// g − 1 (Gemma) add the 1 when they are loaded.
///
/// A row with a NaN or an infinity becomes NaN, and so does a row whose sum of squares overflows f32 (values beyond about 1.8e19)
/// and a row of zeros if ε = 0.
///
/// Source: Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019.
///
/// # Errors
/// Returns [`Error::Size`] if `out` is not as long as x, or x is not a whole number of rows. Nothing is written then.
pub fn rms_norm(cpu: &Cpu, x: &[f32], gain: &[f32], epsilon: f32, out: &mut [f32]) -> Result<(), Error> {
    expect_size("elements of the norm's output", x.len(), out.len())?;
    expect_rows("elements of the norm's rows", gain.len(), x.len())?;
    out.copy_from_slice(x);
    dispatch(cpu, RmsNorm { x: out, gain, epsilon });
    Ok(())
}

/// [`rms_norm`] with the result in place of x, with the same bits. The heads of one query or key are rows of `gain.len()` elements.
///
/// # Errors
/// Returns [`Error::Size`] if x is not a whole number of rows. Nothing is written then.
pub fn rms_norm_in_place(cpu: &Cpu, x: &mut [f32], gain: &[f32], epsilon: f32) -> Result<(), Error> {
    expect_rows("elements of the norm's rows", gain.len(), x.len())?;
    dispatch(cpu, RmsNorm { x, gain, epsilon });
    Ok(())
}

struct RmsNorm<'a> {
    x: &'a mut [f32],
    gain: &'a [f32],
    epsilon: f32,
}

impl Op for RmsNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        for row in self.x.chunks_exact_mut(self.gain.len().max(1)) {
            let scale = s.splat(scale_of_row(s, row, self.epsilon));
            for (part, gain) in row.chunks_mut(S::LANES).zip(self.gain.chunks(S::LANES)) {
                s.write(part, s.mul(s.mul(s.read(part), scale), s.read(gain)));
            }
        }
    }
}

/// 1 / √(mean(x²) + ε)
#[inline(always)]
fn scale_of_row<S: Simd<f32>>(s: S, row: &[f32], epsilon: f32) -> f32 {
    let mean = sum_of_squares(s, row) / row.len() as f32;
    // Written so that a NaN gives NaN.
    if mean < f32::INFINITY { 1.0 / (mean + epsilon).sqrt() } else { f32::NAN }
}

/// The naive twin of [`rms_norm`] for one row, computed in f64.
///
/// # Panics
/// If the lengths differ.
pub fn rms_norm_reference(x: &[f32], gain: &[f32], epsilon: f32, out: &mut [f32]) {
    let mean = x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / x.len() as f64;
    let scale = 1.0 / (mean + f64::from(epsilon)).sqrt();
    for j in 0..x.len() {
        out[j] = (f64::from(x[j]) * scale * f64::from(gain[j])) as f32;
    }
}
