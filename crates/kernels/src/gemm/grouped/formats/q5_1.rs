//! Five bits above a minimum: GGUF's Q5_1.
//!
//! ```text
//! w[p] = d · q[p] + m,  q of 5 bits, for 32 weights
//! block: d and m as f16, then 32 bits and 16 bytes as those of Q5_0
//! ```
//!
//! In memory the bits are those of [`by_word`](super::by_word).
//!
//! Source: `block_q5_1` in ggml's `ggml-common.h`.

use super::{by_word, five_bits, pack_five_bits, store_scale_and_minimum};
use crate::gemm::grouped::format::{BlockLayout, Columns, Decode, Fields, GroupFormat};
use crate::gemm::grouped::quantize::above_minimum;
use crate::gemm::microkernel::Microkernel;
use crate::gemm::registry;
use crate::scheme::Grouped;
use crate::simd::NarrowQuads;

/// d · q + m with q of five bits, for groups of 32.
#[allow(non_camel_case_types, reason = "the name that files use")]
#[derive(Clone, Copy, Debug)]
pub struct Q5_1;

impl BlockLayout for Q5_1 {
    const BLOCK: usize = 32;
    const FIELDS: Fields = Fields { halves: 2, bytes: 0, words: 5 };
}

impl GroupFormat for Q5_1 {
    const NAME: &'static str = "q5_1";
    const BLOCK_BYTES: usize = 24;

    fn kernels() -> &'static [&'static [Microkernel<Grouped<Q5_1>>]] {
        registry::Q5_1
    }

    fn arrange(block: &[u8], column: &mut [u8]) {
        column.copy_from_slice(block);
        by_word(&mut column[4..8]);
    }

    #[inline(always)]
    fn quantize(weights: &[f32], column: &mut [u8]) {
        let mut levels = [0; 32];
        store_scale_and_minimum(above_minimum::<31>(weights, &mut levels), column);
        pack_five_bits(&levels, &mut column[4..]);
    }
}

// SAFETY: words 0 to 4 and halves 0 and 1.
unsafe impl Decode for Q5_1 {
    const GROUP: usize = 32;
    const BITS: u32 = 5;
    const ZERO: i32 = 0;
    const HAS_MINIMUM: bool = true;

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
