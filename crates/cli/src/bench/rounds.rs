//! How long short measurements take.

use crate::numbers;

/// Longest turn, seconds.
const MAX_SECONDS: f64 = 60.0;

/// The flags for it.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct RoundArgs {
    /// Interleaved rounds, 1 to 10000
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        default_value = "5",
        value_parser = numbers::repetitions,
    )]
    pub(super) rounds: usize,
    /// Seconds of each measurement in a round, up to 60, with at least one call
    #[arg(long, value_name = "S", allow_negative_numbers = true, default_value = "0.03", value_parser = seconds)]
    pub(super) secs: f64,
}

/// Parses the length of a turn.
fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|&seconds: &f64| seconds > 0.0 && seconds <= MAX_SECONDS);
    seconds.ok_or_else(|| format!("wanted a number above 0 and up to {MAX_SECONDS}"))
}
