//! Numbers on the command line, each with its range.

use cke_kernels::threads::MAX_THREADS;

/// Most sequences that can be decoded together: each has a cache and logits of its own.
const MAX_BATCH: u64 = 1024;

/// Most sequences that one forward pass takes.
const MAX_SEQUENCES_OF_PASS: u64 = 512;

/// Most repetitions of a measurement.
const MAX_REPETITIONS: u64 = 10_000;

/// Most tokens, sampling candidates and the like that can be asked for.
const MAX_COUNT: u64 = u32::MAX as u64;

/// Parses a number of threads.
pub(crate) fn threads(text: &str) -> Result<usize, String> {
    whole(text, 1, MAX_THREADS as u64)
}

/// Parses a number of things that may be none.
pub(crate) fn count(text: &str) -> Result<usize, String> {
    whole(text, 0, MAX_COUNT)
}

/// Parses a number of prompts that are decoded together.
pub(crate) fn batch_size(text: &str) -> Result<usize, String> {
    whole(text, 1, MAX_BATCH)
}

/// Parses a number of sequences that go through one forward pass together.
pub(crate) fn sequences_of_pass(text: &str) -> Result<usize, String> {
    whole(text, 1, MAX_SEQUENCES_OF_PASS)
}

/// Parses how often something is measured.
pub(crate) fn repetitions(text: &str) -> Result<usize, String> {
    whole(text, 1, MAX_REPETITIONS)
}

/// Parses a number of tokens of which all but the first are predicted.
pub(crate) fn window(text: &str) -> Result<usize, String> {
    whole(text, 2, MAX_COUNT)
}

/// Parses a number of tokens that may not be none.
pub(crate) fn tokens(text: &str) -> Result<usize, String> {
    whole(text, 1, MAX_COUNT)
}

/// Parses a number of elements of a vector.
pub(crate) fn dimensions(text: &str) -> Result<usize, String> {
    whole(text, 1, MAX_COUNT)
}

/// Parses the seed of a random sequence.
pub(crate) fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("wanted a whole number from 0 to {}", u64::MAX))
}

fn whole(text: &str, least: u64, most: u64) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.map(|number| number as usize).ok_or_else(|| format!("wanted a whole number from {least} to {most}"))
}

/// Parses a finite number that is not negative.
pub(crate) fn not_negative(text: &str) -> Result<f32, String> {
    real(text, "a finite number, 0 or above", |x| x >= 0.0 && x.is_finite())
}

/// Parses a finite number above 0.
pub(crate) fn positive(text: &str) -> Result<f32, String> {
    real(text, "a finite number above 0", |x| x > 0.0 && x.is_finite())
}

/// Parses a probability that is not 0.
pub(crate) fn probability(text: &str) -> Result<f32, String> {
    real(text, "a number above 0 and up to 1", |x| x > 0.0 && x <= 1.0)
}

/// Parses a share of something that is less than the whole.
pub(crate) fn share(text: &str) -> Result<f32, String> {
    real(text, "a number from 0 to below 1", |x| (0.0..1.0).contains(&x))
}

fn real(text: &str, wanted: &str, is_valid: impl Fn(f32) -> bool) -> Result<f32, String> {
    text.parse().ok().filter(|&number| is_valid(number)).ok_or_else(|| format!("wanted {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_number_outside_its_range_is_refused() {
        assert_eq!(threads("1024"), Ok(1024));
        assert_eq!(count("0"), Ok(0));
        assert_eq!(seed("18446744073709551615"), Ok(u64::MAX));
        for text in ["0", "1025", "-1", "", " 1", "1.5", "99999999999999999999", "two"] {
            assert_eq!(threads(text), Err("wanted a whole number from 1 to 1024".to_owned()), "{text:?}");
        }
    }

    #[test]
    fn real_number_outside_its_range_is_refused() {
        assert_eq!(not_negative("0"), Ok(0.0));
        assert_eq!(probability("1"), Ok(1.0));
        for text in ["nan", "inf", "-inf", "-1", "1e39", "", "x"] {
            assert!(not_negative(text).is_err(), "{text:?}");
            assert!(positive(text).is_err(), "{text:?}");
            assert!(probability(text).is_err(), "{text:?}");
            assert!(share(text).is_err(), "{text:?}");
        }
        assert!(positive("0").is_err() && probability("0").is_err());
        assert!(probability("1.1").is_err() && share("1").is_err());
    }
}
