//! Rows for kernels of pairs: queries and weights rounded to bf16.

use crate::numbers::bf16::round_to_bf16;
use crate::simd::{Op, Simd};

/// Lanes of a vector of AVX-512.
const MOST_LANES: usize = 16;

/// Elements of f32 that have the room of a rounded row.
pub(super) const fn row_len(k: usize) -> usize {
    k.div_ceil(2)
}

/// Rounds rows, each into [`row_len`] elements of `out`. Behind the last number of an odd row comes zero.
pub(super) struct RoundRows<'a, I> {
    pub(super) rows: I,
    pub(super) k: usize,
    pub(super) out: &'a mut [f32],
}

impl<'r, I: Iterator<Item = &'r [f32]>> Op for RoundRows<'_, I> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, _s: S) {
        for (row, out) in self.rows.zip(self.out.chunks_exact_mut(row_len(self.k))) {
            if let Some(last) = out.last_mut() {
                *last = 0.0;
            }
            // SAFETY: two numbers of 16 bits in the place of each of f32, of which any bits are a value.
            let halves = unsafe { std::slice::from_raw_parts_mut(out.as_mut_ptr().cast::<u16>(), 2 * out.len()) };
            // The whole row at once: from groups of a fixed size the compiler makes no vectors here.
            round_to_bf16(row, halves);
        }
    }
}

/// Stores numbers of bf16 that lie in the lanes of f32.
///
/// # Safety
/// `out` is valid for writes of as many halves as a vector has lanes.
#[inline(always)]
pub(super) unsafe fn store_halves<S: Simd<f32>>(s: S, numbers: S::Reg, out: *mut u16) {
    let mut lanes = [0.0; MOST_LANES];
    s.write(&mut lanes, numbers);
    for lane in 0..S::LANES {
        // SAFETY: promised by the caller.
        unsafe { out.add(lane).write_unaligned((lanes[lane].to_bits() >> 16) as u16) };
    }
}
