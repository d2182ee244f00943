//! Four bits above a minimum: GGUF's Q4_1.
//!
//! ```text
//! w[p] = d · q[p] + m,  q of 4 bits, for 32 weights
//! block: d and m as f16, then 16 bytes: byte b holds q[b] below q[b + 16]
//! ```
//!
//! Source: `block_q4_1` in ggml's `ggml-common.h`.

use super::{nibbles, pack_nibbles, store_scale_and_minimum};
use crate::gemm::grouped::format::{BlockLayout, Columns, Decode, Fields, GroupFormat};
use crate::gemm::grouped::quantize::above_minimum;
use crate::gemm::microkernel::Microkernel;
use crate::gemm::registry;
use crate::scheme::Grouped;
use crate::simd::NarrowQuads;

/// d · q + m with q of four bits, for groups of 32.
#[allow(non_camel_case_types, reason = "the name that files use")]
#[derive(Clone, Copy, Debug)]
pub struct Q4_1;

impl BlockLayout for Q4_1 {
    const BLOCK: usize = 32;
    const FIELDS: Fields = Fields { halves: 2, bytes: 0, words: 4 };
}

impl GroupFormat for Q4_1 {
    const NAME: &'static str = "q4_1";
    const BLOCK_BYTES: usize = 20;

    fn kernels() -> &'static [&'static [Microkernel<Grouped<Q4_1>>]] {
        registry::Q4_1
    }

    #[inline(always)]
    fn quantize(weights: &[f32], column: &mut [u8]) {
        let mut levels = [0; 32];
        store_scale_and_minimum(above_minimum::<15>(weights, &mut levels), column);
        pack_nibbles(&levels, &mut column[4..]);
    }
}

// SAFETY: words 0 to 3 and halves 0 and 1.
unsafe impl Decode for Q4_1 {
    const GROUP: usize = 32;
    const BITS: u32 = 4;
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
        unsafe { nibbles(q, columns, 0, quad) }
    }
}
