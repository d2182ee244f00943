//! Two bits above a minimum, with scales of four bits: GGUF's Q2_K.
//!
//! ```text
//! w[g][p] = (d · s[g]) · q[g][p] − (e · m[g]),  q of 2 bits, s and m of 4 bits, for 16 groups of 16 weights
//! block: 16 bytes: byte g holds s[g] below m[g]; 64 bytes with q in the order of `sixteens.rs`; d and e as f16
//! ```
//!
//! Source: `block_q2_K` in ggml's `ggml-common.h`, `dequantize_row_q2_K` in `ggml-quants.c`.

use super::sixteens::{GROUP, pack_two_bits, two_bits};
use super::store_scale_and_minimum;
use super::super_groups::AboveMinimums;
use crate::gemm::grouped::format::{BlockLayout, Columns, Decode, Fields, GroupFormat};
use crate::gemm::grouped::quantize::ROUNDING;
use crate::gemm::microkernel::Microkernel;
use crate::gemm::registry;
use crate::scheme::Grouped;
use crate::simd::NarrowQuads;
use std::ops::Range;

/// (d · s) · q − e · m with q of two bits and s and m of four for groups of 16, d and e for 16 of them.
#[allow(non_camel_case_types, reason = "the name that files use")]
#[derive(Clone, Copy, Debug)]
pub struct Q2_K;

/// Where the fields of a column lie in memory.
const SCALES: Range<usize> = 4..20;
const LEVELS: Range<usize> = 20..84;

impl BlockLayout for Q2_K {
    const BLOCK: usize = 256;
    const FIELDS: Fields = Fields { halves: 2, bytes: 16, words: 16 };
}

impl GroupFormat for Q2_K {
    const NAME: &'static str = "q2_k";
    const BLOCK_BYTES: usize = 84;

    fn kernels() -> &'static [&'static [Microkernel<Grouped<Q2_K>>]] {
        registry::Q2_K
    }

    fn arrange(block: &[u8], column: &mut [u8]) {
        column[..4].copy_from_slice(&block[80..]);
        column[SCALES].copy_from_slice(&block[..16]);
        column[LEVELS].copy_from_slice(&block[16..80]);
    }

    #[inline(always)]
    fn quantize(weights: &[f32], column: &mut [u8]) {
        let groups = AboveMinimums::<16, GROUP>::new::<15, 3>(weights);
        store_scale_and_minimum((groups.scale, groups.minimum), column);
        for (group, byte) in column[SCALES].iter_mut().enumerate() {
            *byte = groups.scales[group] as u8 | (groups.minimums[group] as u8) << 4;
        }
        let mut levels = [0; 256];
        levels.as_chunks_mut::<GROUP>().0.copy_from_slice(&groups.levels);
        pack_two_bits(&levels, &mut column[LEVELS]);
    }
}

/// Upper and lower four bits of bytes, which are whole numbers below 256.
#[inline(always)]
fn nibbles_of<const LANES: usize>(bytes: [f32; LANES]) -> ([f32; LANES], [f32; LANES]) {
    let (mut upper, mut lower) = ([0.0; LANES], [0.0; LANES]);
    for lane in 0..LANES {
        // Sixteenths from −7.5/16 to 7.5/16 around the upper bits are rounded to these.
        upper[lane] = bytes[lane] * 0.0625 - 0.46875 + ROUNDING - ROUNDING;
        lower[lane] = bytes[lane] - 16.0 * upper[lane];
    }
    (upper, lower)
}

// SAFETY: words 0 to 15, bytes 0 to 15 and halves 0 and 1, for groups below 16.
unsafe impl Decode for Q2_K {
    const GROUP: usize = GROUP;
    // Two, which four bound.
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
        unsafe { two_bits(q, columns, 0, group, quad) }
    }

    #[inline(always)]
    unsafe fn scales<Q: NarrowQuads<LANES>, const LANES: usize>(
        q: Q,
        columns: Columns<Self>,
        group: usize,
    ) -> [f32; LANES] {
        // SAFETY: promised by the caller.
        let (coarse, bytes) = unsafe { (q.halves(columns.half(0)), q.unsigned_bytes(columns.byte(group))) };
        let (_, fine) = nibbles_of(bytes);
        std::array::from_fn(|lane| coarse[lane] * fine[lane])
    }

    #[inline(always)]
    unsafe fn minimums<Q: NarrowQuads<LANES>, const LANES: usize>(
        q: Q,
        columns: Columns<Self>,
        group: usize,
    ) -> [f32; LANES] {
        // SAFETY: promised by the caller.
        let (coarse, bytes) = unsafe { (q.halves(columns.half(1)), q.unsigned_bytes(columns.byte(group))) };
        let (fine, _) = nibbles_of(bytes);
        std::array::from_fn(|lane| -(coarse[lane] * fine[lane]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_its_nibbles() {
        for byte in 0..=u8::MAX {
            let ([upper], [lower]) = nibbles_of([f32::from(byte)]);
            assert_eq!((upper, lower), (f32::from(byte >> 4), f32::from(byte & 15)));
        }
    }
}
