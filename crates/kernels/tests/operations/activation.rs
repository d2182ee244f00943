//! Activations against their formulas in f64.

use crate::{LENGTHS, assert_same_at_any_offset, each_isa};
use cke_kernels::Cpu;
use cke_kernels::ops::activation::{Activation, apply};
use cke_testkit::tolerance::{F32_ROUNDOFF, assert_close, assert_identical};
use cke_testkit::{Data, oracle};

fn exact(activation: Activation, x: f32) -> f64 {
    match activation {
        Activation::None => f64::from(x),
        Activation::Relu => f64::from(if x < 0.0 { 0.0 } else { x }),
        Activation::Gelu => oracle::gelu(x),
        Activation::GeluTanh => oracle::gelu_tanh(x),
        Activation::Silu => oracle::silu(x),
        Activation::Tanh => f64::from(x).tanh(),
    }
}

/// The bounds of `simd::math` and a rounding of the product; for the tanh form also the roundings of its argument, which
/// the exponential turns into relative errors. Gates below the normal numbers are good to 0.26 of the smallest of them.
fn bound(activation: Activation, x: f32) -> f64 {
    let (wide, smallest) = (f64::from(x), f64::from(f32::MIN_POSITIVE));
    let argument = 1.6 * wide.abs() * (1.0 + 0.044_715 * wide * wide);
    let relative = match activation {
        Activation::None | Activation::Relu => return 0.0,
        Activation::Gelu => {
            if x < -5.0 {
                8.1e-6
            } else {
                1.4e-6
            }
        }
        Activation::GeluTanh => 3e-7 + 6.0 * F32_ROUNDOFF * argument.min(100.0),
        Activation::Silu | Activation::Tanh => 3e-7,
    };
    relative * exact(activation, x).abs() + 0.26 * smallest * wide.abs().clamp(1.0, 200.0)
}

fn applied(cpu: &Cpu, activation: Activation, x: &[f32]) -> Vec<f32> {
    let mut y = x.to_vec();
    apply(cpu, activation, &mut y);
    y
}

/// Evenly over the bends, and every 2¹⁶-th bit pattern but NaN and the infinities.
fn points() -> Vec<f32> {
    let even = (0..100_000).map(|i| -20.0 + i as f32 * 4e-4);
    even.chain((0..=u32::MAX).step_by(1 << 16).map(f32::from_bits).filter(|x| x.is_finite())).collect()
}

#[test]
fn activation_over_all_magnitudes_keeps_its_bound() {
    let x = points();
    for activation in Activation::ALL {
        let wanted: Vec<f64> = x.iter().map(|&x| exact(activation, x)).collect();
        let bounds: Vec<f64> = x.iter().map(|&x| bound(activation, x)).collect();
        each_isa(|cpu| {
            let case = format!("{activation:?} on {}", cpu.isa());
            assert_close(&case, &applied(cpu, activation, &x), &wanted, &bounds);
        });
    }
}

#[test]
fn reference_over_all_magnitudes_is_the_rounded_formula() {
    for activation in Activation::ALL {
        for x in points().into_iter().step_by(7) {
            let (found, wanted) = (f64::from(activation.reference(x)), exact(activation, x));
            let bound = 1.01 * F32_ROUNDOFF * wanted.abs() + f64::from(f32::from_bits(1));
            assert!((found - wanted).abs() <= bound, "{activation:?}({x:e}): wanted {wanted:e}, found {found:e}");
        }
    }
}

#[test]
fn activation_of_special_values_is_its_limit() {
    let x = [f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 0.0, -0.0];
    each_isa(|cpu| {
        for activation in Activation::ALL {
            let found = applied(cpu, activation, &x);
            for (&x, y) in x.iter().zip(found) {
                let wanted = exact(activation, x) as f32;
                assert_eq!(y, wanted, "{activation:?}({x:e}) on {}", cpu.isa());
                assert_eq!(activation.reference(x), wanted, "{activation:?}({x:e}), reference");
            }
            let nan = applied(cpu, activation, &[f32::NAN; 17]);
            assert!(nan.iter().all(|y| y.is_nan()), "{activation:?} of NaN on {}", cpu.isa());
            assert!(activation.reference(f32::NAN).is_nan(), "{activation:?} of NaN, reference");
        }
    });
}

#[test]
fn activation_of_each_length_and_offset_gives_the_same_bits() {
    let x = Data::new(110).normal(1000, 0.0, 3.0);
    each_isa(|cpu| {
        for activation in Activation::ALL {
            let whole = applied(cpu, activation, &x);
            for len in LENGTHS {
                assert_identical("prefix", &applied(cpu, activation, &x[..len]), &whole[..len]);
            }
            assert_same_at_any_offset(cpu.isa().name(), &x[..100], |x| applied(cpu, activation, x));
        }
    });
}
