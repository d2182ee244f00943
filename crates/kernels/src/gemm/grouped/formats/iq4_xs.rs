//! Four bits that choose from a table, with scales of six bits: GGUF's IQ4_XS.
//!
//! ```text
//! w[g][p] = (d · (s[g] − 32)) · LEVELS[q[g][p]],  q of 4 bits, s of 6 bits, for 8 groups of 32 weights
//! block: d as f16; the upper two bits of s in 2 bytes, the lower four in 4 bytes, the first group lowest; for each group 16 bytes:
//! byte b holds q[g][b] below q[g][b + 16]
//! ```
//!
//! In memory s − 32 has a byte with a sign.
//!
//! Source: `block_iq4_xs` in ggml's `ggml-common.h`, `dequantize_row_iq4_xs` in `ggml-quants.c`.

use super::iq4_nl::LEVELS;
use super::{nibbles, pack_nibbles, scale_with_sign, store_half};
use crate::gemm::grouped::format::{BlockLayout, Columns, Decode, Fields, GroupFormat};
use crate::gemm::grouped::quantize::{coarse_scales, from_table, nearest_of_table};
use crate::gemm::microkernel::Microkernel;
use crate::gemm::registry;
use crate::scheme::Grouped;
use crate::simd::NarrowQuads;
use std::ops::Range;

/// (d · s) · a level of a table, chosen by four bits, with s of six bits for groups of 32, d for eight of them.
#[allow(non_camel_case_types, reason = "the name that files use")]
#[derive(Clone, Copy, Debug)]
pub struct Iq4Xs;

/// Groups of a block.
const GROUPS: usize = 8;

/// Where the fields of a column lie in memory.
const SCALES: Range<usize> = 2..10;
const INDICES: Range<usize> = 10..138;

impl BlockLayout for Iq4Xs {
    const BLOCK: usize = 256;
    const FIELDS: Fields = Fields { halves: 1, bytes: GROUPS, words: 32 };
}

impl GroupFormat for Iq4Xs {
    const NAME: &'static str = "iq4_xs";
    const LAYOUT: &'static str = "iq4_xs with aligned words";
    const BLOCK_BYTES: usize = 136;

    fn kernels() -> &'static [&'static [Microkernel<Grouped<Iq4Xs>>]] {
        registry::IQ4_XS
    }

    fn arrange(block: &[u8], column: &mut [u8]) {
        column[..2].copy_from_slice(&block[..2]);
        for (group, scale) in column[SCALES].iter_mut().enumerate() {
            let low = block[4 + group / 2] >> (group % 2 * 4) & 15;
            let high = block[2 + group / 4] >> (group % 4 * 2) & 3;
            *scale = (low | high << 4).wrapping_sub(32);
        }
        column[INDICES].copy_from_slice(&block[8..]);
    }

    #[inline(always)]
    fn quantize(weights: &[f32], column: &mut [u8]) {
        let mut wanted = [0.0; GROUPS];
        for (scale, group) in wanted.iter_mut().zip(weights.as_chunks::<32>().0) {
            *scale = from_table(&LEVELS, group, &mut [0; 32]);
        }
        let (coarse, fine) = coarse_scales::<-32, 31>(&wanted);
        store_half(0, coarse, column);
        for (group, weights) in weights.as_chunks::<32>().0.iter().enumerate() {
            column[SCALES.start + group] = fine[group] as u8;
            let (scale, mut indices) = (coarse * f32::from(fine[group]), [0; 32]);
            if scale != 0.0 && !scale.is_nan() {
                indices = weights.map(|w| nearest_of_table(&LEVELS, w / scale));
            }
            pack_nibbles(&indices, &mut column[INDICES][16 * group..][..16]);
        }
    }
}

// SAFETY: words 0 to 31, bytes 0 to 7 and half 0, for groups below 8.
unsafe impl Decode for Iq4Xs {
    const GROUP: usize = 32;
    const BITS: u32 = 8;
    const ZERO: i32 = 0;

    #[inline(always)]
    unsafe fn words<Q: NarrowQuads<LANES>, const LANES: usize>(
        q: Q,
        columns: Columns<Self>,
        group: usize,
        quad: usize,
    ) -> Q::Words {
        // SAFETY: promised by the caller.
        q.look_up(&LEVELS, unsafe { nibbles(q, columns, 4 * group, quad) })
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
