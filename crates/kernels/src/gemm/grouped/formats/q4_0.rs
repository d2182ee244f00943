//! Four bits around zero: what `int4` is, and GGUF's Q4_0.
//!
//! ```text
//! w[p] = d · (q[p] − 8),  q of 4 bits, for 32 weights
//! block: d as f16, then 16 bytes: byte b holds q[b] below q[b + 16]
//! ```
//!
//! Source: `block_q4_0` in ggml's `ggml-common.h`.

use super::{nibbles, pack_nibbles, store_half};
use crate::gemm::grouped::format::{BlockLayout, Columns, Decode, Fields, GroupFormat};
use crate::gemm::grouped::quantize::symmetric;
use crate::gemm::microkernel::Microkernel;
use crate::gemm::registry;
use crate::scheme::Grouped;
use crate::simd::NarrowQuads;

/// d · (q − 8) with q of four bits, for groups of 32.
#[allow(non_camel_case_types, reason = "the name that files use")]
#[derive(Clone, Copy, Debug)]
pub struct Q4_0;

impl BlockLayout for Q4_0 {
    const BLOCK: usize = 32;
    const FIELDS: Fields = Fields { halves: 1, bytes: 0, words: 4 };
}

impl GroupFormat for Q4_0 {
    const NAME: &'static str = "int4";
    const LAYOUT: &'static str = "int4 with aligned words";
    const BLOCK_BYTES: usize = 18;

    fn kernels() -> &'static [&'static [Microkernel<Grouped<Q4_0>>]] {
        registry::Q4_0
    }

    #[inline(always)]
    fn quantize(weights: &[f32], column: &mut [u8]) {
        let mut levels = [0; 32];
        let scale = symmetric::<-8, 7>(weights, &mut levels);
        store_half(0, scale, column);
        pack_nibbles(&levels.map(|level| (level + 8) as u8), &mut column[2..]);
    }
}

// SAFETY: words 0 to 3 and half 0.
unsafe impl Decode for Q4_0 {
    const GROUP: usize = 32;
    const BITS: u32 = 4;
    const ZERO: i32 = 8;

    #[inline(always)]
    unsafe fn words<Q: NarrowQuads<LANES>, const LANES: usize>(
        q: Q,
        columns: Columns<Self>,
        _group: usize,
        quad: usize,
    ) -> Q::Words {
        // SAFETY: promised by the caller.
        unsafe { nibbles(q, columns, 0, quad) }
    }
}
