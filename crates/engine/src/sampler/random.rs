//! The random numbers of the sampler.

/// SplitMix64, after Steele, Lea, Flood: *Fast Splittable Pseudorandom Number Generators*, OOPSLA 2014.
///
/// Eight bytes of state suffice for one draw a token, every seed is good, and ten lines of our own cannot change the
/// tokens of a seed when a dependency changes its version.
#[derive(Clone, Debug)]
pub(super) struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A uniform integer in `0..bound`, without bias; `bound` is at least 1.
    ///
    /// Source: D. Lemire, *Fast Random Integer Generation in an Interval*, ACM TOMACS 29 (2019).
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        let rejected = bound.wrapping_neg() % bound; // 2⁶⁴ mod bound
        loop {
            let product = u128::from(self.next()) * u128::from(bound);
            if product as u64 >= rejected {
                return (product >> 64) as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_of_seed_zero_is_the_published_one() {
        let mut random = SplitMix64::new(0);
        let found = [random.next(), random.next(), random.next()];
        assert_eq!(found, [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]);
    }

    #[test]
    fn below_stays_below_for_small_and_large_bounds() {
        let mut random = SplitMix64::new(5);
        for bound in [1, 2, 3, 1 << 40, (1 << 62) + 1, u64::MAX] {
            assert!((0..1000).all(|_| random.below(bound) < bound));
        }
    }
}
