//! `cke embed`: turns texts into vectors.

use crate::environment::command_help;
use crate::error::CliError;
use crate::input::Source;
use crate::interrupt::Interrupt;
use crate::kernel_names::ModelKernels;
use crate::memory::{Memory, Texts};
use crate::model::{DtypeArgs, ModelArgs, Opening, load_summary, note_slow_dtype, print_notices, refuse_model_as_text};
use crate::npy;
use crate::numbers;
use crate::output::{Output, note};
use crate::output_file::OutputFile;
use crate::progress::Progress;
use crate::threads::ThreadArgs;
use cke_engine::embed::{EmbedOptions, Embedder, EmbedderFiles, Prompt};
use cke_engine::error::Error;
use cke_engine::runtime::Runtime;
use cke_engine::sentence::Pooling;
use cke_report::words::counted;
use serde::Serialize;
use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;
use std::slice::ChunksExact;
use std::time::Instant;

/// Texts that are embedded before their vectors are printed and the progress is shown.
const TEXTS_AT_A_TIME: usize = 64;
/// Texts that were cut and are named.
const MOST_NAMED: usize = 10;

/// Turns texts into embedding vectors with a BERT model
///
/// Prints one line for each text: the numbers of its vector, separated by spaces. A text that exceeds the model's maximum length is
/// cut off at the end; standard error names the texts that were cut.
#[derive(Debug, clap::Args)]
#[command(after_long_help = command_help(EXAMPLES))]
pub(crate) struct EmbedArgs {
    /// Texts [default: the lines of standard input]
    ///
    /// An empty line is an empty text.
    #[arg(value_name = "TEXT", conflicts_with = "file")]
    texts: Vec<String>,
    /// File with a text on each line, or a JSON list of strings
    ///
    /// A name that ends in .json means JSON. - is standard input.
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Directory or packed file of a BERT model (the demo model cannot embed)
    ///
    /// If it has the modules.json of sentence-transformers, its files set pooling, normalization, maximum input length, prompt and
    /// vector length.
    #[arg(short, long, value_name = "MODEL", env = "CKE_MODEL", hide_env_values = true)]
    model: PathBuf,
    #[command(flatten)]
    dtype: DtypeArgs,
    #[command(flatten)]
    threads: ThreadArgs,
    /// How the token vectors of a text are combined [default: the model's, else mean]
    #[arg(long, value_enum)]
    pooling: Option<PoolingArg>,
    /// Do not normalize vectors to length 1, even if the model's files ask for it
    #[arg(long)]
    no_normalize: bool,
    /// Put this text before each text [default: the model's default prompt, else nothing]
    #[arg(long, value_name = "STRING", conflicts_with = "prompt_name", allow_hyphen_values = true)]
    prompt: Option<String>,
    /// Put the model's prompt of this name before each text, such as query or document
    #[arg(long, value_name = "NAME")]
    prompt_name: Option<String>,
    /// Keep the first N numbers of each vector, unchanged [default: the model's truncate_dim, else all]
    #[arg(long, value_name = "N", value_parser = numbers::dimensions, allow_negative_numbers = true)]
    dims: Option<usize>,
    /// Print a JSON list of objects with text and embedding, in input order
    #[arg(long)]
    json: bool,
    /// Write a NumPy array of f32, (texts, numbers), to this file instead of lines to standard output
    #[arg(long, value_name = "FILE.npy", conflicts_with = "json")]
    npy: Option<PathBuf>,
    /// Print only errors to standard error
    #[arg(short, long)]
    quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  cke embed --model all-MiniLM-L6-v2 \"A cat sits on the mat.\" \"Stock prices fell.\"
  cke embed --model all-MiniLM-L6-v2 --json < sentences.txt > embeddings.json
  cke embed --model all-MiniLM-L6-v2 --file sentences.txt --npy embeddings.npy
  cke embed --model e5-small-v2 --prompt \"query: \" --dims 128 \"Which files can it read?\"";

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
    #[serde(flatten)]
    kernels: &'a ModelKernels,
    embedding: &'a [f32],
}

pub(crate) fn run(args: EmbedArgs, interrupt: &Interrupt) -> Result<(), CliError> {
    let threads = args.threads.count_to_run(args.quiet)?;
    if let Some(text) = args.texts.first() {
        refuse_model_as_text(text)?;
    }
    let texts = match &args.file {
        None if !args.texts.is_empty() => args.texts.clone(),
        file => Source::new(file.as_deref()).texts()?,
    };
    // Before anything takes time: an array that cannot be written would waste it.
    let array = args.npy.as_deref().map(OutputFile::new).transpose()?;
    let started = Instant::now();
    let opening = Opening { threads, is_quiet: args.quiet, interrupt };
    let model = ModelArgs { model: Some(args.model.clone()) };
    let files = EmbedderFiles::of_files(&model.files_as(args.dtype, opening)?, args.options())?;
    // After the tokenizer: a thread that starts takes address space for a moment, and the tokenizer cannot do without.
    let runtime = Runtime::new(Some(threads))?.with_weights(args.dtype.format(files.bundle()));
    let texts_at_once = Texts { lengths: files.lengths(), logits: 0, is_shown: false, remedy: None };
    let memory = Memory::new(files.bundle(), &runtime, &texts_at_once)?;
    memory.check(&args.model.display().to_string(), None)?;
    let could_be_cached = args.dtype.could_be_cached(&model, files.bundle());
    let main_format = files.bundle().main_format();
    let embedder = opening.load_weights((&memory, texts_at_once.is_shown), could_be_cached, || {
        let progress = Progress::of_bytes(files.bundle().load_bytes());
        files.load(&runtime, &|bytes| progress.add(bytes))
    })?;
    let load_seconds = started.elapsed().as_secs_f64();
    if !args.quiet {
        print_notices(embedder.notices());
        note_slow_dtype(&runtime, main_format);
    }
    let name = args.model.display().to_string();
    let work = Work { name: &name, embedder: &embedder, texts: &texts, runtime: &runtime };
    let Done { seconds, cut } = match &array {
        Some(file) => work.write_array(file)?,
        None => work.print(args.json)?,
    };
    if !args.quiet {
        if !cut.is_empty() {
            note(&cut_note(&cut, texts.len(), &embedder.limit().to_string()));
        }
        let (count, rate) = (counted(texts.len(), "text"), texts.len() as f64 / seconds);
        note(&format!("{count} in {seconds:.3} s, {rate:.1} texts/s; vectors of {} numbers", embedder.width()));
        note(&load_summary(&name, load_seconds, &runtime));
    }
    Ok(())
}

impl EmbedArgs {
    fn options(&self) -> EmbedOptions {
        let prompt = self.prompt.clone().map(Prompt::Text);
        EmbedOptions {
            pooling: self.pooling.map(Pooling::from),
            normalize: self.no_normalize.then_some(false),
            prompt: prompt.or(self.prompt_name.clone().map(Prompt::Named)),
            dims: self.dims,
        }
    }
}

/// What came of all texts.
struct Done {
    /// How long it took to compute the vectors.
    seconds: f64,
    /// Which texts were cut.
    cut: Vec<usize>,
}

/// Says which texts were cut.
fn cut_note(cut: &[usize], texts: usize, limit: &str) -> String {
    let verb = if cut.len() == 1 { "was" } else { "were" };
    let named: Vec<String> = cut.iter().take(MOST_NAMED).map(|i| (i + 1).to_string()).collect();
    let more = if cut.len() > MOST_NAMED { " and others" } else { "" };
    let (cut, texts) = (cut.len(), counted(texts, "text"));
    format!("{cut} of {texts} {verb} cut at {limit}: number {}{more}", named.join(", "))
}

/// What is to be embedded, and by what.
struct Work<'a> {
    name: &'a str,
    embedder: &'a Embedder,
    texts: &'a [String],
    runtime: &'a Runtime,
}

impl Work<'_> {
    /// Prints the vector of each text.
    fn print(&self, as_json: bool) -> Result<Done, CliError> {
        let mut output = Output::new();
        let kernels = ModelKernels::from(self.embedder.model().kernels());
        let done = self.embed(|first, vectors| {
            for (i, vector) in (first..).zip(vectors) {
                if as_json {
                    output.write(if i == 0 { "[" } else { ",\n" })?;
                    output.json_part(&Embedding { text: &self.texts[i], kernels: &kernels, embedding: vector })?;
                } else {
                    let numbers: Vec<String> = vector.iter().map(f32::to_string).collect();
                    output.line(&numbers.join(" "))?;
                }
            }
            output.flush()
        })?;
        if as_json {
            output.line("]")?;
        }
        output.flush()?;
        Ok(done)
    }

    /// Writes an array of all vectors.
    fn write_array(&self, array: &OutputFile) -> Result<Done, CliError> {
        let failed =
            |error: io::Error| CliError::Failed(format!("{}: cannot be written: {error}", array.path().display()));
        let mut done = Done { seconds: 0.0, cut: Vec::new() };
        array.write_by(|file| {
            let mut out = BufWriter::new(file);
            out.write_all(&npy::header(self.texts.len(), self.embedder.width())).map_err(failed)?;
            done = self.embed(|_, vectors| {
                let bytes: Vec<u8> = vectors.flatten().flat_map(|x| x.to_le_bytes()).collect();
                out.write_all(&bytes).map_err(failed)
            })?;
            out.flush().map_err(failed)
        })?;
        Ok(done)
    }

    /// Computes the vectors, and hands them on some at a time, with the place of the first.
    fn embed(
        &self,
        mut take: impl FnMut(usize, ChunksExact<'_, f32>) -> Result<(), CliError>,
    ) -> Result<Done, CliError> {
        let progress = Progress::of_texts(self.texts.len());
        let (mut done, width) = (Done { seconds: 0.0, cut: Vec::new() }, self.embedder.width());
        let mut state = self.embedder.model().activations()?;
        for (first, texts) in (0..).step_by(TEXTS_AT_A_TIME).zip(self.texts.chunks(TEXTS_AT_A_TIME)) {
            let started = Instant::now();
            let embeddings = self
                .embedder
                .embed_noting_cuts(texts, &mut state, self.runtime)
                .map_err(|error| from_first(error, first))?;
            done.seconds += started.elapsed().as_secs_f64();
            done.cut.extend(embeddings.cut.iter().map(|i| first + i));
            for (i, vector) in (first..).zip(embeddings.vectors.chunks_exact(width)) {
                check_finite(self.name, i, vector)?;
            }
            progress.add(texts.len() as u64);
            progress.aside(|| take(first, embeddings.vectors.chunks_exact(width)))?;
        }
        Ok(done)
    }
}

/// An error of one text among some, with the text's place among all.
fn from_first(error: Error, first: usize) -> Error {
    match error {
        Error::InSequence { sequence, source } => Error::InSequence { sequence: first + sequence, source },
        error => error,
    }
}

/// JSON has no NaN, and such a vector is of no use.
fn check_finite(model: &str, index: usize, vector: &[f32]) -> Result<(), CliError> {
    match vector.iter().find(|x| !x.is_finite()) {
        Some(x) => {
            Err(CliError::Failed(format!("{model}: embedding of text {index}: wanted finite numbers, found {x}")))
        }
        None => Ok(()),
    }
}
