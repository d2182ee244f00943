//! The flags of commands that run tests of a model.

use crate::numbers;

/// How often tests run, and what they compute.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// Repetitions of each test, 1 to 10000
    #[arg(
        short,
        long,
        value_name = "N",
        allow_negative_numbers = true,
        default_value = "5",
        value_parser = numbers::repetitions,
    )]
    pub(crate) repetitions: usize,
    /// Compute the logits of every prompt position, not only of the last
    #[arg(long)]
    pub(crate) all_logits: bool,
}
