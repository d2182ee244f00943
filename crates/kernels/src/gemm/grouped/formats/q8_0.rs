//! Eight bits: GGUF's Q8_0.
//!
//! ```text
//! w[p] = d · q[p],  q of 8 bits with a sign, for 32 weights
//! block: d as f16, then q
//! ```
//!
//! Source: `block_q8_0` in ggml's `ggml-common.h`.

use super::store_half;
use crate::gemm::grouped::format::{BlockLayout, Columns, Decode, Fields, GroupFormat};
use crate::gemm::grouped::quantize::symmetric;
use crate::gemm::microkernel::Microkernel;
use crate::gemm::registry;
use crate::scheme::Grouped;
use crate::simd::NarrowQuads;

/// d · q with q of eight bits, for groups of 32.
#[allow(non_camel_case_types, reason = "the name that files use")]
#[derive(Clone, Copy, Debug)]
pub struct Q8_0;

impl BlockLayout for Q8_0 {
    // Words on whole lines make many rows 4% faster, but a single row 10% slower if weights come from memory (Zen 5).
    const IN_TURNS: bool = false;
    const BLOCK: usize = 32;
    const FIELDS: Fields = Fields { halves: 1, bytes: 0, words: 8 };
}

impl GroupFormat for Q8_0 {
    const NAME: &'static str = "q8_0";
    const BLOCK_BYTES: usize = 34;

    fn kernels() -> &'static [&'static [Microkernel<Grouped<Q8_0>>]] {
        registry::Q8_0
    }

    #[inline(always)]
    fn quantize(weights: &[f32], column: &mut [u8]) {
        let mut levels = [0; 32];
        let scale = symmetric::<-127, 127>(weights, &mut levels);
        store_half(0, scale, column);
        column[2..].copy_from_slice(&levels.map(|level| level as u8));
    }
}

// SAFETY: words 0 to 7 and half 0.
unsafe impl Decode for Q8_0 {
    const GROUP: usize = 32;
    const BITS: u32 = 8;
    const ZERO: i32 = 0;
    const HAS_BYTES: bool = true;

    #[inline(always)]
    unsafe fn words<Q: NarrowQuads<LANES>, const LANES: usize>(
        q: Q,
        columns: Columns<Self>,
        _group: usize,
        quad: usize,
    ) -> Q::Words {
        // SAFETY: promised by the caller.
        unsafe { q.words(columns.word(quad)) }
    }
}
