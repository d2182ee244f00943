//! Sentence embeddings: one vector for each text (Reimers and Gurevych, "Sentence-BERT", 2019).
//!
//! ```text
//! vector = pool(bert([CLS] text [SEP])), then vector / ‖vector‖₂ where the model wants it
//! ```

use crate::bundle::Bundle;
use crate::error::Error;
use crate::models::bert::{Bert, BertActivations, Input};
use crate::runtime::Runtime;
use crate::sentence::{Pooling, SentenceConfig};
use crate::tokenizer::Tokenizer;
use cke_kernels::ops::elementwise::scale;
use cke_kernels::ops::pooling::{l2_normalize, mean_rows};
use cke_kernels::threads::for_each_chunk;
use std::path::Path;

/// Tokens of one forward pass, unless a single text has more: enough to keep the matrix products busy.
const MAX_ROWS: usize = 2048;

/// What to do otherwise than the model's files say.
#[derive(Clone, Copy, Debug, Default)]
pub struct EmbedOptions {
    /// How token vectors become a text's vector.
    pub pooling: Option<Pooling>,
    /// Whether that vector is divided by its length.
    pub normalize: Option<bool>,
}

/// A BERT that turns texts into vectors.
#[derive(Debug)]
pub struct Embedder {
    model: Bert,
    tokenizer: Tokenizer,
    pooling: Pooling,
    normalize: bool,
    max_tokens: usize,
    lower_case: bool,
}

impl Embedder {
    /// Loads a BERT and its tokenizer from a model directory. `loaded` hears of bytes of f32 as they are read.
    ///
    /// Where the directory has the layout of sentence-transformers (`modules.json` and what it names), pooling, normalisation,
    /// the longest input and lowercasing are as it says. Without it, vectors are the mean over all tokens, `[CLS]` and `[SEP]`
    /// among them, divided by its length, of as many tokens as the model has positions. `options` come before both.
    ///
    /// # Errors
    /// Where a file is missing, malformed or contradicts another, the model is no BERT, or memory cannot be had.
    pub fn open(dir: &Path, options: EmbedOptions, runtime: &Runtime, loaded: &dyn Fn(u64)) -> Result<Embedder, Error> {
        // Read once to find the model, then checked against its width.
        let bundle = match SentenceConfig::load(dir, None)? {
            Some(sentence) => Bundle::open(&sentence.model_dir)?,
            None => Bundle::open(dir)?,
        };
        let sentence = SentenceConfig::load(dir, Some(bundle.config().width()))?;
        let sentence = sentence.unwrap_or_else(|| SentenceConfig {
            model_dir: dir.to_owned(),
            pooling: Pooling::Mean,
            normalize: true,
            max_seq_length: None,
            do_lower_case: false,
        });
        let positions = bundle.bert_config()?.max_position_embeddings;
        Ok(Embedder {
            tokenizer: bundle.tokenizer()?,
            model: bundle.into_bert(runtime, loaded)?,
            pooling: options.pooling.unwrap_or(sentence.pooling),
            normalize: options.normalize.unwrap_or(sentence.normalize),
            max_tokens: sentence.max_seq_length.map_or(positions, |longest| longest.min(positions)),
            lower_case: sentence.do_lower_case,
        })
    }

    /// The model.
    pub fn model(&self) -> &Bert {
        &self.model
    }

    /// Elements of a vector.
    pub fn width(&self) -> usize {
        self.model.config().hidden_size
    }

    /// How token vectors become a text's vector.
    pub fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// Whether vectors have length 1.
    pub fn normalize(&self) -> bool {
        self.normalize
    }

    /// Tokens of a text that count, special ones included; the rest is cut off.
    pub fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// The tokens of a text as the model reads them: `[CLS] … [SEP]`, at most [`Embedder::max_tokens`].
    ///
    /// # Errors
    /// Where the tokenizer fails, or makes no token of the text and adds none.
    pub fn tokens(&self, text: &str) -> Result<Vec<u32>, Error> {
        let ids = if self.lower_case {
            self.tokenizer.encode_truncated(&text.to_lowercase(), true, self.max_tokens)?
        } else {
            self.tokenizer.encode_truncated(text, true, self.max_tokens)?
        };
        self.model.check(&Input::from(&ids[..]))?;
        Ok(ids)
    }

    /// The vectors (texts, width) of the texts, row-major, in their order. `state` is one of [`Bert::activations`].
    ///
    /// A text's vector has the same bits whatever the other texts and the number of threads are.
    ///
    /// # Errors
    /// [`Error::InSequence`] with the text that is at fault, or where memory cannot be had.
    pub fn embed(
        &self,
        texts: &[impl AsRef<str> + Sync],
        state: &mut BertActivations,
        runtime: &Runtime,
    ) -> Result<Vec<f32>, Error> {
        let tokens = self.tokens_of_all(texts, runtime)?;
        let mut vectors = vec![0.0; texts.len() * self.width()];
        let (mut rest, mut out) = (&tokens[..], &mut vectors[..]);
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(texts_in_batch(rest));
            let (own, free) = out.split_at_mut(batch.len() * self.width());
            self.embed_batch(batch, own, state, runtime)?;
            (rest, out) = (later, free);
        }
        Ok(vectors)
    }

    /// The tokens of each text, made on all threads.
    fn tokens_of_all(&self, texts: &[impl AsRef<str> + Sync], runtime: &Runtime) -> Result<Vec<Vec<u32>>, Error> {
        let mut tokens: Vec<Result<Vec<u32>, Error>> = texts.iter().map(|_| Ok(Vec::new())).collect();
        for_each_chunk(runtime.pool(), &mut tokens, 1, |i, slot| {
            slot[0] = self.tokens(texts[i].as_ref()).map_err(|error| error.in_sequence(i));
        });
        tokens.into_iter().collect()
    }

    /// out (texts, width) from the tokens of some texts, in one forward pass.
    fn embed_batch(
        &self,
        texts: &[Vec<u32>],
        out: &mut [f32],
        state: &mut BertActivations,
        runtime: &Runtime,
    ) -> Result<(), Error> {
        let batch: Vec<Input<'_>> = texts.iter().map(|ids| Input::from(&ids[..])).collect();
        self.model.forward(&batch, state, runtime)?;
        let mut hidden = self.model.hidden(state);
        for (ids, vector) in texts.iter().zip(out.chunks_exact_mut(self.width())) {
            let (rows, later) = hidden.split_at(ids.len() * self.width());
            pool(self.pooling, rows, vector, runtime)?;
            if self.normalize {
                l2_normalize(vector);
            }
            hidden = later;
        }
        Ok(())
    }
}

/// How many of the texts go into the next forward pass: at least one.
fn texts_in_batch(texts: &[Vec<u32>]) -> usize {
    let mut rows = 0;
    let fits = |ids: &&Vec<u32>| {
        rows += ids.len();
        rows <= MAX_ROWS
    };
    texts.iter().take_while(fits).count().max(1)
}

/// vector (width) from the rows (tokens, width) of a text.
fn pool(pooling: Pooling, rows: &[f32], vector: &mut [f32], runtime: &Runtime) -> Result<(), Error> {
    let width = vector.len();
    match pooling {
        Pooling::Mean => mean_rows(runtime.cpu(), rows, vector)?,
        Pooling::MeanSqrtLen => {
            mean_rows(runtime.cpu(), rows, vector)?;
            scale(runtime.cpu(), vector, ((rows.len() / width) as f32).sqrt());
        }
        Pooling::Cls => vector.copy_from_slice(&rows[..width]),
        Pooling::LastToken => vector.copy_from_slice(&rows[rows.len() - width..]),
        Pooling::Max => {
            vector.copy_from_slice(&rows[..width]);
            for row in rows.chunks_exact(width) {
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
