//! The tokens that a KV cache holds already, against those of the conversation as it is now.

/// Length of the longest list with which both begin.
pub fn common_prefix(cached: &[u32], wanted: &[u32]) -> usize {
    cached.iter().zip(wanted).take_while(|(cached, wanted)| cached == wanted).count()
}

/// Number of tokens that a cache with `cached` keeps for a model that is to go on after `wanted`; the tokens after them are to be
/// computed. At least one is, if there is one: the model says what comes next as it computes the last.
///
/// ```
/// use cke_engine::chat::prefix::reusable;
///
/// assert_eq!(reusable(&[1, 2, 3, 4], &[1, 2, 9, 4, 5]), 2);
/// assert_eq!(reusable(&[1, 2, 3], &[1, 2]), 1);
/// ```
pub fn reusable(cached: &[u32], wanted: &[u32]) -> usize {
    common_prefix(cached, wanted).min(wanted.len().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_prefix_ends_at_the_first_difference_or_end() {
        for (cached, wanted, length) in [
            (&[][..], &[][..], 0),
            (&[1], &[], 0),
            (&[1, 2], &[2, 2], 0),
            (&[1, 2, 3], &[1, 2, 4], 2),
            (&[1, 2], &[1, 2, 3], 2),
            (&[1, 2, 3], &[1, 2], 2),
        ] {
            assert_eq!(common_prefix(cached, wanted), length);
        }
    }

    #[test]
    fn reusable_leaves_one_token_to_compute() {
        assert_eq!(reusable(&[1, 2, 3], &[1, 2, 3]), 2);
        assert_eq!(reusable(&[1, 2, 3], &[1, 2, 3, 4]), 3);
        assert_eq!(reusable(&[1], &[]), 0);
        assert_eq!(reusable(&[], &[1]), 0);
    }
}
