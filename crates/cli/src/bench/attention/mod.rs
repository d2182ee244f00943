//! `cke bench attention`.

mod measure;
mod report;
mod task;

use super::format::FormatArgs;
use super::rounds::RoundArgs;
use crate::busy::note_busy;
use crate::environment::command_help;
use crate::error::CliError;
use crate::model::kv_dtype;
use crate::numbers;
use crate::output::{Output, note};
use crate::threads::ThreadCountsArgs;
use cke_kernels::Cpu;
use cke_kernels::attention::{AttentionPlan, KvDtype};
use cke_perf::host::Host;
use cke_perf::report::{Format, format_bytes, render};
use measure::AttentionRun;
use report::{counters, rows};
use task::{Case, Heads, Rows};

/// Measures attention with keys and values kept in f32, bf16 and int8
///
/// A prompt has as many queries as positions, and each query sees the positions up to its own; the time includes packing its keys and
/// values. A single query sees all positions, as in generation; keys and values stay in a cache that is large enough for them. All cases run
/// interleaved, after a warm-up. A round gives the median call; the time is the median of the rounds, the spread the difference between the
/// slowest and the fastest round divided by it. "of f32" is the rate relative to keys and values in f32. A single thread is bound to one CPU.
/// After the rounds, each case runs once more with hardware counters, if the system allows it.
#[derive(Debug, clap::Args)]
#[command(after_help = command_help(EXAMPLES))]
pub(crate) struct AttentionBenchArgs {
    /// Numbers of positions
    #[arg(
        short,
        long,
        value_name = "N,…",
        allow_negative_numbers = true,
        value_delimiter = ',',
        default_value = "512,2048",
        value_parser = numbers::tokens,
    )]
    positions: Vec<usize>,
    /// Query heads
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value = "12", value_parser = numbers::dimensions)]
    heads: usize,
    /// Key heads, a divisor of the number of query heads, which share them [default: one for each query head]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = numbers::dimensions)]
    key_heads: Option<usize>,
    /// Elements of a head
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value = "64", value_parser = numbers::dimensions)]
    head_size: usize,
    /// Formats of keys and values
    #[arg(long, value_name = "TYPE,…", value_delimiter = ',', default_value = "f32,bf16,int8", ignore_case = true, value_parser = kv_dtype())]
    kv: Vec<KvDtype>,
    #[command(flatten)]
    threads: ThreadCountsArgs,
    #[command(flatten)]
    rounds: RoundArgs,
    #[command(flatten)]
    format: FormatArgs,
}

const EXAMPLES: &str = "\
Examples:
  cke bench attention
  cke bench attention -p 512,2048 --heads 32 --key-heads 8 --head-size 128 -t 1,2
  cke bench attention -p 4096 --kv bf16 --json > attention.json";

pub(super) fn run(args: AttentionBenchArgs) -> Result<(), CliError> {
    let RoundArgs { rounds, secs } = args.rounds;
    let thread_counts = args.threads.counts()?;
    let cpu = Cpu::host().map_err(|error| CliError::Failed(error.to_string()))?;
    let heads = Heads { queries: args.heads, keys: key_heads(args.key_heads, args.heads)?, size: args.head_size };
    // Refuses sizes that do not match before anything is measured.
    let plan = heads.plan(cpu).map_err(|error| CliError::Misuse(error.to_string()))?;
    let cases = cases(&args, heads);
    check_memory(&plan, &cases, &Host::detect(cpu))?;

    let session = AttentionRun { cpu, cases: &cases, rounds, seconds: secs };
    let mut all = Vec::new();
    for threads in thread_counts {
        let measured = session.measure(threads)?;
        note_busy(measured.others);
        all.extend(rows(cpu, threads, &measured));
    }
    let format = args.format.format();
    let text = render(&all, format).map_err(|error| CliError::Failed(error.to_string()))?;
    if let Some(refusal) = all.iter().find_map(|row| row.counters.refusal()) {
        note(&refusal);
    }
    let mut output = Output::new();
    output.tables(&text)?;
    if let Some(counters) = counters(&all).filter(|_| format == Format::Markdown) {
        output.tables(&format!("\n{counters}"))?;
    }
    output.flush()
}

/// The number of key heads, each of which serves as many query heads.
fn key_heads(flag: Option<usize>, heads: usize) -> Result<usize, CliError> {
    match flag {
        Some(keys) if !heads.is_multiple_of(keys) => Err(CliError::Misuse(format!(
            "--key-heads {keys}: wanted a divisor of the {heads} query heads, each key head serving as many of them"
        ))),
        flag => Ok(flag.unwrap_or(heads)),
    }
}

/// Prompts and single queries for each number of positions; types of keys and values take turns.
fn cases(args: &AttentionBenchArgs, heads: Heads) -> Vec<Case> {
    let mut cases = Vec::new();
    for rows in [Rows::Prompt, Rows::Query] {
        for &positions in &args.positions {
            cases.extend(args.kv.iter().map(|&kv| Case { rows, positions, heads, kv }));
        }
    }
    cases
}

/// Refuses what would drive the machine out of memory: systems promise more of it than they have.
fn check_memory(plan: &AttentionPlan, cases: &[Case], host: &Host) -> Result<(), CliError> {
    let Some(available) = host.memory_available_bytes else { return Ok(()) };
    let bytes = |case: &Case| {
        let operands = case.rows.count(case.positions).max(1).saturating_mul(2 * (plan.width() + plan.kv_width()));
        let operands = operands.saturating_mul(size_of::<f32>());
        plan.with_kv(case.kv).cache_bytes(case.positions).saturating_add(operands) as u64
    };
    let wanted = cases.iter().fold(0u64, |sum, case| sum.saturating_add(bytes(case)));
    if wanted <= available {
        return Ok(());
    }
    Err(CliError::Failed(format!(
        "attention over these positions needs about {} of memory, found {} available: use fewer or smaller --positions",
        format_bytes(wanted),
        format_bytes(available)
    )))
}
