//! Elementary functions against f64, over the whole range of f32 and densely where they bend.

use crate::each_isa;
use cke_kernels::Cpu;
use cke_kernels::simd::{Op, Simd, dispatch, math};
use cke_testkit::special::erfc;
use cke_testkit::tolerance::assert_close;

#[derive(Clone, Copy, Debug)]
enum Function {
    Exp,
    RoundedPowerOfTwo,
    Sigmoid,
    Tanh,
    NormalCdf,
}

impl Function {
    fn exact(self, x: f64) -> f64 {
        match self {
            Function::Exp => x.exp(),
            Function::RoundedPowerOfTwo => x.exp2(),
            Function::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Function::Tanh => x.tanh(),
            Function::NormalCdf => 0.5 * erfc(-x * std::f64::consts::FRAC_1_SQRT_2),
        }
    }

    fn on(self, cpu: &Cpu, x: &[f32]) -> Vec<f32> {
        let mut y = x.to_vec();
        dispatch(cpu, Evaluate(self, &mut y));
        y
    }
}

struct Evaluate<'a>(Function, &'a mut [f32]);

impl Op for Evaluate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        for part in self.1.chunks_mut(S::LANES) {
            let x = s.read(part);
            let y = match self.0 {
                Function::Exp => math::exp(s, x),
                Function::RoundedPowerOfTwo => math::rounded_power_of_two(s, x),
                Function::Sigmoid => math::sigmoid(s, x),
                Function::Tanh => math::tanh(s, x),
                Function::NormalCdf => math::normal_cdf(s, x),
            };
            s.write(part, y);
        }
    }
}

/// Every 2¹¹-th bit pattern (NaN left out), and a million values evenly between `low` and `high`.
fn points(low: f32, high: f32) -> Vec<f32> {
    let patterns = (0..=u32::MAX).step_by(1 << 11).map(f32::from_bits).filter(|x| !x.is_nan());
    let even = (0..1_000_000).map(|i| low + (high - low) * (i as f32 / 1e6));
    patterns.chain(even).collect()
}
/// Checks |found − exact| ≤ relative(x) · max(|exact|, smallest normal number) + slack, and overflow to infinity.
fn assert_accurate(function: Function, x: &[f32], relative: impl Fn(f32) -> f64, slack: f64) {
    let exact: Vec<f64> = x.iter().map(|&x| function.exact(f64::from(x))).collect();
    let bound = |(&x, &y): (&f32, &f64)| relative(x) * y.abs().max(f64::from(f32::MIN_POSITIVE)) + slack;
    let bounds: Vec<f64> = x.iter().zip(&exact).map(bound).collect();
    each_isa(|cpu| assert_close(&format!("{function:?} on {}", cpu.isa()), &function.on(cpu, x), &exact, &bounds));
}

/// The step between denormal numbers: half of it for each of two roundings.
const DENORMAL_STEP: f64 = f32::from_bits(1) as f64;

#[test]
fn exp_over_all_magnitudes_keeps_its_bound() {
    assert_accurate(Function::Exp, &points(-110.0, 95.0), |_| 1.3e-7, DENORMAL_STEP);
}

#[test]
fn rounded_power_of_two_is_a_bf16_near_the_exact_one() {
    let points = points(-155.0, 135.0);
    // The largest powers are rounded to infinity.
    let bound = |x: f32| if (127.99..128.0).contains(&x) { f64::INFINITY } else { 1.01 / 256.0 };
    assert_accurate(Function::RoundedPowerOfTwo, &points, bound, DENORMAL_STEP);
    each_isa(|cpu| {
        for power in Function::RoundedPowerOfTwo.on(cpu, &points) {
            assert!(power.is_subnormal() || power.to_bits() & 0xffff == 0, "{power:e} on {}", cpu.isa());
        }
    });
}

#[test]
fn sigmoid_over_all_magnitudes_keeps_its_bound() {
    let vanished = |x: f32| if x < -88.7 { 0.26 } else { 2e-7 };
    assert_accurate(Function::Sigmoid, &points(-110.0, 20.0), vanished, DENORMAL_STEP);
}

#[test]
fn tanh_over_all_magnitudes_keeps_its_bound() {
    assert_accurate(Function::Tanh, &points(-10.0, 10.0), |_| 3e-7, DENORMAL_STEP);
}

#[test]
fn normal_cdf_over_all_magnitudes_keeps_its_bound() {
    let growing = |x: f32| if x < -5.0 { 8e-6 } else { 1.3e-6 };
    assert_accurate(Function::NormalCdf, &points(-15.0, 6.0), growing, DENORMAL_STEP);
}

#[test]
fn special_values_give_their_limits() {
    let x = [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, f32::from_bits(1), -f32::from_bits(1)];
    let tiny = f32::from_bits(1);
    let wanted = [
        (Function::Exp, [1.0, 1.0, f32::INFINITY, 0.0, f32::INFINITY, 0.0, 1.0, 1.0]),
        (Function::RoundedPowerOfTwo, [1.0, 1.0, f32::INFINITY, 0.0, f32::INFINITY, 0.0, 1.0, 1.0]),
        (Function::Sigmoid, [0.5, 0.5, 1.0, 0.0, 1.0, 0.0, 0.5, 0.5]),
        (Function::Tanh, [0.0, 0.0, 1.0, -1.0, 1.0, -1.0, tiny, -tiny]),
        (Function::NormalCdf, [0.5, 0.5, 1.0, 0.0, 1.0, 0.0, 0.5, 0.5]),
    ];
    each_isa(|cpu| {
        for (function, wanted) in wanted {
            let found = function.on(cpu, &x);
            for i in 0..x.len() {
                let case = format!("{function:?}({:e}) on {}", x[i], cpu.isa());
                assert!(
                    (found[i] - wanted[i]).abs() <= 1e-6 * wanted[i].abs() || found[i] == wanted[i],
                    "{case}: {}",
                    found[i]
                );
            }
            assert!(function.on(cpu, &[f32::NAN; 17]).iter().all(|y| y.is_nan()), "{function:?} on {}", cpu.isa());
        }
    });
}

#[test]
fn exp_of_smallest_results_is_denormal() {
    each_isa(|cpu| {
        let found = Function::Exp.on(cpu, &[-87.5, -95.0, -103.9, -103.98]);
        assert!(found[..3].iter().all(|y| y.is_subnormal()), "{}: {found:?}", cpu.isa());
        assert_eq!(found[3], 0.0, "{}", cpu.isa());
    });
}
