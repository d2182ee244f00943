//! `cke inspect`.

use crate::error::CliError;

/// Shows what is in a model directory.
#[derive(Debug, clap::Args)]
pub(crate) struct InspectArgs {}

pub(crate) fn run(_args: InspectArgs) -> Result<(), CliError> {
    Ok(())
}
