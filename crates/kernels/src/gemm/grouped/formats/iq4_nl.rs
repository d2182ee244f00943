//! Four bits that choose from a table: GGUF's IQ4_NL.
//!
//! ```text
//! w[p] = d · LEVELS[q[p]],  q of 4 bits, for 32 weights
//! block: d as f16, then 16 bytes: byte b holds q[b] below q[b + 16]
//! ```
//!
//! Source: `block_iq4_nl` and `kvalues_iq4nl` in ggml's `ggml-common.h`.

use super::{nibbles, pack_nibbles, store_half};
use crate::gemm::grouped::format::{BlockLayout, Columns, Decode, Fields, GroupFormat};
use crate::gemm::grouped::quantize::from_table;
use crate::gemm::microkernel::Microkernel;
use crate::gemm::registry;
use crate::scheme::Grouped;
use crate::simd::NarrowQuads;

/// d · a level of a table, chosen by four bits, for groups of 32.
#[allow(non_camel_case_types, reason = "the name that files use")]
#[derive(Clone, Copy, Debug)]
pub struct Iq4Nl;

/// Closer to each other around zero, where most weights are.
pub(super) const LEVELS: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

impl BlockLayout for Iq4Nl {
    const BLOCK: usize = 32;
    const FIELDS: Fields = Fields { halves: 1, bytes: 0, words: 4 };
}

impl GroupFormat for Iq4Nl {
    const NAME: &'static str = "iq4_nl";
    const LAYOUT: &'static str = "iq4_nl with aligned words";
    const BLOCK_BYTES: usize = 18;

    fn kernels() -> &'static [&'static [Microkernel<Grouped<Iq4Nl>>]] {
        registry::IQ4_NL
    }

    #[inline(always)]
    fn quantize(weights: &[f32], column: &mut [u8]) {
        let mut indices = [0; 32];
        let scale = from_table(&LEVELS, weights, &mut indices);
        store_half(0, scale, column);
        pack_nibbles(&indices, &mut column[2..]);
    }
}

// SAFETY: words 0 to 3 and half 0.
unsafe impl Decode for Iq4Nl {
    const GROUP: usize = 32;
    const BITS: u32 = 8;
    const ZERO: i32 = 0;

    #[inline(always)]
    unsafe fn words<Q: NarrowQuads<LANES>, const LANES: usize>(
        q: Q,
        columns: Columns<Self>,
        _group: usize,
        quad: usize,
    ) -> Q::Words {
        // SAFETY: promised by the caller.
        q.look_up(&LEVELS, unsafe { nibbles(q, columns, 0, quad) })
    }
}
