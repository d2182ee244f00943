//! Sentence embeddings: one vector for each text (Reimers and Gurevych, "Sentence-BERT", 2019).
//!
//! [`Embedder::open`] loads a model, [`Embedder::embed`] makes the vectors. [`EmbedderFiles`] is for programs that want to look at the
//! files before they load them.
//!
//! ```text
//! vector = pool(bert([CLS] text [SEP])), then vector / ‖vector‖₂ where the model wants it
//! ```

use crate::bundle::Bundle;
use crate::error::Error;
use crate::fallible::{with_capacity, zeros};
use crate::load_error::LoadError;
use crate::model_files::ModelFiles;
use crate::models::bert::{Bert, BertActivations, Input};
use crate::notice::Notice;
use crate::runtime::Runtime;
use crate::sentence::{InputLimit, Pooling, SentenceConfig, TextSettings};
use crate::tokenizer::{Encoded, Tokenizer};
use cke_kernels::ops::elementwise::scale;
use cke_kernels::ops::pooling::{l2_normalize, mean_rows};
use cke_kernels::threads::for_each_chunk;
use std::path::Path;

/// Tokens of one forward pass, unless a single text has more: enough to keep the matrix products busy.
const MAX_ROWS: usize = 2048;

/// What to do otherwise than the model's files say.
#[derive(Clone, Debug, Default)]
pub struct EmbedOptions {
    /// How token vectors become a text's vector.
    pub pooling: Option<Pooling>,
    /// Whether that vector is divided by its length.
    pub normalize: Option<bool>,
    /// What is put before each text.
    pub prompt: Option<Prompt>,
    /// Elements of a vector that are kept, its first ones; all if there are no more. They are not normalized again.
    pub dims: Option<usize>,
}

/// What is put before each text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// A text, which may be empty.
    Text(String),
    /// One that the model has, by name.
    Named(String),
}

/// The vectors of some texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    /// (texts, width), row-major.
    pub vectors: Vec<f32>,
    /// Which texts were longer than [`Embedder::max_tokens`], and were cut: places in the list.
    pub cut: Vec<usize>,
}

/// A BERT that turns texts into vectors.
#[derive(Debug)]
pub struct Embedder {
    model: Bert,
    tokenizer: Tokenizer,
    pooling: Pooling,
    normalize: bool,
    limit: InputLimit,
    /// What is put before each text.
    prompt: String,
    /// Tokens that do not count in the pooling: those of the prompt, if the model's files say so.
    skipped: usize,
    /// Elements of a vector.
    dims: usize,
    notices: Vec<Notice>,
}

/// The files of a model that turns texts into vectors, checked; its weights have not been read yet.
#[derive(Debug)]
pub struct EmbedderFiles {
    bundle: Bundle,
    sentence: SentenceConfig,
    tokenizer: Tokenizer,
    limit: InputLimit,
    prompt: String,
    options: EmbedOptions,
    notices: Vec<Notice>,
}

impl EmbedderFiles {
    /// Opens a model: a directory or a packed file.
    ///
    /// If the directory has the layout of sentence-transformers (`modules.json` and what it names), pooling, normalisation,
    /// the longest input, lowercasing, prompts and the length of vectors are as it says. Without it, vectors are the mean over
    /// all tokens, `[CLS]` and `[SEP]` among them, divided by its length. `options` come before both.
    ///
    /// # Errors
    /// Fails if a file is missing, malformed or contradicts another, the model is not a BERT, or it has no prompt of the wanted
    /// name.
    pub fn open(path: &Path, options: EmbedOptions) -> Result<EmbedderFiles, Error> {
        EmbedderFiles::of_files(&ModelFiles::open(path)?, options)
    }

    /// As [`EmbedderFiles::open`], of files that were found.
    ///
    /// # Errors
    /// As [`EmbedderFiles::open`].
    pub fn of_files(files: &ModelFiles, options: EmbedOptions) -> Result<EmbedderFiles, Error> {
        let (bundle, sentence) = open_model(files)?;
        let positions = bundle.bert_config()?.max_position_embeddings;
        let prompt = chosen_prompt(&sentence, options.prompt.clone())?;
        let (limit, limit_notice) = sentence.input_limit(positions)?;
        let mut tokenizer = bundle.tokenizer()?;
        if sentence.do_lower_case {
            tokenizer = tokenizer.lowercasing()?;
        }
        let special = tokenizer.special_per_text();
        if limit.tokens < special {
            let wanted = format!("at least the {special} special tokens of each text");
            let file = sentence.transformer.path(&limit.file);
            return Err(LoadError::config(&file, &limit.key, wanted, limit.tokens.to_string()).into());
        }
        let layout = sentence.notices.iter().chain(&limit_notice);
        let notices = bundle.notices().iter().chain(tokenizer.notices()).chain(layout).cloned().collect();
        Ok(EmbedderFiles { bundle, sentence, tokenizer, limit, prompt, options, notices })
    }

    /// What the files say and is not followed.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// The model whose weights will be read.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// Tokens of each text of a forward pass that takes the most memory.
    pub fn lengths(&self) -> Vec<usize> {
        vec![self.limit.tokens; MAX_ROWS.div_ceil(self.limit.tokens)]
    }

    /// Reads the weights. Calls `loaded` with the number of bytes that were converted.
    ///
    /// # Errors
    /// Fails if a tensor is missing or has the wrong shape, or an allocation fails.
    pub fn load(self, runtime: &Runtime, loaded: &dyn Fn(u64)) -> Result<Embedder, Error> {
        let EmbedderFiles { bundle, sentence, tokenizer, limit, prompt, options, notices } = self;
        let model = bundle.into_bert(runtime, loaded)?;
        let width = model.config().hidden_size;
        let dims = options.dims.or(sentence.texts.truncate_dim);
        let mut embedder = Embedder {
            model,
            tokenizer,
            pooling: options.pooling.unwrap_or(sentence.pooling),
            normalize: options.normalize.unwrap_or(sentence.normalize),
            limit,
            prompt,
            skipped: 0,
            dims: dims.map_or(width, |dims| dims.min(width)),
            notices,
        };
        if !sentence.include_prompt && !embedder.prompt.is_empty() {
            embedder.skipped = embedder.prompt_tokens()?;
        }
        Ok(embedder)
    }
}

impl Embedder {
    /// Loads a BERT and its tokenizer from a model directory or a packed file: [`EmbedderFiles::open`], then [`EmbedderFiles::load`].
    ///
    /// # Errors
    /// As those two.
    pub fn open(
        path: &Path,
        options: EmbedOptions,
        runtime: &Runtime,
        loaded: &dyn Fn(u64),
    ) -> Result<Embedder, Error> {
        EmbedderFiles::open(path, options)?.load(runtime, loaded)
    }

    /// Tokens of the prompt by itself, without the special token that ends it, as the library counts them.
    fn prompt_tokens(&self) -> Result<usize, Error> {
        let ids = self.tokenizer.encode_truncated(&self.prompt, true, self.limit.tokens)?;
        let ends_special = ids.last().is_some_and(|&id| self.tokenizer.is_named_special(id));
        Ok(ids.len() - usize::from(ends_special))
    }

    /// The model.
    pub fn model(&self) -> &Bert {
        &self.model
    }

    /// Elements of a vector.
    pub fn width(&self) -> usize {
        self.dims
    }

    /// What the model's files say and is not followed.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// What is put before each text; may be empty.
    pub fn prompt(&self) -> &str {
        &self.prompt
    }

    /// How token vectors become a text's vector.
    pub fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// Whether vectors have length 1.
    pub fn normalize(&self) -> bool {
        self.normalize
    }

    /// Tokens of a text that count, prompt and special ones included; the rest is cut off.
    pub fn max_tokens(&self) -> usize {
        self.limit.tokens
    }

    /// [`Embedder::max_tokens`], and which file says so.
    pub fn limit(&self) -> &InputLimit {
        &self.limit
    }

    /// The tokens of a text as the model reads them: `[CLS] … [SEP]` round the prompt and the text, at most
    /// [`Embedder::max_tokens`].
    ///
    /// # Errors
    /// Fails if the tokenizer fails, or makes no token of the text and adds none.
    pub fn tokens(&self, text: &str) -> Result<Vec<u32>, Error> {
        Ok(self.encode(text)?.ids)
    }

    fn encode(&self, text: &str) -> Result<Encoded, Error> {
        let encoded = if self.prompt.is_empty() {
            self.tokenizer.encode_limited(text, true, self.limit.tokens)?
        } else {
            self.tokenizer.encode_limited(&format!("{}{text}", self.prompt), true, self.limit.tokens)?
        };
        self.model.check(&Input::from(&encoded.ids[..]))?;
        Ok(encoded)
    }

    /// The vectors (texts, width) of the texts, row-major, in their order. `state` is one of [`Bert::activations`].
    ///
    /// A text's vector has the same bits whatever the other texts and the number of threads are.
    ///
    /// # Errors
    /// Returns [`Error::InSequence`] with the text that is at fault; fails if an allocation fails.
    pub fn embed(
        &self,
        texts: &[impl AsRef<str> + Sync],
        state: &mut BertActivations,
        runtime: &Runtime,
    ) -> Result<Vec<f32>, Error> {
        self.embed_noting_cuts(texts, state, runtime).map(|embeddings| embeddings.vectors)
    }

    /// As [`Embedder::embed`], and says which texts were cut.
    ///
    /// # Errors
    /// As [`Embedder::embed`].
    pub fn embed_noting_cuts(
        &self,
        texts: &[impl AsRef<str> + Sync],
        state: &mut BertActivations,
        runtime: &Runtime,
    ) -> Result<Embeddings, Error> {
        let tokens = self.tokens_of_all(texts, runtime)?;
        let cut = (0..tokens.len()).filter(|&i| tokens[i].is_cut).collect();
        let mut vectors = zeros(texts.len() * self.width())?;
        let (mut rest, mut out) = (&tokens[..], &mut vectors[..]);
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(texts_in_batch(rest));
            let (own, free) = out.split_at_mut(batch.len() * self.width());
            self.embed_batch(batch, own, state, runtime)?;
            (rest, out) = (later, free);
        }
        Ok(Embeddings { vectors, cut })
    }

    /// The tokens of each text, made on all threads.
    fn tokens_of_all(&self, texts: &[impl AsRef<str> + Sync], runtime: &Runtime) -> Result<Vec<Encoded>, Error> {
        let nothing = || Ok(Encoded { ids: Vec::new(), is_cut: false });
        let mut tokens: Vec<Result<Encoded, Error>> = with_capacity(texts.len())?;
        tokens.extend(texts.iter().map(|_| nothing()));
        for_each_chunk(runtime.pool(), &mut tokens, 1, |i, slot| {
            slot[0] = self.encode(texts[i].as_ref()).map_err(|error| error.in_sequence(i));
        });
        tokens.into_iter().collect()
    }

    /// out (texts, width) from the tokens of some texts, in one forward pass.
    fn embed_batch(
        &self,
        texts: &[Encoded],
        out: &mut [f32],
        state: &mut BertActivations,
        runtime: &Runtime,
    ) -> Result<(), Error> {
        let batch: Vec<Input<'_>> = texts.iter().map(|text| Input::from(&text.ids[..])).collect();
        self.model.forward(&batch, state, runtime)?;
        let mut hidden = self.model.hidden(state);
        let width = self.model.config().hidden_size;
        let mut whole = zeros(width)?;
        for (text, vector) in texts.iter().zip(out.chunks_exact_mut(self.width())) {
            let (rows, later) = hidden.split_at(text.ids.len() * width);
            pool(self.pooling, rows, self.skipped, &mut whole, runtime)?;
            if self.normalize {
                l2_normalize(&mut whole);
            }
            vector.copy_from_slice(&whole[..vector.len()]);
            hidden = later;
        }
        Ok(())
    }
}

/// Opens the transformer of a model; the layout of one that has none is the default.
fn open_model(files: &ModelFiles) -> Result<(Bundle, SentenceConfig), Error> {
    let (bundle, sentence) = Bundle::open_layout(files)?;
    Ok((bundle, sentence.unwrap_or_else(|| SentenceConfig::of_plain_model(files))))
}

/// The text that is put before each text: the one that is asked for, else the model's default.
fn chosen_prompt(sentence: &SentenceConfig, wanted: Option<Prompt>) -> Result<String, Error> {
    let TextSettings { prompts, default_prompt, .. } = &sentence.texts;
    let name = match wanted {
        Some(Prompt::Text(text)) => return Ok(text),
        Some(Prompt::Named(name)) => Some(name),
        None => default_prompt.clone(),
    };
    let Some(name) = name else { return Ok(String::new()) };
    match prompts.get(&name) {
        Some(prompt) => Ok(prompt.clone()),
        None => Err(Error::UnknownPrompt { name, known: sentence.texts.names() }),
    }
}

/// How many of the texts go into the next forward pass: at least one.
fn texts_in_batch(texts: &[Encoded]) -> usize {
    let mut rows = 0;
    let fits = |text: &&Encoded| {
        rows += text.ids.len();
        rows <= MAX_ROWS
    };
    texts.iter().take_while(fits).count().max(1)
}

/// vector (width) from the rows (tokens, width) of a text, without the first `skipped` of them. If none is left, means are 0,
/// and the first row stands for `[CLS]`, as in the library.
fn pool(pooling: Pooling, rows: &[f32], skipped: usize, vector: &mut [f32], runtime: &Runtime) -> Result<(), Error> {
    let width = vector.len();
    let counted = &rows[rows.len().min(skipped * width)..];
    match pooling {
        Pooling::Mean | Pooling::MeanSqrtLen | Pooling::LastToken if counted.is_empty() => vector.fill(0.0),
        Pooling::Mean => mean_rows(runtime.cpu(), counted, vector)?,
        Pooling::MeanSqrtLen => {
            mean_rows(runtime.cpu(), counted, vector)?;
            scale(runtime.cpu(), vector, ((counted.len() / width) as f32).sqrt());
        }
        Pooling::Cls => vector.copy_from_slice(counted.get(..width).unwrap_or(&rows[..width])),
        Pooling::LastToken => vector.copy_from_slice(&counted[counted.len() - width..]),
        Pooling::Max => {
            vector.fill(f32::NEG_INFINITY);
            for row in counted.chunks_exact(width) {
                for (largest, &x) in vector.iter_mut().zip(row) {
                    // A NaN stays, as in every other pooling.
                    if x > *largest || x.is_nan() {
                        *largest = x;
                    }
                }
            }
        }
    }
    Ok(())
}
