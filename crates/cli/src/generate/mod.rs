//! `cke generate`.

use crate::error::CliError;

/// Continues a text with a GPT-2 model.
#[derive(Debug, clap::Args)]
pub(crate) struct GenerateArgs {}

pub(crate) fn run(_args: GenerateArgs, _interrupt: &crate::interrupt::Interrupt) -> Result<(), CliError> {
    Ok(())
}
