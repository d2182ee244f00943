//! `cke bench model`.

use super::measure::Session;
use super::report::{Row, Subject};
use super::test_plan::{Test, Wishes, tests};
use super::workload::Model;
use crate::environment::command_help;
use crate::error::CliError;
use crate::model::ModelArgs;
use crate::numbers;
use crate::output::{Output, note};
use cke_engine::bundle::Bundle;
use cke_engine::config::ModelConfig;
use cke_engine::memory::MemoryEstimate;
use cke_engine::runtime::Runtime;
use cke_engine::synthetic;
use cke_kernels::threads::ThreadPool;
use cke_perf::bandwidth::buffer_bytes;
use cke_perf::host::Host;
use cke_perf::report::{Format, format_bytes, render};
use clap::builder::{PossibleValuesParser, RangedU64ValueParser, TypedValueParser};

/// Measures tokens per second of a model
///
/// Tests are named as by llama-bench: pp512 reads a prompt of 512 tokens, tg64 generates 64 tokens one by one; pp128x8
/// reads 8 sequences of 128 tokens together. They run in turns, after a warm-up that does not count. The machine's
/// multiply-add peak (and read bandwidth, for tg) is measured before each turn with the same number of threads; shares
/// set the best repetition against the best measurement. Weights that stay in a cache are read faster than from memory:
/// more than 100% of the bandwidth. A single thread is bound to one CPU.
#[derive(Debug, clap::Args)]
#[command(after_help = command_help(EXAMPLES))]
pub(crate) struct ModelBenchArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Random weights in the sizes of a well-known model; takes the place of --model
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(synthetic::NAMES))]
    synthetic: Option<String>,
    /// Lengths of prompts, 0 for none; without it 128 and 512 as far as the context goes
    #[arg(
        short,
        long,
        value_name = "N,…",
        allow_negative_numbers = true,
        value_delimiter = ',',
        value_parser = numbers::count,
    )]
    prompt_tokens: Option<Vec<usize>>,
    /// Numbers of tokens to generate, 0 for none; without it 64 as far as the context goes
    #[arg(
        short,
        long,
        value_name = "N,…",
        allow_negative_numbers = true,
        value_delimiter = ',',
        value_parser = numbers::count,
    )]
    generate_tokens: Option<Vec<usize>>,
    /// Numbers of sequences that run together, 1 to 512
    #[arg(
        short,
        long,
        value_name = "N,…",
        allow_negative_numbers = true,
        value_delimiter = ',',
        default_value = "1",
        value_parser = up_to(MAX_BATCH),
    )]
    batch: Vec<usize>,
    /// Numbers of threads, 1 to 1024; without it 1 and as many as the process may use
    #[arg(
        short,
        long,
        value_name = "N,…",
        allow_negative_numbers = true,
        value_delimiter = ',',
        env = "CKE_THREADS",
        value_parser = numbers::threads,
    )]
    threads: Option<Vec<usize>>,
    /// Repetitions of each test, 1 to 10000
    #[arg(
        short,
        long,
        value_name = "N",
        allow_negative_numbers = true,
        default_value = "5",
        value_parser = up_to(MAX_REPETITIONS),
    )]
    repetitions: usize,
    /// Compute the logits of every position of a prompt, not of the last one only
    #[arg(long)]
    all_logits: bool,
    /// How results are written
    #[arg(short, long, value_name = "FORMAT", default_value = "md", value_parser = format())]
    output: Format,
}

const EXAMPLES: &str = "\
Examples:
  cke bench model
  cke bench model --synthetic gpt2 -p 128,512 -g 64 -t 1,2 -r 5
  cke bench model --model ./my-model -p 512 -g 0 --all-logits -o json
  cke bench model --synthetic bert-base -p 128 -b 1,8 -o csv > bert.csv";

/// One forward pass takes no more sequences.
const MAX_BATCH: u64 = 512;
const MAX_REPETITIONS: u64 = 10_000;

fn up_to(most: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=most)
}

fn format() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::name)).try_map(|name| name.parse::<Format>())
}

/// Where the weights come from.
enum Origin {
    Stored(Box<Bundle>),
    Random(&'static str, ModelConfig),
}

impl Origin {
    fn open(args: &ModelBenchArgs) -> Result<Origin, CliError> {
        let named =
            args.synthetic.as_deref().and_then(|wanted| synthetic::NAMES.into_iter().find(|name| *name == wanted));
        match named.and_then(|name| Some(Origin::Random(name, synthetic::config(name)?))) {
            Some(random) => Ok(random),
            None => args.model.open().map(|bundle| Origin::Stored(Box::new(bundle))),
        }
    }

    fn config(&self) -> &ModelConfig {
        match self {
            Origin::Stored(bundle) => bundle.config(),
            Origin::Random(_, config) => config,
        }
    }

    fn load(self, runtime: &Runtime) -> Result<(Model, Subject), CliError> {
        let architecture = self.config().architecture();
        let (name, weights, model) = match self {
            Origin::Stored(bundle) => (bundle.name(), "stored", Model::load(*bundle, runtime)?),
            Origin::Random(name, config) => (name.to_owned(), "random", Model::random(&config, runtime)?),
        };
        let (weight_bytes, isa) = (model.weight_bytes(), runtime.cpu().isa().name());
        Ok((model, Subject { model: name, architecture, weights, weight_bytes, dtype: "f32", isa }))
    }
}

pub(crate) fn run(args: ModelBenchArgs) -> Result<(), CliError> {
    let origin = Origin::open(&args)?;
    let wishes = Wishes {
        prompts: args.prompt_tokens.as_deref(),
        generations: args.generate_tokens.as_deref(),
        batches: &args.batch,
        all_logits: args.all_logits,
    };
    let tests = tests(origin.config(), wishes)?;
    let thread_counts = args.threads.unwrap_or_else(usual_thread_counts);
    let runtime = Runtime::new(Some(1))?;
    let host = Host::detect(runtime.cpu());
    check_memory(origin.config(), &tests, &runtime, &host)?;

    let (model, subject) = origin.load(&runtime)?;
    let session = Session {
        model: &model,
        tests: &tests,
        all_logits: args.all_logits,
        repetitions: args.repetitions,
        buffer_bytes: buffer_bytes(host.last_level_cache_bytes, host.memory_available_bytes),
    };
    let mut rows = Vec::with_capacity(thread_counts.len() * tests.len());
    for threads in thread_counts {
        let (outcomes, ceiling) = session.measure(threads)?;
        note(&ceiling.to_string());
        rows.extend(outcomes.iter().map(|outcome| Row::new(&subject, threads, args.all_logits, outcome, &ceiling)));
    }
    let text = render(&rows, args.output).map_err(|error| CliError::Failed(error.to_string()))?;
    let mut output = Output::new();
    output.write(&text)?;
    output.flush()
}

fn usual_thread_counts() -> Vec<usize> {
    let mut counts = vec![1, ThreadPool::available()];
    counts.dedup();
    counts
}

/// Refuses tests that would drive the machine out of memory: systems promise more of it than they have.
fn check_memory(config: &ModelConfig, tests: &[Test], runtime: &Runtime, host: &Host) -> Result<(), CliError> {
    let Some(available) = host.memory_available_bytes else { return Ok(()) };
    let estimate = MemoryEstimate::new(config, runtime.cpu(), runtime.threads())?;
    let per_position = (estimate.kv_cache + estimate.activations) / config.max_positions();
    let positions = tests.iter().map(Test::total_tokens).fold(0, usize::saturating_add);
    let wanted = per_position.saturating_mul(positions).saturating_add(estimate.weights) as u64;
    if wanted <= available {
        return Ok(());
    }
    let (wanted, available) = (format_bytes(wanted), format_bytes(available));
    Err(CliError::Failed(format!("the tests want about {wanted} of memory, found {available} available")))
}
