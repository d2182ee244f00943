//! Five bits above a minimum, with scales of six bits: GGUF's Q5_K.
//!
//! ```text
//! w[g][p] = (d · s[g]) · q[g][p] − (e · m[g]),  q of 5 bits, s and m of 6 bits, for 8 groups of 32 weights
//! block: d and e as f16; s and m in 12 bytes; 32 bytes: bit g of byte p is the highest of q[g][p]; 128 bytes: byte 32·i + p holds the rest
//! of q[2·i][p] below that of q[2·i + 1][p]
//! ```
//!
//! In memory s and m have a byte each.
//!
//! Source: `block_q5_K` in ggml's `ggml-common.h`, `get_scale_min_k4` in `ggml-quants.c`.

use super::super_groups::{HEAD, arrange_head, levels_of, minimum, quantize_groups, scale};
use super::{five_bits, pack_five_bits};
use crate::gemm::grouped::format::{BlockLayout, Columns, Decode, Fields, GroupFormat};
use crate::gemm::microkernel::Microkernel;
use crate::gemm::registry;
use crate::scheme::Grouped;
use crate::simd::NarrowQuads;

/// (d · s) · q − e · m with q of five bits and s and m of six for groups of 32, d and e for eight of them.
#[allow(non_camel_case_types, reason = "the name that files use")]
#[derive(Clone, Copy, Debug)]
pub struct Q5_K;

/// Bytes of the highest bits in a file.
const HIGH_BYTES: usize = 32;

/// Words of a group.
const WORDS: usize = 5;

impl BlockLayout for Q5_K {
    const BLOCK: usize = 256;
    const FIELDS: Fields = Fields { halves: 2, bytes: 16, words: 8 * WORDS };
}

impl GroupFormat for Q5_K {
    const NAME: &'static str = "q5_k";
    const BLOCK_BYTES: usize = 176;

    fn kernels() -> &'static [&'static [Microkernel<Grouped<Q5_K>>]] {
        registry::Q5_K
    }

    fn arrange(block: &[u8], column: &mut [u8]) {
        let levels = arrange_head(block, column);
        let (high_bits, nibbles) = levels.split_at(HIGH_BYTES);
        let mut levels = levels_of::<8>(nibbles);
        for (group, levels) in levels.iter_mut().enumerate() {
            for (level, bits) in levels.iter_mut().zip(high_bits) {
                *level |= (bits >> group & 1) << 4;
            }
        }
        store(&levels, &mut column[HEAD..]);
    }

    #[inline(always)]
    fn quantize(weights: &[f32], column: &mut [u8]) {
        let (head, bytes) = column.split_at_mut(HEAD);
        store(&quantize_groups::<31>(weights, head), bytes);
    }
}

#[inline(always)]
fn store(levels: &[[u8; 32]; 8], bytes: &mut [u8]) {
    for (levels, bytes) in levels.iter().zip(bytes.chunks_exact_mut(4 * WORDS)) {
        pack_five_bits(levels, bytes);
    }
}

// SAFETY: words 0 to 39, bytes 0 to 15 and halves 0 and 1, for groups below 8.
unsafe impl Decode for Q5_K {
    const GROUP: usize = 32;
    const BITS: u32 = 5;
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
        unsafe { five_bits(q, columns, WORDS * group, quad) }
    }

    #[inline(always)]
    unsafe fn scales<Q: NarrowQuads<LANES>, const LANES: usize>(
        q: Q,
        columns: Columns<Self>,
        group: usize,
    ) -> [f32; LANES] {
        // SAFETY: promised by the caller.
        unsafe { scale(q, columns, group) }
    }

    #[inline(always)]
    unsafe fn minimums<Q: NarrowQuads<LANES>, const LANES: usize>(
        q: Q,
        columns: Columns<Self>,
        group: usize,
    ) -> [f32; LANES] {
        // SAFETY: promised by the caller.
        unsafe { minimum(q, columns, group) }
    }
}
