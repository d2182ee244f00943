//! Summary of repeated measurements.

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
}
