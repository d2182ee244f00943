//! `cke completions`.

use crate::error::CliError;

/// Writes a completion script for a shell.
#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {}

pub(crate) fn run(_args: CompletionsArgs) -> Result<(), CliError> {
    Ok(())
}
