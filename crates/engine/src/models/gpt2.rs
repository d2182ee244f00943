//! GPT-2: a decoder with learned positions (Radford et al., "Language Models are Unsupervised Multitask Learners", 2019).
//!
//! ```text
//! x = wte[token] + wpe[position]
//! for each block:
//!     x += attention(layer_norm(x)·W_qkv + b)·W_o + b
//!     x += act(layer_norm(x)·W_fc + b)·W_proj + b
//! logits = layer_norm(x)·wteᵀ
//! ```

use super::decoder::{Block, Decoder, Embedding, FeedForward, TokenTable};
use super::output_head::{self, Names, Sources};
use crate::bundle::Weights;
use crate::config::Gpt2Config;
use crate::error::Error;
use crate::linear::{Layout, Linear};
use crate::norm::Norm;
use crate::runtime::Runtime;
use crate::source::{Loading, Source};
use crate::weights::Checkpoint;
use cke_kernels::attention::Mask;

/// Names of a checkpoint's tensors.
pub(super) const NAMES: Names = Names { prefixes: ["transformer.", ""], table: TOKEN_TABLE, probe: "wpe.weight" };

/// The token embedding.
const TOKEN_TABLE: &str = "wte.weight";

/// Factor on the scores of a layer's attention.
fn attention_scale(config: &Gpt2Config, layer: usize) -> f32 {
    let by_width = if config.scale_attn_weights { (config.head_dim() as f32).sqrt() } else { 1.0 };
    let by_layer = if config.scale_attn_by_inverse_layer_idx { (layer + 1) as f32 } else { 1.0 };
    1.0 / (by_width * by_layer)
}

/// Loads the weights of a checkpoint, with or without the `transformer.` prefix. Calls `loaded` with the number of bytes
/// that were packed.
///
/// If the configuration ties the output projection to the token embedding, a checkpoint may hold either, or both: both are
/// used if they differ.
///
/// # Errors
/// Fails if a tensor is missing or has the wrong shape, a file has changed, or an allocation fails.
pub fn load(
    checkpoint: &Checkpoint,
    config: &Gpt2Config,
    runtime: &Runtime,
    loaded: &dyn Fn(u64),
) -> Result<Decoder, Error> {
    let tie_word_embeddings = config.tie_word_embeddings && !output_head::differs(checkpoint, &NAMES)?;
    let sources = Sources::stored(checkpoint, &NAMES, tie_word_embeddings, Loading::reporting(loaded))?;
    build(
        &sources.model,
        (sources.of_head(), sources.head),
        &Gpt2Config { tie_word_embeddings, ..config.clone() },
        runtime,
    )
}

/// A model of the given sizes with random weights, to measure speed.
///
/// # Errors
/// Fails if an allocation fails.
pub fn random(config: &Gpt2Config, seed: u64, runtime: &Runtime) -> Result<Decoder, Error> {
    random_from(&Source::random(seed), config, runtime)
}

/// As [`random`], of a source of random numbers.
pub(super) fn random_from(source: &Source<'_>, config: &Gpt2Config, runtime: &Runtime) -> Result<Decoder, Error> {
    build(source, (source, NAMES.head(config.tie_word_embeddings)), config, runtime)
}

/// Loads the weights of a checkpoint or of a packed file.
pub(super) fn load_from(
    weights: &Weights,
    config: &Gpt2Config,
    runtime: &Runtime,
    loading: Loading<'_>,
) -> Result<Decoder, Error> {
    let sources = Sources::new(weights, &NAMES, config.tie_word_embeddings, runtime, loading)?;
    build(&sources.model, (sources.of_head(), sources.head), config, runtime)
}

/// The model below `model`, with the output projection that a source has under a name.
fn build(
    model: &Source<'_>,
    (head, name): (&Source<'_>, &str),
    config: &Gpt2Config,
    runtime: &Runtime,
) -> Result<Decoder, Error> {
    let (width, vocabulary) = (config.n_embd, config.vocab_size);
    let head = Linear::head(runtime, head, name, width, vocabulary)?;
    let is_tied = config.tie_word_embeddings;
    let tokens = if is_tied {
        TokenTable::Head
    } else {
        TokenTable::Rows(model.table(runtime.pool(), TOKEN_TABLE, vocabulary, width)?)
    };
    let positions = Some(model.table(runtime.pool(), "wpe.weight", config.n_positions, width)?);
    let blocks = (0..config.n_layer)
        .map(|layer| block(&model.child(format_args!("h.{layer}")), layer, config, runtime))
        .collect::<Result<_, _>>()?;
    Ok(Decoder {
        architecture: "gpt2",
        vocabulary,
        context: config.n_positions,
        widths: config.widths(),
        embedding: Embedding { width, tokens, positions, scale: None },
        rotaries: Vec::new(),
        blocks,
        final_norm: Norm::layer(&model.child("ln_f"), width, config.layer_norm_epsilon)?,
        head,
        logit_cap: None,
    })
}

fn block(source: &Source<'_>, layer: usize, config: &Gpt2Config, runtime: &Runtime) -> Result<Block, Error> {
    let (width, inner, epsilon) = (config.n_embd, config.n_inner, config.layer_norm_epsilon);
    let shape = config.qkv_shape();
    let linear =
        |name: &str, inputs, outputs| Linear::load(runtime, &source.child(name), Layout::InOut, inputs, outputs);
    let up = linear("mlp.c_fc", width, inner)?.named("up", layer);
    Ok(Block {
        index: layer,
        width,
        shape,
        attention_norm: Norm::layer(&source.child("ln_1"), width, epsilon)?.in_layer(layer),
        qkv: Linear::joined_qkv(runtime, &source.child("attn.c_attn"), Layout::InOut, width, shape, true)?
            .named("qkv", layer),
        head_norms: None,
        rotary: None,
        attention: shape.attention(runtime.cpu(), attention_scale(config, layer), runtime.kv_dtype())?,
        mask: Mask::Causal,
        attention_out: linear("attn.c_proj", shape.query_width(), width)?.named("attention out", layer),
        attention_out_norm: None,
        feed_forward_norm: Norm::layer(&source.child("ln_2"), width, epsilon)?.in_layer(layer),
        feed_forward: FeedForward::Plain { up, activation: config.activation.into() },
        down: linear("mlp.c_proj", inner, width)?.named("down", layer),
        down_norm: None,
    })
}
