//! `cke bench`: speed, as shares of what the machine can do, and accuracy.

mod accuracy;
pub(crate) mod gemm;
mod measure;
mod model;
mod progress;
mod report;

use crate::error::CliError;
use crate::interrupt::Interrupt;

/// Measures speed, beside what the machine can do, and accuracy
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    subject: BenchCommand,
}

#[derive(Debug, clap::Subcommand)]
enum BenchCommand {
    Model(model::ModelBenchArgs),
    Gemm(gemm::GemmBenchArgs),
    Accuracy(accuracy::AccuracyArgs),
    /// Computes matrix products for another process of this program
    #[command(name = GEMM_WORKER, hide = true)]
    GemmWorker,
}

/// The name of the subcommand that `cke bench gemm` starts.
const GEMM_WORKER: &str = "gemm-worker";

pub(crate) fn run(args: BenchArgs, interrupt: &Interrupt) -> Result<(), CliError> {
    match args.subject {
        BenchCommand::Model(args) => model::run(args, interrupt),
        BenchCommand::Gemm(args) => gemm::run(args),
        BenchCommand::Accuracy(args) => accuracy::run(args),
        BenchCommand::GemmWorker => gemm::run_worker(),
    }
}
