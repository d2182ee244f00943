//! The memory that a model takes, from its configuration and from what is asked of it: nothing is loaded.

use crate::activations::{Activations, Cut, Widths};
use crate::config::{BertConfig, DecoderConfig, Gpt2Config, ModelConfig};
use crate::error::Error;
use crate::linear::{Linear, Sensitivity};
use crate::models::causal::MAX_ROWS;
use crate::weight_format::WeightFormat;
use cke_kernels::Cpu;
use cke_kernels::attention::KvDtype;

/// What a model is going to run, and on what.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// What its weights are packed for.
    pub cpu: &'a Cpu,
    /// How many threads work.
    pub threads: usize,
    /// The numbers of the weights.
    pub weights: WeightFormat,
    /// The numbers of keys and values.
    pub kv: KvDtype,
    /// Positions of each sequence that is held at the same time.
    pub lengths: &'a [usize],
    /// Rows of logits that are held.
    pub logits: usize,
}

/// What a model takes to run, in bytes. Layer norms and what a tokenizer takes are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// Packed weights in their format, biases and embedding tables in f32.
    pub weights: usize,
    /// Keys and values of every layer, when all sequences have their lengths. An encoder keeps none.
    pub kv_cache: usize,
    /// Run state of a forward pass over as many rows as it takes at most, with the logits.
    pub activations: usize,
}

impl MemoryEstimate {
    /// The memory of the model that `config` describes.
    ///
    /// # Errors
    /// If no attention layer has the configuration's sizes.
    pub fn new(config: &ModelConfig, run: Run<'_>) -> Result<MemoryEstimate, Error> {
        match config {
            ModelConfig::Gpt2(config) => gpt2(config, run),
            ModelConfig::Bert(config) => bert(config, run),
            ModelConfig::Decoder(config) => decoder(config, run),
        }
    }

    /// All of it. Saturates.
    pub fn total(&self) -> usize {
        self.weights.saturating_add(self.kv_cache).saturating_add(self.activations)
    }
}

impl Run<'_> {
    /// Positions of all sequences.
    fn positions(self) -> usize {
        self.lengths.iter().fold(0, |sum, &length| sum.saturating_add(length))
    }

    /// Positions of the longest sequence.
    fn longest(self) -> usize {
        self.lengths.iter().copied().max().unwrap_or(0)
    }

    /// Weights of a transformer block: attention in and out, feed-forward up (`ups` of them: two where there are gates) and down, each with a
    /// bias or without.
    fn block(self, widths: Widths, ups: usize, has_bias: &[bool; 4]) -> usize {
        let Widths { stream, inner, qkv } = widths;
        let [qkv_bias, others @ ..] = *has_bias;
        let layers = [(qkv.query_width(), stream), (stream, ups * inner), (inner, stream)];
        let bytes = |(size, has_bias)| Linear::bytes_for(self.cpu, self.weights, size, Sensitivity::Usual, has_bias);
        let rest = layers.into_iter().zip(others).map(bytes).sum::<usize>();
        Linear::qkv_bytes_for(self.cpu, self.weights, stream, qkv, qkv_bias) + rest
    }
}

/// What a thread holds at most of results that become rows of the next product, or of both halves of a gate.
const ROOM_OF_A_THREAD: usize = 512 << 10;

/// Run state for the rows of `cut`.
fn activations(cut: Cut, widths: Widths, run: Run<'_>) -> usize {
    let rooms = run.threads.saturating_mul(ROOM_OF_A_THREAD);
    Activations::bytes_for(cut, widths).saturating_add(rooms)
}

/// Bytes of a (rows, cols) table.
fn table(rows: usize, cols: usize) -> usize {
    rows.saturating_mul(cols).saturating_mul(size_of::<f32>())
}

fn gpt2(config: &Gpt2Config, run: Run<'_>) -> Result<MemoryEstimate, Error> {
    let Gpt2Config { vocab_size, n_positions, n_embd: width, n_layer, .. } = *config;
    let head = Linear::bytes_for(run.cpu, run.weights, (width, vocab_size), Sensitivity::High, false);
    let token_table = if config.tie_word_embeddings { 0 } else { table(vocab_size, width) };
    let tables = token_table + table(n_positions, width);
    Ok(MemoryEstimate {
        weights: head + tables + n_layer * run.block(config.widths(), 1, &[true; 4]),
        ..causal(config.widths(), n_layer, vocab_size, run)?
    })
}

fn decoder(config: &DecoderConfig, run: Run<'_>) -> Result<MemoryEstimate, Error> {
    let DecoderConfig { vocab_size, hidden_size: width, .. } = *config;
    let head = Linear::bytes_for(run.cpu, run.weights, (width, vocab_size), Sensitivity::High, false);
    let token_table = if config.tie_word_embeddings { 0 } else { table(vocab_size, width) };
    let biases = [config.has_qkv_bias, config.has_output_bias, config.has_mlp_bias, config.has_mlp_bias];
    let layers = config.layers.len();
    Ok(MemoryEstimate {
        weights: head + token_table + layers * run.block(config.widths(), 2, &biases),
        ..causal(config.widths(), layers, vocab_size, run)?
    })
}

/// What a model that continues texts takes beside its weights.
fn causal(widths: Widths, layers: usize, vocabulary: usize, run: Run<'_>) -> Result<MemoryEstimate, Error> {
    let attention = widths.qkv.attention(run.cpu, 1.0, run.kv)?;
    // A prompt is read by itself; then each sequence has a row.
    let rows = run.longest().max(run.lengths.len()).min(MAX_ROWS);
    let scratch = attention.scratch_bytes(run.threads, rows, run.longest(), true);
    let caches = run.lengths.iter().map(|&length| attention.cache_bytes(length));
    Ok(MemoryEstimate {
        weights: 0,
        kv_cache: caches.fold(0, usize::saturating_add).saturating_mul(layers),
        activations: activations(Cut::new(rows, run.threads), widths, run)
            .saturating_add(scratch)
            .saturating_add(table(run.logits, vocabulary)),
    })
}

fn bert(config: &BertConfig, run: Run<'_>) -> Result<MemoryEstimate, Error> {
    let (width, widths) = (config.hidden_size, config.widths());
    let attention = widths.qkv.attention(run.cpu, 1.0, run.kv)?;
    // Texts are computed together.
    let (rows, longest) = (run.positions(), run.longest());
    let scratch = attention.scratch_bytes(run.threads, longest, longest, false);
    let tables = table(config.vocab_size + config.max_position_embeddings + config.type_vocab_size, width);
    Ok(MemoryEstimate {
        weights: tables + config.num_hidden_layers * run.block(widths, 1, &[true; 4]),
        kv_cache: 0,
        activations: activations(Cut::new(rows, run.threads), widths, run).saturating_add(scratch),
    })
}
