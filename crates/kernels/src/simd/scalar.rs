//! Vectors of one lane: the ISA that every CPU has.

use super::{Op, Simd};

/// Proof of nothing in particular: plain Rust arithmetic.
#[derive(Clone, Copy, Debug)]
pub struct Scalar;

impl Simd<f32> for Scalar {
    const LANES: usize = 1;
    type Reg = f32;
    type Mask = bool;
    type Cond = bool;

    #[inline(always)]
    fn mask(self, lanes: usize) -> bool {
        lanes > 0
    }

    #[inline(always)]
    fn splat(self, x: f32) -> f32 {
        x
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> f32 {
        // SAFETY: promised by the caller.
        unsafe { p.read() }
    }

    #[inline(always)]
    unsafe fn load_masked(self, p: *const f32, mask: bool) -> f32 {
        // SAFETY: promised by the caller where the mask is set.
        if mask { unsafe { p.read() } } else { 0.0 }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: f32) {
        // SAFETY: promised by the caller.
        unsafe { p.write(v) }
    }

    #[inline(always)]
    unsafe fn store_masked(self, p: *mut f32, v: f32, mask: bool) {
        if mask {
            // SAFETY: promised by the caller where the mask is set.
            unsafe { p.write(v) }
        }
    }

    #[inline(always)]
    fn add(self, a: f32, b: f32) -> f32 {
        a + b
    }

    #[inline(always)]
    fn sub(self, a: f32, b: f32) -> f32 {
        a - b
    }

    #[inline(always)]
    fn mul(self, a: f32, b: f32) -> f32 {
        a * b
    }

    #[inline(always)]
    fn div(self, a: f32, b: f32) -> f32 {
        a / b
    }

    #[inline(always)]
    fn sqrt(self, a: f32) -> f32 {
        a.sqrt()
    }

    #[inline(always)]
    fn mul_add(self, a: f32, b: f32, c: f32) -> f32 {
        // Fusing without the instruction is a slow library call.
        a * b + c
    }

    #[inline(always)]
    fn max(self, a: f32, b: f32) -> f32 {
        if a > b { a } else { b }
    }

    #[inline(always)]
    fn min(self, a: f32, b: f32) -> f32 {
        if a < b { a } else { b }
    }

    #[inline(always)]
    fn round(self, a: f32) -> f32 {
        a.round_ties_even()
    }

    #[inline(always)]
    fn scale_by_power(self, a: f32, n: f32) -> f32 {
        // In three steps, so that each factor is a normal number and, for a near 1, only the last one rounds.
        let third = (n / 3.0).round_ties_even();
        let power = |n: f32| f32::from_bits(((n as i32 + 127) << 23) as u32);
        a * power(third) * power(third) * power(n - 2.0 * third)
    }

    #[inline(always)]
    fn less(self, a: f32, b: f32) -> bool {
        a < b
    }

    #[inline(always)]
    fn select(self, cond: bool, a: f32, b: f32) -> f32 {
        if cond { a } else { b }
    }

    #[inline(always)]
    fn sum(self, a: f32) -> f32 {
        a
    }

    #[inline(always)]
    fn largest(self, a: f32) -> f32 {
        a
    }

    #[inline(never)]
    fn outline<O: Op>(self, op: O) -> O::Output {
        op.run(self)
    }

    #[inline(always)]
    fn prefetch(self, _p: *const f32) {}
}
