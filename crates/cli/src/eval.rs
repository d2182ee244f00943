//! `cke eval`: how well a model predicts a text.

use crate::environment::command_help;
use crate::error::CliError;
use crate::input::Source;
use crate::interrupt::Interrupt;
use crate::kernel_names::ModelKernels;
use crate::language_model::{LanguageModel, ModelInfo, OpenedModel};
use crate::memory::Texts;
use crate::model::{ModelArgs, NumberArgs, Opening, refuse_model_as_text};
use crate::numbers;
use crate::output::{Output, note};
use crate::progress::Progress;
use crate::status_line::StatusLine;
use crate::threads::ThreadArgs;
use cke_engine::error::Error;
use cke_engine::evaluate::negative_log_likelihoods;
use cke_engine::models::causal::LOGIT_ROWS;
use cke_perf::report::format_bytes;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;

/// Measures how well a language model predicts a text: negative log-likelihood and perplexity
///
/// The text is used unchanged, including its last line break, with the special tokens that the model's tokenizer adds (none for
/// most). Of its n tokens, the n - 1 after the first are predicted, each from those before it. A text that is longer than the
/// model's context is read in windows.
#[derive(Debug, clap::Args)]
#[command(after_long_help = command_help(EXAMPLES))]
pub(crate) struct EvalArgs {
    /// File with the text [default: standard input, also named -]
    #[arg(value_name = "FILE", conflicts_with = "tokens_file")]
    file: Option<PathBuf>,
    /// File with a JSON list of token ids instead of a text
    #[arg(long, value_name = "FILE")]
    tokens_file: Option<PathBuf>,
    /// Read the text in windows of N tokens [default: the model's context]
    ///
    /// Each window begins with the last token of the previous one and has no other context. Longer windows are slower and usually predict
    /// better: perplexities are comparable only if their windows are the same.
    #[arg(short, long, value_name = "N", value_parser = numbers::window, allow_negative_numbers = true)]
    window: Option<usize>,
    /// Do not score the predictions of the first N tokens of each window [default: 0]
    ///
    /// Windows then do not overlap, and an incomplete window is left out: `--window 512 --unscored 256` measures the same as llama.cpp's
    /// llama-perplexity with a context of 512.
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true, allow_negative_numbers = true)]
    #[arg(value_parser = numbers::count)]
    unscored: usize,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    numbers: NumberArgs,
    #[command(flatten)]
    threads: ThreadArgs,
    /// Print a JSON object: tokens, nll, perplexity, nll_total, layer_kernels, attention_kernels, per_token
    #[arg(long)]
    json: bool,
    /// Print only errors to standard error
    #[arg(short, long)]
    quiet: bool,
}

const EXAMPLES: &str = "\
Measures (ln is the natural logarithm):
  per_token   -ln p(token | those before it) of each token after the first
  nll         mean of per_token
  nll_total   sum of per_token
  perplexity  e to the power of nll

For a perplexity to compare with that of llama.cpp's llama-perplexity: --window 512 --unscored 256

Examples:
  cke eval README.md
  cke eval --model gpt2 --window 512 --json < book.txt";

/// Bytes of a text that takes a while to tokenize.
const LONG_TEXT: usize = 4 << 20;

/// The measures of a text.
#[derive(Debug, Serialize)]
struct Evaluation {
    /// Tokens of the text.
    tokens: usize,
    /// Mean of `per_token`.
    nll: f64,
    perplexity: f64,
    /// Sum of `per_token`.
    nll_total: f64,
    #[serde(flatten)]
    kernels: ModelKernels,
    /// Tokens that are read together, and how many of them are not scored.
    #[serde(skip)]
    window: (usize, usize),
    /// −ln p(token t + 1 given those before it).
    per_token: Vec<f64>,
}

impl Evaluation {
    fn new(tokens: usize, window: (usize, usize), kernels: ModelKernels, per_token: Vec<f64>) -> Evaluation {
        let nll_total = per_token.iter().sum::<f64>();
        let nll = nll_total / per_token.len() as f64;
        Evaluation { tokens, nll, perplexity: nll.exp(), nll_total, kernels, window, per_token }
    }

    /// ` ± ` and the standard error of the perplexity as if predictions were independent; nothing for a single one.
    fn perplexity_error(&self) -> String {
        if self.per_token.len() < 2 {
            return String::new();
        }
        let count = self.per_token.len() as f64;
        let squares = self.per_token.iter().map(|nll| (nll - self.nll).powi(2)).sum::<f64>();
        let error_of_mean = (squares / (count - 1.0) / count).sqrt();
        format!(" ± {:.4} (standard error)", self.perplexity * error_of_mean)
    }

    /// `512 tokens, the first 256 not scored`
    fn windows(&self) -> String {
        match self.window {
            (window, 0) => format!("{window} tokens, all scored"),
            (window, unscored) => format!("{window} tokens, the first {unscored} not scored"),
        }
    }

    fn print(&self, as_json: bool) -> Result<(), CliError> {
        let mut output = Output::new();
        if as_json {
            output.json(self)?;
        } else {
            let predicted = self.per_token.len();
            output.line(&format!("tokens      {}", self.tokens))?;
            output.line(&format!("nll         {:.6} (mean of {predicted}; natural logarithm)", self.nll))?;
            output.line(&format!("nll total   {:.4}", self.nll_total))?;
            output.line(&format!("perplexity  {:.4}{}", self.perplexity, self.perplexity_error()))?;
            output.line(&format!("window      {}", self.windows()))?;
        }
        output.flush()
    }
}

pub(crate) fn run(args: EvalArgs, interrupt: &Interrupt) -> Result<(), CliError> {
    let input = read_input(&args)?;
    let opening = Opening { threads: args.threads.count_to_run(args.quiet)?, is_quiet: args.quiet, interrupt };
    let opened = OpenedModel::open(&args.model, args.numbers, opening)?;
    let tokens = match input {
        Input::Text(text) => encode(&opened.info, &text)?,
        Input::Tokens(tokens) => tokens,
    };
    let window = window(opened.info.context, args.window)?;
    let length = window.min(tokens.len());
    let texts = Texts {
        lengths: vec![length],
        logits: LOGIT_ROWS.min(length),
        is_shown: false,
        remedy: Some("a smaller --window"),
    };
    let model = opened.load(&texts)?;
    if !args.quiet {
        model.info.print_notices(false);
    }
    let started = Instant::now();
    let per_token = match args.unscored {
        0 => evaluate(&model, &tokens, window),
        unscored => evaluate_ends(&model, &tokens, window, unscored),
    };
    let per_token = per_token.map_err(|error| error.naming(&model.info.name))?;
    let seconds = started.elapsed().as_secs_f64();
    let kernels = model.causal.kernels().into();
    Evaluation::new(tokens.len(), (window, args.unscored), kernels, per_token).print(args.json)?;
    if !args.quiet {
        let rate = tokens.len() as f64 / seconds;
        note(&format!("{} tokens in {seconds:.3} s, {rate:.1} tokens/s", tokens.len()));
        note(&model.summary());
    }
    Ok(())
}

/// The tokens of a text, all of them.
fn encode(model: &ModelInfo, text: &str) -> Result<Vec<u32>, CliError> {
    let status = StatusLine::new();
    if text.len() > LONG_TEXT {
        status.show(&format!("tokenizing {}", format_bytes(text.len() as u64)));
    }
    Ok(model.encode(text, usize::MAX)?.ids)
}

enum Input {
    Text(String),
    Tokens(Vec<u32>),
}

fn read_input(args: &EvalArgs) -> Result<Input, CliError> {
    if let Some(file) = args.file.as_deref().and_then(|file| file.to_str()) {
        refuse_model_as_text(file)?;
    }
    match &args.tokens_file {
        Some(file) => Source::new(Some(file)).tokens().map(Input::Tokens),
        None => Source::new(args.file.as_deref()).text().map(Input::Text),
    }
}

/// How many tokens the model sees at a time.
fn window(context: usize, asked: Option<usize>) -> Result<usize, CliError> {
    match asked {
        Some(window) if window > context => Err(CliError::Misuse(format!(
            "--window: wanted at most the {context} positions of the model's context, found {window}"
        ))),
        asked => Ok(asked.unwrap_or(context)),
    }
}

/// The negative log-likelihoods of all tokens but the first.
fn evaluate(model: &LanguageModel, tokens: &[u32], window: usize) -> Result<Vec<f64>, CliError> {
    if tokens.len() < 2 {
        return Err(Error::TooFewTokens { wanted: 2, found: tokens.len() }.into());
    }
    let vocabulary = model.causal.vocabulary();
    if let Some(position) = tokens.iter().position(|&id| id as usize >= vocabulary) {
        return Err(Error::UnknownToken { id: tokens[position], position, vocabulary }.into());
    }
    // The last token of a window is read again as the first of the next.
    let windows = (tokens.len() - 1).div_ceil(window - 1);
    let progress = Progress::of_tokens(tokens.len() - 1 + windows);
    let mut per_token = room_for(tokens.len() - 1)?;
    while per_token.len() + 1 < tokens.len() {
        // A piece begins with the last token of the one before, so that each token but the very first is predicted.
        let rest = &tokens[per_token.len()..];
        let piece = &rest[..rest.len().min(window)];
        let evaluated = &mut |count| progress.add(count as u64);
        per_token.extend(negative_log_likelihoods(&*model.causal, &model.runtime, piece, evaluated)?);
    }
    all_finite(&model.info.name, per_token)
}

/// The negative log-likelihoods of the tokens that the last ones of each whole window predict, from its token `unscored` on.
fn evaluate_ends(model: &LanguageModel, tokens: &[u32], window: usize, unscored: usize) -> Result<Vec<f64>, CliError> {
    if unscored + 1 >= window {
        let most = window.saturating_sub(2);
        return Err(CliError::Misuse(format!(
            "--unscored: wanted at most {most} for a window of {window} tokens, found {unscored}"
        )));
    }
    if tokens.len() < window {
        return Err(Error::TooFewTokens { wanted: window, found: tokens.len() }.into());
    }
    let progress = Progress::of_tokens(tokens.len() / window * window);
    let mut per_token = room_for(tokens.len())?;
    for piece in tokens.chunks_exact(window) {
        let evaluated = &mut |count| progress.add(count as u64);
        let all = negative_log_likelihoods(&*model.causal, &model.runtime, piece, evaluated)?;
        per_token.extend_from_slice(&all[unscored..]);
    }
    all_finite(&model.info.name, per_token)
}

/// An empty list with room for `count` numbers.
fn room_for(count: usize) -> Result<Vec<f64>, CliError> {
    let (mut list, bytes) = (Vec::new(), count.saturating_mul(size_of::<f64>()));
    list.try_reserve_exact(count).map_err(|_| cke_kernels::Error::OutOfMemory { bytes })?;
    Ok(list)
}

fn all_finite(model: &str, per_token: Vec<f64>) -> Result<Vec<f64>, CliError> {
    match per_token.iter().position(|nll| !nll.is_finite()) {
        Some(i) => Err(CliError::Failed(format!(
            "{model}: negative log-likelihood of token {}: wanted a finite number, found {}",
            i + 1,
            per_token[i]
        ))),
        None => Ok(per_token),
    }
}
