//! A model that continues texts: opened, then loaded.

use crate::error::CliError;
use crate::memory::{Memory, Texts};
use crate::model::{ModelArgs, NumberArgs, Opening, load_causal_model, load_summary, note_slow_dtype, print_notices};
use cke_engine::bundle::Bundle;
use cke_engine::generation_config::GenerationConfig;
use cke_engine::load_error::LoadError;
use cke_engine::models::causal::CausalModel;
use cke_engine::notice::Notice;
use cke_engine::runtime::Runtime;
use cke_engine::tokenizer::{Encoded, Tokenizer};
use cke_engine::weight_format::WeightFormat;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is known of a model before its weights are read.
#[derive(Debug)]
pub(crate) struct ModelInfo {
    pub(crate) name: String,
    /// Positions that the model has.
    pub(crate) context: usize,
    /// `None` if the model has none.
    pub(crate) tokenizer: Option<Tokenizer>,
    /// The model's own wishes for generation.
    pub(crate) generation: GenerationConfig,
    /// What the files of the model and of its tokenizer say and is not followed.
    notices: Vec<Notice>,
    /// The format that comes closest to most of the weights in the model's files.
    main_format: WeightFormat,
}

impl ModelInfo {
    fn new(bundle: &Bundle) -> Result<ModelInfo, CliError> {
        let mut generation = bundle.generation().clone();
        let tokenizer = match bundle.tokenizer() {
            Ok(tokenizer) => Some(tokenizer),
            Err(LoadError::NoTokenizer { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        generation.notices.extend(tokenizer.as_ref().and_then(|tokenizer| bundle.end_token_notice(tokenizer)));
        generation.notices.extend(bundle.stop_strings_notice().filter(|_| tokenizer.is_none()));
        let of_tokenizer = tokenizer.iter().flat_map(Tokenizer::notices);
        Ok(ModelInfo {
            name: bundle.name(),
            context: bundle.config().max_positions(),
            notices: bundle.notices().iter().chain(of_tokenizer).cloned().collect(),
            tokenizer,
            generation,
            main_format: bundle.main_format(),
        })
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

    /// Says on standard error what the files say and is not followed, that on generation only if it matters.
    pub(crate) fn print_notices(&self, generates: bool) {
        let of_generation = self.generation.notices.iter().filter(|_| generates);
        print_notices(self.notices.iter().chain(of_generation));
    }
}

/// A model whose weights have not been read.
#[derive(Debug)]
pub(crate) struct OpenedModel<'i> {
    pub(crate) info: ModelInfo,
    bundle: Bundle,
    could_be_cached: bool,
    numbers: NumberArgs,
    opening: Opening<'i>,
    /// What opening took.
    time: Duration,
}

impl<'i> OpenedModel<'i> {
    /// Opens the model that was named, with its tokenizer.
    ///
    /// # Errors
    /// If its files cannot be used, or it does not continue texts.
    pub(crate) fn open(
        model: &ModelArgs,
        numbers: NumberArgs,
        opening: Opening<'i>,
    ) -> Result<OpenedModel<'i>, CliError> {
        let started = Instant::now();
        let bundle = model.open(numbers.dtype(), opening)?;
        bundle.check_causal()?;
        let info = ModelInfo::new(&bundle)?;
        let could_be_cached = numbers.dtype().could_be_cached(model, &bundle);
        Ok(OpenedModel { info, bundle, could_be_cached, numbers, opening, time: started.elapsed() })
    }

    /// Loads the weights for some texts, with a progress bar if that takes long.
    ///
    /// # Errors
    /// If the machine has no memory for both, or memory cannot be allocated or threads cannot be started.
    pub(crate) fn load(self, texts: &Texts) -> Result<LanguageModel, CliError> {
        let OpenedModel { info, bundle, could_be_cached, numbers, opening, time } = self;
        let started = Instant::now();
        // After the tokenizer: a thread that starts takes address space for a moment, and the tokenizer cannot do without.
        let runtime = numbers.runtime(&bundle, opening.threads)?;
        let memory = Memory::new(&bundle, &runtime, texts)?;
        memory.check(&info.name, texts.remedy)?;
        let load = || load_causal_model(bundle, &runtime);
        let causal = opening.load_weights((&memory, texts.is_shown), could_be_cached, load)?;
        if !opening.is_quiet {
            note_slow_dtype(&runtime, info.main_format);
        }
        Ok(LanguageModel { info, causal, runtime, load_seconds: (time + started.elapsed()).as_secs_f64() })
    }
}

/// A model that continues texts, with all that it takes to run it.
#[derive(Debug)]
pub(crate) struct LanguageModel {
    pub(crate) info: ModelInfo,
    pub(crate) causal: Arc<dyn CausalModel>,
    pub(crate) runtime: Runtime,
    /// Seconds that loading took.
    pub(crate) load_seconds: f64,
}

impl LanguageModel {
    /// What [`load_summary`] says of it.
    pub(crate) fn summary(&self) -> String {
        load_summary(&self.info.name, self.load_seconds, &self.runtime)
    }
}
