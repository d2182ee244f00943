//! A tiny GPT-2.

use std::io;

use super::byte_level::byte_entries;
use super::{Dtype, ModelDir, Tensor, layer, norm};
use crate::data::Data;

/// Shape and storage of a GPT-2 with random weights.
///
/// The defaults are awkward on purpose: no dimension is a multiple of a vector's length.
#[derive(Clone, Debug, PartialEq)]
pub struct Gpt2 {
    /// Seed of the weights.
    pub seed: u64,
    /// Number of tokens.
    pub vocabulary: usize,
    /// Most positions.
    pub context: usize,
    /// Width of the hidden state, a multiple of `heads`.
    pub width: usize,
    /// Number of attention heads.
    pub heads: usize,
    /// Number of blocks.
    pub layers: usize,
    /// `activation_function` of the configuration.
    pub activation: &'static str,
    /// Text before each tensor's name: empty or `transformer.`.
    pub prefix: &'static str,
    /// Without it the model has an `lm_head.weight` of its own.
    pub tied: bool,
    /// Number format of the weights on disk.
    pub dtype: Dtype,
    /// Number of files that the weights are spread over.
    pub shards: usize,
}

impl Default for Gpt2 {
    fn default() -> Self {
        Self {
            seed: 1,
            vocabulary: 211,
            context: 40,
            width: 39,
            heads: 3,
            layers: 2,
            activation: "gelu_new",
            prefix: "",
            tied: true,
            dtype: Dtype::F32,
            shards: 1,
        }
    }
}

impl Gpt2 {
    /// The id of `<|endoftext|>` where the vocabulary holds a tokenizer of bytes, see [`Gpt2::write`].
    pub const END_OF_TEXT: usize = 256;

    /// Writes weights and `config.json`; with a vocabulary of at least 257 also `vocab.json` and `merges.txt`, a
    /// byte-level tokenizer without merges whose id of a byte is the byte's value.
    ///
    /// # Errors
    /// Fails if a file cannot be written.
    pub fn write(&self) -> io::Result<ModelDir> {
        let mut texts = vec![("config.json", self.config())];
        if self.has_tokenizer() {
            texts.push(("vocab.json", vocabulary()));
            texts.push(("merges.txt", "#version: 0.2\n".into()));
        }
        ModelDir::write(self.tensors(), self.dtype, self.shards, &texts)
    }

    /// The text of `config.json`.
    pub fn config(&self) -> String {
        let Self { vocabulary, context, width, heads, layers, activation, tied, .. } = self;
        let end = if self.has_tokenizer() { Self::END_OF_TEXT } else { vocabulary.saturating_sub(1) };
        format!(
            r#"{{"architectures":["GPT2LMHeadModel"],"model_type":"gpt2","vocab_size":{vocabulary},
"n_positions":{context},"n_ctx":{context},"n_embd":{width},"n_head":{heads},"n_layer":{layers},"n_inner":null,
"activation_function":"{activation}","layer_norm_epsilon":1e-05,"tie_word_embeddings":{tied},
"bos_token_id":{end},"eos_token_id":{end}}}"#
        )
    }

    /// The weights.
    pub fn tensors(&self) -> Vec<Tensor> {
        let Self { prefix, vocabulary, context, width, .. } = *self;
        let mut data = Data::new(self.seed);
        let mut tensors = vec![
            Tensor::normal(&mut data, format!("{prefix}wte.weight"), &[vocabulary, width], 0.0, 0.3),
            Tensor::normal(&mut data, format!("{prefix}wpe.weight"), &[context, width], 0.0, 0.1),
        ];
        for i in 0..self.layers {
            let block = format!("{prefix}h.{i}");
            tensors.extend(norm(&mut data, &format!("{block}.ln_1"), width));
            tensors.extend(layer(&mut data, &format!("{block}.attn.c_attn"), &[width, 3 * width], 3 * width));
            tensors.extend(layer(&mut data, &format!("{block}.attn.c_proj"), &[width, width], width));
            tensors.extend(norm(&mut data, &format!("{block}.ln_2"), width));
            tensors.extend(layer(&mut data, &format!("{block}.mlp.c_fc"), &[width, 4 * width], 4 * width));
            tensors.extend(layer(&mut data, &format!("{block}.mlp.c_proj"), &[4 * width, width], width));
        }
        tensors.extend(norm(&mut data, &format!("{prefix}ln_f"), width));
        if !self.tied {
            tensors.push(Tensor::normal(&mut data, "lm_head.weight", &[vocabulary, width], 0.0, 0.3));
        }
        tensors
    }

    fn has_tokenizer(&self) -> bool {
        self.vocabulary > Self::END_OF_TEXT
    }
}

/// `vocab.json` of the 256 bytes and `<|endoftext|>`.
fn vocabulary() -> String {
    let mut entries = byte_entries();
    entries.push(format!(r#""<|endoftext|>":{}"#, Gpt2::END_OF_TEXT));
    format!("{{{}}}", entries.join(","))
}
