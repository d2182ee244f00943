//! A smooth bound for scores and logits.

use crate::cpu::Cpu;
use crate::simd::math::tanh;
use crate::simd::{Op, Simd, dispatch};

/// x ← cap · tanh(x / cap) for every element: nearly x for |x| far below the cap, and never beyond ±cap.
///
/// The quotient, the hyperbolic tangent and the product are rounded to f32 each. ±∞ gives ±cap, NaN gives NaN, and a cap of zero NaN
/// or zeros, as the formula does.
///
/// Source: Bello et al., "Neural Combinatorial Optimization with Reinforcement Learning", 2016; Gemma Team, "Gemma 2", 2024.
pub fn soft_cap(cpu: &Cpu, x: &mut [f32], cap: f32) {
    dispatch(cpu, SoftCap(x, cap));
}

struct SoftCap<'a>(&'a mut [f32], f32);

impl Op for SoftCap<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        let cap = s.splat(self.1);
        for part in self.0.chunks_mut(S::LANES) {
            s.write(part, s.mul(cap, tanh(s, s.div(s.read(part), cap))));
        }
    }
}

/// The naive twin of [`soft_cap`], computed in f64.
pub fn soft_cap_reference(x: &mut [f32], cap: f32) {
    let cap = f64::from(cap);
    for x in x {
        *x = (cap * (f64::from(*x) / cap).tanh()) as f32;
    }
}
