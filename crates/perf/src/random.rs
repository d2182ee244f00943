//! Random numbers and sizes from a seed.

use std::f64::consts::TAU;
use std::ops::RangeInclusive;

/// SplitMix64: the same numbers from the same seed on every machine and in every version.
///
/// Source: G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of this seed.
    pub const fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next number, all 64 bits random.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// True or false, equally probable.
    pub fn coin(&mut self) -> bool {
        self.next_u64() >> 63 == 1
    }

    /// Log-uniform: as probable between 10 and 20 as between 100 and 200.
    pub fn size(&mut self, range: RangeInclusive<usize>) -> usize {
        let (least, end) = (*range.start() as f64, (*range.end() + 1) as f64);
        let size = least * (self.unit() * (end / least).ln()).exp();
        (size as usize).clamp(*range.start(), *range.end())
    }

    /// A multiple of 2⁻⁵³ in [0, 1).
    fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A multiple of 2⁻⁵² in [−1, 1).
    pub fn uniform(&mut self) -> f64 {
        2.0 * self.unit() - 1.0
    }

    /// From the normal distribution with mean 0 and variance 1, by the transform of Box and Muller.
    pub(crate) fn normal(&mut self) -> f64 {
        let (radius, angle) = ((1.0 - self.uniform().abs()).max(f64::MIN_POSITIVE), TAU * self.uniform());
        (-2.0 * radius.ln()).sqrt() * angle.cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_u64_is_the_published_splitmix64() {
        // The first output for seed 0, as its authors publish it.
        assert_eq!(Random::new(0).next_u64(), 0xE220_A839_7B1D_CDAF);
    }

    #[test]
    fn size_reaches_all_of_its_range_and_nothing_else() {
        let mut random = Random::new(1);
        let sizes: Vec<usize> = (0..2_000).map(|_| random.size(1..=8)).collect();
        assert!((1..=8).all(|size| sizes.contains(&size)) && sizes.iter().all(|size| (1..=8).contains(size)));
    }

    #[test]
    fn size_is_log_uniform() {
        let mut random = Random::new(1);
        let sizes: Vec<usize> = (0..10_000).map(|_| random.size(1..=999)).collect();
        for decade in [1usize..=9, 10..=99, 100..=999] {
            let count = sizes.iter().filter(|&size| decade.contains(size)).count();
            assert!((3_000..3_700).contains(&count), "{count} in {decade:?}");
        }
    }
}
