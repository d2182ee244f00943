//! The flags that name a model, and loading it.

use crate::error::CliError;
use crate::interrupt::Interrupt;
use crate::memory::Memory;
use crate::output::{note, one_line};
use crate::packed_cache;
use crate::progress::Progress;
use cke_engine::bundle::Bundle;
use cke_engine::error::Error;
use cke_engine::formats::gguf::GgufFile;
use cke_engine::formats::packed_file::PackedFile;
use cke_engine::model_files::ModelFiles;
use cke_engine::models::bert::Bert;
use cke_engine::models::causal::CausalModel;
use cke_engine::notice::Notice;
use cke_engine::runtime::Runtime;
use cke_engine::weight_format::WeightFormat;
use cke_kernels::attention::KvDtype;
use cke_report::words::counted;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::collections::HashSet;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Which model.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ModelArgs {
    /// Model directory, GGUF file or packed file [default: the demo model, trained on the documentation of Rust only]
    ///
    /// A directory holds config.json, model.safetensors or its shards, and tokenizer.json or older tokenizer files. `cke quantize`
    /// makes packed files.
    #[arg(short, long, value_name = "MODEL", env = "CKE_MODEL", hide_env_values = true)]
    pub(crate) model: Option<PathBuf>,
}

/// Which model, for commands that are about one: as an argument, or by the flag of the other commands.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ModelOperand {
    /// Model directory, GGUF file or packed file [env: CKE_MODEL] [default: the demo model]
    #[arg(value_name = "MODEL", conflicts_with = "flag")]
    operand: Option<PathBuf>,
    /// The same as MODEL, for consistency with other commands
    #[arg(short = 'm', long = "model", value_name = "MODEL")]
    flag: Option<PathBuf>,
}

impl From<ModelOperand> for ModelArgs {
    fn from(operand: ModelOperand) -> ModelArgs {
        ModelArgs { model: operand.operand.or(operand.flag).or_else(model_of_environment) }
    }
}

/// The model that `CKE_MODEL` names.
pub(crate) fn model_of_environment() -> Option<PathBuf> {
    std::env::var_os("CKE_MODEL").map(PathBuf::from)
}

impl ModelArgs {
    /// Opens the model that was named, or the demo model, to be held in certain numbers.
    ///
    /// # Errors
    /// If its files cannot be used, or none was named and this program was built without the demo model.
    pub(crate) fn open(&self, dtype: DtypeArgs, opening: Opening<'_>) -> Result<Bundle, CliError> {
        Ok(Bundle::of_files(&self.files_as(dtype, opening)?)?)
    }

    /// As [`ModelArgs::files`], or from the packed file that is kept beside the model.
    ///
    /// # Errors
    /// As [`ModelArgs::open`].
    pub(crate) fn files_as(&self, dtype: DtypeArgs, opening: Opening<'_>) -> Result<ModelFiles, CliError> {
        match &self.model {
            Some(path) if dtype.cache => packed_cache::open(path, dtype.dtype, opening),
            _ => self.files(),
        }
    }

    /// The files of the model that was named, or of the demo model.
    ///
    /// # Errors
    /// If a packed file cannot be used, or none was named and this program was built without the demo model.
    pub(crate) fn files(&self) -> Result<ModelFiles, CliError> {
        match &self.model {
            Some(path) => Ok(ModelFiles::open(path)?),
            None => demo(),
        }
    }
}

/// What goes along with opening a model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening<'i> {
    /// How many threads the model is going to run on.
    pub(crate) threads: usize,
    pub(crate) is_quiet: bool,
    pub(crate) interrupt: &'i Interrupt,
}

impl Opening<'_> {
    /// Says something on standard error, unless it was asked to be quiet.
    pub(crate) fn note(self, text: &str) {
        if !self.is_quiet {
            note(text);
        }
    }

    /// Reads a model's weights by `load`. In a terminal, or if the user wants it, says before what memory the model takes and after
    /// long packing how later runs do without, if they could.
    ///
    /// # Errors
    /// That of `load`.
    pub(crate) fn load_weights<T, E>(
        self,
        (memory, is_shown): (&Memory, bool),
        could_be_cached: bool,
        load: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        // A bar may follow in a terminal.
        let is_shown = is_shown || io::stderr().is_terminal();
        if is_shown {
            self.note(&memory.line());
        }
        let started = Instant::now();
        let loaded = load()?;
        let packing = started.elapsed();
        if is_shown && could_be_cached && packing > LONG_PACKING {
            self.note(&format!("packing took {:.1} s; with --cache, later runs do without it", packing.as_secs_f64()));
        }
        Ok(loaded)
    }
}

/// Packing that takes longer is worth a word.
const LONG_PACKING: Duration = Duration::from_secs(1);

/// In which numbers a model is held, and whether they are kept.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct DtypeArgs {
    /// Weight format: f32; bf16 and f16 take half of its memory, int8 a bit more than a quarter, int4 about a fifth, and all four
    /// change results slightly; auto keeps the format of the file [default: auto for packed files and GGUF, else f32]
    #[arg(long, value_name = "TYPE", ignore_case = true, value_parser = weight_format())]
    dtype: Option<WeightFormat>,
    /// Keep the packed weights in a file beside the model, or in its directory, so that the next run starts at once; not for f32
    ///
    /// The file is named after the model, with the dtype and .cke. It is rewritten if the model's files have changed.
    #[arg(long)]
    cache: bool,
}

impl DtypeArgs {
    /// The format for a model: that of its file if none is asked for.
    pub(crate) fn format(self, bundle: &Bundle) -> WeightFormat {
        format_of(self.dtype, bundle)
    }

    /// The format for random weights.
    pub(crate) fn of_random(self) -> WeightFormat {
        self.dtype.unwrap_or_default()
    }

    /// Whether later runs would start sooner with `--cache`: the model has files, which are not packed, and its format can be kept.
    pub(crate) fn could_be_cached(self, model: &ModelArgs, bundle: &Bundle) -> bool {
        let is_kept = self.cache || bundle.packed_format().is_some();
        model.model.is_some() && !is_kept && self.format(bundle) != WeightFormat::F32
    }
}

/// The format for a model: that of its file if none is asked for.
pub(crate) fn format_of(dtype: Option<WeightFormat>, bundle: &Bundle) -> WeightFormat {
    match (dtype, bundle.packed_format()) {
        (None, _) => bundle.usual_format(),
        (Some(WeightFormat::Stored), Some(packed)) => packed,
        (Some(format), _) => format,
    }
}

/// In which numbers a model that continues texts is held, and what it remembers of a text.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct NumberArgs {
    #[command(flatten)]
    dtype: DtypeArgs,
    /// Format of keys and values: bf16 takes half of the memory of f32, int8 a bit more than a quarter [default: f32 for weights in f32, else bf16]
    #[arg(long, value_name = "TYPE", ignore_case = true, value_parser = kv_dtype())]
    kv: Option<KvDtype>,
}

impl NumberArgs {
    /// What the weights are held in.
    pub(crate) fn dtype(self) -> DtypeArgs {
        self.dtype
    }

    /// What a model is loaded for.
    pub(crate) fn runtime(self, bundle: &Bundle, threads: usize) -> Result<Runtime, Error> {
        self.with_format(self.dtype.format(bundle), threads)
    }

    /// What random weights are made for.
    pub(crate) fn runtime_of_random(self, threads: usize) -> Result<Runtime, Error> {
        self.with_format(self.dtype.of_random(), threads)
    }

    fn with_format(self, format: WeightFormat, threads: usize) -> Result<Runtime, Error> {
        let runtime = Runtime::new(Some(threads))?.with_weights(format);
        Ok(match self.kv {
            Some(kv) => runtime.with_kv(kv),
            None => runtime,
        })
    }
}

/// A choice of types of keys and values; its argument ignores case.
pub(crate) fn kv_dtype() -> impl TypedValueParser<Value = KvDtype> {
    let named = |name: String| {
        KvDtype::ALL.into_iter().find(|kv| name.eq_ignore_ascii_case(kv.name())).expect("one of the names")
    };
    PossibleValuesParser::new(KvDtype::ALL.map(KvDtype::name)).map(named)
}

/// Refuses a text that is the path of a model: it was meant for `--model`.
///
/// # Errors
/// Fails if a GGUF file or a packed file lies there.
pub(crate) fn refuse_model_as_text(text: &str) -> Result<(), CliError> {
    if is_model_file(Path::new(text)) {
        return Err(CliError::Misuse(format!(
            "wanted a text, found the model file `{text}`: did you mean --model {text}?"
        )));
    }
    Ok(())
}

/// Whether a GGUF file or a packed file lies there.
pub(crate) fn is_model_file(path: &Path) -> bool {
    GgufFile::is_at(path) || PackedFile::is_at(path)
}

/// The names of formats; its argument ignores case, as GGUF writes them in capitals.
pub(crate) fn weight_format() -> impl TypedValueParser<Value = WeightFormat> {
    PossibleValuesParser::new(WeightFormat::choices().map(WeightFormat::name))
        .try_map(|name| name.to_ascii_lowercase().parse::<WeightFormat>())
}

/// Warnings that are printed of one model.
const MOST_NOTICES: usize = 20;

/// Says on standard error what a model's files say and is not followed, each once; of very many, the first ones.
pub(crate) fn print_notices<'n>(notices: impl IntoIterator<Item = &'n Notice>) {
    let mut said = HashSet::new();
    for notice in notices {
        let text = one_line(&notice.to_string());
        if said.insert(text.clone()) && said.len() <= MOST_NOTICES {
            note(&format!("warning: {text}"));
        }
    }
    if said.len() > MOST_NOTICES {
        note(&format!("warning: and {} more, which `cke inspect` lists", said.len() - MOST_NOTICES));
    }
}

/// Says on standard error if this CPU has no instructions for the numbers of the weights, most of which are in the format `main`.
pub(crate) fn note_slow_dtype(runtime: &Runtime, main: WeightFormat) {
    if let Some(text) = runtime.weight_format().notice(main, runtime.cpu()) {
        note(&text);
    }
}

#[cfg(feature = "demo-model")]
fn demo() -> Result<ModelFiles, CliError> {
    Ok(ModelFiles::demo())
}

#[cfg(not(feature = "demo-model"))]
fn demo() -> Result<ModelFiles, CliError> {
    let message = "wanted --model MODEL or CKE_MODEL, found neither, and this program was built without the demo model";
    Err(CliError::Misuse(message.to_owned()))
}

/// Model, load time, threads, ISA and the numbers of the weights in one line.
pub(crate) fn load_summary(name: &str, load_seconds: f64, runtime: &Runtime) -> String {
    let threads = counted(runtime.threads(), "thread");
    let (isa, dtype) = (runtime.cpu().isa(), runtime.weight_format());
    format!("model {name}: loaded in {load_seconds:.2} s; {threads}, {isa}, {dtype}")
}

/// Packs the weights of a model that continues texts, with a progress bar if that takes long.
///
/// # Errors
/// If it is no such model, its tensors are not those of its configuration, or memory cannot be allocated.
pub(crate) fn load_causal_model(bundle: Bundle, runtime: &Runtime) -> Result<Arc<dyn CausalModel>, CliError> {
    let progress = Progress::of_bytes(bundle.load_bytes());
    Ok(bundle.into_causal_model(runtime, &|bytes| progress.add(bytes))?)
}

/// Packs the weights of a BERT, with a progress bar if that takes long.
///
/// # Errors
/// If it is no BERT, its tensors are not those of its configuration, or memory cannot be allocated.
pub(crate) fn load_bert(bundle: Bundle, runtime: &Runtime) -> Result<Bert, CliError> {
    let progress = Progress::of_bytes(bundle.load_bytes());
    Ok(bundle.into_bert(runtime, &|bytes| progress.add(bytes))?)
}
