//! `cke quantize`: a model in one packed file.

use crate::error::CliError;
use crate::interrupt::{Interrupt, Watch};
use crate::model::{ModelArgs, ModelOperand, print_notices, weight_format};
use crate::output::{Output, note};
use crate::output_file::OutputFile;
use crate::progress::Progress;
use crate::threads::ThreadArgs;
use cke_engine::bundle::Bundle;
use cke_engine::error::Error;
use cke_engine::formats::packed_file::PackedFile;
use cke_engine::quantize::Quantizer;
use cke_engine::runtime::Runtime;
use cke_engine::weight_format::WeightFormat;
use cke_perf::report::format_bytes;
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Writes a model as one file that loads at once, with packed weights, tokenizer and configuration
///
/// The file is memory-mapped, without conversion, and runs on any CPU. All commands accept it instead of a model directory;
/// `cke inspect FILE` shows what it holds.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct QuantizeArgs {
    #[command(flatten)]
    model: ModelOperand,
    /// File to write; an existing file is replaced only if it is a packed file
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Weight format; not f32, whose packing differs between CPUs; auto keeps the format of the model's file [default: auto for GGUF files,
    /// else int8]
    #[arg(long, value_name = "TYPE", ignore_case = true, value_parser = weight_format())]
    dtype: Option<WeightFormat>,
    #[command(flatten)]
    threads: ThreadArgs,
    /// Print one JSON object: model, file, dtype, bytes, seconds
    #[arg(long)]
    json: bool,
    /// Print only errors to standard error
    #[arg(short, long)]
    quiet: bool,
}

/// What was written.
#[derive(Debug, Serialize)]
struct Report<'a> {
    model: &'a str,
    file: &'a str,
    dtype: &'static str,
    bytes: u64,
    seconds: f64,
}

const EXAMPLES: &str = "\
Examples:
  cke quantize ./gpt2 -o gpt2-int8.cke
  cke convert llama-Q4_K_M.gguf -o llama.cke
  cke generate --model gpt2-int8.cke \"Once upon a time\"
  cke inspect gpt2-int8.cke";

pub(crate) fn run(args: QuantizeArgs, interrupt: &Interrupt) -> Result<(), CliError> {
    let started = Instant::now();
    let quantizer = Quantizer::open(ModelArgs::from(args.model).files()?)?;
    if !args.quiet {
        print_notices(quantizer.notices());
    }
    let can_be_kept = quantizer.bundle().usual_format() == WeightFormat::Stored;
    let dtype = args.dtype.unwrap_or(if can_be_kept { WeightFormat::Stored } else { WeightFormat::Int8 });
    if !args.quiet {
        note_rounding(quantizer.bundle(), dtype, can_be_kept);
    }
    let runtime = Runtime::new(Some(args.threads.count_to_run(args.quiet)?))?.with_weights(dtype);
    let name = quantizer.bundle().name();
    write_packed(quantizer, &runtime, &args.output, interrupt)?;
    let bytes = fs::metadata(&args.output).map_or(0, |metadata| metadata.len());
    let seconds = started.elapsed().as_secs_f64();
    if !args.quiet {
        let (size, file) = (format_bytes(bytes), args.output.display());
        note(&format!("model {name}: {size} as {dtype} in {seconds:.2} s, in {file}"));
    }
    if args.json {
        let mut output = Output::new();
        let file = args.output.to_string_lossy();
        output.json(&Report { model: &name, file: &file, dtype: dtype.name(), bytes, seconds })?;
        output.flush()?;
    }
    Ok(())
}

/// Notes on standard error that quantised weights are rounded once more; `can_be_kept`: not with `--dtype auto`.
fn note_rounding(bundle: &Bundle, dtype: WeightFormat, can_be_kept: bool) {
    if dtype == WeightFormat::Stored || !(can_be_kept || bundle.is_quantized_checkpoint()) {
        return;
    }
    let way_out = match dtype {
        _ if can_be_kept => "--dtype auto keeps those of its file",
        WeightFormat::Bf16 | WeightFormat::F16 => "packed files cannot keep those of its file",
        _ => "packed files cannot keep those of its file, and --dtype bf16 comes closest",
    };
    note(&format!("the model's weights are rounded once more, to {dtype}; {way_out}"));
}

/// Writes the packed file of a model, in place of one that was there.
///
/// # Errors
/// If another file lies there, it cannot be written, the model cannot be packed, or the user ends the process: what was there stays then.
pub(crate) fn write_packed(
    quantizer: Quantizer,
    runtime: &Runtime,
    path: &Path,
    interrupt: &Interrupt,
) -> Result<(), CliError> {
    check_replaceable(path)?;
    // Before there is a file that would be left.
    let watch = interrupt.watch();
    let output = OutputFile::new(path)?;
    let _draft = interrupt.remove_at_end(output.draft());
    let written = output.write_by(|file| {
        write(quantizer, runtime, file, &watch).map_err(|error| match error {
            Error::Write(error) => output.failed(&error),
            other => other.into(),
        })
    });
    // Also if the signal came too late to leave anything out: the user wants the process to end.
    if watch.is_requested() { Err(interrupt.error()) } else { written }
}

#[cfg(unix)]
fn is_pipe(found: &fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    found.file_type().is_fifo()
}

#[cfg(not(unix))]
fn is_pipe(_: &fs::Metadata) -> bool {
    false
}

/// Refuses to replace a file that is not a packed one: it may be part of the model.
fn check_replaceable(path: &Path) -> Result<(), CliError> {
    let found = fs::metadata(path);
    if found.as_ref().is_ok_and(is_pipe) {
        let path = path.display();
        return Err(CliError::Failed(format!(
            "{path}: wanted the name of a file, found a pipe: a packed file is not written from front to back"
        )));
    }
    let holds_something = found.is_ok_and(|found| found.is_file() && found.len() > 0);
    if holds_something && !PackedFile::is_at(path) {
        let path = path.display();
        return Err(CliError::Failed(format!(
            "{path}: wanted a packed file to replace, or none, found another file: remove it or choose another name"
        )));
    }
    Ok(())
}

fn write(quantizer: Quantizer, runtime: &Runtime, file: &File, watch: &Watch<'_>) -> Result<(), Error> {
    let progress = Progress::of_bytes(quantizer.bundle().load_bytes());
    let mut out = BufWriter::new(Watched { file, watch });
    quantizer.write(runtime, &mut out, &|bytes| progress.add(bytes))
}

/// A file, as long as nobody wants the process to end.
struct Watched<'a> {
    file: &'a File,
    watch: &'a Watch<'a>,
}

impl Write for Watched<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.watch.is_requested() {
            return Err(io::Error::other("interrupted"));
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Watched<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
