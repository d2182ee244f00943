//! Three bits around zero, with scales of six bits: GGUF's Q3_K.
//!
//! ```text
//! w[g][p] = (d · (s[g] − 32)) · (q[g][p] − 4),  q of 3 bits, s of 6 bits, for 16 groups of 16 weights
//! block: 32 bytes: bit i of byte p is the highest of weight 32·i + p; 64 bytes with the lower two bits of q in the order of
//! `sixteens.rs`; s in 12 bytes; d as f16
//! ```
//!
//! In memory s − 32 has a byte with a sign.
//!
//! Source: `block_q3_K` in ggml's `ggml-common.h`, `dequantize_row_q3_K` in `ggml-quants.c`.

use super::sixteens::{AroundZero, GROUP, pack_two_bits, place, two_bits};
use super::{scale_with_sign, store_half};
use crate::gemm::grouped::format::{BlockLayout, Columns, Decode, Fields, GroupFormat};
use crate::gemm::microkernel::Microkernel;
use crate::gemm::registry;
use crate::scheme::Grouped;
use crate::simd::NarrowQuads;
use std::ops::Range;

/// (d · s) · (q − 4) with q of three bits and s of six for groups of 16, d for 16 of them.
#[allow(non_camel_case_types, reason = "the name that files use")]
#[derive(Clone, Copy, Debug)]
pub struct Q3_K;

/// Words of the highest bits.
const HIGH_WORDS: usize = 8;

/// Where the fields of a column lie in memory.
const SCALES: Range<usize> = 2..18;
const HIGH: Range<usize> = 18..50;
const LOW: Range<usize> = 50..114;

/// Where the scales lie in a block of a file.
const PACKED_SCALES: Range<usize> = 96..108;

/// Scale g of a block less 32: its lower four bits are those of the lower or upper half of byte g mod 8, its upper two those number g / 4
/// of byte 8 + g mod 4.
fn scale_of(packed: &[u8], group: usize) -> i8 {
    let low = packed[group % 8] >> (group / 8 * 4) & 15;
    let high = packed[8 + group % 4] >> (group / 4 * 2) & 3;
    (low | high << 4) as i8 - 32
}

impl BlockLayout for Q3_K {
    const BLOCK: usize = 256;
    const FIELDS: Fields = Fields { halves: 1, bytes: 16, words: HIGH_WORDS + 16 };
}

impl GroupFormat for Q3_K {
    const NAME: &'static str = "q3_k";
    const LAYOUT: &'static str = "q3_k with aligned words";
    const BLOCK_BYTES: usize = 110;

    fn kernels() -> &'static [&'static [Microkernel<Grouped<Q3_K>>]] {
        registry::Q3_K
    }

    fn arrange(block: &[u8], column: &mut [u8]) {
        column[..2].copy_from_slice(&block[108..]);
        for (group, scale) in column[SCALES].iter_mut().enumerate() {
            *scale = scale_of(&block[PACKED_SCALES], group) as u8;
        }
        column[HIGH].copy_from_slice(&block[..32]);
        column[LOW].copy_from_slice(&block[32..96]);
    }

    #[inline(always)]
    fn quantize(weights: &[f32], column: &mut [u8]) {
        let AroundZero { coarse, fine, levels } = AroundZero::new::<-4, 3, -32, 31>(weights);
        store_half(0, coarse, column);
        column[SCALES].copy_from_slice(&fine.map(|s| s as u8));
        for (p, byte) in column[HIGH].iter_mut().enumerate() {
            *byte = (0..8).map(|run| levels[32 * run + p] >> 2 << run).sum();
        }
        pack_two_bits(&levels, &mut column[LOW]);
    }
}

// SAFETY: words 0 to 23, bytes 0 to 15 and half 0, for groups below 16.
unsafe impl Decode for Q3_K {
    const GROUP: usize = GROUP;
    // Three, which four bound.
    const BITS: u32 = 4;
    const ZERO: i32 = 4;

    #[inline(always)]
    unsafe fn words<Q: NarrowQuads<LANES>, const LANES: usize>(
        q: Q,
        columns: Columns<Self>,
        group: usize,
        quad: usize,
    ) -> Q::Words {
        let (_, _, word) = place(group, quad);
        // SAFETY: promised by the caller.
        let (low, high) = unsafe { (two_bits(q, columns, HIGH_WORDS, group, quad), q.words(columns.word(word))) };
        q.or(low, q.shift_left(q.and(q.shift_right(high, group / 2), 1), 2))
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
