//! The flags that name a model, and loading it.

use crate::error::CliError;
use crate::output::note;
use crate::progress::Progress;
use cke_engine::bundle::Bundle;
use cke_engine::generation_config::GenerationConfig;
use cke_engine::load_error::LoadError;
use cke_engine::models::bert::Bert;
use cke_engine::models::gpt2::Gpt2;
use cke_engine::notice::Notice;
use cke_engine::runtime::Runtime;
use cke_engine::tokenizer::{Encoded, Tokenizer};
use cke_engine::weight_format::WeightFormat;
use cke_report::words::counted;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Instant;

/// Which model.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ModelArgs {
    /// Model directory [default: the demo model, which knows only the documentation of Rust]
    ///
    /// It holds config.json, model.safetensors or its shards, tokenizer.json or older tokenizer files.
    #[arg(short, long, value_name = "DIR", env = "CKE_MODEL", hide_env_values = true)]
    pub(crate) model: Option<PathBuf>,
}

impl ModelArgs {
    /// Opens the model that was named, or the demo model.
    ///
    /// # Errors
    /// If its files cannot be used, or none was named and this program was built without the demo model.
    pub(crate) fn open(&self) -> Result<Bundle, CliError> {
        match &self.model {
            Some(dir) => Ok(Bundle::open(dir)?),
            None => demo(),
        }
    }
}

/// In which numbers a model is held.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct DtypeArgs {
    /// Numbers of the weights: f32; bf16 takes half of the memory, int8 and int4 a bit more than a quarter and an eighth, and all three
    /// change results a little
    #[arg(long, value_name = "TYPE", default_value = "f32", value_parser = weight_format())]
    pub(crate) dtype: WeightFormat,
}

fn weight_format() -> impl TypedValueParser<Value = WeightFormat> {
    PossibleValuesParser::new(WeightFormat::ALL.map(WeightFormat::name)).try_map(|name| name.parse::<WeightFormat>())
}

/// Says on standard error what a model's files say and is not followed, each once.
pub(crate) fn print_notices<'n>(notices: impl IntoIterator<Item = &'n Notice>) {
    let mut said = HashSet::new();
    for notice in notices {
        // Values and names may hold anything.
        let text = notice.to_string().replace(char::is_control, " ");
        if said.insert(text.clone()) {
            note(&format!("warning: {text}"));
        }
    }
}

/// Says on standard error if this CPU has no instructions for the numbers of the weights.
pub(crate) fn note_slow_dtype(runtime: &Runtime) {
    if let Some(text) = runtime.weight_format().notice(runtime.cpu()) {
        note(&text);
    }
}

#[cfg(feature = "demo-model")]
fn demo() -> Result<Bundle, CliError> {
    Ok(Bundle::demo()?)
}

#[cfg(not(feature = "demo-model"))]
fn demo() -> Result<Bundle, CliError> {
    let message = "wanted --model DIR or CKE_MODEL, found neither, and this program was built without the demo model";
    Err(CliError::Misuse(message.to_owned()))
}

/// A GPT-2 with all that it takes to run it.
#[derive(Debug)]
pub(crate) struct LanguageModel {
    pub(crate) name: String,
    pub(crate) gpt2: Gpt2,
    /// `None` if the model has none.
    pub(crate) tokenizer: Option<Tokenizer>,
    /// The model's own wishes for generation.
    pub(crate) generation: GenerationConfig,
    /// What the files of the model and of its tokenizer say and is not followed.
    pub(crate) notices: Vec<Notice>,
    pub(crate) runtime: Runtime,
    /// Seconds that loading took.
    pub(crate) load_seconds: f64,
}

impl LanguageModel {
    /// Loads the model that was named, to run on this number of threads, with a progress bar if that takes long.
    ///
    /// # Errors
    /// If its files cannot be used, it is no GPT-2, or memory cannot be allocated or threads cannot be started.
    pub(crate) fn load(model: &ModelArgs, dtype: DtypeArgs, threads: usize) -> Result<LanguageModel, CliError> {
        let started = Instant::now();
        let bundle = model.open()?;
        let (name, mut generation) = (bundle.name(), bundle.generation().clone());
        let tokenizer = match bundle.tokenizer() {
            Ok(tokenizer) => Some(tokenizer),
            Err(LoadError::NoTokenizer { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        generation.notices.extend(tokenizer.as_ref().and_then(|tokenizer| bundle.end_token_notice(tokenizer)));
        generation.notices.extend(bundle.stop_strings_notice().filter(|_| tokenizer.is_none()));
        let of_tokenizer = tokenizer.iter().flat_map(Tokenizer::notices);
        let notices = bundle.notices().iter().chain(of_tokenizer).cloned().collect();
        // After the tokenizer: a thread that starts takes address space for a moment, and the tokenizer cannot do without.
        let runtime = Runtime::new(Some(threads))?.with_weights(dtype.dtype);
        let gpt2 = load_gpt2(bundle, &runtime)?;
        let load_seconds = started.elapsed().as_secs_f64();
        Ok(LanguageModel { name, gpt2, tokenizer, generation, notices, runtime, load_seconds })
    }

    /// The ids of a text, with the tokens round it that the tokenizer puts there, at most `max_len`.
    ///
    /// # Errors
    /// Fails if the model has no tokenizer, or it fails on the text.
    pub(crate) fn encode(&self, text: &str, max_len: usize) -> Result<Encoded, CliError> {
        match &self.tokenizer {
            Some(tokenizer) => Ok(tokenizer.encode_limited(text, true, max_len)?),
            None => Err(CliError::NoTokenizer { model: self.name.clone(), hint: "pass token ids with --tokens-file" }),
        }
    }

    /// Positions that the model has.
    pub(crate) fn context(&self) -> usize {
        self.gpt2.config().n_positions
    }

    /// What [`load_summary`] says of it.
    pub(crate) fn summary(&self) -> String {
        load_summary(&self.name, self.load_seconds, &self.runtime)
    }
}

/// Model, load time, threads, ISA and the numbers of the weights in one line.
pub(crate) fn load_summary(name: &str, load_seconds: f64, runtime: &Runtime) -> String {
    let threads = counted(runtime.threads(), "thread");
    let (isa, dtype) = (runtime.cpu().isa(), runtime.weight_format());
    format!("model {name}: loaded in {load_seconds:.2} s; {threads}, {isa}, {dtype}")
}

/// Packs the weights of a GPT-2, with a progress bar if that takes long.
///
/// # Errors
/// If it is no GPT-2, its tensors are not those of its configuration, or memory cannot be allocated.
pub(crate) fn load_gpt2(bundle: Bundle, runtime: &Runtime) -> Result<Gpt2, CliError> {
    let progress = Progress::of_bytes(Some(f32_bytes(&bundle)));
    Ok(bundle.into_gpt2(runtime, &|bytes| progress.add(bytes))?)
}

/// Packs the weights of a BERT, with a progress bar if that takes long.
///
/// # Errors
/// If it is no BERT, its tensors are not those of its configuration, or memory cannot be allocated.
pub(crate) fn load_bert(bundle: Bundle, runtime: &Runtime) -> Result<Bert, CliError> {
    let progress = Progress::of_bytes(Some(f32_bytes(&bundle)));
    Ok(bundle.into_bert(runtime, &|bytes| progress.add(bytes))?)
}

/// Bytes of all tensors as f32.
fn f32_bytes(bundle: &Bundle) -> u64 {
    let elements = bundle.checkpoint().infos().map(|tensor| tensor.shape.iter().product::<usize>());
    elements.map(|count| (count * size_of::<f32>()) as u64).sum()
}
