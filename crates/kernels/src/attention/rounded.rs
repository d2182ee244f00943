//! Rows for kernels of pairs: queries and weights rounded to bf16.

use crate::numbers::bf16::{bf16_to_f32, round_to_bf16};
use crate::simd::{Op, Simd};

/// Numbers that are rounded at a time: a vector of AVX-512, which is what kernels of pairs need.
const GROUP: usize = 16;

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

/// Rounds a row of whole groups of weights in its place, of which the first half is needed then. Returns what the rounded weights add up to,
/// lane by lane.
#[inline(always)]
pub(super) fn round_in_place<S: Simd<f32>>(s: S, row: &mut [f32]) -> S::Reg {
    let mut sum = s.splat(0.0);
    let groups = row.as_chunks_mut::<GROUP>().0;
    for i in 0..groups.len() {
        let (mut halves, mut numbers) = ([0; GROUP], [0.0; GROUP]);
        round_to_bf16(&groups[i], &mut halves);
        for (x, &half) in numbers.iter_mut().zip(&halves) {
            *x = bf16_to_f32(half);
        }
        for lanes in numbers.chunks(S::LANES) {
            sum = s.add(sum, s.read(lanes));
        }
        // Of a group before, or the first half of this one.
        groups[i / 2].as_chunks_mut().0[i % 2] = pairs(&halves);
    }
    sum
}

/// Pairs as the bits of f32 that take their place in memory, the first number in the lower half.
#[inline(always)]
fn pairs(halves: &[u16; GROUP]) -> [f32; row_len(GROUP)] {
    let mut pairs = [0.0; row_len(GROUP)];
    for (pair, [first, second]) in pairs.iter_mut().zip(halves.as_chunks().0) {
        *pair = f32::from_bits(u32::from(*first) | u32::from(*second) << 16);
    }
    pairs
}
