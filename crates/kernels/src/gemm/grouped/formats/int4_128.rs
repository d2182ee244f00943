//! Four bits around a zero point, in groups of 128: what checkpoints quantised by GPTQ and AWQ hold.
//!
//! ```text
//! w[p] = d · (q[p] − z),  q of 4 bits, z from 0 to 16, for 128 weights
//! block: d as f16; z in a byte; 64 bytes: byte 32·i + p holds q[64·i + p] below q[64·i + 32 + p]
//! ```
//!
//! In memory 32 weights have 16 bytes of their own: byte b holds q[b] below q[b + 16] of these.
//!
//! Kernels multiply it as q above a minimum of −d · z, 32 weights at a time, since rows have a scale for as many. The files have z in four
//! bits, so a block grows from 66.5 bytes to 67.

use super::super_groups::levels_of;
use super::{NIBBLE_WORDS, nibbles, store_half, store_nibbles};
use crate::gemm::grouped::format::{BlockLayout, Columns, Decode, Fields, GroupFormat};
use crate::gemm::grouped::quantize::{above_zero_point, nearest};
use crate::gemm::microkernel::Microkernel;
use crate::gemm::registry;
use crate::scheme::Grouped;
use crate::simd::NarrowQuads;

/// d · (q − z) with q of four bits, d and z for 128 weights.
#[allow(non_camel_case_types, reason = "a size in the name")]
#[derive(Clone, Copy, Debug)]
pub struct Int4_128;

/// Bytes of a block before its levels: d and z.
const HEAD: usize = 3;

impl BlockLayout for Int4_128 {
    const BLOCK: usize = 128;
    const FIELDS: Fields = Fields { halves: 1, bytes: 1, words: 16 };
}

impl GroupFormat for Int4_128 {
    const NAME: &'static str = "int4_128";
    const BLOCK_BYTES: usize = 67;

    fn kernels() -> &'static [&'static [Microkernel<Grouped<Int4_128>>]] {
        registry::INT4_128
    }

    fn arrange(block: &[u8], column: &mut [u8]) {
        let (head, levels) = block.split_at(HEAD);
        column[..HEAD].copy_from_slice(head);
        store_nibbles(&levels_of::<4>(levels), &mut column[HEAD..]);
    }

    #[inline(always)]
    fn quantize(weights: &[f32], column: &mut [u8]) {
        let (scale, zero) = above_zero_point::<15>(weights);
        store_half(0, scale, column);
        column[2] = zero as u8;
        let mut levels = [[0; 32]; 4];
        for (level, &w) in levels.as_flattened_mut().iter_mut().zip(weights) {
            *level = (i32::from(nearest::<-15, 15>(w, scale)) + zero).clamp(0, 15) as u8;
        }
        store_nibbles(&levels, &mut column[HEAD..]);
    }
}

// SAFETY: words 0 to 15, byte 0 and half 0, for groups below 4.
unsafe impl Decode for Int4_128 {
    const GROUP: usize = 32;
    const BITS: u32 = 4;
    const ZERO: i32 = 0;
    const HAS_MINIMUM: bool = true;

    #[inline(always)]
    unsafe fn words<Q: NarrowQuads<LANES>, const LANES: usize>(
        q: Q,
        columns: Columns<Self>,
        group: usize,
        quad: usize,
    ) -> Q::Words {
        // SAFETY: promised by the caller.
        unsafe { nibbles(q, columns, NIBBLE_WORDS * group, quad) }
    }

    #[inline(always)]
    unsafe fn scales<Q: NarrowQuads<LANES>, const LANES: usize>(
        q: Q,
        columns: Columns<Self>,
        _group: usize,
    ) -> [f32; LANES] {
        // SAFETY: promised by the caller.
        unsafe { q.halves(columns.half(0)) }
    }

    #[inline(always)]
    unsafe fn minimums<Q: NarrowQuads<LANES>, const LANES: usize>(
        q: Q,
        columns: Columns<Self>,
        _group: usize,
    ) -> [f32; LANES] {
        // SAFETY: promised by the caller.
        let (scale, zero) = unsafe { (q.halves(columns.half(0)), q.unsigned_bytes(columns.byte(0))) };
        std::array::from_fn(|lane| -(scale[lane] * zero[lane]))
    }
}
