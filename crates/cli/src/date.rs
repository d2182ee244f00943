//! The date of a report.

use cke_engine::chat::clock::strftime;
use std::time::{SystemTime, UNIX_EPOCH};

/// Now, in UTC, such as `2025-03-31 17:05 UTC`.
pub(crate) fn now() -> String {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    date(since_epoch.as_secs())
}

/// The date `seconds` after the Unix epoch.
fn date(seconds: u64) -> String {
    strftime("%Y-%m-%d %H:%M UTC", seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_of_known_moments_is_right() {
        let cases = [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399, "2000-02-28 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59 UTC"),
            (1_743_440_709, "2025-03-31 17:05 UTC"),
            (4_102_444_800, "2100-01-01 00:00 UTC"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(date(seconds), expected);
        }
    }
}
