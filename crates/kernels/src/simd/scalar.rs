//! Vectors of one lane: the ISA that every CPU has.

use super::{Body, Entry, Lanewise, Op, Simd};

/// Proof of nothing in particular: plain Rust arithmetic.
#[derive(Clone, Copy, Debug)]
pub struct Scalar;

// SAFETY: plain Rust.
unsafe impl<B: Body> Entry<B> for Scalar
where
    Scalar: Simd<B::Element>,
{
    const FUNCTION: unsafe fn(&B::Args<'_>) = run_body::<B>;
}

/// # Safety
/// As [`Body::run`].
unsafe fn run_body<B: Body>(args: &B::Args<'_>)
where
    Scalar: Simd<B::Element>,
{
    // SAFETY: promised by the caller.
    unsafe { B::run(Scalar, args) }
}

/// "Vectors" of one element type.
macro_rules! vectors {
    ($element:ty, scale_by_power: $scale_by_power:ident) => {
        impl Lanewise<$element> for Scalar {
            type Reg = $element;
            type Cond = bool;

            #[inline(always)]
            fn splat(self, x: $element) -> $element {
                x
            }

            #[inline(always)]
            fn add(self, a: $element, b: $element) -> $element {
                a + b
            }

            #[inline(always)]
            fn sub(self, a: $element, b: $element) -> $element {
                a - b
            }

            #[inline(always)]
            fn mul(self, a: $element, b: $element) -> $element {
                a * b
            }

            #[inline(always)]
            fn div(self, a: $element, b: $element) -> $element {
                a / b
            }

            #[inline(always)]
            fn sqrt(self, a: $element) -> $element {
                a.sqrt()
            }

            #[inline(always)]
            fn mul_add(self, a: $element, b: $element, c: $element) -> $element {
                // Fusing without the instruction is a slow library call.
                a * b + c
            }

            #[inline(always)]
            fn max(self, a: $element, b: $element) -> $element {
                if a > b { a } else { b }
            }

            #[inline(always)]
            fn min(self, a: $element, b: $element) -> $element {
                if a < b { a } else { b }
            }

            #[inline(always)]
            fn round(self, a: $element) -> $element {
                a.round_ties_even()
            }

            #[inline(always)]
            fn scale_by_power(self, a: $element, n: $element) -> $element {
                $scale_by_power(a, n)
            }

            #[inline(always)]
            fn less(self, a: $element, b: $element) -> bool {
                a < b
            }

            #[inline(always)]
            fn select(self, cond: bool, a: $element, b: $element) -> $element {
                if cond { a } else { b }
            }
        }

        // SAFETY: as the trait asks: one element, which plain Rust reads and writes; every CPU runs it.
        unsafe impl Simd<$element> for Scalar {
            const LANES: usize = 1;
            type First = bool;

            #[inline(always)]
            fn first(self, lanes: usize) -> bool {
                lanes > 0
            }

            #[inline(always)]
            unsafe fn load(self, p: *const $element) -> $element {
                // SAFETY: promised by the caller.
                unsafe { p.read() }
            }

            #[inline(always)]
            unsafe fn load_first(self, p: *const $element, mask: bool) -> $element {
                // SAFETY: promised by the caller where the mask is set.
                if mask { unsafe { p.read() } } else { 0.0 }
            }

            #[inline(always)]
            unsafe fn load_first_filled(self, p: *const $element, _mask: bool) -> $element {
                // SAFETY: promised by the caller: the only lane is in the mask.
                unsafe { p.read() }
            }

            #[inline(always)]
            unsafe fn store(self, p: *mut $element, v: $element) {
                // SAFETY: promised by the caller.
                unsafe { p.write(v) }
            }

            #[inline(always)]
            unsafe fn store_first(self, p: *mut $element, v: $element, mask: bool) {
                if mask {
                    // SAFETY: promised by the caller where the mask is set.
                    unsafe { p.write(v) }
                }
            }

            #[inline(always)]
            fn sum(self, a: $element) -> $element {
                a
            }

            #[inline(always)]
            fn largest(self, a: $element) -> $element {
                a
            }

            #[inline(always)]
            fn prefetch(self, _p: *const $element) {}

            #[inline(always)]
            unsafe fn transpose(
                self,
                p: *const $element,
                _row_stride: usize,
                rows: usize,
                cols: usize,
                out: *mut $element,
                _out_stride: usize,
            ) {
                if rows > 0 && cols > 0 {
                    // SAFETY: promised by the caller for a block that is not empty.
                    unsafe { out.write(p.read()) }
                }
            }

            #[inline(never)]
            fn outline<O: Op>(self, op: O) -> O::Output {
                op.run(self)
            }
        }
    };
}

vectors!(f32, scale_by_power: scale_f32);
vectors!(f64, scale_by_power: scale_f64);

#[inline(always)]
fn scale_f32(a: f32, n: f32) -> f32 {
    // In three steps, so that each factor is a normal number and, for a near 1, only the last one rounds.
    let third = (n / 3.0).round_ties_even();
    let power = |n: f32| f32::from_bits(((n as i32 + 127) << 23) as u32);
    a * power(third) * power(third) * power(n - 2.0 * third)
}

#[inline(always)]
fn scale_f64(a: f64, n: f64) -> f64 {
    // The factor is a normal number for all n allowed.
    a * f64::from_bits(((n as i64 + 1023) << 52) as u64)
}
