//! Random sizes from a seed.

/// SplitMix64: the same numbers from the same seed on every machine and in every version.
///
/// Source: G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64) -> Draw {
        Draw(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// In [0, 1).
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// From `low` to `high`, every octave as likely as any other.
    pub(crate) fn size(&mut self, low: usize, high: usize) -> usize {
        let octaves = ((high + 1) as f64 / low as f64).log2();
        ((low as f64 * (octaves * self.share()).exp2()) as usize).clamp(low, high)
    }

    /// As [`Draw::size`], a multiple of `step`.
    pub(crate) fn multiple(&mut self, step: usize, low: usize, high: usize) -> usize {
        step * self.size(low / step, high / step)
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.next() >> 63 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draw_stays_in_its_range_and_reaches_all_of_it() {
        let mut draw = Draw::new(1);
        let sizes: Vec<usize> = (0..2000).map(|_| draw.size(1, 8)).collect();
        assert!((1..=8).all(|size| sizes.contains(&size)) && sizes.iter().all(|size| (1..=8).contains(size)));
        assert!((0..200).map(|_| draw.multiple(64, 256, 4096)).all(|n| n % 64 == 0 && (256..=4096).contains(&n)));
    }

    #[test]
    fn draw_of_a_seed_never_changes() {
        // The first output of SplitMix64 for seed 0, as its authors publish it.
        assert_eq!(Draw::new(0).next(), 0xE220_A839_7B1D_CDAF);
    }
}
