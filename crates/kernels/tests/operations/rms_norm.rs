//! RMS normalisation against its formula in f64.

use crate::{LENGTHS, assert_same_at_any_offset, each_isa, rows};
use cke_kernels::ops::norm::{rms_norm, rms_norm_in_place, rms_norm_reference};
use cke_kernels::{Cpu, Error};
use cke_testkit::tolerance::{F32_ROUNDOFF, assert_close, assert_identical, gamma, max_ulp_distance};
use cke_testkit::{Data, Guarded};

const EPSILON: f32 = 1e-5;

fn gain(width: usize) -> Vec<f32> {
    Data::new(160).normal(width, 1.0, 0.3)
}

fn on(cpu: &Cpu, x: &[f32], gain: &[f32]) -> Vec<f32> {
    let mut out = Guarded::unwritten(x.len());
    rms_norm(cpu, x, gain, EPSILON, out.as_mut_slice()).expect("the sizes fit");
    out.as_slice().to_vec()
}

fn exact(x: &[f32], gain: &[f32]) -> Vec<f64> {
    let squares: f64 = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    let root = (squares / x.len() as f64 + f64::from(EPSILON)).sqrt();
    x.iter().zip(gain).map(|(&x, &g)| f64::from(x) / root * f64::from(g)).collect()
}

/// Half of the γ(n + 3) of a mean of positive terms and ε, and one rounding each for the root, its inverse and two products.
fn bounds(exact: &[f64]) -> Vec<f64> {
    let relative = 0.51 * gamma(exact.len() + 3, F32_ROUNDOFF) + 4.1 * F32_ROUNDOFF;
    exact.iter().map(|y| relative * y.abs()).collect()
}

#[test]
fn rms_norm_of_each_width_keeps_its_bound() {
    for (mean, deviation) in [(0.0, 1.0), (100.0, 1.0), (-3.0, 1e-3), (0.0, 1e15), (0.0, 1e-20)] {
        for row in rows(161, mean, deviation) {
            let gain = gain(row.len());
            let exact = exact(&row, &gain);
            let bounds = bounds(&exact);
            each_isa(|cpu| {
                let case = format!("{mean} ± {deviation}, width {} on {}", row.len(), cpu.isa());
                assert_close(&case, &on(cpu, &row, &gain), &exact, &bounds);
            });
            let mut twin = vec![0.0; row.len()];
            rms_norm_reference(&row, &gain, EPSILON, &mut twin);
            assert_close("reference", &twin, &exact, &bounds);
        }
    }
}

/// What `LlamaRMSNorm` of transformers 5.24 gives.
#[test]
fn rms_norm_of_llama_gives_the_numbers_of_transformers() {
    let x = [0.5, -1.25, 2.0, 3.0, -0.75, 1.5, 0.25, -2.5];
    let gain = [1.0, 0.5, 2.0, -1.0, 1.25, 0.75, 3.0, 0.1];
    let wanted = [0.28905126, -0.3613141, 2.31241, -1.7343075, -0.5419711, 0.65036535, 0.43357688, -0.14452563];
    each_isa(|cpu| {
        let found = on(cpu, &x, &gain);
        assert!(max_ulp_distance(&found, &wanted) <= 2, "{}: {found:?}", cpu.isa());
    });
}

#[test]
fn rms_norm_in_place_or_of_several_rows_gives_the_bits_of_each_alone() {
    for width in LENGTHS.into_iter().filter(|&width| width > 0) {
        let (gain, x) = (gain(width), Data::new(162).normal(width * 5, 0.5, 2.0));
        each_isa(|cpu| {
            let alone: Vec<f32> = x.chunks_exact(width).flat_map(|row| on(cpu, row, &gain)).collect();
            assert_identical(cpu.isa().name(), &on(cpu, &x, &gain), &alone);
            let mut in_place = Guarded::new(&x);
            rms_norm_in_place(cpu, in_place.as_mut_slice(), &gain, EPSILON).expect("whole rows");
            assert_identical(cpu.isa().name(), in_place.as_slice(), &alone);
        });
    }
}

#[test]
fn rms_norm_at_any_offset_gives_the_same_bits() {
    each_isa(|cpu| {
        for row in rows(163, 1.0, 2.0) {
            let gain = gain(row.len());
            let case = format!("width {} on {}", row.len(), cpu.isa());
            assert_same_at_any_offset(&case, &row, |x| on(cpu, x, &gain));
        }
    });
}

#[test]
fn rms_norm_of_nan_infinity_or_overflow_is_nan_in_that_row_only() {
    let width = 33;
    let gain = gain(width);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e38] {
        for at in [0, 15, 16, 32] {
            let mut x = Data::new(164).uniform(3 * width);
            x[width + at] = bad;
            each_isa(|cpu| {
                let found = on(cpu, &x, &gain);
                let is_bad_row = |j: usize| j / width == 1;
                assert!((0..x.len()).all(|j| found[j].is_nan() == is_bad_row(j)), "{bad} at {at} on {}", cpu.isa());
            });
        }
    }
}

#[test]
fn rms_norm_of_zeros_is_zeros_unless_epsilon_is_zero() {
    each_isa(|cpu| {
        let mut x = [0.0; 20];
        rms_norm_in_place(cpu, &mut x, &[1.0; 20], EPSILON).expect("one row");
        assert_eq!(x, [0.0; 20]);
        rms_norm_in_place(cpu, &mut x, &[1.0; 20], 0.0).expect("one row");
        assert!(x.iter().all(|y| y.is_nan()));
    });
}

#[test]
fn rms_norm_of_sizes_that_do_not_fit_is_an_error() {
    each_isa(|cpu| {
        let mut out = [7.0; 8];
        let mut run = |x: usize, gain: usize, out_len: usize| {
            rms_norm(cpu, &[1.0; 8][..x], &[1.0; 8][..gain], EPSILON, &mut out[..out_len])
        };
        for (x, gain, out_len) in [(8, 4, 4), (6, 4, 6), (3, 4, 3), (8, 0, 8)] {
            assert!(matches!(run(x, gain, out_len), Err(Error::Size { .. })), "{x} {gain} {out_len}");
        }
        assert_eq!((run(0, 0, 0), run(0, 4, 0)), (Ok(()), Ok(())));
        for gain in [0, 3] {
            let result = rms_norm_in_place(cpu, &mut out, &[1.0; 8][..gain], EPSILON);
            assert!(matches!(result, Err(Error::Size { .. })), "{gain}");
        }
        assert_eq!(out, [7.0; 8]);
    });
}
