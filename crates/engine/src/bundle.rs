//! A model as a user has it: a directory with configuration, weights and tokenizer, a GGUF file or a packed file with all of them, or
//! the demo model inside this library.
//!
//! [`Bundle::open`] reads and checks everything but the weights; [`Bundle::tokenizer`] and [`Bundle::into_causal_model`] or
//! [`Bundle::into_bert`] make what runs. The rest is for programs that want to know what a model is before they load it.

use crate::config::quantization::Quantization;
use crate::config::{self, BertConfig, DecoderConfig, ModelConfig};
use crate::error::Error;
use crate::formats::json_object::{JsonObject, excerpt};
use crate::formats::packed_file::{Content, PackedFile};
use crate::generation_config::{self, GenerationConfig};
use crate::load_error::LoadError;
use crate::memory::{MemoryEstimate, Run};
use crate::model_files::ModelFiles;
use crate::models::bert::Bert;
use crate::models::causal::CausalModel;
use crate::models::output_head::own_head_notice;
use crate::models::tensor_use::unused_tensors;
use crate::models::{llama, load_decoder, not_causal};
use crate::notice::Notice;
use crate::runtime::Runtime;
use crate::sentence::SentenceConfig;
use crate::source::Loading;
use crate::tokenizer::Tokenizer;
use crate::weight_format::WeightFormat;
use crate::weights::{Checkpoint, Dtype, SINGLE_FILE, TensorInfo};
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// An opened model: everything checked that can be checked without reading the weights.
#[derive(Debug)]
pub struct Bundle {
    files: ModelFiles,
    config: ModelConfig,
    generation: GenerationConfig,
    weights: Weights,
    notices: Vec<Notice>,
}

/// Where the weights lie.
#[derive(Debug)]
pub enum Weights {
    /// Named tensors, to be packed.
    Stored(Checkpoint),
    /// A file with packed weights.
    Packed(Arc<PackedFile>),
}

impl Bundle {
    /// Opens a model directory: `config.json`, `model.safetensors` (or its shards), and `generation_config.json` if there is one;
    /// or a GGUF file or a packed file, which have them inside.
    ///
    /// If the configuration says that the output projection is the token embedding and the checkpoint holds both with different
    /// values, [`Bundle::config`] says what the checkpoint does.
    ///
    /// # Errors
    /// Fails if a file is missing, malformed or contradicts another.
    pub fn open(path: &Path) -> Result<Bundle, LoadError> {
        Bundle::of_files(&ModelFiles::open(path)?)
    }

    /// Opens a model with the layout of sentence-transformers, in which the transformer may lie in a folder of its own, or another
    /// model, which has no such layout.
    ///
    /// # Errors
    /// As [`Bundle::open`], or the layout is not supported.
    pub fn open_layout(files: &ModelFiles) -> Result<(Bundle, Option<SentenceConfig>), LoadError> {
        files.check()?;
        // Read once to find the model, then checked against its width.
        let bundle = match SentenceConfig::load(files.clone(), None)? {
            Some(sentence) => Bundle::of_files(&sentence.transformer)?,
            None => Bundle::of_files(files)?,
        };
        let sentence = SentenceConfig::load(files.clone(), Some(bundle.config.width()))?;
        Ok((bundle, sentence))
    }

    /// Opens the model that these files belong to.
    ///
    /// # Errors
    /// As [`Bundle::open`].
    pub fn of_files(files: &ModelFiles) -> Result<Bundle, LoadError> {
        files.check()?;
        refuse_adapters(files)?;
        let json = JsonObject::read(files, config::FILE)?;
        let mut config = ModelConfig::from_object(&json)?;
        let quantization = Quantization::read(&json)?;
        let generation = GenerationConfig::load_beside(files, &json, &config)?;
        let weights = match files.packed() {
            Some(file) => Weights::Packed(Arc::clone(file)),
            None => Weights::Stored(checkpoint_of(files, quantization)?),
        };
        let mut notices = config::keys::notices(&json, &config, files.has(generation_config::FILE));
        notices.extend_from_slice(files.gguf_notices());
        notices.extend(quantization.and_then(|quantization| quantization.notice(&json)));
        if config.is_tied() && weights.have_own_head(&config)? {
            config.untie();
            notices.push(own_head_notice(json.file(), &config));
        }
        if let Weights::Stored(checkpoint) = &weights {
            notices.extend(unused_tensors(&config, checkpoint));
        }
        Ok(Bundle { files: files.clone(), config, generation, weights, notices })
    }

    /// The demo model that is compiled into this library: a small GPT-2 that writes in the manner of the Rust documentation.
    ///
    /// # Errors
    /// Fails only if the library was built from damaged files, or an allocation fails.
    #[cfg(feature = "demo-model")]
    pub fn demo() -> Result<Bundle, LoadError> {
        Bundle::of_files(&ModelFiles::demo())
    }

    /// What a report calls the model: the name of its directory or file, or `demo`.
    pub fn name(&self) -> String {
        let Some(path) = self.path() else { return self.files.dir().display().to_string() };
        let whole = path.canonicalize().unwrap_or_else(|_| path.into_owned());
        whole.file_name().unwrap_or(whole.as_os_str()).to_string_lossy().into_owned()
    }

    /// The directory or the packed file; `None` for the demo model.
    pub fn path(&self) -> Option<Cow<'_, Path>> {
        self.files.given_path()
    }

    /// The files of the model that are not weights.
    pub fn files(&self) -> &ModelFiles {
        &self.files
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

    /// Where the weights lie.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The format of the weights if nobody asks for another: that of a packed file, what a GGUF file or a checkpoint in blocks holds, else
    /// f32.
    pub fn usual_format(&self) -> WeightFormat {
        match &self.weights {
            Weights::Packed(file) => file.weight_format(),
            Weights::Stored(checkpoint) if self.files.is_gguf() || checkpoint.has_quantized_blocks() => {
                WeightFormat::Stored
            }
            Weights::Stored(_) => WeightFormat::default(),
        }
    }

    /// Whether the weights are those of a checkpoint that was quantised (GPTQ, AWQ, fp8).
    pub fn is_quantized_checkpoint(&self) -> bool {
        matches!(&self.weights, Weights::Stored(checkpoint) if checkpoint.is_quantized())
    }

    /// The format of weights that are packed already.
    pub fn packed_format(&self) -> Option<WeightFormat> {
        match &self.weights {
            Weights::Packed(file) => Some(file.weight_format()),
            Weights::Stored(_) => None,
        }
    }

    /// The format that comes closest to how the weights lie in their files, by the bytes of each: what limits speed.
    pub fn main_format(&self) -> WeightFormat {
        let of_types = self.stored_types().into_iter().fold(HashMap::new(), |mut sums, (format, bytes)| {
            *sums.entry(format).or_insert(0) += bytes;
            sums
        });
        of_types.into_iter().max_by_key(|&(_, bytes)| bytes).map_or(WeightFormat::F32, |(format, _)| format)
    }

    /// The format that is closest to each tensor's type, and the tensor's bytes.
    fn stored_types(&self) -> Vec<(WeightFormat, usize)> {
        match &self.weights {
            Weights::Stored(checkpoint) => {
                checkpoint.infos().map(|info| (WeightFormat::closest(info.dtype), info.bytes)).collect()
            }
            Weights::Packed(file) => file
                .infos()
                .map(|info| match info.holds {
                    Content::Panels { layout, .. } => (WeightFormat::of_layout(layout), info.bytes),
                    _ => (WeightFormat::F32, info.bytes),
                })
                .collect(),
        }
    }

    /// Checks that it is a model that continues texts.
    ///
    /// # Errors
    /// Fails if the model does not continue texts.
    pub fn check_causal(&self) -> Result<(), Error> {
        if self.config.is_causal() { Ok(()) } else { Err(not_causal(&self.name(), &self.config)) }
    }

    /// The memory that the model takes to run; see [`MemoryEstimate`].
    ///
    /// # Errors
    /// Fails if no attention layer has the configuration's sizes.
    pub fn memory(&self, run: Run<'_>) -> Result<MemoryEstimate, Error> {
        let estimate = MemoryEstimate::new(&self.config, run)?;
        let weights = match &self.weights {
            Weights::Packed(file) => file.weight_bytes(),
            Weights::Stored(checkpoint) if run.weights == WeightFormat::Stored => {
                checkpoint.infos().map(held_bytes).sum()
            }
            Weights::Stored(checkpoint) => estimate.weights - self.saved_by_token_table(checkpoint),
        };
        Ok(MemoryEstimate { weights, ..estimate })
    }

    /// Bytes by which a table of tokens that is held in the numbers of its file is smaller than in f32.
    fn saved_by_token_table(&self, checkpoint: &Checkpoint) -> usize {
        let ModelConfig::Decoder(DecoderConfig { tie_word_embeddings: false, .. }) = self.config else { return 0 };
        let table = checkpoint.infos().find(|info| info.name.ends_with(llama::TOKEN_TABLE));
        table.map_or(0, |info| in_f32(&info).saturating_sub(held_bytes(info)))
    }

    /// The sum of what loading the weights reports: the bytes that they have in their files.
    pub fn load_bytes(&self) -> u64 {
        match &self.weights {
            Weights::Packed(file) => file.weight_bytes() as u64,
            Weights::Stored(checkpoint) => checkpoint.total_bytes() as u64,
        }
    }

    /// The tokenizer, checked against the model's vocabulary.
    ///
    /// # Errors
    /// Fails if there is none or it is malformed.
    pub fn tokenizer(&self) -> Result<Tokenizer, LoadError> {
        Tokenizer::load(self.files.clone(), self.config.vocab_size())
    }

    /// The notice that generation does not end at the tokenizer's end token, if no file of the model names one: as in
    /// transformers, those of `generation_config.json` or else of `config.json` count alone.
    pub fn end_token_notice(&self, tokenizer: &Tokenizer) -> Option<Notice> {
        let is_generator = self.config.is_causal();
        let names = self.files.key_names(generation_config::FILE);
        let key = names.get("eos_token_id").map_or("eos_token_id", String::as_str);
        let is_named = self.generation.notices.iter().any(|notice| notice.key() == Some(key));
        if !is_generator || is_named || !self.generation.eos_token_ids.is_empty() {
            return None;
        }
        let token = tokenizer.token(tokenizer.special_tokens().eos?)?;
        Some(Notice::NotFollowed {
            file: self.files.path("tokenizer_config.json"),
            key: "eos_token".to_owned(),
            value: format!("{token:?}"),
            instead: "no `eos_token_id` of the model names it, so that it does not end a text".to_owned(),
        })
    }

    /// The notice that the model's stop strings do nothing, for a model without a tokenizer.
    pub fn stop_strings_notice(&self) -> Option<Notice> {
        let stops = &self.generation.stop_strings;
        if stops.is_empty() {
            return None;
        }
        let has_own = self.files.has(generation_config::FILE);
        Some(Notice::NotFollowed {
            file: self.files.path(if has_own { generation_config::FILE } else { config::FILE }),
            key: "stop_strings".to_owned(),
            value: excerpt(&stops.clone().into()),
            instead: "the model has no tokenizer, so that no text is seen".to_owned(),
        })
    }

    /// Packs the weights of a model that continues texts and lets go of the files, or reads packed weights where they lie. Calls `loaded` with the
    /// number of bytes of the files that were packed or checked, [`Bundle::load_bytes`] in all.
    ///
    /// # Errors
    /// Fails if it is no such model, a tensor is missing or has the wrong shape, a packed file is damaged or in another format than
    /// the runtime's, or an allocation fails.
    pub fn into_causal_model(self, runtime: &Runtime, loaded: &dyn Fn(u64)) -> Result<Arc<dyn CausalModel>, Error> {
        let loading = Loading::reporting(loaded);
        Ok(Arc::new(load_decoder(&self.name(), &self.config, &self.weights, runtime, loading)?))
    }

    /// As [`Bundle::into_causal_model`], for a BERT.
    ///
    /// # Errors
    /// As [`Bundle::into_causal_model`].
    pub fn into_bert(self, runtime: &Runtime, loaded: &dyn Fn(u64)) -> Result<Bert, Error> {
        Bert::load_from(&self.weights, self.bert_config()?, runtime, Loading::reporting(loaded))
    }

    pub(crate) fn bert_config(&self) -> Result<&BertConfig, Error> {
        match &self.config {
            ModelConfig::Bert(config) => Ok(config),
            other => Err(Error::WrongArchitecture { file: self.name(), wanted: "BERT", found: other.architecture() }),
        }
    }
}

/// Bytes of a tensor as it is held if its format is that of its file.
fn held_bytes(tensor: TensorInfo<'_>) -> usize {
    match tensor.dtype {
        // These become f32.
        Dtype::F8_E4M3 | Dtype::INT4 => in_f32(&tensor),
        _ => tensor.bytes,
    }
}

/// Bytes of a tensor in f32.
fn in_f32(tensor: &TensorInfo<'_>) -> usize {
    tensor.shape.iter().product::<usize>() * size_of::<f32>()
}

/// The tensors beside a model's files.
fn checkpoint_of(files: &ModelFiles, quantization: Option<Quantization>) -> Result<Checkpoint, LoadError> {
    if let Some(file) = files.gguf() {
        return Checkpoint::of_gguf(file);
    }
    let checkpoint = match files.in_program(SINGLE_FILE) {
        Some(bytes) => Checkpoint::from_bytes(bytes, &files.path(SINGLE_FILE).display().to_string())?,
        None => Checkpoint::open(&files.dir())?,
    };
    match quantization {
        Some(quantization) => checkpoint.with_quantized_layers(quantization),
        None => Ok(checkpoint),
    }
}

/// Refuses a directory whose weights are to be changed by an adapter's.
fn refuse_adapters(files: &ModelFiles) -> Result<(), LoadError> {
    const FILE: &str = "adapter_config.json";
    if !files.has(FILE) {
        return Ok(());
    }
    let (wanted, found) = ("a model without adapters (merge them, as with `merge_and_unload` of peft)", "an adapter");
    Err(LoadError::config(&files.path(FILE), "peft_type", wanted, found))
}
