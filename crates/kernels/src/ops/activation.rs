//! Activation functions, elementwise.

use crate::cpu::Cpu;
use crate::simd::math::{normal_cdf, sigmoid, tanh};
use crate::simd::{Lanewise, Op, Simd, dispatch};
use std::f64::consts::{FRAC_2_PI, TAU};

/// An elementwise function. NaN gives NaN; at ±∞ each is its limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// x
    #[default]
    None,
    /// max(x, 0)
    Relu,
    /// x · Φ(x) with the normal distribution function Φ (Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016).
    Gelu,
    /// x · sigmoid(2u) with u = √(2/π)·(x + 0.044715·x³), which equals x/2 · (1 + tanh u): the same paper's approximation.
    GeluTanh,
    /// x · sigmoid(x), also called swish.
    Silu,
    /// tanh x
    Tanh,
}

impl Activation {
    /// Every activation.
    pub const ALL: [Activation; 6] = [
        Activation::None,
        Activation::Relu,
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Silu,
        Activation::Tanh,
    ];

    /// The naive twin, computed in f64 with nothing of [`math`](crate::simd::math).
    pub fn reference(self, x: f32) -> f32 {
        let x = f64::from(x);
        let u = FRAC_2_PI.sqrt() * (x + 0.044_715 * x * x * x);
        let gate = match self {
            Activation::None => return x as f32,
            Activation::Relu => return if x < 0.0 { 0.0 } else { x as f32 },
            Activation::Tanh => return x.tanh() as f32,
            Activation::Gelu => normal_cdf_reference(x),
            Activation::GeluTanh => 1.0 / (1.0 + (-2.0 * u).exp()),
            Activation::Silu => 1.0 / (1.0 + (-x).exp()),
        };
        (x.max(f64::MIN) * gate) as f32
    }
}

/// Φ(x): its power series near zero (Marsaglia, "Evaluating the Normal Distribution", 2004), Laplace's continued fraction
/// φ(x) / (x + 1/(x + 2/(x + 3/(x + …)))) of the upper tail elsewhere.
fn normal_cdf_reference(x: f64) -> f64 {
    let density = (-0.5 * x * x).exp() / TAU.sqrt();
    if x.abs() < 3.0 {
        let (mut term, mut sum) = (x, x);
        for odd in (3..100).step_by(2) {
            term *= x * x / f64::from(odd);
            sum += term;
        }
        return 0.5 + density * sum;
    }
    let tail = density / (1..100).rev().fold(x.abs(), |fraction, level| x.abs() + f64::from(level) / fraction);
    if x < 0.0 { tail } else { 1.0 - tail }
}

/// The activation of one vector, or of several in step.
#[inline(always)]
pub(crate) fn activate<S: Lanewise<f32>>(s: S, activation: Activation, x: S::Reg) -> S::Reg {
    // Where one operand of max is a NaN, the second comes out: here x, so that a NaN stays.
    let gate = match activation {
        Activation::None => return x,
        Activation::Relu => return s.max(s.splat(0.0), x),
        Activation::Tanh => return tanh(s, x),
        Activation::Gelu => normal_cdf(s, x),
        Activation::GeluTanh => {
            let inner = s.mul_add(s.mul(x, x), s.splat(0.044_715), s.splat(1.0));
            sigmoid(s, s.mul(s.mul(x, s.splat(1.595_769_2)), inner))
        }
        Activation::Silu => sigmoid(s, x),
    };
    s.mul(s.max(s.splat(f32::MIN), x), gate)
}

/// x ← activation(x) for every element.
pub fn apply(cpu: &Cpu, activation: Activation, x: &mut [f32]) {
    struct Apply<'a>(Activation, &'a mut [f32]);
    impl Op for Apply<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd<f32>>(self, s: S) {
            for part in self.1.chunks_mut(S::LANES) {
                let y = activate(s, self.0, s.read(part));
                s.write(part, y);
            }
        }
    }
    dispatch(cpu, Apply(activation, x));
}
