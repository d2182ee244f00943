//! Words of few-bit weights on NEON, by products of single bytes and by `sdot`.

use super::aarch64::{HalfSums, Quad, add_wide, floats_of_halves};
use super::narrow::NarrowQuads;
use super::{NeonDot, Quads};
use crate::simd::Neon;
use std::arch::aarch64::*;

/// What is the same with and without `sdot`: all but sums of products.
macro_rules! words {
    ($neon:ident: $($proof:tt)*) => {
        type Floats = Neon;
        type Words = uint8x16_t;
        const OFFSET: i32 = 0;

        #[inline(always)]
        fn floats(self) -> Neon {
            let $neon = self;
            $($proof)*
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
    };
}

// SAFETY: each load is one of 16, eight or four bytes. `self` proves NEON.
unsafe impl NarrowQuads<4> for Neon {
    words!(s: s);
    /// In every lane.
    type Row = int8x16_t;
    /// A sum of 16 bits for each byte of a word, two columns a register.
    type Short = [int16x8_t; 2];
    type Sums = HalfSums;
    const SHORT_SUMS: bool = true;
    const SUMS_WAIT: bool = false;

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

// SAFETY: each load is one of 16, eight or four bytes. `self` proves NEON and `sdot`.
unsafe impl NarrowQuads<4> for NeonDot {
    words!(s: s.neon());
    type Row = Quad;
    type Short = int32x4_t;
    type Sums = int32x4_t;
    const SHORT_SUMS: bool = false;
    const SUMS_WAIT: bool = false;

    #[inline(always)]
    unsafe fn row(self, p: *const u8) -> Quad {
        // SAFETY: promised by the caller.
        unsafe { Quad::load(p) }
    }

    #[inline(always)]
    fn no_products(self) -> int32x4_t {
        Quads::no_sums(self)
    }

    #[inline(always)]
    fn no_sums(self) -> int32x4_t {
        Quads::no_sums(self)
    }

    #[inline(always)]
    unsafe fn start(self, p: *const i32, bits: u32) -> int32x4_t {
        // SAFETY: promised by the caller; `self` proves NEON.
        unsafe { vdupq_n_s32(p.read_unaligned() << bits) }
    }

    #[inline(always)]
    fn add_unsigned_products(self, sums: int32x4_t, weights: uint8x16_t, row: Quad) -> int32x4_t {
        self.add_signed_products(sums, weights, row)
    }

    #[inline(always)]
    fn add_products(self, short: int32x4_t, weights: uint8x16_t, row: Quad) -> int32x4_t {
        self.add_signed_products(short, weights, row)
    }

    #[inline(always)]
    fn add_signed_products(self, sums: int32x4_t, weights: uint8x16_t, row: Quad) -> int32x4_t {
        // SAFETY: `self` proves NEON.
        self.sdot(sums, unsafe { vreinterpretq_s8_u8(weights) }, row)
    }

    #[inline(always)]
    fn add(self, sums: int32x4_t, short: int32x4_t) -> int32x4_t {
        // SAFETY: `self` proves NEON.
        unsafe { vaddq_s32(sums, short) }
    }

    #[inline(always)]
    fn to_floats(self, sums: int32x4_t) -> [f32; 4] {
        Quads::to_floats(self, sums)
    }
}
