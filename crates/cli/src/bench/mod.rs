//! `cke bench`.

use crate::error::CliError;

/// Measures speed.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, clap::Subcommand)]
enum Subject {
    /// Measures a model.
    Model,
}

pub(crate) fn run(args: BenchArgs) -> Result<(), CliError> {
    match args.subject {
        Subject::Model => Ok(()),
    }
}
