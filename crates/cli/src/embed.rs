//! `cke embed`.

use crate::error::CliError;

/// Turns texts into embedding vectors with a BERT model.
#[derive(Debug, clap::Args)]
pub(crate) struct EmbedArgs {}

pub(crate) fn run(_args: EmbedArgs) -> Result<(), CliError> {
    Ok(())
}
