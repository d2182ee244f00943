//! `cke profile`.

mod record;

use self::record::{Measured, ProfileRun};
use crate::busy::note_busy;
use crate::date;
use crate::environment::command_help;
use crate::error::CliError;
use crate::interrupt::Interrupt;
use crate::numbers;
use crate::output::{Output, note};
use crate::output_file::OutputFile;
use crate::threads::ThreadArgs;
use crate::workload::origin::OriginArgs;
use crate::workload::run_args::RunArgs;
use crate::workload::test_plan::{Test, Wishes, tests};
use cke_engine::config::ModelConfig;
use cke_perf::bandwidth::buffer_bytes;
use cke_perf::host::Host;
use cke_report::profile::{self as report, About, Report};
use std::path::PathBuf;

/// Shows where a model spends its time, operation by operation
///
/// Reads a prompt and, unless the model is an encoder, generates tokens; then lists the operations of the fastest repetition, summed over
/// all layers. "Of roofline" is the time that the machine's multiply-add peak or its read bandwidth allows, whichever is longer, as a share
/// of the measured time; peak and bandwidth are measured between the repetitions. It exceeds 100% if operands come from a cache, not from
/// memory. "Waiting" is the share of the threads' time in which a thread had no part in the operation. The same work also runs unrecorded,
/// to measure the overhead of recording, and once more with hardware counters, if the system allows it. A single thread is bound to one
/// CPU.
#[derive(Debug, clap::Args)]
#[command(after_help = command_help(EXAMPLES))]
pub(crate) struct ProfileArgs {
    #[command(flatten)]
    origin: OriginArgs,
    /// Tokens of the prompt, 0 for none [default: 128, or as many as the context has]
    #[arg(short, long, value_name = "N", allow_negative_numbers = true, value_parser = numbers::count)]
    prompt_tokens: Option<usize>,
    /// Tokens to generate, 0 for none [default: 16, or as many as the context has; none for an encoder]
    #[arg(short, long, value_name = "N", allow_negative_numbers = true, value_parser = numbers::count)]
    generate_tokens: Option<usize>,
    /// Sequences in a batch, 1 to 512
    #[arg(
        short,
        long,
        value_name = "N",
        allow_negative_numbers = true,
        default_value = "1",
        value_parser = numbers::sequences_of_pass,
    )]
    batch: usize,
    #[command(flatten)]
    threads: ThreadArgs,
    #[command(flatten)]
    run: RunArgs,
    /// Print one JSON object instead of the table, with every operation of every layer and the work of each thread
    #[arg(long)]
    json: bool,
    /// Write a timeline for Perfetto or chrome://tracing to FILE
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Write an HTML page to FILE
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  cke profile
  cke profile --synthetic gpt2 -p 512 -g 0 -t 2 --html profile.html
  cke profile --model ./my-model --trace trace.json
  cke profile --synthetic bert-base -b 8 --json | jq '.phases[0].by_name[] | {name, seconds}'";

/// Lengths unless others are wanted, as far as the context goes.
const USUAL_PROMPT: usize = 128;
const USUAL_GENERATION: usize = 16;

pub(crate) fn run(args: ProfileArgs, interrupt: &Interrupt) -> Result<(), CliError> {
    let threads = args.threads.count_to_run(false)?;
    let origin = args.origin.open(threads, interrupt)?;
    let tests = args.tests(origin.config())?;
    // Before anything takes time: a report that cannot be written would waste it.
    let files = Files::new(&args)?;
    let loading = args.origin.runtime(&origin)?;
    let host = Host::detect(loading.cpu());
    origin.check_memory(&tests, &loading, &host)?;
    let numbers = origin.main_format(&loading);
    let (model, subject) = origin.load(&loading)?;
    let session = ProfileRun {
        model: &model,
        numbers,
        tests: &tests,
        all_logits: args.run.all_logits,
        repetitions: args.run.repetitions,
        threads,
        buffer_bytes: buffer_bytes(host.last_level_cache_bytes, host.memory_available_bytes),
    };
    let Measured { roofline, peak_numbers, recordings, others } = session.measure()?;
    note_busy(others);
    let about = About {
        cke_version: env!("CARGO_PKG_VERSION"),
        release_build: !cfg!(debug_assertions),
        date: date::now(),
        cpu: host.cpu,
        subject,
        threads,
        peak_numbers,
        repetitions: args.run.repetitions,
        others,
    };
    let report = Report::new(about, roofline, &recordings);
    if let Some(refusal) = report.refusal_of_counters() {
        note(&refusal);
    }
    let mut output = Output::new();
    if args.json {
        output.json(&report)?
    } else {
        output.tables(&report::tables(&report))?
    }
    output.flush()?;
    files.write(&report)
}

impl ProfileArgs {
    fn tests(&self, config: &ModelConfig) -> Result<Vec<Test>, CliError> {
        let (context, is_encoder) = (config.max_positions(), matches!(config, ModelConfig::Bert(_)));
        let usual_generation = if is_encoder { 0 } else { USUAL_GENERATION.min(context) };
        let wishes = Wishes {
            prompts: Some(&[self.prompt_tokens.unwrap_or(USUAL_PROMPT.min(context))]),
            generations: Some(&[self.generate_tokens.unwrap_or(usual_generation)]),
            batches: &[self.batch],
            depths: &[0],
            all_logits: self.run.all_logits,
        };
        tests(config, wishes)
    }
}

/// What is written besides the table.
struct Files {
    trace: Option<OutputFile>,
    html: Option<OutputFile>,
}

impl Files {
    fn new(args: &ProfileArgs) -> Result<Files, CliError> {
        if args.trace.is_some() && args.trace == args.html {
            return Err(CliError::Misuse("--trace and --html: wanted two files, found one for both".to_owned()));
        }
        let file = |path: &Option<PathBuf>| path.as_deref().map(OutputFile::new).transpose();
        Ok(Files { trace: file(&args.trace)?, html: file(&args.html)? })
    }

    fn write(&self, report: &Report) -> Result<(), CliError> {
        if let Some(file) = &self.trace {
            file.write(&report::trace(report).map_err(|error| CliError::Failed(error.to_string()))?)?;
            note(&format!("{}: timeline for ui.perfetto.dev or chrome://tracing", file.path().display()));
        }
        if let Some(file) = &self.html {
            file.write(&report::page(report))?;
            note(&format!("{}: profile as an HTML page", file.path().display()));
        }
        Ok(())
    }
}
