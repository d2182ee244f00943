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

use crate::error::CliError;
use crate::interrupt::Interrupt;
use crate::output::note;
use cke_perf::busy::Busy;
use cke_report::words::counted;

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

/// Longest turn, seconds.
const MAX_SECONDS: f64 = 60.0;

/// Parses the length of a turn.
fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|&seconds: &f64| seconds > 0.0 && seconds <= MAX_SECONDS);
    seconds.ok_or_else(|| format!("wanted a number above 0 and up to {MAX_SECONDS}"))
}

/// Says on standard error if other programs disturbed a measurement.
fn note_busy(others: Option<Busy>) {
    if let Some(Busy { share, cpus }) = others.filter(Busy::is_disturbing) {
        note(&format!(
            "warning: the machine was busy: other programs used {:.1} of {}, so rates are too low and noisy; stop them and \
             measure again",
            share * cpus as f64,
            counted(cpus, "CPU"),
        ));
    }
}
