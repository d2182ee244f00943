//! Seeded pseudo-random data: the same seed gives the same values on every platform.

use std::ops::RangeInclusive;

/// A source of test data that names its seed when the test that holds it panics.
///
/// The generator is SplitMix64 (Steele, Lea, Flood: *Fast Splittable Pseudorandom Number Generators*, OOPSLA 2014):
/// `state += 0x9e3779b97f4a7c15`, then two xor-shift-multiply rounds. Any seed is good, zero too.
#[derive(Debug)]
pub struct Data {
    seed: u64,
    state: u64,
}

/// A kind of value that arithmetic treats apart from the normal numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// A subnormal number of either sign, `0 < |x| < 2⁻¹²⁶`.
    Denormal,
    /// A quiet NaN.
    Nan,
    /// `+∞` or `−∞`.
    Infinity,
    /// `−0`.
    NegativeZero,
    /// A finite number of either sign near the largest, `|x| > 2¹²⁷`.
    Huge,
}

impl Data {
    /// A source that starts at `seed`.
    pub fn new(seed: u64) -> Self {
        Self { seed, state: seed }
    }

    /// The seed this source started at.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The next 64 uniform bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A uniform integer in `0..bound`; the bias is below `bound / 2⁶⁴`.
    ///
    /// # Panics
    /// When `bound` is zero.
    pub fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "wanted a bound of at least 1, found 0");
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    /// One of `choices`.
    ///
    /// # Panics
    /// When there is none.
    pub fn choose<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// `len` values uniform in the open interval (−1, 1): odd multiples of 2⁻²⁴, so never zero.
    pub fn uniform(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.uniform_value()).collect()
    }

    /// `len` values uniform between `low` and `high`.
    pub fn uniform_in(&mut self, len: usize, low: f32, high: f32) -> Vec<f32> {
        (0..len).map(|_| low + (high - low) * (0.5 + 0.5 * self.uniform_value())).collect()
    }

    /// `len` values of the normal distribution with the given mean and standard deviation (Box–Muller).
    pub fn normal(&mut self, len: usize, mean: f32, deviation: f32) -> Vec<f32> {
        (0..len).map(|_| (f64::from(mean) + f64::from(deviation) * self.standard_normal()) as f32).collect()
    }

    /// `len` integers uniform in `range`.
    ///
    /// # Panics
    /// When the range is empty.
    pub fn integers(&mut self, len: usize, range: RangeInclusive<i64>) -> Vec<i64> {
        let (low, high) = range.into_inner();
        assert!(low <= high, "wanted a range with values, found {low}..={high}");
        let count = usize::try_from(high.abs_diff(low)).ok().and_then(|span| span.checked_add(1));
        let count = count.expect("the range has fewer than 2⁶⁴ values");
        (0..len).map(|_| low.wrapping_add(self.below(count) as i64)).collect()
    }

    /// `len` whole numbers in `−bound..=bound` as `f32`: sums of their products are exact while they stay below 2²⁴,
    /// so that any order of summation gives the same bits.
    pub fn whole(&mut self, len: usize, bound: u16) -> Vec<f32> {
        self.integers(len, -i64::from(bound)..=i64::from(bound)).into_iter().map(|x| x as f32).collect()
    }

    /// Replaces about the given share (0…1) of `values`, at least one where there is any, by one of `kinds` each.
    ///
    /// # Panics
    /// When `kinds` is empty.
    pub fn sprinkle(&mut self, values: &mut [f32], share: f64, kinds: &[Special]) {
        if values.is_empty() {
            return;
        }
        let count = ((values.len() as f64 * share) as usize).max(1);
        for _ in 0..count {
            let at = self.below(values.len());
            let kind = self.choose(kinds);
            values[at] = self.special(kind);
        }
    }

    /// One value of the given kind.
    pub fn special(&mut self, kind: Special) -> f32 {
        let bits = self.bits();
        let sign = ((bits >> 63) as u32) << 31;
        let fraction = (bits as u32) & 0x007f_ffff;
        match kind {
            Special::Denormal => f32::from_bits(sign | fraction.max(1)),
            Special::Nan => f32::NAN,
            Special::Infinity => f32::from_bits(sign | f32::INFINITY.to_bits()),
            Special::NegativeZero => -0.0,
            Special::Huge => f32::from_bits(sign | 0x7f00_0000 | fraction.max(1)),
        }
    }

    fn uniform_value(&mut self) -> f32 {
        let odd = 2 * (self.bits() >> 40) as i32 + 1; // 1, 3, … 2²⁵ − 1
        (odd - (1 << 24)) as f32 / (1 << 24) as f32
    }

    fn standard_normal(&mut self) -> f64 {
        let unit = |bits: u64| ((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64; // in (0, 1)
        let (radius, angle) = (unit(self.bits()), unit(self.bits()));
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }
}

impl Drop for Data {
    #[allow(clippy::print_stderr)] // the test harness shows it with the failure
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the test data came from seed {}", self.seed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_of_seed_zero_match_the_published_sequence() {
        let mut data = Data::new(0);
        let found = [data.bits(), data.bits(), data.bits()];
        assert_eq!(found, [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]);
    }

    #[test]
    fn uniform_values_lie_inside_the_open_interval_and_average_zero() {
        let values = Data::new(7).uniform(100_000);
        assert!(values.iter().all(|x| -1.0 < *x && *x < 1.0 && *x != 0.0));
        let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / values.len() as f64;
        assert!(mean.abs() < 0.01, "mean {mean}");
    }

    #[test]
    fn normal_values_have_the_wanted_mean_and_deviation() {
        let values = Data::new(8).normal(100_000, 3.0, 2.0);
        let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / values.len() as f64;
        assert!((mean - 3.0).abs() < 0.03 && (variance - 4.0).abs() < 0.1, "mean {mean}, variance {variance}");
    }

    #[test]
    fn integers_reach_both_ends_and_nothing_beyond() {
        let values = Data::new(9).integers(1000, -2..=2);
        assert_eq!((values.iter().min(), values.iter().max()), (Some(&-2), Some(&2)));
    }

    #[test]
    fn sprinkle_places_each_kind() {
        let kinds = [Special::Denormal, Special::Nan, Special::Infinity, Special::NegativeZero, Special::Huge];
        let mut data = Data::new(10);
        let mut values = vec![1.0; 1000];
        data.sprinkle(&mut values, 0.5, &kinds);
        assert!(values.iter().any(|x| x.is_subnormal()));
        assert!(values.iter().any(|x| x.is_nan()));
        assert!(values.iter().any(|x| x.is_infinite()));
        assert!(values.iter().any(|x| x.to_bits() == (-0.0f32).to_bits()));
        assert!(values.iter().any(|x| x.is_finite() && x.abs() > 1e38));
        assert!(values.contains(&1.0));
    }
}
