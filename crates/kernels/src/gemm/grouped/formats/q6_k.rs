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
use crate::gemm::grouped::format::{Columns, Decode, Fields, GroupFormat};
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

impl GroupFormat for Q6_K {
    const NAME: &'static str = "q6_k";
    const BLOCK: usize = 256;
    const BLOCK_BYTES: usize = 210;
    const FIELDS: Fields = Fields { halves: 1, bytes: 16, words: 16 * WORDS };

    fn kernels() -> &'static [&'static [Microkernel<Grouped<Q6_K>>]] {
        registry::Q6_K
    }

    fn arrange(block: &[u8], column: &mut [u8]) {
        column[..2].copy_from_slice(&block[208..]);
        column[SCALES].copy_from_slice(&block[192..208]);
        let (low, high) = block[..192].split_at(128);
        let mut levels = [[0; 16]; 16];
        for (at, level) in levels.as_flattened_mut().iter_mut().enumerate() {
            let (half, run, p) = (at / 128, at / 32 % 4, at % 32);
            let low = low[64 * half + run % 2 * 32 + p] >> (run / 2 * 4) & 15;
            *level = low | (high[32 * half + p] >> (run * 2) & 3) << 4;
        }
        store(&levels, &mut column[LEVELS]);
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
        for b in 0..8 {
            bytes[b] = levels[b] & 15 | levels[b + 8] << 4;
        }
        for i in 0..4 {
            bytes[8 + i] = (0..4).map(|word| levels[4 * word + i] >> 4 << (2 * word)).sum();
        }
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
