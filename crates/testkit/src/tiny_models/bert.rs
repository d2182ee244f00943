//! A tiny BERT.

use std::io;

use super::{Dtype, ModelDir, Tensor, layer, norm};
use crate::data::Data;

/// Shape and storage of a BERT encoder with random weights.
///
/// The defaults are awkward on purpose: no dimension is a multiple of a vector's length.
#[derive(Clone, Debug, PartialEq)]
pub struct Bert {
    /// Seed of the weights.
    pub seed: u64,
    /// Number of tokens, at least [`Bert::SMALLEST_VOCABULARY`] where [`Bert::write`] is to add a tokenizer.
    pub vocabulary: usize,
    /// Most positions.
    pub context: usize,
    /// Number of token types.
    pub token_types: usize,
    /// Width of the hidden state, a multiple of `heads`.
    pub width: usize,
    /// Width between the two layers of the feed-forward part.
    pub intermediate: usize,
    /// Number of attention heads.
    pub heads: usize,
    /// Number of layers.
    pub layers: usize,
    /// `hidden_act` of the configuration.
    pub activation: &'static str,
    /// Text before each tensor's name: empty or `bert.`.
    pub prefix: &'static str,
    /// Whether there is a `pooler.dense`.
    pub pooler: bool,
    /// Number format of the weights on disk.
    pub dtype: Dtype,
    /// Number of files that the weights are spread over.
    pub shards: usize,
}

impl Default for Bert {
    fn default() -> Self {
        Self {
            seed: 2,
            vocabulary: 211,
            context: 40,
            token_types: 2,
            width: 39,
            intermediate: 77,
            heads: 3,
            layers: 2,
            activation: "gelu",
            prefix: "",
            pooler: true,
            dtype: Dtype::F32,
            shards: 1,
        }
    }
}

/// Tokens with a meaning of their own, at the head of `vocab.txt`.
const SPECIAL_TOKENS: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

impl Bert {
    /// Size of the vocabulary that the tokenizer needs: 5 special tokens, and letters and digits, each alone and as a
    /// continuation.
    pub const SMALLEST_VOCABULARY: usize = SPECIAL_TOKENS.len() + 2 * 36;

    /// Writes weights and `config.json`; where the vocabulary is large enough also `vocab.txt`, a lower-case WordPiece
    /// vocabulary of single letters and digits, filled up with `[unused0]`, `[unused1]`, ….
    ///
    /// # Errors
    /// Fails if a file cannot be written.
    pub fn write(&self) -> io::Result<ModelDir> {
        let mut texts = vec![("config.json", self.config())];
        if self.vocabulary >= Self::SMALLEST_VOCABULARY {
            texts.push(("vocab.txt", self.vocabulary_text()));
            texts.push(("tokenizer_config.json", r#"{"do_lower_case":true}"#.into()));
        }
        ModelDir::write(self.tensors(), self.dtype, self.shards, &texts)
    }

    /// The text of `config.json`.
    pub fn config(&self) -> String {
        let Self { vocabulary, context, token_types, width, intermediate, heads, layers, activation, .. } = self;
        format!(
            r#"{{"architectures":["BertModel"],"model_type":"bert","vocab_size":{vocabulary},
"max_position_embeddings":{context},"type_vocab_size":{token_types},"hidden_size":{width},
"intermediate_size":{intermediate},"num_attention_heads":{heads},"num_hidden_layers":{layers},
"hidden_act":"{activation}","layer_norm_eps":1e-12,"pad_token_id":0,"position_embedding_type":"absolute"}}"#
        )
    }

    /// The weights.
    pub fn tensors(&self) -> Vec<Tensor> {
        let Self { width, prefix, .. } = *self;
        let mut data = Data::new(self.seed);
        let tables = [("word", self.vocabulary), ("position", self.context), ("token_type", self.token_types)];
        let mut tensors: Vec<Tensor> = tables
            .map(|(table, rows)| {
                let name = format!("{prefix}embeddings.{table}_embeddings.weight");
                Tensor::normal(&mut data, name, &[rows, width], 0.0, 0.3)
            })
            .into();
        tensors.extend(norm(&mut data, &format!("{prefix}embeddings.LayerNorm"), width));
        for i in 0..self.layers {
            tensors.extend(self.layer_tensors(&mut data, i));
        }
        if self.pooler {
            tensors.extend(layer(&mut data, &format!("{prefix}pooler.dense"), &[width, width], width));
        }
        tensors
    }

    fn layer_tensors(&self, data: &mut Data, i: usize) -> Vec<Tensor> {
        let Self { width, intermediate, prefix, .. } = *self;
        let root = format!("{prefix}encoder.layer.{i}");
        let mut tensors = Vec::new();
        for part in ["self.query", "self.key", "self.value", "output.dense"] {
            tensors.extend(layer(data, &format!("{root}.attention.{part}"), &[width, width], width));
        }
        tensors.extend(norm(data, &format!("{root}.attention.output.LayerNorm"), width));
        tensors.extend(layer(data, &format!("{root}.intermediate.dense"), &[intermediate, width], intermediate));
        tensors.extend(layer(data, &format!("{root}.output.dense"), &[width, intermediate], width));
        tensors.extend(norm(data, &format!("{root}.output.LayerNorm"), width));
        tensors
    }

    fn vocabulary_text(&self) -> String {
        let characters = || ('a'..='z').chain('0'..='9');
        let whole = characters().map(String::from);
        let continued = characters().map(|c| format!("##{c}"));
        let unused = (0..self.vocabulary - Self::SMALLEST_VOCABULARY).map(|i| format!("[unused{i}]"));
        let tokens: Vec<String> =
            SPECIAL_TOKENS.map(String::from).into_iter().chain(whole).chain(continued).chain(unused).collect();
        tokens.join("\n") + "\n"
    }
}
