//! The flags that name a model, and loading it.

use crate::error::CliError;
use crate::numbers;
use crate::progress::LoadProgress;
use cke_engine::bundle::Bundle;
use cke_engine::load_error::LoadError;
use cke_engine::models::gpt2::Gpt2;
use cke_engine::runtime::Runtime;
use cke_engine::tokenizer::Tokenizer;
use std::path::PathBuf;

/// Which model.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ModelArgs {
    /// Model directory with config.json, model.safetensors and a tokenizer; without it the demo model
    #[arg(short, long, value_name = "DIR", env = "CKE_MODEL")]
    pub(crate) model: Option<PathBuf>,
}

impl ModelArgs {
    /// Opens the model that was named, or the demo model.
    ///
    /// # Errors
    /// Where its files cannot be used, or none was named and this program was built without the demo model.
    pub(crate) fn open(&self) -> Result<Bundle, CliError> {
        match &self.model {
            Some(dir) => Ok(Bundle::open(dir)?),
            None => demo(),
        }
    }
}

#[cfg(feature = "demo-model")]
fn demo() -> Result<Bundle, CliError> {
    Ok(Bundle::demo()?)
}

#[cfg(not(feature = "demo-model"))]
fn demo() -> Result<Bundle, CliError> {
    let wanted = "wanted --model DIR (or CKE_MODEL), found none, and this program was built without the demo model";
    Err(CliError::Misuse(wanted.to_owned()))
}

/// How many threads.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ThreadArgs {
    /// Threads to use, 1 to 1024; without it as many as the process may use
    #[arg(short, long, value_name = "N", env = "CKE_THREADS", value_parser = numbers::threads())]
    pub(crate) threads: Option<usize>,
}

impl ThreadArgs {
    /// This machine with so many threads.
    ///
    /// # Errors
    /// Where `CKE_ISA` or `CKE_REQUIRE_ISA` cannot be honoured or a thread cannot be had.
    pub(crate) fn runtime(&self) -> Result<Runtime, CliError> {
        Ok(Runtime::new(self.threads)?)
    }
}

/// The tokenizer of a model, or `None` where it has none.
///
/// # Errors
/// Where it has one that cannot be used.
pub(crate) fn tokenizer_if_any(bundle: &Bundle) -> Result<Option<Tokenizer>, CliError> {
    match bundle.tokenizer() {
        Ok(tokenizer) => Ok(Some(tokenizer)),
        Err(LoadError::NoTokenizer { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Packs the weights of a GPT-2, with a progress bar where that takes long.
///
/// # Errors
/// Where it is no GPT-2, its tensors are not those of its configuration, or memory cannot be had.
pub(crate) fn load_gpt2(bundle: Bundle, runtime: &Runtime) -> Result<Gpt2, CliError> {
    let progress = LoadProgress::new(bundle.checkpoint());
    Ok(bundle.into_gpt2(runtime, &|bytes| progress.add(bytes))?)
}
