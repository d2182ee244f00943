//! The order of summation: an element of C is summed in chains of multiply-adds, and the sums of the chains are added in order.
//!
//! ```text
//! C = β·C + α·(chain 0) + α·(chain 1) + …        added from left to right
//! chain = ((a₀·b₀) + a₁·b₁) + …                  from zero, multiply-add after multiply-add
//! ```
//!
//! | products before the chain | its length |
//! |---:|---:|
//! | 0 … 255 | 128 |
//! | 256 … 16,383 | 256 |
//! | 16,384 … 131,071 | 512 |
//! | 131,072 and more | 1024 |
//!
//! Where a chain ends depends on the position in the sum alone: not on K, so a longer sum begins like a shorter one; not on blocks,
//! which hold whole chains; not on tiles or threads. One chain for all of K would be as deterministic, but its rounding error
//! does not fall as K grows. With n chains of L products the error of a sum of random numbers is about √(K·L/2 + K²/(2·L)) roundings
//! of a product: short chains serve short sums, longer ones keep the number of chain sums small. The two chains of 128 at the
//! start match libraries that halve a K between one and two of their blocks.
//!
//! Source: N. J. Higham, "The Accuracy of Floating Point Summation", SIAM J. Sci. Comput. 14 (1993), on pairwise and blocked sums.

/// Products of the first chain: a sum of no more is a single one.
pub(super) const FIRST_CHAIN: usize = 128;

/// Where the chain that holds product `at` ends: the next boundary after `at`.
#[inline(always)]
pub(crate) fn chain_end(at: usize) -> usize {
    let length = chain_length(at);
    // `length` is a power of two, and every boundary a multiple of the length of the chains before it.
    (at | (length - 1)).saturating_add(1)
}

/// Where the chain that holds product `at` begins: the last boundary at or before `at`.
#[inline(always)]
pub(crate) fn chain_start(at: usize) -> usize {
    at & !(chain_length(at) - 1)
}

/// The length of the next `count` chains if `at` is a boundary, they are all as long as the first, and `left` products hold them.
#[inline(always)]
pub(super) fn equal_chains(at: usize, count: usize, left: usize) -> Option<usize> {
    let length = chain_length(at);
    let all = count * length;
    let is_boundary = at & (length - 1) == 0;
    // Lengths only grow, so that the last tells of all.
    (is_boundary && left >= all && chain_length(at + all - 1) == length).then_some(length)
}

/// The first boundary at or after `at`.
#[inline]
pub(crate) fn boundary_from(at: usize) -> usize {
    if at == 0 { 0 } else { chain_end(at - 1) }
}

/// `kc` rounded up so that blocks of that many products, counted from the start of a sum of `k`, hold whole chains.
pub(crate) fn whole_chains(kc: usize, k: usize) -> usize {
    let longest = chain_length(k.saturating_sub(1));
    kc.max(1).checked_next_multiple_of(longest).unwrap_or(usize::MAX)
}

/// Without branches, which a CPU would predict badly after the long loops between two calls.
#[inline(always)]
fn chain_length(at: usize) -> usize {
    128 << (usize::from(at >= 256) + usize::from(at >= 16_384) + usize::from(at >= 131_072))
}

/// As [`chain_end`] for the dot form, where `at` counts vectors along k and each lane has a chain of its own. Those of f64 are a quarter
/// as long: with half the lanes there are fewer chains to share the error, and libraries take several there.
#[inline(always)]
pub(crate) fn dot_chain_end<E>(at: usize) -> usize {
    let shorter = if size_of::<E>() > size_of::<f32>() { 4 } else { 1 };
    chain_end(at.saturating_mul(shorter)).div_ceil(shorter)
}

/// Products of a sum in the dot form between two additions across its lanes.
pub(crate) const DOT_SEGMENT: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    /// The boundaries up to `k`, the last of them `k` itself.
    fn boundaries(k: usize) -> Vec<usize> {
        let mut ends = vec![0];
        while ends[ends.len() - 1] < k {
            ends.push(chain_end(ends[ends.len() - 1]).min(k));
        }
        ends
    }

    #[test]
    fn chains_have_the_lengths_of_the_table() {
        let ends = boundaries(300_000);
        assert_eq!(ends[..5], [0, 128, 256, 512, 768]);
        for pair in ends[..ends.len() - 1].windows(2) {
            let length = match pair[0] {
                0..=255 => 128,
                256..=16_383 => 256,
                16_384..=131_071 => 512,
                _ => 1024,
            };
            assert_eq!(pair[1] - pair[0], length, "after {}", pair[0]);
        }
    }

    #[test]
    fn dot_chains_of_f64_are_a_quarter_as_long() {
        for at in 0..20_000 {
            assert_eq!(dot_chain_end::<f32>(at), chain_end(at));
            assert_eq!(dot_chain_end::<f64>(at), chain_end(4 * at) / 4);
        }
        assert_eq!([0, 32, 64, 128].map(dot_chain_end::<f64>), [32, 64, 128, 192]);
        assert!(dot_chain_end::<f64>(usize::MAX / 2) > usize::MAX / 8, "no overflow");
    }

    #[test]
    fn chain_begins_and_ends_at_the_same_places_for_each_of_its_products() {
        for pair in boundaries(140_000).windows(2) {
            for at in [pair[0], pair[0] + 1, (pair[0] + pair[1]) / 2, pair[1] - 1] {
                assert_eq!((chain_start(at), chain_end(at).min(140_000)), (pair[0], pair[1]), "{at}");
            }
        }
    }

    #[test]
    fn equal_chains_end_where_single_ones_do() {
        for (at, count, left, wanted) in [
            (0, 2, 256, Some(128)),
            (0, 2, 255, None),
            (0, 4, 9999, None),
            (1, 2, 9999, None),
            (256, 4, 1024, Some(256)),
            (300, 4, 9999, None),
            (16_384 - 1024, 4, 9999, Some(256)),
            (16_384 - 512, 4, 9999, None),
            (131_072, 4, 4096, Some(1024)),
        ] {
            assert_eq!(equal_chains(at, count, left), wanted, "{count} chains at {at}");
            if let Some(length) = wanted {
                let ends: Vec<_> = (0..count).map(|chain| chain_end(at + chain * length)).collect();
                assert_eq!(ends, (1..=count).map(|chain| at + chain * length).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn blocks_of_whole_chains_begin_on_boundaries() {
        for k in [1, 100, 128, 129, 256, 257, 16_384, 16_385, 131_073, 500_000] {
            let ends = boundaries(k);
            for kc in [0, 1, 100, 128, 300, 1000, 5000] {
                let kc = whole_chains(kc, k);
                for start in (0..k).step_by(kc) {
                    assert!(ends.binary_search(&start).is_ok(), "block of {kc} at {start} of {k}");
                }
            }
        }
        assert_eq!(whole_chains(usize::MAX, 10), usize::MAX);
    }

    #[test]
    fn boundary_from_a_boundary_is_itself() {
        assert_eq!([0, 1, 128, 129, 256, 300].map(boundary_from), [0, 128, 128, 256, 256, 512]);
        assert_eq!(chain_end(usize::MAX), usize::MAX);
        assert_eq!(chain_end(0), FIRST_CHAIN);
    }
}
