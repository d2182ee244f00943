//! `cke bench`: speed, as shares of what the machine can do, accuracy, and results compared.

mod accuracy;
mod attention;
mod compare;
mod format;
pub(crate) mod gemm;
mod measure;
mod model;
mod progress;
mod report;
mod rounds;

use crate::error::CliError;
use crate::interrupt::Interrupt;

/// Measures speed, compared with the machine's limits, and accuracy; compares results
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    subject: BenchCommand,
}

#[derive(Debug, clap::Subcommand)]
enum BenchCommand {
    Model(model::ModelBenchArgs),
    Gemm(gemm::GemmBenchArgs),
    Attention(attention::AttentionBenchArgs),
    Accuracy(accuracy::AccuracyArgs),
    Compare(compare::CompareArgs),
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
        BenchCommand::Attention(args) => attention::run(args),
        BenchCommand::Accuracy(args) => accuracy::run(args),
        BenchCommand::Compare(args) => compare::run(args),
        BenchCommand::GemmWorker => gemm::run_worker(),
    }
}
