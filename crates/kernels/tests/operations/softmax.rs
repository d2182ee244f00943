//! Softmax and log-sum-exp against their formulas in f64.

use crate::{LENGTHS, assert_same_at_any_offset, each_isa, rows};
use cke_kernels::Cpu;
use cke_kernels::ops::softmax::{log_sum_exp, log_sum_exp_reference, softmax, softmax_reference};
use cke_testkit::tolerance::{F32_ROUNDOFF, assert_close, gamma};
use cke_testkit::{Data, Guarded, View, oracle};

/// Relative error of `simd::math::exp`.
const EXP_ERROR: f64 = 1.3e-7;
const NEVER: f32 = f32::NEG_INFINITY;

fn softmax_on(cpu: &Cpu, row: &[f32]) -> Vec<f32> {
    let mut out = Guarded::new(row);
    softmax(cpu, out.as_mut_slice());
    out.as_slice().to_vec()
}

/// Relative error of e^(scale·(x − max)) for one element: two roundings of the argument, and the exponential's own.
fn term_error(x: f32, max: f32) -> f64 {
    EXP_ERROR + 2.0 * F32_ROUNDOFF * (f64::from(x) - f64::from(max)).abs().min(110.0)
}

/// Each term's error, the weighted mean of all for their sum, and γ(n + 3) for adding and dividing.
fn softmax_bounds(row: &[f32], exact: &[f64]) -> Vec<f64> {
    let max = row.iter().copied().fold(NEVER, f32::max);
    let errors: Vec<f64> = row.iter().map(|&x| term_error(x, max)).collect();
    let common = errors.iter().zip(exact).map(|(e, y)| e * y).sum::<f64>() + gamma(row.len() + 3, F32_ROUNDOFF);
    errors.iter().zip(exact).map(|(e, y)| (e + common) * y + 2.0 * f64::from(f32::from_bits(1))).collect()
}

#[test]
fn softmax_of_each_length_keeps_its_bound() {
    for (mean, deviation) in [(0.0, 1.0), (0.0, 30.0), (1e4, 3.0), (-3e38, 1e37), (0.0, 1e-20), (0.0, 0.0)] {
        for row in rows(130, mean, deviation) {
            let exact = oracle::softmax(View::row_major(&row, 1, row.len()));
            let bounds = softmax_bounds(&row, &exact);
            each_isa(|cpu| {
                let case = format!("{mean} ± {deviation}, length {} on {}", row.len(), cpu.isa());
                assert_close(&case, &softmax_on(cpu, &row), &exact, &bounds);
            });
            let mut twin = row.clone();
            softmax_reference(&mut twin);
            assert_close("reference", &twin, &exact, &bounds);
        }
    }
}

#[test]
fn softmax_of_masked_entries_gives_zero_there_and_the_rest_its_share() {
    each_isa(|cpu| {
        for len in LENGTHS.into_iter().filter(|&len| len > 1) {
            let mut row = vec![NEVER; len];
            (row[0], row[len - 1]) = (-1000.0, -1000.0);
            let found = softmax_on(cpu, &row);
            assert_eq!((found[0], found[len - 1]), (0.5, 0.5), "length {len} on {}", cpu.isa());
            assert!(found[1..len - 1].iter().all(|&y| y == 0.0), "length {len} on {}", cpu.isa());
        }
        assert_eq!(softmax_on(cpu, &[f32::MAX, f32::MIN, 0.0]), [1.0, 0.0, 0.0], "{}", cpu.isa());
    });
}

#[test]
fn softmax_of_fully_masked_row_is_zeros() {
    for len in LENGTHS {
        let mut twin = vec![NEVER; len];
        softmax_reference(&mut twin);
        assert_eq!(twin, vec![0.0; len]);
        each_isa(|cpu| assert_eq!(softmax_on(cpu, &vec![NEVER; len]), vec![0.0; len], "{}", cpu.isa()));
    }
}

#[test]
fn softmax_with_nan_or_infinity_is_nan_throughout() {
    for bad in [f32::NAN, f32::INFINITY] {
        for others in [0.5, NEVER] {
            for at in [0, 15, 16, 32] {
                let mut row = vec![others; 33];
                row[at] = bad;
                let mut twin = row.clone();
                softmax_reference(&mut twin);
                assert!(twin.iter().all(|y| y.is_nan()), "{bad} at {at} among {others}, reference");
                each_isa(|cpu| {
                    let found = softmax_on(cpu, &row);
                    assert!(found.iter().all(|y| y.is_nan()), "{bad} at {at} among {others} on {}", cpu.isa());
                });
            }
        }
    }
}

#[test]
fn softmax_at_any_offset_gives_the_same_bits() {
    each_isa(|cpu| {
        for row in rows(132, 0.0, 5.0) {
            let case = format!("length {} on {}", row.len(), cpu.isa());
            assert_same_at_any_offset(&case, &row, |x| {
                let mut y = vec![f32::NAN; x.as_ptr() as usize / 4 % 16]; // the operation works in place: keep the offset
                y.extend_from_slice(x);
                let start = y.len() - x.len();
                softmax(cpu, &mut y[start..]);
                y.split_off(start)
            });
        }
    });
}

#[test]
fn log_sum_exp_of_each_length_keeps_its_bound() {
    let long = Data::new(133).normal(50_257, 0.0, 4.0);
    for (mean, deviation) in [(0.0, 1.0), (0.0, 30.0), (-1e4, 3.0)] {
        for row in rows(134, mean, deviation).into_iter().chain([long.clone()]) {
            let max = row.iter().copied().fold(NEVER, f32::max);
            let exact = log_sum_exp_reference(&row);
            // Terms and chunks of 256 of one sign, so the sum's relative error is the logarithm's absolute one.
            let terms: f64 = row.iter().map(|&x| (f64::from(x) - exact).exp() * term_error(x, max)).sum();
            let bound = terms + gamma(256, F32_ROUNDOFF) + 1e-15 * exact.abs();
            each_isa(|cpu| {
                let found = log_sum_exp(cpu, &row);
                let close = found == exact || (found - exact).abs() <= bound;
                assert!(close, "length {} on {}: wanted {exact}, found {found}", row.len(), cpu.isa());
            });
        }
    }
}

#[test]
fn log_sum_exp_of_special_rows_is_defined() {
    let nowhere = f64::NEG_INFINITY;
    let cases: [(&[f32], f64); 6] = [
        (&[], nowhere),
        (&[NEVER; 20], nowhere),
        (&[0.0, f32::INFINITY, NEVER], f64::INFINITY),
        (&[f32::MAX, 0.0], f64::from(f32::MAX)),
        (&[f32::MIN], f64::from(f32::MIN)),
        (&[NEVER, 3.0, NEVER], 3.0),
    ];
    each_isa(|cpu| {
        for (row, wanted) in cases {
            assert_eq!(log_sum_exp(cpu, row), wanted, "{row:?} on {}", cpu.isa());
            assert_eq!(log_sum_exp_reference(row), wanted, "{row:?}, reference");
        }
        for row in [[f32::NAN, 0.0], [0.0, f32::NAN], [f32::NAN, NEVER], [f32::NAN, f32::INFINITY]] {
            assert!(log_sum_exp(cpu, &row).is_nan() && log_sum_exp_reference(&row).is_nan(), "{row:?}");
        }
    });
}
