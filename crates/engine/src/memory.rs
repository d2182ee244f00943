//! The memory that a model takes, from its configuration alone: nothing is loaded.

use crate::activations::{Activations, Cut, Widths};
use crate::config::{BertConfig, DecoderConfig, Gpt2Config, ModelConfig};
use crate::error::Error;
use crate::linear::{Linear, Sensitivity};
use crate::models::causal::MAX_ROWS;
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
            ModelConfig::Decoder(config) => decoder(config, format, cpu, threads),
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
    let Gpt2Config { vocab_size, n_positions, n_embd: width, n_layer, .. } = *config;
    let head = Linear::bytes_for(cpu, format, (width, vocab_size), Sensitivity::High, false);
    let token_table = if config.tie_word_embeddings { 0 } else { table(vocab_size, width) };
    let tables = token_table + table(n_positions, width);
    Ok(MemoryEstimate {
        weights: head + tables + n_layer * block(cpu, format, config.widths(), 1, &[true; 4]),
        ..causal(config.widths(), n_layer, vocab_size, n_positions, format, cpu, threads)?
    })
}

fn decoder(config: &DecoderConfig, format: WeightFormat, cpu: &Cpu, threads: usize) -> Result<MemoryEstimate, Error> {
    let DecoderConfig { vocab_size, hidden_size: width, max_position_embeddings: positions, .. } = *config;
    let head = Linear::bytes_for(cpu, format, (width, vocab_size), Sensitivity::High, false);
    let token_table = if config.tie_word_embeddings { 0 } else { table(vocab_size, width) };
    let biases = [config.has_qkv_bias, config.has_output_bias, config.has_mlp_bias, config.has_mlp_bias];
    let layers = config.layers.len();
    Ok(MemoryEstimate {
        weights: head + token_table + layers * block(cpu, format, config.widths(), 2, &biases),
        ..causal(config.widths(), layers, vocab_size, positions, format, cpu, threads)?
    })
}

/// What a model that continues texts takes beside its weights.
fn causal(
    widths: Widths,
    layers: usize,
    vocabulary: usize,
    positions: usize,
    format: WeightFormat,
    cpu: &Cpu,
    threads: usize,
) -> Result<MemoryEstimate, Error> {
    let attention = widths.qkv.attention(cpu, 1.0, format.kv_dtype())?;
    let rows = MAX_ROWS.min(positions);
    let scratch = attention.scratch_bytes(threads, rows, positions, true);
    Ok(MemoryEstimate {
        weights: 0,
        kv_cache: layers.saturating_mul(attention.cache_bytes(positions)),
        activations: Activations::bytes_for(Cut::new(rows, threads), widths) + scratch + table(1, vocabulary),
    })
}

fn bert(config: &BertConfig, format: WeightFormat, cpu: &Cpu, threads: usize) -> Result<MemoryEstimate, Error> {
    let (width, widths) = (config.hidden_size, config.widths());
    let attention = widths.qkv.attention(cpu, 1.0, format.kv_dtype())?;
    let rows = config.max_position_embeddings;
    let scratch = attention.scratch_bytes(threads, rows, rows, false);
    let tables = table(config.vocab_size + rows + config.type_vocab_size, width);
    Ok(MemoryEstimate {
        weights: tables + config.num_hidden_layers * block(cpu, format, widths, 1, &[true; 4]),
        kv_cache: 0,
        activations: Activations::bytes_for(Cut::new(rows, threads), widths) + scratch,
    })
}

/// Weights of a transformer block: attention in and out, feed-forward up (`ups` of them: two where there are gates) and down, each with a
/// bias or without.
fn block(cpu: &Cpu, format: WeightFormat, widths: Widths, ups: usize, has_bias: &[bool; 4]) -> usize {
    let Widths { stream, inner, qkv } = widths;
    let [qkv_bias, others @ ..] = *has_bias;
    let layers = [(qkv.query_width(), stream), (stream, ups * inner), (inner, stream)];
    let bytes = |(size, has_bias)| Linear::bytes_for(cpu, format, size, Sensitivity::Usual, has_bias);
    Linear::qkv_bytes_for(cpu, format, stream, qkv, qkv_bias) + layers.into_iter().zip(others).map(bytes).sum::<usize>()
}
