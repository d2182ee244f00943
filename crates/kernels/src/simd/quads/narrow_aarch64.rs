//! Words of few-bit weights on NEON, and their products by those of single bytes.

use super::Quads;
use super::aarch64::{HalfSums, add_wide, floats_of_halves};
use super::narrow::NarrowQuads;
use crate::simd::Neon;
use std::arch::aarch64::*;

// SAFETY: each load is one of 16, eight or four bytes. `self` proves NEON.
unsafe impl NarrowQuads<4> for Neon {
    type Floats = Neon;
    type Words = uint8x16_t;
    const OFFSET: i32 = 0;
    /// In every lane.
    type Row = int8x16_t;
    /// A sum of 16 bits for each byte of a word, two columns a register.
    type Short = [int16x8_t; 2];
    type Sums = HalfSums;
    const SHORT_SUMS: bool = true;
    const SUMS_WAIT: bool = false;

    #[inline(always)]
    fn floats(self) -> Neon {
        self
    }

    #[inline(always)]
    unsafe fn words(self, p: *const u8) -> uint8x16_t {
        // SAFETY: promised by the caller; `self` proves NEON.
        unsafe { vld1q_u8(p) }
    }

    #[inline(always)]
    fn and(self, words: uint8x16_t, mask: u8) -> uint8x16_t {
        // SAFETY: `self` proves NEON.
        unsafe { vandq_u8(words, vdupq_n_u8(mask)) }
    }

    #[inline(always)]
    fn or(self, a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        // SAFETY: `self` proves NEON.
        unsafe { vorrq_u8(a, b) }
    }

    #[inline(always)]
    fn shift_left(self, words: uint8x16_t, bits: usize) -> uint8x16_t {
        // SAFETY: `self` proves NEON.
        unsafe { vreinterpretq_u8_u32(vshlq_u32(vreinterpretq_u32_u8(words), vdupq_n_s32(bits as i32))) }
    }

    #[inline(always)]
    fn shift_right(self, words: uint8x16_t, bits: usize) -> uint8x16_t {
        // SAFETY: `self` proves NEON; by a negative number of bits to the left.
        unsafe { vreinterpretq_u8_u32(vshlq_u32(vreinterpretq_u32_u8(words), vdupq_n_s32(-(bits as i32)))) }
    }

    /// By bytes: shifts of these leave nothing to be cut off.
    #[inline(always)]
    fn nibbles(self, words: uint8x16_t, upper: usize) -> uint8x16_t {
        // SAFETY: `self` proves NEON; by a negative number of bits to the left.
        unsafe { vandq_u8(vshlq_u8(words, vdupq_n_s8(-4 * upper as i8)), vdupq_n_u8(15)) }
    }

    #[inline(always)]
    fn look_up(self, table: &[i8; 16], words: uint8x16_t) -> uint8x16_t {
        // SAFETY: a table of 16 bytes; `self` proves NEON.
        unsafe { vqtbl1q_u8(vld1q_u8(table.as_ptr().cast()), words) }
    }

    #[inline(always)]
    unsafe fn halves(self, p: *const u8) -> [f32; 4] {
        // SAFETY: promised by the caller; `self` proves NEON; both types are 16 bytes of numbers.
        unsafe { std::mem::transmute(vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)))) }
    }

    #[inline(always)]
    unsafe fn unsigned_bytes(self, p: *const u8) -> [f32; 4] {
        // SAFETY: promised by the caller; `self` proves NEON; both types are 16 bytes of numbers.
        unsafe {
            let bytes = vreinterpret_u8_u32(vdup_n_u32(p.cast::<u32>().read_unaligned()));
            std::mem::transmute(vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(bytes)))))
        }
    }

    #[inline(always)]
    unsafe fn signed_bytes(self, p: *const u8) -> [f32; 4] {
        // SAFETY: promised by the caller; `self` proves NEON; both types are 16 bytes of numbers.
        unsafe {
            let bytes = vreinterpret_s8_u32(vdup_n_u32(p.cast::<u32>().read_unaligned()));
            std::mem::transmute(vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(bytes)))))
        }
    }

    #[inline(always)]
    fn signed(self, words: uint8x16_t) -> uint8x16_t {
        words
    }

    #[inline(always)]
    unsafe fn row(self, p: *const u8) -> int8x16_t {
        // SAFETY: promised by the caller; `self` proves NEON.
        unsafe { vreinterpretq_s8_s32(vdupq_n_s32(p.cast::<i32>().read_unaligned())) }
    }

    #[inline(always)]
    fn no_products(self) -> [int16x8_t; 2] {
        // SAFETY: `self` proves NEON.
        unsafe { [vdupq_n_s16(0); 2] }
    }

    #[inline(always)]
    fn no_sums(self) -> HalfSums {
        Quads::no_sums(self)
    }

    /// In the first of a column's two lanes.
    #[inline(always)]
    unsafe fn start(self, p: *const i32, bits: u32) -> HalfSums {
        // SAFETY: promised by the caller; `self` proves NEON.
        unsafe { [vreinterpretq_s32_u64(vdupq_n_u64(u64::from((p.read_unaligned() << bits).cast_unsigned()))); 2] }
    }

    #[inline(always)]
    fn add_unsigned_products(self, sums: HalfSums, weights: uint8x16_t, row: int8x16_t) -> HalfSums {
        self.add_signed_products(sums, weights, row)
    }

    /// In 16 bits: 8 · 127 · 15, 4 · 127 · 31 and 2 · 127 · 63 stay below 2¹⁵.
    #[inline(always)]
    fn add_products(self, short: [int16x8_t; 2], weights: uint8x16_t, row: int8x16_t) -> [int16x8_t; 2] {
        // SAFETY: `self` proves NEON.
        unsafe {
            let weights = vreinterpretq_s8_u8(weights);
            [vmlal_s8(short[0], vget_low_s8(weights), vget_low_s8(row)), vmlal_high_s8(short[1], weights, row)]
        }
    }

    #[inline(always)]
    fn add_signed_products(self, sums: HalfSums, weights: uint8x16_t, row: int8x16_t) -> HalfSums {
        // SAFETY: `self` proves NEON.
        unsafe {
            let weights = vreinterpretq_s8_u8(weights);
            add_wide(self, sums, [vmull_s8(vget_low_s8(weights), vget_low_s8(row)), vmull_high_s8(weights, row)])
        }
    }

    #[inline(always)]
    fn add(self, sums: HalfSums, short: [int16x8_t; 2]) -> HalfSums {
        add_wide(self, sums, short)
    }

    #[inline(always)]
    fn to_floats(self, sums: HalfSums) -> [f32; 4] {
        floats_of_halves(self, sums)
    }
}
