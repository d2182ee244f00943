//! `cke doctor`.

use crate::error::CliError;

/// Shows the CPU, and what the kernels make of it.
#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {}

pub(crate) fn run(_args: DoctorArgs) -> Result<(), CliError> {
    Ok(())
}
