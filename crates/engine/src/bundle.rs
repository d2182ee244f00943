//! A model as a user has it: a directory with configuration, weights and tokenizer, or the demo model inside this library.

use crate::config::{self, BertConfig, Gpt2Config, ModelConfig};
use crate::error::Error;
use crate::formats::json_object::{JsonObject, excerpt};
use crate::generation_config::GenerationConfig;
use crate::load_error::LoadError;
use crate::model_dir;
use crate::models::bert::Bert;
use crate::models::gpt2::Gpt2;
use crate::models::tensor_use::{has_own_head, own_head_notice, unused_tensors};
use crate::notice::Notice;
use crate::runtime::Runtime;
use crate::tokenizer::Tokenizer;
use crate::weights::Checkpoint;
use std::path::{Path, PathBuf};

/// An opened model: everything checked that can be checked without reading the weights.
#[derive(Debug)]
pub struct Bundle {
    origin: Origin,
    config: ModelConfig,
    generation: GenerationConfig,
    checkpoint: Checkpoint,
    notices: Vec<Notice>,
}

#[derive(Debug)]
enum Origin {
    Directory(PathBuf),
    #[cfg(feature = "demo-model")]
    Demo,
}

impl Bundle {
    /// Opens a model directory: `config.json`, `model.safetensors` (or its shards), and `generation_config.json` if there is one.
    ///
    /// If the configuration says that the output projection is the token embedding and the checkpoint holds both with different
    /// values, [`Bundle::config`] says what the checkpoint does.
    ///
    /// # Errors
    /// Fails if a file is missing, malformed or contradicts another.
    pub fn open(dir: &Path) -> Result<Bundle, LoadError> {
        model_dir::check(dir)?;
        refuse_adapters(dir)?;
        let json = JsonObject::read(&dir.join(config::FILE))?;
        let mut config = ModelConfig::from_object(&json)?;
        let generation = GenerationConfig::load_beside(dir, &json, &config)?;
        let checkpoint = Checkpoint::open(dir)?;
        let has_generation_config = dir.join("generation_config.json").exists();
        let mut notices = config::keys::notices(&json, &config, has_generation_config);
        if let ModelConfig::Gpt2(gpt2) = &mut config
            && gpt2.tie_word_embeddings
            && has_own_head(&checkpoint, true)?
        {
            gpt2.tie_word_embeddings = false;
            notices.push(own_head_notice(json.file()));
        }
        notices.extend(unused_tensors(&config, &checkpoint));
        Ok(Bundle { origin: Origin::Directory(dir.to_owned()), config, generation, checkpoint, notices })
    }

    /// The demo model that is compiled into this library: a small GPT-2 that writes in the manner of the Rust documentation.
    ///
    /// # Errors
    /// None in a library that was built from intact files.
    #[cfg(feature = "demo-model")]
    pub fn demo() -> Result<Bundle, LoadError> {
        let config = ModelConfig::from_json(demo::CONFIG, Path::new("demo/config.json"))?;
        let file = Path::new("demo/generation_config.json");
        let generation = GenerationConfig::from_json(demo::GENERATION_CONFIG, file, &config)?;
        let checkpoint = Checkpoint::from_bytes(demo::WEIGHTS, "demo/model.safetensors")?;
        Ok(Bundle { origin: Origin::Demo, config, generation, checkpoint, notices: Vec::new() })
    }

    /// What a report calls the model: its directory's name, or `demo`.
    pub fn name(&self) -> String {
        match &self.origin {
            Origin::Directory(dir) => {
                let whole = dir.canonicalize().unwrap_or_else(|_| dir.clone());
                whole.file_name().unwrap_or(whole.as_os_str()).to_string_lossy().into_owned()
            }
            #[cfg(feature = "demo-model")]
            Origin::Demo => "demo".to_owned(),
        }
    }

    /// The directory; `None` for the demo model.
    pub fn dir(&self) -> Option<&Path> {
        match &self.origin {
            Origin::Directory(dir) => Some(dir),
            #[cfg(feature = "demo-model")]
            Origin::Demo => None,
        }
    }

    /// Architecture and sizes.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The model's own wishes for generation.
    pub fn generation(&self) -> &GenerationConfig {
        &self.generation
    }

    /// What configuration and weights say and is not followed. [`Bundle::generation`] and [`Bundle::tokenizer`] have their own.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// The stored tensors.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The tokenizer, checked against the model's vocabulary.
    ///
    /// # Errors
    /// Fails if there is none or it is malformed.
    pub fn tokenizer(&self) -> Result<Tokenizer, LoadError> {
        let vocabulary = self.config.vocab_size();
        match &self.origin {
            Origin::Directory(dir) => Tokenizer::load(dir, vocabulary),
            #[cfg(feature = "demo-model")]
            Origin::Demo => Tokenizer::from_bytes(demo::TOKENIZER, "demo/tokenizer.json", vocabulary),
        }
    }

    /// The notice that generation does not end at the tokenizer's end token, if no file of the model names one: as in
    /// transformers, those of `generation_config.json` or else of `config.json` count alone.
    pub fn end_token_notice(&self, tokenizer: &Tokenizer) -> Option<Notice> {
        let is_generator = matches!(self.config, ModelConfig::Gpt2(_));
        let is_named = self.generation.notices.iter().any(|notice| notice.key() == Some("eos_token_id"));
        if !is_generator || is_named || !self.generation.eos_token_ids.is_empty() {
            return None;
        }
        let token = tokenizer.token(tokenizer.special_tokens().eos?)?;
        Some(Notice::NotFollowed {
            file: self.dir()?.join("tokenizer_config.json"),
            key: "eos_token".to_owned(),
            value: format!("{token:?}"),
            instead: "no `eos_token_id` of the model names it, so that it does not end a text".to_owned(),
        })
    }

    /// The notice that the model's stop strings do nothing, for a model without a tokenizer.
    pub fn stop_strings_notice(&self) -> Option<Notice> {
        let stops = &self.generation.stop_strings;
        let dir = self.dir().filter(|_| !stops.is_empty())?;
        let own = dir.join("generation_config.json");
        Some(Notice::NotFollowed {
            file: if own.exists() { own } else { dir.join(config::FILE) },
            key: "stop_strings".to_owned(),
            value: excerpt(&stops.clone().into()),
            instead: "the model has no tokenizer, so that no text is seen".to_owned(),
        })
    }

    /// Packs the weights of a GPT-2 and lets go of the files. Calls `loaded` with the number of
    /// bytes that were packed.
    ///
    /// # Errors
    /// Fails if it is not a GPT-2, a tensor is missing or has the wrong shape, or an allocation fails.
    pub fn into_gpt2(self, runtime: &Runtime, loaded: &dyn Fn(u64)) -> Result<Gpt2, Error> {
        Gpt2::load(&self.checkpoint, self.gpt2_config()?, runtime, loaded)
    }

    /// Packs the weights of a BERT and lets go of the files. Calls `loaded` with the number of
    /// bytes that were packed.
    ///
    /// # Errors
    /// Fails if it is not a BERT, a tensor is missing or has the wrong shape, or an allocation fails.
    pub fn into_bert(self, runtime: &Runtime, loaded: &dyn Fn(u64)) -> Result<Bert, Error> {
        Bert::load(&self.checkpoint, self.bert_config()?, runtime, loaded)
    }

    fn gpt2_config(&self) -> Result<&Gpt2Config, Error> {
        match &self.config {
            ModelConfig::Gpt2(config) => Ok(config),
            other => Err(self.wrong_architecture("GPT-2", other)),
        }
    }

    pub(crate) fn bert_config(&self) -> Result<&BertConfig, Error> {
        match &self.config {
            ModelConfig::Bert(config) => Ok(config),
            other => Err(self.wrong_architecture("BERT", other)),
        }
    }

    fn wrong_architecture(&self, wanted: &'static str, found: &ModelConfig) -> Error {
        Error::WrongArchitecture { file: self.name(), wanted, found: found.architecture() }
    }
}

/// Refuses a directory whose weights are to be changed by an adapter's.
fn refuse_adapters(dir: &Path) -> Result<(), LoadError> {
    let file = dir.join("adapter_config.json");
    if !file.exists() {
        return Ok(());
    }
    let (wanted, found) = ("a model without adapters (merge them, as with `merge_and_unload` of peft)", "an adapter");
    Err(LoadError::config(&file, "peft_type", wanted, found))
}

#[cfg(feature = "demo-model")]
mod demo {
    //! The files of the demo model; `tools/demo-model` made them.

    pub(super) const CONFIG: &[u8] = include_bytes!("../assets/demo/config.json");
    pub(super) const GENERATION_CONFIG: &[u8] = include_bytes!("../assets/demo/generation_config.json");
    pub(super) const TOKENIZER: &[u8] = include_bytes!("../assets/demo/tokenizer.json");
    pub(super) const WEIGHTS: &[u8] = include_bytes!("../assets/demo/model.safetensors");
}
