//! Sums of products of bytes on NEON by `smmla`: of two rows and two columns at a time, eight bytes of each.

use super::{Biased, NeonDot};
use crate::simd::{Lanewise, Neon};
use std::arch::aarch64::*;
use std::arch::asm;

/// Proof that the CPU has NEON, `sdot` and `smmla`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NeonI8mm(NeonDot);

/// A vector of f32.
type Floats = <Neon as Lanewise<f32>>::Reg;

/// Sums of two rows and two columns: both of the first row, then both of the second.
#[derive(Clone, Copy)]
pub(crate) struct Square(int32x4_t);

/// Eight bytes of two rows, or of two columns.
#[derive(Clone, Copy)]
pub(crate) struct Eights(int8x16_t);

impl NeonI8mm {
    /// # Safety
    /// The CPU has NEON, `sdot` and `smmla`.
    #[inline(always)]
    pub(crate) unsafe fn assume() -> NeonI8mm {
        // SAFETY: promised by the caller.
        NeonI8mm(unsafe { NeonDot::assume() })
    }

    /// Proof of the vectors of f32.
    #[inline(always)]
    pub(crate) fn floats(self) -> Neon {
        self.0.neon()
    }

    #[inline(always)]
    pub(crate) fn no_sums(self) -> Square {
        // SAFETY: `self` proves NEON.
        Square(unsafe { vdupq_n_s32(0) })
    }

    /// Numbers of two columns, for both rows.
    ///
    /// # Safety
    /// `p` is valid for reads of two numbers; no alignment is needed.
    #[inline(always)]
    pub(crate) unsafe fn of_columns(self, p: *const f32) -> Floats {
        // SAFETY: promised by the caller; `self` proves NEON.
        unsafe { vreinterpretq_f32_f64(vdupq_n_f64(p.cast::<f64>().read_unaligned())) }
    }

    /// Sums to begin with, above [`BIAS`](super::BIAS) as bits.
    ///
    /// # Safety
    /// As [`Biased::load`].
    #[inline(always)]
    pub(crate) unsafe fn biased(self, p: *const i32) -> Square {
        // SAFETY: promised by the caller.
        Square(unsafe { Biased::load(p) }.0)
    }

    /// The sums as f32 of what [`NeonI8mm::biased`] began with, exact below 2²².
    #[inline(always)]
    pub(crate) fn unbiased(self, sums: Square) -> Floats {
        Biased(sums.0).to_floats(self.floats())
    }

    /// # Safety
    /// `p` is valid for reads of 16 bytes; no alignment is needed.
    #[inline(always)]
    pub(crate) unsafe fn eights(self, p: *const u8) -> Eights {
        // SAFETY: promised by the caller; `self` proves NEON.
        Eights(unsafe { vld1q_s8(p.cast()) })
    }

    /// Quads of four columns, and those that follow along k, as eight bytes of each: of columns 0 and 1, and of 2 and 3.
    #[inline(always)]
    pub(crate) fn eights_of_quads(self, first: uint8x16_t, second: uint8x16_t) -> [Eights; 2] {
        // SAFETY: `self` proves NEON.
        unsafe {
            let [first, second] = [vreinterpretq_s32_u8(first), vreinterpretq_s32_u8(second)];
            [vzip1q_s32(first, second), vzip2q_s32(first, second)].map(|eights| Eights(vreinterpretq_s8_s32(eights)))
        }
    }

    /// sums + rows · columns. Exact as long as the sums fit 32 bits. By assembly: the intrinsic is not stable.
    #[inline(always)]
    pub(crate) fn add_products(self, sums: Square, rows: Eights, columns: Eights) -> Square {
        let mut sums = sums.0;
        // SAFETY: `self` proves the instruction, which touches registers only.
        unsafe {
            asm!("smmla {0:v}.4s, {1:v}.16b, {2:v}.16b", inout(vreg) sums, in(vreg) rows.0, in(vreg) columns.0,
                options(pure, nomem, nostack, preserves_flags));
        }
        Square(sums)
    }

    /// The same sums, computed before this point: otherwise the compiler takes steps together, and spills what they are made of.
    #[inline(always)]
    pub(crate) fn now(self, sums: [Square; 4]) -> [Square; 4] {
        let [mut a, mut b, mut c, mut d] = sums.map(|square| square.0);
        // SAFETY: no instruction at all.
        unsafe {
            asm!("/* {0:v} {1:v} {2:v} {3:v} */", inout(vreg) a, inout(vreg) b, inout(vreg) c, inout(vreg) d,
                options(nomem, nostack, preserves_flags));
        }
        [a, b, c, d].map(Square)
    }

    /// The sums as f32, exact below 2²⁴.
    #[inline(always)]
    pub(crate) fn to_floats(self, sums: Square) -> Floats {
        // SAFETY: `self` proves NEON.
        unsafe { vcvtq_f32_s32(sums.0) }
    }

    /// Two halves of vectors, `a` below `b`: of the first ones, and of the second ones. What it makes of four columns of two rows are two
    /// squares, and what it makes of these are the rows again.
    #[inline(always)]
    pub(crate) fn exchange_halves(self, a: Floats, b: Floats) -> [Floats; 2] {
        // SAFETY: `self` proves NEON.
        unsafe {
            let [a, b] = [vreinterpretq_f64_f32(a), vreinterpretq_f64_f32(b)];
            [vreinterpretq_f32_f64(vzip1q_f64(a, b)), vreinterpretq_f32_f64(vzip2q_f64(a, b))]
        }
    }
}
