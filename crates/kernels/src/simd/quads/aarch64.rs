//! Quads on NEON, by products of single bytes and by `sdot`.

use super::{QuadRows, Quads};
use crate::simd::Neon;
use std::arch::aarch64::*;
use std::arch::asm;

/// Proof that the CPU has NEON and its sums of four products of bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NeonDot(Neon);

impl NeonDot {
    /// # Safety
    /// The CPU has NEON and `sdot`.
    #[inline(always)]
    pub(crate) unsafe fn assume() -> NeonDot {
        // SAFETY: promised by the caller.
        NeonDot(unsafe { Neon::assume() })
    }

    #[inline(always)]
    pub(crate) fn neon(self) -> Neon {
        self.0
    }

    /// sums + quads of four columns · the quad `row`. By assembly: the intrinsic is not stable.
    #[inline(always)]
    pub(super) fn sdot(self, sums: int32x4_t, columns: int8x16_t, Quad(row): Quad) -> int32x4_t {
        let mut sums = sums;
        // SAFETY: `self` proves the instruction, which touches registers only.
        unsafe {
            asm!("sdot {0:v}.4s, {1:v}.16b, {2:v}.4b[0]", inout(vreg) sums, in(vreg) columns, in(vreg) row,
                options(pure, nomem, nostack, preserves_flags));
        }
        sums
    }

    /// Loads four quads of a row.
    ///
    /// # Safety
    /// `p` is valid for reads of 16 bytes; no alignment is needed.
    #[inline(always)]
    pub(crate) unsafe fn four_quads(self, p: *const u8) -> FourQuads {
        // SAFETY: promised by the caller; `self` proves NEON.
        FourQuads(unsafe { vld1q_s8(p.cast()) })
    }

    /// Sums to begin with.
    ///
    /// # Safety
    /// As [`Biased::load`].
    #[inline(always)]
    pub(crate) unsafe fn biased(self, p: *const i32) -> Biased {
        // SAFETY: promised by the caller.
        unsafe { Biased::load(p) }
    }

    /// sums + words of four columns · the quad LANE of a row. Exact as long as the sums fit 32 bits. In the order of the program, and not
    /// before or after loads of others: the compiler would take quads together, and spill what they are made of.
    #[inline(always)]
    pub(crate) fn add_quad<const LANE: usize>(self, sums: Biased, words: uint8x16_t, row: FourQuads) -> Biased {
        let mut sums = sums.0;
        // SAFETY: `self` proves the instruction, which touches registers only.
        unsafe {
            asm!("sdot {0:v}.4s, {1:v}.16b, {2:v}.4b[{lane}]", inout(vreg) sums, in(vreg) words, in(vreg) row.0,
                lane = const LANE, options(nomem, nostack, preserves_flags));
        }
        Biased(sums)
    }

    /// The same numbers, computed before this point, so that what they are made of is not kept.
    #[inline(always)]
    pub(crate) fn now(self, numbers: [f32; 4]) -> [f32; 4] {
        // SAFETY: no instruction at all; both types are 16 bytes of numbers.
        unsafe {
            let mut vector: float32x4_t = std::mem::transmute(numbers);
            asm!("/* {0:v} */", inout(vreg) vector, options(nomem, nostack, preserves_flags));
            std::mem::transmute(vector)
        }
    }

    /// The sums as f32, exact below 2²².
    #[inline(always)]
    pub(crate) fn unbiased(self, sums: Biased) -> [f32; 4] {
        // SAFETY: both types are 16 bytes of numbers.
        unsafe { std::mem::transmute(sums.to_floats(self.0)) }
    }
}

/// Four quads of a row.
#[derive(Clone, Copy)]
pub(crate) struct FourQuads(int8x16_t);

/// What exact sums begin with to become f32 by a subtraction: as bits of a number, each one more is one more, as far as 2²² up and down. A
/// conversion would take one of the two units for twice as long.
pub(crate) const BIAS: f32 = 1.5 * (1 << 23) as f32;

/// [`BIAS`] in memory, for each lane.
#[repr(C, align(16))]
pub(crate) struct Biases([f32; 4]);

pub(crate) static BIASES: Biases = Biases([BIAS; 4]);

/// Sums of four columns, above [`BIAS`] as bits.
#[derive(Clone, Copy)]
pub(crate) struct Biased(pub(super) int32x4_t);

impl Biased {
    /// Sums to begin with, loaded each time: copies of a register would take the units that multiply.
    ///
    /// # Safety
    /// `p` is valid for reads of four numbers.
    #[inline(always)]
    pub(super) unsafe fn load(p: *const i32) -> Biased {
        let sums;
        // SAFETY: promised by the caller.
        unsafe { asm!("ldr {0:q}, [{1}]", lateout(vreg) sums, in(reg) p, options(readonly, nostack, preserves_flags)) };
        Biased(sums)
    }

    /// The sums themselves, exact below 2²².
    #[inline(always)]
    pub(super) fn to_floats(self, _: Neon) -> float32x4_t {
        // SAFETY: the argument proves NEON; a vector of four numbers.
        unsafe { vsubq_f32(vreinterpretq_f32_s32(self.0), vld1q_f32(BIASES.0.as_ptr())) }
    }
}

/// Four bytes in the type whose register is the first lane of a vector: loading them takes no arithmetic unit, as loading them into every
/// lane would.
#[derive(Clone, Copy)]
pub(crate) struct Quad(f32);

impl Quad {
    /// # Safety
    /// `p` is valid for reads of four bytes; no alignment is needed.
    #[inline(always)]
    pub(super) unsafe fn load(p: *const u8) -> Quad {
        // SAFETY: promised by the caller.
        Quad(unsafe { p.cast::<f32>().read_unaligned() })
    }
}

/// Sums of four columns, two of each: those of the first and of the second half of its quads.
pub(crate) type HalfSums = [int32x4_t; 2];

/// sums + products, the 16-bit products of two columns each. Exact for any bytes.
#[inline(always)]
pub(super) fn add_wide(_: Neon, sums: HalfSums, products: [int16x8_t; 2]) -> HalfSums {
    // SAFETY: the first argument proves NEON.
    unsafe { [vpadalq_s16(sums[0], products[0]), vpadalq_s16(sums[1], products[1])] }
}

/// The sums of four columns as f32.
#[inline(always)]
pub(super) fn floats_of_halves(_: Neon, sums: HalfSums) -> [f32; 4] {
    // SAFETY: the first argument proves NEON; both types are 16 bytes of numbers.
    unsafe { std::mem::transmute(vcvtq_f32_s32(vpaddq_s32(sums[0], sums[1]))) }
}

// SAFETY: each load is one of eight bytes. `self` proves NEON.
unsafe impl Quads<4> for Neon {
    type Floats = Neon;
    /// In two registers: no instruction multiplies the upper half of one by the lower half of another.
    type Columns = [int8x8_t; 2];
    type Row = int8x8_t;
    type Sums = HalfSums;
    const ROWS: QuadRows = QuadRows::Twice;
    const ROWS_AT_A_TIME: usize = 2;
    const SUMS_WAIT: bool = false;

    #[inline(always)]
    fn floats(self) -> Neon {
        self
    }

    #[inline(always)]
    fn no_sums(self) -> HalfSums {
        // SAFETY: `self` proves NEON.
        unsafe { [vdupq_n_s32(0); 2] }
    }

    #[inline(always)]
    unsafe fn start(self, _column_sums: *const i32) -> HalfSums {
        Quads::no_sums(self)
    }

    #[inline(always)]
    unsafe fn columns(self, p: *const i8) -> [int8x8_t; 2] {
        // SAFETY: promised by the caller; `self` proves NEON.
        unsafe { [vld1_s8(p), vld1_s8(p.add(8))] }
    }

    #[inline(always)]
    unsafe fn row(self, p: *const u8) -> int8x8_t {
        // SAFETY: promised by the caller; `self` proves NEON.
        unsafe { vld1_s8(p.cast()) }
    }

    /// One product in 16 bits, which hold all of them; Cortex-A72 multiplies in one pipe and adds in the other.
    #[inline(always)]
    fn add_products(self, sums: HalfSums, columns: [int8x8_t; 2], row: int8x8_t) -> HalfSums {
        // SAFETY: `self` proves NEON.
        unsafe { add_wide(self, sums, [vmull_s8(columns[0], row), vmull_s8(columns[1], row)]) }
    }

    #[inline(always)]
    fn to_floats(self, sums: HalfSums) -> [f32; 4] {
        floats_of_halves(self, sums)
    }
}

// SAFETY: each load is one of 16 or four bytes. `self` proves NEON and `sdot`.
unsafe impl Quads<4> for NeonDot {
    type Floats = Neon;
    type Columns = int8x16_t;
    type Row = Quad;
    type Sums = int32x4_t;
    const ROWS: QuadRows = QuadRows::Bytes;
    const ROWS_AT_A_TIME: usize = 6;
    const SUMS_WAIT: bool = false;

    #[inline(always)]
    fn floats(self) -> Neon {
        self.0
    }

    #[inline(always)]
    fn no_sums(self) -> int32x4_t {
        // SAFETY: `self` proves NEON.
        unsafe { vdupq_n_s32(0) }
    }

    #[inline(always)]
    unsafe fn start(self, _column_sums: *const i32) -> int32x4_t {
        Quads::no_sums(self)
    }

    #[inline(always)]
    unsafe fn columns(self, p: *const i8) -> int8x16_t {
        // SAFETY: promised by the caller; `self` proves NEON.
        unsafe { vld1q_s8(p) }
    }

    #[inline(always)]
    unsafe fn row(self, p: *const u8) -> Quad {
        // SAFETY: promised by the caller.
        unsafe { Quad::load(p) }
    }

    #[inline(always)]
    fn add_products(self, sums: int32x4_t, columns: int8x16_t, row: Quad) -> int32x4_t {
        self.sdot(sums, columns, row)
    }

    #[inline(always)]
    fn to_floats(self, sums: int32x4_t) -> [f32; 4] {
        // SAFETY: `self` proves NEON; both types are 16 bytes of numbers.
        unsafe { std::mem::transmute(vcvtq_f32_s32(sums)) }
    }
}
