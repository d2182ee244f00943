//! The memory that a model takes, from its configuration alone: nothing is loaded.

use crate::activations::{Activations, Cut};
use crate::config::{BertConfig, Gpt2Config, ModelConfig};
use crate::error::Error;
use crate::linear::Linear;
use crate::models::gpt2::MAX_ROWS;
use crate::qkv_shape::QkvShape;
use crate::weight_format::WeightFormat;
use cke_kernels::Cpu;

/// What a model takes to run one sequence as long as its context, in bytes. Layer norms and what a tokenizer takes are
/// left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// Packed weights in their format, biases and embedding tables in f32.
    pub weights: usize,
    /// Keys and values of every layer. An encoder keeps none.
    pub kv_cache: usize,
    /// Run state of a forward pass over as many rows as it takes at most, with the logits of one of them.
    pub activations: usize,
}

impl MemoryEstimate {
    /// The memory of the model that `config` describes, as it is packed in `format` for `cpu` and run by `threads` threads.
    ///
    /// # Errors
    /// If no attention layer has the configuration's sizes.
    pub fn new(config: &ModelConfig, format: WeightFormat, cpu: &Cpu, threads: usize) -> Result<MemoryEstimate, Error> {
        match config {
            ModelConfig::Gpt2(config) => gpt2(config, format, cpu, threads),
            ModelConfig::Bert(config) => bert(config, format, cpu, threads),
        }
    }

    /// All of it.
    pub fn total(&self) -> usize {
        self.weights + self.kv_cache + self.activations
    }
}

/// Bytes of a (rows, cols) table.
fn table(rows: usize, cols: usize) -> usize {
    rows * cols * size_of::<f32>()
}

fn gpt2(config: &Gpt2Config, format: WeightFormat, cpu: &Cpu, threads: usize) -> Result<MemoryEstimate, Error> {
    let Gpt2Config { vocab_size, n_positions, n_embd: width, n_layer, n_inner: inner, .. } = *config;
    let shape = config.qkv_shape();
    let head = Linear::bytes_for(cpu, format, width, vocab_size, false);
    let token_table = if config.tie_word_embeddings { 0 } else { table(vocab_size, width) };
    let attention = shape.attention(cpu, 1.0)?;
    let rows = MAX_ROWS.min(n_positions);
    let scratch = attention.scratch_bytes(threads, rows, n_positions, true);
    Ok(MemoryEstimate {
        weights: head + token_table + table(n_positions, width) + n_layer * block(cpu, format, width, inner, shape),
        kv_cache: n_layer * attention.cache_bytes(n_positions),
        activations: Activations::bytes_for(Cut::new(rows, threads), width, inner, shape)
            + scratch
            + table(1, vocab_size),
    })
}

fn bert(config: &BertConfig, format: WeightFormat, cpu: &Cpu, threads: usize) -> Result<MemoryEstimate, Error> {
    let BertConfig { hidden_size: width, intermediate_size: inner, .. } = *config;
    let shape = config.qkv_shape();
    let attention = shape.attention(cpu, 1.0)?;
    let rows = config.max_position_embeddings;
    let scratch = attention.scratch_bytes(threads, rows, rows, false);
    let tables = table(config.vocab_size + rows + config.type_vocab_size, width);
    Ok(MemoryEstimate {
        weights: tables + config.num_hidden_layers * block(cpu, format, width, inner, shape),
        kv_cache: 0,
        activations: Activations::bytes_for(Cut::new(rows, threads), width, inner, shape) + scratch,
    })
}

/// Weights of a transformer block: attention in and out, feed-forward up and down.
fn block(cpu: &Cpu, format: WeightFormat, width: usize, inner: usize, shape: QkvShape) -> usize {
    let layers = [(width, shape.row_width()), (shape.query_width(), width), (width, inner), (inner, width)];
    layers.map(|(inputs, outputs)| Linear::bytes_for(cpu, format, inputs, outputs, true)).iter().sum()
}
