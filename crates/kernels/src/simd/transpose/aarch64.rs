//! Blocks in registers of 128 bits, which are one part: nothing is left to exchange.

use crate::simd::Neon;
use std::arch::aarch64::*;

// a₀b₀a₁b₁, a₂b₂a₃b₃ of four elements; a₀b₀, a₁b₁ of two.
pairs! {
    zip_f32x4(Neon, float32x4_t) => vzip1q_f32, vzip2q_f32;
    zip_f64x2(Neon, float64x2_t) => vzip1q_f64, vzip2q_f64;
}

/// a₀a₁b₀b₁, a₂a₃b₂b₃.
#[inline(always)]
fn pair_f32x4(_: Neon, a: float32x4_t, b: float32x4_t) -> [float32x4_t; 2] {
    // SAFETY: the first argument proves the instruction set; nothing else is asked.
    unsafe {
        let (a, b) = (vreinterpretq_f64_f32(a), vreinterpretq_f64_f32(b));
        [vreinterpretq_f32_f64(vzip1q_f64(a, b)), vreinterpretq_f32_f64(vzip2q_f64(a, b))]
    }
}

/// The rows of 4 × 4 elements become its columns.
#[inline(always)]
pub(in crate::simd) fn f32x4(s: Neon, x: &mut [float32x4_t; 4]) {
    four!(s, x, 0, 1, zip_f32x4, pair_f32x4);
}

/// The rows of 2 × 2 elements become its columns.
#[inline(always)]
pub(in crate::simd) fn f64x2(s: Neon, x: &mut [float64x2_t; 2]) {
    two!(s, x, 0, 1, zip_f64x2);
}
