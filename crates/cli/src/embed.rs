//! `cke embed`: turns texts into vectors.

use crate::environment::command_help;
use crate::error::CliError;
use crate::input::Source;
use crate::model::{ThreadArgs, load_summary};
use crate::output::{Output, counted, note};
use crate::progress::Progress;
use cke_engine::embed::{EmbedOptions, Embedder};
use cke_engine::error::Error;
use cke_engine::runtime::Runtime;
use cke_engine::sentence::Pooling;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;

/// Texts that are embedded before their vectors are printed.
const TEXTS_AT_A_TIME: usize = 256;

/// Turns texts into embedding vectors with a BERT model
///
/// Prints one line for each text: its numbers with spaces between them. The end of a text that is longer than the model takes
/// is cut off.
#[derive(Debug, clap::Args)]
#[command(after_long_help = command_help(EXAMPLES))]
pub(crate) struct EmbedArgs {
    /// Texts; without them, lines of standard input
    ///
    /// An empty line is an empty text.
    #[arg(value_name = "TEXT", conflicts_with = "file")]
    texts: Vec<String>,
    /// File with a text on each line, or a JSON list of strings
    ///
    /// It is JSON where its name ends in .json. - is standard input.
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Model directory of a BERT; the demo model is none
    ///
    /// Where it has the modules.json of sentence-transformers, pooling, normalization and the longest input are as that says.
    #[arg(short, long, value_name = "DIR", env = "CKE_MODEL", hide_env_values = true)]
    model: PathBuf,
    #[command(flatten)]
    threads: ThreadArgs,
    /// How the vectors of a text's tokens become one [default: the model's, else mean]
    #[arg(long, value_enum)]
    pooling: Option<PoolingArg>,
    /// Do not divide vectors by their length, even where the model's files ask for it
    #[arg(long)]
    no_normalize: bool,
    /// Print a JSON list of objects with text and embedding, in the order of the texts
    #[arg(long)]
    json: bool,
    /// Nothing on standard error but errors
    #[arg(short, long)]
    quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  cke embed --model all-MiniLM-L6-v2 \"A cat sits on the mat.\" \"Stock prices fell.\"
  cke embed --model all-MiniLM-L6-v2 --json < sentences.txt > embeddings.json";

/// How the vectors of tokens become one.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum PoolingArg {
    /// Their mean
    Mean,
    /// The first token's, `[CLS]`
    Cls,
    /// Their maximum, element by element
    Max,
}

impl From<PoolingArg> for Pooling {
    fn from(pooling: PoolingArg) -> Pooling {
        match pooling {
            PoolingArg::Mean => Pooling::Mean,
            PoolingArg::Cls => Pooling::Cls,
            PoolingArg::Max => Pooling::Max,
        }
    }
}

#[derive(Debug, Serialize)]
struct Embedding<'a> {
    text: &'a str,
    embedding: &'a [f32],
}

pub(crate) fn run(args: EmbedArgs) -> Result<(), CliError> {
    let texts = match &args.file {
        None if !args.texts.is_empty() => args.texts.clone(),
        file => Source::new(file.as_deref()).texts()?,
    };
    let started = Instant::now();
    let runtime = args.threads.runtime()?;
    let progress = Progress::of_bytes(None);
    let options =
        EmbedOptions { pooling: args.pooling.map(Pooling::from), normalize: args.no_normalize.then_some(false) };
    let embedder = Embedder::open(&args.model, options, &runtime, &|bytes| progress.add(bytes))?;
    drop(progress);
    let load_seconds = started.elapsed().as_secs_f64();
    let seconds = print_embeddings(&embedder, &texts, &runtime, args.json)?;
    if !args.quiet {
        let (count, rate) = (counted(texts.len(), "text"), texts.len() as f64 / seconds);
        note(&format!("{count} in {seconds:.3} s, {rate:.1} texts/s; {} numbers each", embedder.width()));
        note(&load_summary(&args.model.display().to_string(), load_seconds, &runtime));
    }
    Ok(())
}

/// Prints the vector of each text. Returns the seconds that it took to compute them.
fn print_embeddings(embedder: &Embedder, texts: &[String], runtime: &Runtime, as_json: bool) -> Result<f64, CliError> {
    let (mut output, mut seconds) = (Output::new(), 0.0);
    let mut state = embedder.model().activations()?;
    for (first, texts) in (0..).step_by(TEXTS_AT_A_TIME).zip(texts.chunks(TEXTS_AT_A_TIME)) {
        let started = Instant::now();
        let vectors = embedder.embed(texts, &mut state, runtime).map_err(|error| from_first(error, first))?;
        seconds += started.elapsed().as_secs_f64();
        for ((i, text), vector) in (first..).zip(texts).zip(vectors.chunks_exact(embedder.width())) {
            check_finite(i, vector)?;
            if as_json {
                output.write(if i == 0 { "[" } else { ",\n" })?;
                output.json_part(&Embedding { text, embedding: vector })?;
            } else {
                let numbers: Vec<String> = vector.iter().map(f32::to_string).collect();
                output.line(&numbers.join(" "))?;
            }
        }
        output.flush()?;
    }
    if as_json {
        output.line("]")?;
    }
    output.flush()?;
    Ok(seconds)
}

/// An error of one text among some, with the text's place among all.
fn from_first(error: Error, first: usize) -> Error {
    match error {
        Error::InSequence { sequence, source } => Error::InSequence { sequence: first + sequence, source },
        error => error,
    }
}

/// JSON has no NaN, and such a vector is of no use.
fn check_finite(index: usize, vector: &[f32]) -> Result<(), CliError> {
    match vector.iter().find(|x| !x.is_finite()) {
        Some(x) => Err(CliError::Failed(format!("embedding of text {index}: wanted finite numbers, found {x}"))),
        None => Ok(()),
    }
}
