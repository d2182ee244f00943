//! `cke bench`: speed, as shares of what the machine can do.

mod bert_workload;
mod ceiling;
mod gpt2_workload;
mod measure;
mod model;
mod report;
mod test_plan;
mod workload;

use crate::error::CliError;

/// Measures speed, beside what the machine can do
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, clap::Subcommand)]
enum Subject {
    Model(model::ModelBenchArgs),
}

pub(crate) fn run(args: BenchArgs) -> Result<(), CliError> {
    match args.subject {
        Subject::Model(args) => model::run(args),
    }
}
