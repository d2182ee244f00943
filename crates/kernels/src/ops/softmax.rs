//! Softmax and the logarithm of its denominator, without overflow.

use super::elementwise::scale_row;
use super::row::{UNROLL, largest, read_or, total};
use crate::cpu::Cpu;
use crate::simd::math::exp;
use crate::simd::{Op, Simd, dispatch};

/// rowᵢ ← e^(rowᵢ − max) / Σⱼ e^(rowⱼ − max)
///
/// An entry of −∞ (masked) becomes 0. A row of −∞ alone becomes zeros: what may look at nothing gets nothing. A row with a
/// NaN or +∞ becomes NaN throughout. The order of the sum depends on the length alone.
pub fn softmax(cpu: &Cpu, row: &mut [f32]) {
    struct Softmax<'a>(&'a mut [f32]);
    impl Op for Softmax<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd<f32>>(self, s: S) {
            let max = largest(s, self.0);
            let shift = if max == f32::NEG_INFINITY { 0.0 } else { max };
            let sum = exp_row(s, self.0, shift);
            scale_row(s, self.0, if sum == 0.0 { 0.0 } else { 1.0 / sum });
        }
    }
    dispatch(cpu, Softmax(row));
}

/// row ← e^(row − shift); the sum of the result.
#[inline(always)]
fn exp_row<S: Simd<f32>>(s: S, row: &mut [f32], shift: f32) -> f32 {
    let shift = s.splat(shift);
    let mut sums = [s.splat(0.0); UNROLL];
    let mut blocks = row.chunks_exact_mut(UNROLL * S::LANES);
    for block in &mut blocks {
        for (sum, part) in sums.iter_mut().zip(block.chunks_exact_mut(S::LANES)) {
            let e = exp(s, s.sub(s.read(part), shift));
            s.write(part, e);
            *sum = s.add(*sum, e);
        }
    }
    for (sum, part) in sums.iter_mut().zip(blocks.into_remainder().chunks_mut(S::LANES)) {
        let x = read_or(s, part, s.splat(f32::NEG_INFINITY));
        let e = exp(s, s.sub(x, shift));
        s.write(part, e);
        *sum = s.add(*sum, e);
    }
    total(s, sums)
}

/// ln Σᵢ e^rowᵢ, so that the negative log-likelihood of entry i is `log_sum_exp(row) − rowᵢ`.
///
/// −∞ for a row of −∞ alone and for an empty one, +∞ for a row with +∞, NaN for a row with a NaN. Stretches of 256
/// elements are summed in f32, and their sums in f64, which keeps the precision over a large vocabulary.
pub fn log_sum_exp(cpu: &Cpu, row: &[f32]) -> f64 {
    struct LogSumExp<'a>(&'a [f32]);
    impl Op for LogSumExp<'_> {
        type Output = f64;
        #[inline(always)]
        fn run<S: Simd<f32>>(self, s: S) -> f64 {
            let max = largest(s, self.0);
            let shift = if max.is_finite() { max } else { 0.0 };
            let mut sum = 0.0;
            for chunk in self.0.chunks(256) {
                sum += f64::from(exp_sum(s, chunk, shift));
            }
            f64::from(shift) + sum.ln()
        }
    }
    dispatch(cpu, LogSumExp(row))
}

/// Σ e^(x − shift)
#[inline(always)]
fn exp_sum<S: Simd<f32>>(s: S, row: &[f32], shift: f32) -> f32 {
    let shift = s.splat(shift);
    let mut sums = [s.splat(0.0); UNROLL];
    let mut blocks = row.chunks_exact(UNROLL * S::LANES);
    for block in &mut blocks {
        for (sum, part) in sums.iter_mut().zip(block.chunks_exact(S::LANES)) {
            *sum = s.add(*sum, exp(s, s.sub(s.read(part), shift)));
        }
    }
    for (sum, part) in sums.iter_mut().zip(blocks.remainder().chunks(S::LANES)) {
        let x = read_or(s, part, s.splat(f32::NEG_INFINITY));
        *sum = s.add(*sum, exp(s, s.sub(x, shift)));
    }
    total(s, sums)
}

/// The naive twin of [`softmax`], with exponentials and their sum in f64.
pub fn softmax_reference(row: &mut [f32]) {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let shift = if max == f32::NEG_INFINITY { 0.0 } else { f64::from(max) };
    let exp = |x: f32| (f64::from(x) - shift).exp();
    let sum: f64 = row.iter().map(|&x| exp(x)).sum();
    for x in row {
        *x = if sum == 0.0 { 0.0 } else { (exp(*x) / sum) as f32 };
    }
}

/// The naive twin of [`log_sum_exp`].
pub fn log_sum_exp_reference(row: &[f32]) -> f64 {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let shift = if max.is_finite() { f64::from(max) } else { 0.0 };
    shift + row.iter().map(|&x| (f64::from(x) - shift).exp()).sum::<f64>().ln()
}
