//! Summaries of repeated measurements, and comparisons of two sets of them.

use serde::Serialize;

/// What a set of samples says, in the samples' own unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Number of samples, at least 1.
    pub n: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation, `sqrt(Σ (xᵢ − mean)² / (n − 1))`; 0 for a single sample.
    pub stddev: f64,
    /// Smallest sample.
    pub min: f64,
    /// Middle sample, or the mean of the two in the middle.
    pub median: f64,
    /// Largest sample.
    pub max: f64,
}

impl Summary {
    /// Summarises `samples`; `None` if there are none. A NaN among them makes `mean` and `stddev` NaN.
    pub fn from_samples(samples: &[f64]) -> Option<Self> {
        let n = samples.len();
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let mean = samples.iter().sum::<f64>() / n as f64;
        let squares: f64 = samples.iter().map(|x| (x - mean).powi(2)).sum();
        let stddev = if n > 1 { (squares / (n - 1) as f64).sqrt() } else { 0.0 };
        let median = if n % 2 == 1 { sorted[n / 2] } else { f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]) };
        Some(Self { n, mean, stddev, min, median, max })
    }
}

/// The value below which the share `q` of the samples lies, from 0 to 1, by linear interpolation; `None` without samples.
pub fn quantile(samples: &[f64], q: f64) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = q.clamp(0.0, 1.0) * sorted.len().saturating_sub(1) as f64;
    let (below, above) = (sorted.get(place.floor() as usize)?, sorted.get(place.ceil() as usize)?);
    Some(below + (above - below) * place.fract())
}

/// By which factor the numbers of one set differ from those of another.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// The median of the ratios of all pairs.
    pub estimate: f64,
    /// The factor lies between these with probability `confidence`, whatever the distribution of the numbers is, if one set has that of
    /// the other, multiplied by the factor.
    pub low: f64,
    /// See `low`.
    pub high: f64,
    /// At least 0.95 if there are enough samples; with 3 and 3 it is 0.9, with 1 and 1 it is 0.
    pub confidence: f64,
}

/// Confidence of an interval, if there are enough samples.
const CONFIDENCE: f64 = 0.95;
/// Confidence below which an interval says nothing.
const LEAST_CONFIDENCE: f64 = 0.8;
/// Samples of a set that are compared at most, so that pairs stay few.
const MOST_SAMPLES: usize = 200;
/// Pairs up to which the distribution of the rank sum is computed, and not approximated.
const MOST_EXACT_PAIRS: usize = 400;

impl Ratio {
    /// How the samples of `new` compare with those of `old`, all of which must be above 0: the Hodges-Lehmann estimate and the interval of
    /// the Mann-Whitney test (J. L. Hodges and E. L. Lehmann, "Estimates of Location Based on Rank Tests", 1963). `None` if a set is empty
    /// or has other numbers.
    pub fn of(old: &[f64], new: &[f64]) -> Option<Ratio> {
        let (old, new) = (thinned(old), thinned(new));
        let is_usable = |set: &[f64]| !set.is_empty() && set.iter().all(|&x| x > 0.0 && x.is_finite());
        if !is_usable(&old) || !is_usable(&new) {
            return None;
        }
        let mut ratios: Vec<f64> = new.iter().flat_map(|new| old.iter().map(move |old| new / old)).collect();
        ratios.sort_by(f64::total_cmp);
        let (outside, confidence) = outside_interval(old.len(), new.len());
        let (low, high) = (ratios[outside], ratios[ratios.len() - 1 - outside]);
        Some(Ratio { estimate: quantile(&ratios, 0.5)?, low, high, confidence })
    }

    /// Whether the interval is worth something and does not hold 1: the sets differ.
    pub fn is_clear(&self) -> bool {
        self.confidence >= LEAST_CONFIDENCE && !(self.low..=self.high).contains(&1.0)
    }
}

/// At most [`MOST_SAMPLES`] of the samples, evenly spaced among the sorted ones.
fn thinned(samples: &[f64]) -> Vec<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let count = sorted.len().min(MOST_SAMPLES);
    (0..count).map(|i| sorted[i * sorted.len() / count]).collect()
}

/// How many of the sorted ratios of `n` · `m` pairs lie outside of the interval on either side, and its confidence.
fn outside_interval(n: usize, m: usize) -> (usize, f64) {
    let pairs = n * m;
    if pairs > MOST_EXACT_PAIRS {
        let deviation = (pairs as f64 * (n + m + 1) as f64 / 12.0).sqrt();
        return ((pairs as f64 / 2.0 - 1.96 * deviation) as usize, CONFIDENCE);
    }
    let ways = rank_sum_ways(n, m);
    let all: f64 = ways.iter().sum();
    // Outside are `outside` ratios on each side with the probability that the rank sum is at most that.
    let confidence = |outside: usize| 1.0 - 2.0 * ways[..=outside].iter().sum::<f64>() / all;
    let outside = (0..pairs.div_ceil(2)).rev().find(|&outside| confidence(outside) >= CONFIDENCE).unwrap_or(0);
    (outside, confidence(outside).max(0.0))
}

/// In how many orders of `n` and `m` samples just u pairs are in the wrong order, for each u from 0 to n · m: the coefficients of the
/// Gaussian binomial, Π (1 − qᵐ⁺ⁱ) / (1 − qⁱ) over i = 1 … n.
fn rank_sum_ways(n: usize, m: usize) -> Vec<f64> {
    let mut ways = vec![0.0; n * m + 1];
    ways[0] = 1.0;
    for i in 1..=n {
        for u in (m + i..ways.len()).rev() {
            ways[u] -= ways[u - m - i];
        }
        for u in i..ways.len() {
            ways[u] += ways[u - i];
        }
    }
    ways
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_even_count_matches_hand_computation() {
        // Mean 5; squared deviations 9 1 1 1 0 0 4 16 sum to 32, over n − 1 = 7.
        let summary = Summary::from_samples(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).expect("eight samples");
        assert_eq!((summary.n, summary.mean, summary.median), (8, 5.0, 4.5));
        assert_eq!((summary.min, summary.max), (2.0, 9.0));
        assert!((summary.stddev - 2.138_089_935_299_395).abs() < 1e-15);
    }

    #[test]
    fn summary_unsorted_odd_count_takes_the_middle_sample() {
        let summary = Summary::from_samples(&[30.0, 10.0, 20.0]).expect("three samples");
        assert_eq!((summary.median, summary.mean, summary.stddev), (20.0, 20.0, 10.0));
    }

    #[test]
    fn summary_single_sample_has_no_deviation() {
        let summary = Summary::from_samples(&[3.5]).expect("one sample");
        assert_eq!(summary, Summary { n: 1, mean: 3.5, stddev: 0.0, min: 3.5, median: 3.5, max: 3.5 });
    }

    #[test]
    fn summary_no_samples_is_none() {
        assert_eq!(Summary::from_samples(&[]), None);
    }

    #[test]
    fn summary_nan_sample_shows_in_the_mean() {
        let summary = Summary::from_samples(&[1.0, f64::NAN]).expect("two samples");
        assert!(summary.mean.is_nan() && summary.stddev.is_nan());
    }

    #[test]
    fn quantile_lies_between_samples() {
        let samples = [3.0, 1.0, 2.0, 5.0, 4.0];
        for (q, value) in [(0.0, 1.0), (0.05, 1.2), (0.5, 3.0), (1.0, 5.0)] {
            let found = quantile(&samples, q).expect("five samples");
            assert!((found - value).abs() < 1e-12, "{q}: {found}");
        }
        assert_eq!(quantile(&[7.0], 0.05), Some(7.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn rank_sum_ways_are_those_of_the_tables() {
        assert_eq!(rank_sum_ways(2, 2), [1.0, 1.0, 2.0, 1.0, 1.0]);
        assert_eq!(rank_sum_ways(3, 5).iter().sum::<f64>(), 56.0);
        // 5 and 5 samples: 252 orders, and 1, 1, 2 of them with 0, 1 and 2 pairs in the wrong order.
        let (outside, confidence) = outside_interval(5, 5);
        assert_eq!(outside, 2);
        assert!((confidence - (1.0 - 8.0 / 252.0)).abs() < 1e-12);
        assert_eq!(outside_interval(3, 3), (0, 0.9));
        assert_eq!(outside_interval(1, 1), (0, 0.0));
        // The approximation beside the exact number, on either side of the bound.
        assert!(outside_interval(20, 20).0.abs_diff(outside_interval(20, 21).0) <= 15);
    }

    #[test]
    fn ratio_of_scaled_samples_is_the_factor() {
        let old = [10.0, 10.4, 9.8, 10.1, 10.2];
        let new = old.map(|x| 1.5 * x);
        let ratio = Ratio::of(&old, &new).expect("numbers above 0");
        assert!((ratio.estimate - 1.5).abs() < 1e-12 && ratio.low < 1.5 && ratio.high > 1.5, "{ratio:?}");
        assert!(ratio.is_clear());
        let same = Ratio::of(&old, &old).expect("numbers above 0");
        assert!(same.estimate == 1.0 && !same.is_clear(), "{same:?}");
    }

    #[test]
    fn ratio_of_noise_and_of_few_samples_is_not_clear() {
        let noisy = Ratio::of(&[10.0, 20.0, 15.0, 12.0, 18.0], &[11.0, 19.0, 22.0, 13.0, 17.0]).expect("numbers");
        assert!(!noisy.is_clear(), "{noisy:?}");
        let single = Ratio::of(&[10.0], &[20.0]).expect("numbers above 0");
        assert!(single.estimate == 2.0 && !single.is_clear(), "{single:?}");
        let many: Vec<f64> = (0..1000).map(|i| 10.0 + f64::from(i % 7)).collect();
        let faster: Vec<f64> = many.iter().map(|x| 1.1 * x).collect();
        assert!(Ratio::of(&many, &faster).expect("numbers above 0").is_clear());
    }

    #[test]
    fn ratio_of_what_is_no_rate_is_none() {
        for samples in [&[][..], &[0.0], &[-1.0], &[f64::NAN], &[f64::INFINITY]] {
            assert_eq!(Ratio::of(samples, &[1.0]), None, "{samples:?}");
            assert_eq!(Ratio::of(&[1.0], samples), None, "{samples:?}");
        }
    }
}
