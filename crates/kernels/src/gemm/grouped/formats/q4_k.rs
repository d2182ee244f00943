//! Four bits above a minimum, with scales of six bits: GGUF's Q4_K.
//!
//! ```text
//! w[g][p] = (d · s[g]) · q[g][p] − (e · m[g]),  q of 4 bits, s and m of 6 bits, for 8 groups of 32 weights
//! block: d and e as f16; s and m in 12 bytes; 128 bytes: byte 32·i + p holds q[2·i][p] below q[2·i + 1][p]
//! ```
//!
//! In memory s and m have a byte each, and a group has 16 bytes of its own: byte b holds q[g][b] below q[g][b + 16].
//!
//! Source: `block_q4_K` in ggml's `ggml-common.h`, `get_scale_min_k4` in `ggml-quants.c`.

use super::super_groups::{HEAD, arrange_head, levels_of, minimum, quantize_groups, scale};
use super::{NIBBLE_WORDS, nibbles, store_nibbles};
use crate::gemm::grouped::format::{BlockLayout, Columns, Decode, Fields, GroupFormat};
use crate::gemm::microkernel::Microkernel;
use crate::gemm::registry;
use crate::scheme::Grouped;
use crate::simd::NarrowQuads;

/// (d · s) · q − e · m with q of four bits and s and m of six for groups of 32, d and e for eight of them.
#[allow(non_camel_case_types, reason = "the name that files use")]
#[derive(Clone, Copy, Debug)]
pub struct Q4_K;

impl BlockLayout for Q4_K {
    const BLOCK: usize = 256;
    const FIELDS: Fields = Fields { halves: 2, bytes: 16, words: 32 };
}

impl GroupFormat for Q4_K {
    const NAME: &'static str = "q4_k";
    const BLOCK_BYTES: usize = 144;

    fn kernels() -> &'static [&'static [Microkernel<Grouped<Q4_K>>]] {
        registry::Q4_K
    }

    fn arrange(block: &[u8], column: &mut [u8]) {
        let levels = arrange_head(block, column);
        store_nibbles(&levels_of::<8>(levels), &mut column[HEAD..]);
    }

    #[inline(always)]
    fn quantize(weights: &[f32], column: &mut [u8]) {
        let (head, bytes) = column.split_at_mut(HEAD);
        let levels = quantize_groups::<15>(weights, head);
        store_nibbles(&levels, bytes);
    }
}

// SAFETY: words 0 to 31, bytes 0 to 15 and halves 0 and 1, for groups below 8.
unsafe impl Decode for Q4_K {
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
