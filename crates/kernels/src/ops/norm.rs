//! Normalisation of rows: layer norm, and RMS norm.

mod rms;

pub use rms::{rms_norm, rms_norm_in_place, rms_norm_reference};

use super::row::{UNROLL, read_or, sum, total};
use crate::cpu::Cpu;
use crate::error::{Error, expect_rows, expect_size};
use crate::simd::{Op, Simd, dispatch};

/// y = (x − mean) / √(variance + ε) · γ + β for each row of x (rows, width), row-major; width is the length of γ.
///
/// The variance is the mean square of the deviations (biased). Both moments are corrected by the sum of the deviations
/// from the rounded mean (Chan, Golub and LeVeque, "Algorithms for Computing the Sample Variance", 1983), so that a row
/// far from zero, or of one value, keeps its precision. A row's result depends on its own values alone, bit for bit.
///
/// A row with a NaN or an infinity, or with deviations whose squares overflow (beyond about 1.8e19), becomes NaN. So does
/// a row of one value where ε = 0.
///
/// Source: Ba, Kiros and Hinton, "Layer Normalization", 2016.
///
/// # Errors
/// Returns [`Error::Size`] if β or `out` does not fit, or x is not a whole number of rows. Nothing is written then.
pub fn layer_norm(
    cpu: &Cpu,
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    epsilon: f32,
    out: &mut [f32],
) -> Result<(), Error> {
    expect_size("elements of the norm's beta", gamma.len(), beta.len())?;
    expect_size("elements of the norm's output", x.len(), out.len())?;
    expect_rows("elements of the norm's rows", gamma.len(), x.len())?;
    dispatch(cpu, LayerNorm { x, gamma, beta, epsilon, out });
    Ok(())
}

struct LayerNorm<'a> {
    x: &'a [f32],
    gamma: &'a [f32],
    beta: &'a [f32],
    epsilon: f32,
    out: &'a mut [f32],
}

impl Op for LayerNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        let width = self.gamma.len().max(1);
        for (x, out) in self.x.chunks_exact(width).zip(self.out.chunks_exact_mut(width)) {
            let normalise = Normalise::of_row(s, x, self.epsilon);
            normalise.write_row(s, x, self.gamma, self.beta, out);
        }
    }
}

/// y = ((x − mean) − correction) · scale · γ + β, the constants in every lane.
struct Normalise<S: Simd<f32>> {
    mean: S::Reg,
    correction: S::Reg,
    scale: S::Reg,
}

impl<S: Simd<f32>> Normalise<S> {
    #[inline(always)]
    fn of_row(s: S, row: &[f32], epsilon: f32) -> Self {
        let count = row.len() as f32;
        let mean = sum(s, row) / count;
        let (deviations, squares) = deviation_sums(s, row, mean);
        let correction = deviations / count;
        let variance = squares / count - correction * correction;
        // Written so that a NaN stays one.
        let variance = if variance < 0.0 { 0.0 } else { variance };
        let scale = if variance < f32::INFINITY { 1.0 / (variance + epsilon).sqrt() } else { f32::NAN };
        Normalise { mean: s.splat(mean), correction: s.splat(correction), scale: s.splat(scale) }
    }

    #[inline(always)]
    fn write_row(&self, s: S, x: &[f32], gamma: &[f32], beta: &[f32], out: &mut [f32]) {
        let split = x.len() - x.len() % S::LANES;
        let (x, x_tail) = x.split_at(split);
        let (gamma, gamma_tail) = gamma.split_at(split);
        let (beta, beta_tail) = beta.split_at(split);
        let (out, out_tail) = out.split_at_mut(split);
        let vectors = x.chunks_exact(S::LANES).zip(gamma.chunks_exact(S::LANES)).zip(beta.chunks_exact(S::LANES));
        for (((x, gamma), beta), out) in vectors.zip(out.chunks_exact_mut(S::LANES)) {
            s.write(out, self.apply(s, s.read(x), s.read(gamma), s.read(beta)));
        }
        if !out_tail.is_empty() {
            s.write(out_tail, self.apply(s, s.read(x_tail), s.read(gamma_tail), s.read(beta_tail)));
        }
    }

    #[inline(always)]
    fn apply(&self, s: S, x: S::Reg, gamma: S::Reg, beta: S::Reg) -> S::Reg {
        let deviation = s.sub(s.sub(x, self.mean), self.correction);
        s.mul_add(s.mul(deviation, self.scale), gamma, beta)
    }
}

/// (Σ d, Σ d²) with d = x − centre.
#[inline(always)]
fn deviation_sums<S: Simd<f32>>(s: S, row: &[f32], centre: f32) -> (f32, f32) {
    let centre = s.splat(centre);
    let (mut sums, mut squares) = ([s.splat(0.0); UNROLL], [s.splat(0.0); UNROLL]);
    let mut blocks = row.chunks_exact(UNROLL * S::LANES);
    for block in &mut blocks {
        for ((sum, square), part) in sums.iter_mut().zip(&mut squares).zip(block.chunks_exact(S::LANES)) {
            let d = s.sub(s.read(part), centre);
            *sum = s.add(*sum, d);
            *square = s.mul_add(d, d, *square);
        }
    }
    for ((sum, square), part) in sums.iter_mut().zip(&mut squares).zip(blocks.remainder().chunks(S::LANES)) {
        let d = s.sub(read_or(s, part, centre), centre);
        *sum = s.add(*sum, d);
        *square = s.mul_add(d, d, *square);
    }
    (total(s, sums), total(s, squares))
}

/// The naive twin of [`layer_norm`] for one row, with sums in f64.
///
/// # Panics
/// If the lengths differ.
pub fn layer_norm_reference(x: &[f32], gamma: &[f32], beta: &[f32], epsilon: f32, out: &mut [f32]) {
    let count = x.len() as f64;
    let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
    let variance = x.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count;
    let deviation = (variance + f64::from(epsilon)).sqrt();
    for j in 0..x.len() {
        let normal = (f64::from(x[j]) - mean) / deviation;
        out[j] = (normal * f64::from(gamma[j]) + f64::from(beta[j])) as f32;
    }
}
