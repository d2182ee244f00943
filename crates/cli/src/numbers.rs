//! Numbers on the command line, each with its range.

use clap::builder::RangedU64ValueParser;
use std::ops::RangeInclusive;

/// Most threads that can be asked for.
pub(crate) const MAX_THREADS: u64 = 1024;

/// Most tokens, prompts and the like that can be asked for.
const MAX_COUNT: u64 = u32::MAX as u64;

/// Parses a number of threads.
pub(crate) fn threads() -> RangedU64ValueParser<usize> {
    count_in(1..=MAX_THREADS)
}

/// Parses a number of things, `least` or more.
pub(crate) fn count(least: u64) -> RangedU64ValueParser<usize> {
    count_in(least..=MAX_COUNT)
}

fn count_in(range: RangeInclusive<u64>) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(range)
}

/// Parses a number for which `is_valid` holds; `wanted` says the range in words.
pub(crate) fn real(
    wanted: &'static str,
    is_valid: fn(f32) -> bool,
) -> impl Fn(&str) -> Result<f32, String> + Clone + Send + Sync + 'static {
    move |text| match text.parse::<f32>() {
        Ok(number) if is_valid(number) => Ok(number),
        _ => Err(format!("wanted {wanted}")),
    }
}
