//! Six bits around zero, with scales of eight bits: GGUF's Q6_K.
//!
//! ```text
//! w[g][p] = (d · s[g]) · (q[g][p] − 32),  q of 6 bits, s of 8 bits with a sign, for 16 groups of 16 weights
//! block: 128 bytes with the lower four bits of q, 64 bytes with the upper two, s, d as f16
//! ```
//!
//! Each half of the block has 128 weights in four runs r of 32. Their lower bits are in 64 bytes: byte 32·(r mod 2) + p holds those of run
//! r mod 2 below those of run r mod 2 + 2. The upper bits are in the order of `sixteens.rs`.
//!
//! Source: `block_q6_K` in ggml's `ggml-common.h`, `dequantize_row_q6_K` in `ggml-quants.c`.

use super::sixteens::{AroundZero, GROUP};
use super::{scale_with_sign, store_half};
use crate::gemm::grouped::format::{BlockLayout, Columns, Decode, Fields, GroupFormat};
use crate::gemm::microkernel::Microkernel;
use crate::gemm::registry;
use crate::scheme::Grouped;
use crate::simd::NarrowQuads;
use std::ops::Range;

/// (d · s) · (q − 32) with q of six bits and s of eight for groups of 16, d for 16 of them.
#[allow(non_camel_case_types, reason = "the name that files use")]
#[derive(Clone, Copy, Debug)]
pub struct Q6_K;

/// Words of a group.
const WORDS: usize = 3;

/// Where the fields of a column lie in memory.
const SCALES: Range<usize> = 2..18;
const LEVELS: Range<usize> = 18..210;

impl BlockLayout for Q6_K {
    const BLOCK: usize = 256;
    const FIELDS: Fields = Fields { halves: 1, bytes: 16, words: 16 * WORDS };
}

impl GroupFormat for Q6_K {
    const NAME: &'static str = "q6_k";
    const LAYOUT: &'static str = "q6_k with aligned words";
    const BLOCK_BYTES: usize = 210;

    fn kernels() -> &'static [&'static [Microkernel<Grouped<Q6_K>>]] {
        registry::Q6_K
    }

    fn arrange(block: &[u8], column: &mut [u8]) {
        column[..2].copy_from_slice(&block[208..]);
        column[SCALES].copy_from_slice(&block[192..208]);
        let (low, high) = block[..192].split_at(128);
        let mut levels = [0; 256];
        for (at, levels) in levels.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let (half, run) = (at / 4, at % 4);
            let (low, high) = (&low[64 * half + run % 2 * 32..], &high[32 * half..]);
            for ((level, low), high) in levels.iter_mut().zip(low).zip(high) {
                *level = low >> (run / 2 * 4) & 15 | (high >> (run * 2) & 3) << 4;
            }
        }
        store(levels.as_chunks().0, &mut column[LEVELS]);
    }

    #[inline(always)]
    fn quantize(weights: &[f32], column: &mut [u8]) {
        let AroundZero { coarse, fine, levels } = AroundZero::new::<-32, 31, -127, 127>(weights);
        store_half(0, coarse, column);
        column[SCALES].copy_from_slice(&fine.map(|s| s as u8));
        store(levels.as_chunks().0, &mut column[LEVELS]);
    }
}

/// Three words for each group: the lower four bits of words 0 and 1 below those of words 2 and 3; then the upper two bits of all, word by
/// word from the lowest bits of a byte up.
#[inline(always)]
fn store(levels: &[[u8; 16]], bytes: &mut [u8]) {
    for (levels, bytes) in levels.iter().zip(bytes.as_chunks_mut::<{ 4 * WORDS }>().0) {
        let word = |at: usize| u32::from_le_bytes(levels.as_chunks().0[at]);
        let low = |at| word(at) & 0x0f0f_0f0f;
        let high = |at| (word(at) >> 4 & 0x0303_0303) << (2 * at);
        let words = [low(0) | low(2) << 4, low(1) | low(3) << 4, high(0) | high(1) | high(2) | high(3)];
        *bytes = words.map(u32::to_le_bytes).as_flattened().try_into().expect("three words");
    }
}

// SAFETY: words 0 to 47, bytes 0 to 15 and half 0, for groups below 16.
unsafe impl Decode for Q6_K {
    const GROUP: usize = GROUP;
    const BITS: u32 = 6;
    const ZERO: i32 = 32;

    #[inline(always)]
    unsafe fn words<Q: NarrowQuads<LANES>, const LANES: usize>(
        q: Q,
        columns: Columns<Self>,
        group: usize,
        quad: usize,
    ) -> Q::Words {
        // SAFETY: promised by the caller.
        let (low, high) = unsafe {
            let low = q.words(columns.word(WORDS * group + quad % 2));
            (low, q.words(columns.word(WORDS * group + 2)))
        };
        let low = q.nibbles(low, quad / 2);
        let high = if quad < 2 { q.shift_left(high, 4 - 2 * quad) } else { q.shift_right(high, 2 * quad - 4) };
        q.or(low, q.and(high, 48))
    }

    #[inline(always)]
    unsafe fn scales<Q: NarrowQuads<LANES>, const LANES: usize>(
        q: Q,
        columns: Columns<Self>,
        group: usize,
    ) -> [f32; LANES] {
        // SAFETY: promised by the caller.
        unsafe { scale_with_sign(q, columns, group) }
    }
}
