//! `cke bench model`.

use super::format::FormatArgs;
use super::measure::ModelRun;
use super::report::{TestRow, counters};
use crate::busy::note_busy;
use crate::environment::command_help;
use crate::error::CliError;
use crate::interrupt::Interrupt;
use crate::numbers;
use crate::output::{Output, note};
use crate::threads::ThreadCountsArgs;
use crate::workload::origin::OriginArgs;
use crate::workload::run_args::RunArgs;
use crate::workload::test_plan::{Wishes, tests};
use cke_perf::bandwidth::buffer_bytes;
use cke_perf::host::Host;
use cke_perf::report::{Format, render};

/// Measures tokens per second of a model
///
/// Tests are named as in llama-bench: pp512 reads a prompt of 512 tokens, tg64 generates 64 tokens one at a time; pp128x8 reads 8 sequences
/// of 128 tokens as a batch, and tg64@4096 generates after 4096 other tokens. Tests run interleaved, after a warm-up. The machine's
/// multiply-add peak (and read bandwidth, for tg) is measured before each repetition with the same number of threads; shares compare the
/// best repetition with the best measurement. Weights that stay in a cache are read faster than from memory, so that shares of the
/// bandwidth can exceed 100%. A single thread is bound to one CPU. After that, each test runs once more with hardware counters, if the system
/// allows it.
#[derive(Debug, clap::Args)]
#[command(after_help = command_help(EXAMPLES))]
pub(crate) struct ModelBenchArgs {
    #[command(flatten)]
    origin: OriginArgs,
    /// Prompt lengths, 0 for none [default: 128 and 512, as far as the context allows]
    #[arg(
        short,
        long,
        value_name = "N,…",
        allow_negative_numbers = true,
        value_delimiter = ',',
        value_parser = numbers::count,
    )]
    prompt_tokens: Option<Vec<usize>>,
    /// Numbers of tokens to generate, 0 for none [default: 64, as far as the context allows]
    #[arg(
        short,
        long,
        value_name = "N,…",
        allow_negative_numbers = true,
        value_delimiter = ',',
        value_parser = numbers::count,
    )]
    generate_tokens: Option<Vec<usize>>,
    /// Batch sizes (sequences that run together), 1 to 512
    #[arg(
        short,
        long,
        value_name = "N,…",
        allow_negative_numbers = true,
        value_delimiter = ',',
        default_value = "1",
        value_parser = numbers::sequences_of_pass,
    )]
    batch: Vec<usize>,
    /// Numbers of tokens already in the context of each sequence
    ///
    /// They are read during the warm-up, which is not timed.
    #[arg(
        short,
        long,
        value_name = "N,…",
        allow_negative_numbers = true,
        value_delimiter = ',',
        default_value = "0",
        value_parser = numbers::count,
    )]
    depth: Vec<usize>,
    #[command(flatten)]
    threads: ThreadCountsArgs,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    format: FormatArgs,
}

const EXAMPLES: &str = "\
Examples:
  cke bench model
  cke bench model --synthetic gpt2 -p 128,512 -g 64 -t 1,2 -r 5
  cke bench model --model llama-Q4_0.gguf -p 0 -g 64 -d 0,4096
  cke bench model --model ./my-model -p 512 -g 0 --all-logits -o json
  cke bench model --synthetic bert-base -p 128 -b 1,8 -o csv > bert.csv";

pub(crate) fn run(args: ModelBenchArgs, interrupt: &Interrupt) -> Result<(), CliError> {
    let RunArgs { repetitions, all_logits } = args.run;
    let thread_counts = args.threads.counts()?;
    let origin = args.origin.open(thread_counts.iter().copied().max().unwrap_or(1), interrupt)?;
    let wishes = Wishes {
        prompts: args.prompt_tokens.as_deref(),
        generations: args.generate_tokens.as_deref(),
        batches: &args.batch,
        depths: &args.depth,
        all_logits,
    };
    let tests = tests(origin.config(), wishes)?;
    let runtime = args.origin.runtime(&origin)?;
    let host = Host::detect(runtime.cpu());
    origin.check_memory(&tests, &runtime, &host)?;

    let numbers = origin.main_format(&runtime);
    let (model, subject) = origin.load(&runtime)?;
    let session = ModelRun {
        model: &model,
        numbers,
        tests: &tests,
        all_logits,
        repetitions,
        buffer_bytes: buffer_bytes(host.last_level_cache_bytes, host.memory_available_bytes),
    };
    let mut rows = Vec::with_capacity(thread_counts.len() * tests.len());
    for threads in thread_counts {
        let measured = session.measure(threads)?;
        note(&measured.ceiling.to_string());
        note_busy(measured.others);
        let row = |outcome| TestRow::new(&subject, threads, all_logits, outcome, &measured);
        rows.extend(measured.outcomes.iter().map(row));
    }
    let format = args.format.format();
    let text = render(&rows, format).map_err(|error| CliError::Failed(error.to_string()))?;
    if let Some(refusal) = rows.iter().find_map(|row| row.counters.refusal()) {
        note(&refusal);
    }
    let mut output = Output::new();
    if format == Format::Markdown {
        output.line(&format!("{}\n", subject.line()))?;
    }
    output.tables(&text)?;
    if let Some(counters) = counters(&rows).filter(|_| format == Format::Markdown) {
        output.tables(&format!("\n{counters}"))?;
    }
    output.flush()
}
