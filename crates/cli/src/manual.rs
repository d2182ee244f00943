//! `cke manual`.

use crate::Cli;
use crate::error::CliError;
use clap::CommandFactory as _;
use std::fs;
use std::path::PathBuf;

/// Writes manual pages for cke and each of its commands
///
/// Writes cke.1, cke-generate.1 and so on into the directory, which is created if it does not exist.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ManualArgs {
    /// The directory
    directory: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  cke manual ~/.local/share/man/man1
  cke manual /tmp && man /tmp/cke.1";

pub(crate) fn run(ManualArgs { directory }: &ManualArgs) -> Result<(), CliError> {
    fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), directory))
        .map_err(|error| CliError::Failed(format!("{}: cannot be written: {error}", directory.display())))
}
