//! `cke eval`.

use crate::error::CliError;

/// Measures how well a GPT-2 model predicts a text.
#[derive(Debug, clap::Args)]
pub(crate) struct EvalArgs {}

pub(crate) fn run(_args: EvalArgs, _interrupt: &crate::interrupt::Interrupt) -> Result<(), CliError> {
    Ok(())
}
