//! Five bits around zero: GGUF's Q5_0.
//!
//! ```text
//! w[p] = d · (q[p] − 16),  q of 5 bits, for 32 weights
//! block: d as f16, then 32 bits: bit p is the highest of q[p]; then 16 bytes: byte b holds the rest of q[b] below that of q[b + 16]
//! ```
//!
//! In memory the bits are those of [`by_word`](super::by_word).
//!
//! Source: `block_q5_0` in ggml's `ggml-common.h`.

use super::{by_word, five_bits, pack_five_bits, store_half};
use crate::gemm::grouped::format::{BlockLayout, Columns, Decode, Fields, GroupFormat};
use crate::gemm::grouped::quantize::symmetric;
use crate::gemm::microkernel::Microkernel;
use crate::gemm::registry;
use crate::scheme::Grouped;
use crate::simd::NarrowQuads;

/// d · (q − 16) with q of five bits, for groups of 32.
#[allow(non_camel_case_types, reason = "the name that files use")]
#[derive(Clone, Copy, Debug)]
pub struct Q5_0;

impl BlockLayout for Q5_0 {
    const BLOCK: usize = 32;
    const FIELDS: Fields = Fields { halves: 1, bytes: 0, words: 5 };
}

impl GroupFormat for Q5_0 {
    const NAME: &'static str = "q5_0";
    const LAYOUT: &'static str = "q5_0 with aligned words";
    const BLOCK_BYTES: usize = 22;

    fn kernels() -> &'static [&'static [Microkernel<Grouped<Q5_0>>]] {
        registry::Q5_0
    }

    fn arrange(block: &[u8], column: &mut [u8]) {
        column.copy_from_slice(block);
        by_word(&mut column[2..6]);
    }

    #[inline(always)]
    fn quantize(weights: &[f32], column: &mut [u8]) {
        let mut levels = [0; 32];
        let scale = symmetric::<-16, 15>(weights, &mut levels);
        store_half(0, scale, column);
        pack_five_bits(&levels.map(|level| (level + 16) as u8), &mut column[2..]);
    }
}

// SAFETY: words 0 to 4 and half 0.
unsafe impl Decode for Q5_0 {
    const GROUP: usize = 32;
    const BITS: u32 = 5;
    const ZERO: i32 = 16;

    #[inline(always)]
    unsafe fn words<Q: NarrowQuads<LANES>, const LANES: usize>(
        q: Q,
        columns: Columns<Self>,
        _group: usize,
        quad: usize,
    ) -> Q::Words {
        // SAFETY: promised by the caller.
        unsafe { five_bits(q, columns, 0, quad) }
    }
}
