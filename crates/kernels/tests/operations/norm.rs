//! Layer normalisation against its formula in f64.

use crate::{LENGTHS, assert_same_at_any_offset, each_isa, rows};
use cke_kernels::ops::norm::{layer_norm, layer_norm_reference};
use cke_kernels::{Cpu, Error};
use cke_testkit::tolerance::{F32_ROUNDOFF, assert_close, assert_identical, gamma};
use cke_testkit::{Data, Guarded, View, oracle};

const EPSILON: f32 = 1e-5;

/// γ and β of one width.
struct Weights {
    gamma: Vec<f32>,
    beta: Vec<f32>,
}

impl Weights {
    fn new(width: usize) -> Weights {
        let mut data = Data::new(120);
        Weights { gamma: data.normal(width, 1.0, 0.3), beta: data.normal(width, 0.0, 0.5) }
    }

    fn exact(&self, x: &[f32]) -> Vec<f64> {
        let rows = x.len().checked_div(self.gamma.len()).unwrap_or(0);
        oracle::layer_norm(View::row_major(x, rows, self.gamma.len()), &self.gamma, &self.beta, f64::from(EPSILON))
    }

    fn on(&self, cpu: &Cpu, x: &[f32]) -> Vec<f32> {
        let mut out = Guarded::unwritten(x.len());
        layer_norm(cpu, x, &self.gamma, &self.beta, EPSILON, out.as_mut_slice()).expect("the sizes fit");
        out.as_slice().to_vec()
    }

    /// First-order bound for one row of n elements. With u the unit roundoff, γ(n) as in Higham, M = mean |x| and
    /// δ = γ(n)·M, the most by which the uncorrected mean is off: the deviations have an absolute error of
    /// γ(n + 4)·(mean |x − mean| + δ) + 4u·(|x − mean| + δ), the scale a relative one of
    /// γ(n + 4)·(variance + 2δ²) / (variance + ε) + 4u, and the last two steps add 4u·(|y| + |β|).
    fn bounds(&self, row: &[f32], exact: &[f64]) -> Vec<f64> {
        let n = row.len();
        let mean_of = |f: &dyn Fn(f64) -> f64| row.iter().map(|&x| f(f64::from(x))).sum::<f64>() / n as f64;
        let mean = mean_of(&|x| x);
        let variance = mean_of(&|x| (x - mean).powi(2)) + f64::from(EPSILON);
        let shift = gamma(n, F32_ROUNDOFF) * mean_of(&f64::abs);
        let spread = mean_of(&|x| (x - mean).abs()) + shift;
        let growth = gamma(n + 4, F32_ROUNDOFF);
        let scale_error = growth * (variance + 2.0 * shift * shift) / variance + 4.0 * F32_ROUNDOFF;
        let bound = |j: usize| {
            let (factor, offset) = (f64::from(self.gamma[j]).abs() / variance.sqrt(), f64::from(self.beta[j]));
            let deviation = growth * spread + 4.0 * F32_ROUNDOFF * ((f64::from(row[j]) - mean).abs() + shift);
            let rounding = 4.0 * F32_ROUNDOFF * (exact[j].abs() + offset.abs());
            factor * deviation + scale_error * (exact[j] - offset).abs() + rounding
        };
        (0..n).map(bound).collect()
    }
}

#[test]
fn layer_norm_of_each_width_keeps_its_bound() {
    for (mean, deviation) in [(0.0, 1.0), (100.0, 1.0), (-3.0, 1e-3), (0.0, 1e12), (1e15, 1e15), (0.0, 1e-30)] {
        for row in rows(121, mean, deviation) {
            let weights = Weights::new(row.len());
            let exact = weights.exact(&row);
            let bounds = weights.bounds(&row, &exact);
            each_isa(|cpu| {
                let case = format!("{mean} ± {deviation}, width {} on {}", row.len(), cpu.isa());
                assert_close(&case, &weights.on(cpu, &row), &exact, &bounds);
            });
            let mut twin = vec![0.0; row.len()];
            layer_norm_reference(&row, &weights.gamma, &weights.beta, EPSILON, &mut twin);
            assert_close("reference", &twin, &exact, &bounds);
        }
    }
}

#[test]
fn layer_norm_far_from_zero_keeps_the_precision_of_its_input() {
    // Whole numbers round 2²⁰ are exact in f32, so the deviations are too.
    let row: Vec<f32> = Data::new(122).whole(768, 8).iter().map(|x| x + 1_048_576.0).collect();
    let weights = Weights::new(row.len());
    let exact = weights.exact(&row);
    each_isa(|cpu| {
        let bounds = vec![2e-6; row.len()];
        assert_close(cpu.isa().name(), &weights.on(cpu, &row), &exact, &bounds);
    });
}

#[test]
fn layer_norm_of_constant_row_is_beta() {
    for len in LENGTHS {
        let weights = Weights::new(len);
        each_isa(|cpu| {
            for value in [0.0, -0.0, 0.1, -7.3, 1e6, 1.234_567e19, f32::from_bits(3)] {
                for (y, beta) in weights.on(cpu, &vec![value; len]).iter().zip(&weights.beta) {
                    assert!(
                        (y - beta).abs() <= 1e-6 * (1.0 + beta.abs()),
                        "{value:e} × {len} on {}: {y}, {beta}",
                        cpu.isa()
                    );
                }
            }
        });
    }
}

#[test]
fn layer_norm_of_several_rows_treats_each_alone() {
    let (width, count) = (51, 5);
    let weights = Weights::new(width);
    let x = Data::new(123).normal(width * count, 0.5, 2.0);
    each_isa(|cpu| {
        let alone: Vec<f32> = x.chunks_exact(width).flat_map(|row| weights.on(cpu, row)).collect();
        assert_identical(cpu.isa().name(), &weights.on(cpu, &x), &alone);
    });
}

#[test]
fn layer_norm_at_any_offset_gives_the_same_bits() {
    each_isa(|cpu| {
        for row in rows(124, 1.0, 2.0) {
            let weights = Weights::new(row.len());
            let case = format!("width {} on {}", row.len(), cpu.isa());
            assert_same_at_any_offset(&case, &row, |x| weights.on(cpu, x));
        }
    });
}

#[test]
fn layer_norm_of_nan_infinity_or_overflow_is_nan_in_that_row_only() {
    let width = 33;
    let weights = Weights::new(width);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e38] {
        for at in [0, 15, 16, 32] {
            let mut x = Data::new(125).uniform(3 * width);
            x[width + at] = bad;
            each_isa(|cpu| {
                let found = weights.on(cpu, &x);
                let is_bad_row = |j: usize| j / width == 1;
                assert!((0..x.len()).all(|j| found[j].is_nan() == is_bad_row(j)), "{bad} at {at} on {}", cpu.isa());
            });
        }
    }
}

#[test]
fn layer_norm_of_sizes_that_do_not_fit_is_an_error() {
    each_isa(|cpu| {
        let mut out = [7.0; 8];
        let mut run = |x: usize, gamma: usize, beta: usize, out_len: usize| {
            layer_norm(cpu, &[1.0; 8][..x], &[1.0; 8][..gamma], &[0.0; 8][..beta], EPSILON, &mut out[..out_len])
        };
        for (x, gamma, beta, out_len) in [(8, 4, 3, 8), (8, 4, 4, 4), (6, 4, 4, 6), (3, 4, 4, 3), (8, 0, 0, 8)] {
            assert!(matches!(run(x, gamma, beta, out_len), Err(Error::Size { .. })), "{x} {gamma} {beta} {out_len}");
        }
        assert_eq!((run(0, 0, 0, 0), run(0, 4, 4, 0)), (Ok(()), Ok(())));
        assert_eq!(out, [7.0; 8]);
    });
}
