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

use super::sixteens::{AroundZero, GROUP, pack_two_bits, place, two_bits};
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

/// Words of the lower bits.
const LOW_WORDS: usize = 32;

/// Where the fields of a column lie in memory.
const SCALES: Range<usize> = 2..18;
const LOW: Range<usize> = 18..146;
const HIGH: Range<usize> = 146..210;

impl GroupFormat for Q6_K {
    const NAME: &'static str = "q6_k";
    const BLOCK: usize = 256;
    const BLOCK_BYTES: usize = 210;
    const FIELDS: Fields = Fields { halves: 1, bytes: 16, words: LOW_WORDS + 16 };

    fn kernels() -> &'static [&'static [Microkernel<Grouped<Q6_K>>]] {
        registry::Q6_K
    }

    fn arrange(block: &[u8], column: &mut [u8]) {
        column[..2].copy_from_slice(&block[208..]);
        column[SCALES].copy_from_slice(&block[192..208]);
        column[LOW].copy_from_slice(&block[..128]);
        column[HIGH].copy_from_slice(&block[128..192]);
    }

    #[inline(always)]
    fn quantize(weights: &[f32], column: &mut [u8]) {
        let AroundZero { coarse, fine, levels } = AroundZero::new::<-32, 31, -127, 127>(weights);
        store_half(0, coarse, column);
        column[SCALES].copy_from_slice(&fine.map(|s| s as u8));
        column[LOW].fill(0);
        for (at, &level) in levels.iter().enumerate() {
            let (half, run, p) = (at / 128, at / 32 % 4, at % 32);
            column[LOW.start + 64 * half + run % 2 * 32 + p] |= (level & 15) << (run / 2 * 4);
        }
        pack_two_bits(&levels, 4, &mut column[HIGH]);
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
        let (half, run, word) = place(group, quad);
        // SAFETY: promised by the caller.
        let (low, high) = unsafe {
            let low = q.words(columns.word(16 * half + run % 2 * 8 + word));
            (low, two_bits(q, columns, LOW_WORDS, group, quad))
        };
        q.or(q.and(q.shift_right(low, run / 2 * 4), 15), q.shift_left(high, 4))
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
