//! `cke generate`: continues texts.

mod continuation;
mod decode;
mod prompt;
mod report;

use self::continuation::Continuation;
use self::decode::{Shown, decode};
use self::prompt::{Prompt, PromptArgs};
use self::report::Report;
use crate::environment::command_help;
use crate::error::CliError;
use crate::interrupt::Interrupt;
use crate::language_model::{LanguageModel, ModelInfo, OpenedModel};
use crate::limits::Limits;
use crate::memory::Texts;
use crate::model::{ModelArgs, NumberArgs, Opening};
use crate::numbers;
use crate::output::{Output, note};
use crate::progress::Progress;
use crate::sampling::SamplingArgs;
use crate::speed::{GenerateTimes, Timings, print_summary};
use crate::threads::ThreadArgs;
use cke_engine::generate::{Batch, Finish, GenerateOptions, Overflow};
use cke_engine::sampler::SamplerConfig;
use cke_engine::tokenizer::Encoded;
use clap::builder::NonEmptyStringValueParser;

/// Tokens to generate if neither the user nor the model says.
const MAX_TOKENS: usize = 128;

/// Tokens of a prompt that are counted, however short the context is.
const COUNTED_TOKENS: usize = 1 << 14;

/// Continues a text with a language model
///
/// The continuation goes to standard output as it is generated, its speed to standard error. The settings of the model's
/// generation_config.json apply unless a flag overrides them; settings that are not supported are reported as warnings.
#[derive(Debug, clap::Args)]
#[command(after_long_help = command_help(EXAMPLES))]
pub(crate) struct GenerateArgs {
    #[command(flatten)]
    prompt: PromptArgs,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    numbers: NumberArgs,
    #[command(flatten)]
    threads: ThreadArgs,
    /// Maximum number of tokens to generate [default: the model's max_new_tokens or max_length, else 128]
    #[arg(short = 'n', long, aliases = ["predict", "n-predict"], value_name = "N", value_parser = numbers::count)]
    #[arg(allow_negative_numbers = true)]
    max_tokens: Option<usize>,
    /// Stop before this text; may be given several times [default: the model's stop_strings]
    #[arg(long, value_name = "STRING", value_parser = NonEmptyStringValueParser::new(), allow_hyphen_values = true)]
    stop: Vec<String>,
    /// Continue after an end-of-text token
    #[arg(long)]
    ignore_eos: bool,
    /// Continue when the model's context is full, dropping the older half
    ///
    /// Prompts may then be longer than the context; the model sees their end.
    #[arg(long)]
    sliding_window: bool,
    /// Prompts of --prompts-file that are decoded together, 1 to 1024
    ///
    /// Larger batches are faster and take more memory; the results are the same.
    #[arg(long, value_name = "N", default_value = "8", requires = "prompts_file", conflicts_with_all = ["prompt", "prompt_flag", "tokens_file"])]
    #[arg(value_parser = numbers::batch_size, allow_negative_numbers = true)]
    batch_size: usize,
    /// Print the prompt before its continuation
    #[arg(long, conflicts_with = "json")]
    echo: bool,
    /// Print a JSON object on one line for each finished prompt
    #[arg(long)]
    json: bool,
    /// Print only errors to standard error
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    sampling: SamplingArgs,
}

const EXAMPLES: &str = "\
The keys of --json: prompt, text, tokens (ids), prompt_tokens (how many), finish (end, stop, length, context, time or interrupted),
seed, layer_kernels, attention_kernels, timings. The texts of --prompts-file come in order, each below a line \"==> prompt 1 <==\". Ctrl-C stops and keeps
the text so far.

Examples:
  cke generate \"A vector is\"
  cke generate --model gpt2 -n 50 --temperature 0.7 --seed 3 \"Once upon a time\"
  echo \"The iterator\" | cke generate --greedy --stop . --echo
  cke generate --prompts-file prompts.txt --json > continuations.jsonl";

pub(crate) fn run(args: GenerateArgs, interrupt: &Interrupt) -> Result<(), CliError> {
    let prompts = args.prompt.read()?;
    let opening = Opening { threads: args.threads.count_to_run(args.quiet)?, is_quiet: args.quiet, interrupt };
    let opened = OpenedModel::open(&args.model, args.numbers, opening)?;
    if opened.info.tokenizer.is_none() && !args.stop.is_empty() {
        return Err(CliError::NoTokenizer { model: opened.info.name, hint: "--stop needs text" });
    }
    let tokens = tokenize(&prompts, &opened.info, &args)?;
    let texts = args.texts(&tokens, &opened.info);
    let model = opened.load(&texts)?;
    if !args.quiet {
        model.info.print_notices(true);
    }
    let progress = Progress::of_generation(args.tokens_at_most(&tokens, &model.info));
    let (output, work) = (Output::new(), GenerateTimes::default());
    let mut session = GenerateRun { args: &args, model: &model, output, work };
    let mut outcome = Ok(());
    for (first, prompts) in (0..).step_by(args.batch_size).zip(prompts.chunks(args.batch_size)) {
        let tokens = &tokens[first..first + prompts.len()];
        outcome = session.run_group(first, prompts, tokens, &progress, interrupt);
        if outcome.is_err() {
            break;
        }
    }
    drop(progress);
    if !args.quiet && matches!(outcome, Ok(()) | Err(CliError::Interrupted(_))) {
        print_summary(&model, &session.work, args.sampling.seed);
    }
    outcome.map_err(|error| error.naming(&model.info.name))
}

impl GenerateArgs {
    /// What is held of prompts and continuations: those of one group at a time.
    fn texts(&self, prompts: &[Vec<u32>], model: &ModelInfo) -> Texts {
        let limits = Limits::new(self.max_tokens, &model.generation, MAX_TOKENS);
        let lengths = |prompts: &[Vec<u32>]| -> Vec<usize> {
            prompts.iter().map(|prompt| limits.length(prompt.len()).min(model.context)).collect()
        };
        let groups = prompts.chunks(self.batch_size).map(lengths);
        let largest = groups.max_by_key(|lengths| lengths.iter().sum::<usize>()).unwrap_or_default();
        let remedy =
            if self.prompt.is_list() { "a smaller --batch-size or --max-tokens" } else { "a smaller --max-tokens" };
        Texts { logits: largest.len(), lengths: largest, is_shown: false, remedy: Some(remedy) }
    }

    /// Tokens that are read and generated for some prompts if no continuation ends early.
    fn tokens_at_most(&self, prompts: &[Vec<u32>], model: &ModelInfo) -> u64 {
        let limits = Limits::new(self.max_tokens, &model.generation, MAX_TOKENS);
        let context = if self.sliding_window { usize::MAX } else { model.context };
        prompts.iter().fold(0u64, |sum, prompt| sum.saturating_add(limits.length(prompt.len()).min(context) as u64))
    }
}

/// The tokens of each prompt, checked against the context.
fn tokenize(prompts: &[Prompt], model: &ModelInfo, args: &GenerateArgs) -> Result<Vec<Vec<u32>>, CliError> {
    let (context, new) = (model.context, usize::from(args.max_tokens != Some(0)));
    // A window that slides wants the end of a text, and an error its length as far as that is soon known.
    let most = if args.sliding_window { usize::MAX } else { context.max(COUNTED_TOKENS) };
    let tokenize_one = |(index, prompt): (usize, &Prompt)| {
        let Encoded { ids, is_cut } = prompt.tokens(model, most)?;
        if ids.len() + new > context && !args.sliding_window {
            let which = if args.prompt.is_list() { format!(" {}", index + 1) } else { String::new() };
            let tokens = if is_cut { format!("more than {most}") } else { ids.len().to_string() };
            return Err(CliError::PromptTooLong { which, tokens, context });
        }
        Ok(ids)
    };
    prompts.iter().enumerate().map(tokenize_one).collect()
}

/// A run of the command, with its model loaded.
struct GenerateRun<'a> {
    args: &'a GenerateArgs,
    model: &'a LanguageModel,
    output: Output,
    work: GenerateTimes,
}

/// What came of prompts that were continued together.
struct Group<'g> {
    /// The number of the first among all prompts.
    first: usize,
    prompts: &'g [Prompt],
    tokens: &'g [Vec<u32>],
    batch: &'g Batch<'g>,
    continuations: &'g [Continuation<'g>],
    work: GenerateTimes,
}

impl GenerateRun<'_> {
    /// Continues some prompts together, the first of which is number `first` of all, and prints the results. `progress` is that of all
    /// prompts, and shown unless the text is as it grows.
    fn run_group(
        &mut self,
        first: usize,
        prompts: &[Prompt],
        tokens: &[Vec<u32>],
        progress: &Progress,
        interrupt: &Interrupt,
    ) -> Result<(), CliError> {
        let (model, args) = (self.model, self.args);
        let mut batch = Batch::new(&*model.causal, &model.runtime, tokens.to_vec(), self.options(first))?;
        let stops = self.stops();
        let new = |_| Continuation::new(model.info.tokenizer.as_ref(), &stops);
        let mut continuations = prompts.iter().map(new).collect::<Result<Vec<_>, _>>()?;

        let work = if args.json || args.prompt.is_list() {
            let work = decode(&mut batch, &mut continuations, Shown::Tokens(progress), interrupt, &mut |_| Ok(()))?;
            let done = (work.prompt_tokens + work.generated) as u64;
            progress.add(args.tokens_at_most(tokens, &model.info).saturating_sub(done));
            work
        } else {
            self.write(&self.opening(&prompts[0])?)?;
            let shown = Shown::Text((!args.echo).then(|| Progress::of_tokens(tokens.iter().map(Vec::len).sum())));
            decode(&mut batch, &mut continuations, shown, interrupt, &mut |text| self.write(text))?
        };
        self.work.add(&work);
        let group = Group { first, prompts, tokens, batch: &batch, continuations: &continuations, work };
        progress.aside(|| self.print(&group))?;
        let is_interrupted = (0..prompts.len()).any(|i| batch.finish(i).is_none());
        if is_interrupted { Err(interrupt.error()) } else { Ok(()) }
    }

    /// Prints the results of a group, as far as they have not been.
    fn print(&mut self, group: &Group<'_>) -> Result<(), CliError> {
        let (model, args) = (self.model, self.args);
        let &Group { first, prompts, tokens, batch, continuations, work } = group;
        for (i, continuation) in continuations.iter().enumerate() {
            let (prompt, finish) = (&prompts[i], finish(batch, i, continuation));
            if args.json {
                let report = Report {
                    prompt: prompt.text(),
                    text: model.info.tokenizer.is_some().then_some(continuation.text()),
                    tokens: batch.generated(i),
                    prompt_tokens: tokens[i].len(),
                    finish: finish.map_or("interrupted", Finish::name),
                    seed: self.seed(first + i),
                    kernels: model.causal.kernels().into(),
                    timings: Timings::new(model, &work),
                };
                self.output.json(&report)?;
            } else {
                self.print_rest(first + i, prompt, continuation)?;
            }
            self.output.flush()?;
            if finish == Some(Finish::Context) && !args.quiet {
                note(&format!(
                    "the context of {} tokens is full; use --sliding-window to continue",
                    model.info.context
                ));
            }
        }
        Ok(())
    }

    /// How to generate, for a group of prompts whose first is number `first`.
    fn options(&self, first: usize) -> GenerateOptions {
        let GenerateArgs { sampling, max_tokens, ignore_eos, sliding_window, .. } = self.args;
        let generation = &self.model.info.generation;
        let mut sampler = SamplerConfig { seed: self.seed(first), ..sampling.config(generation) };
        let mut end_tokens = generation.eos_token_ids.clone();
        if *ignore_eos {
            end_tokens.clear();
            sampler.rules.end_tokens.clear();
        }
        let Limits { max_tokens, max_length } = Limits::new(*max_tokens, generation, MAX_TOKENS);
        GenerateOptions {
            max_tokens,
            max_length,
            max_time: generation.max_time,
            sampler,
            end_tokens,
            overflow: if *sliding_window { Overflow::Slide } else { Overflow::Stop },
        }
    }

    /// The texts that end a continuation: those of the flags, else the model's, which mean nothing without a tokenizer.
    fn stops(&self) -> Vec<String> {
        let ModelInfo { generation, tokenizer, .. } = &self.model.info;
        match (&self.args.stop[..], tokenizer) {
            ([], Some(_)) => generation.stop_strings.clone(),
            (stops, _) => stops.to_vec(),
        }
    }

    /// The seed of prompt number `index`.
    fn seed(&self, index: usize) -> u64 {
        self.args.sampling.seed.wrapping_add(index as u64)
    }

    /// What is printed before a continuation.
    fn opening(&self, prompt: &Prompt) -> Result<String, CliError> {
        if self.args.echo { prompt.display(&self.model.info) } else { Ok(String::new()) }
    }

    /// Prints a continuation as far as it has not been, and ends its line.
    fn print_rest(&mut self, index: usize, prompt: &Prompt, continuation: &Continuation<'_>) -> Result<(), CliError> {
        let opening = self.opening(prompt)?;
        if self.args.prompt.is_list() {
            self.output.line(&format!("==> prompt {} <==", index + 1))?;
            self.output.write(&opening)?;
            self.output.write(continuation.text())?;
        }
        let last = continuation.text().chars().last().or(opening.chars().last());
        if last.is_some_and(|last| last != '\n') { self.output.write("\n") } else { Ok(()) }
    }

    /// Writes a text that the user sees at once.
    fn write(&mut self, text: &str) -> Result<(), CliError> {
        if text.is_empty() {
            return Ok(());
        }
        self.output.write(text)?;
        self.output.flush()
    }
}

/// Why a continuation ended; `None` if it was interrupted. A stop string counts if it ends just at the length.
fn finish(batch: &Batch<'_>, sequence: usize, continuation: &Continuation<'_>) -> Option<Finish> {
    if continuation.is_stopped() { Some(Finish::Stopped) } else { batch.finish(sequence) }
}
