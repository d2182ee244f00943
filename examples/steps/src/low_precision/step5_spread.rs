//! Step 5: each group of 128 is multiplied by a matrix of ±1 before it is rounded, which spreads a large number over 16 places.

use super::quantized::{BLOCK, Rounding};

pub(crate) const SPREAD: Rounding = Rounding { group: Some(BLOCK), largest: 127.0, is_spread: true };

// ANCHOR: spread
/// The product of the matrix of Walsh and Hadamard with each 16 numbers that lie 8 apart, divided by 4: the same again undoes it, and
/// the product of two groups that were both spread is that of the groups.
#[inline(always)]
pub(crate) fn spread(group: &mut [f32; BLOCK]) {
    for apart in [8, 16, 32, 64] {
        for pairs in group.chunks_exact_mut(2 * apart) {
            let (first, second) = pairs.split_at_mut(apart);
            for (a, b) in first.iter_mut().zip(second) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
    }
    for x in group {
        *x *= 0.25;
    }
}
// ANCHOR_END: spread
