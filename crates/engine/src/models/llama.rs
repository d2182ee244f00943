//! Llama and what came after it: decoders that turn queries and keys by their positions (Touvron et al., "LLaMA: Open and Efficient
//! Foundation Language Models", 2023; Jiang et al., "Mistral 7B", 2023; Qwen Team, "Qwen2.5" and "Qwen3 Technical Report", 2024 and 2025;
//! Gemma Team, "Gemma 2" and "Gemma 3 Technical Report", 2024 and 2025; Abdin et al., "Phi-3 Technical Report", 2024).
//!
//! ```text
//! x = embed_tokens[token]
//! for each block:
//!     x += attention(turned(rms_norm(x)·W_q), turned(rms_norm(x)·W_k), rms_norm(x)·W_v)·W_o
//!     x += (act(rms_norm(x)·W_gate) · rms_norm(x)·W_up)·W_down
//! logits = rms_norm(x)·W_head
//! ```

use super::decoder::{Block, Decoder, Embedding, FeedForward, HeadNorms, Rotary, TokenTable};
use super::output_head::{Names, Sources};
use crate::bundle::Weights;
use crate::config::{DecoderConfig, Family, LayerConfig};
use crate::error::Error;
use crate::linear::{Layout, Linear};
use crate::norm::Norm;
use crate::runtime::Runtime;
use crate::source::{Loading, Source};
use cke_kernels::attention::Mask;

/// Names of a checkpoint's tensors.
pub(super) const NAMES: Names = Names { prefixes: ["model.", ""], table: TOKEN_TABLE, probe: "norm.weight" };

/// The token embedding.
pub(crate) const TOKEN_TABLE: &str = "embed_tokens.weight";

/// Loads the weights of a checkpoint or of a packed file.
pub(super) fn load_from(
    weights: &Weights,
    config: &DecoderConfig,
    runtime: &Runtime,
    loading: Loading<'_>,
) -> Result<Decoder, Error> {
    let sources = Sources::new(weights, &NAMES, config.tie_word_embeddings, runtime, loading)?;
    build(&sources.model, (sources.of_head(), sources.head), config, runtime)
}

/// A model of the given sizes with random weights, to measure speed.
///
/// # Errors
/// Fails if an allocation fails.
pub fn random(config: &DecoderConfig, seed: u64, runtime: &Runtime) -> Result<Decoder, Error> {
    random_from(&Source::random(seed), config, runtime)
}

/// As [`random`], of a source of random numbers.
pub(super) fn random_from(source: &Source<'_>, config: &DecoderConfig, runtime: &Runtime) -> Result<Decoder, Error> {
    build(source, (source, NAMES.head(config.tie_word_embeddings)), config, runtime)
}

/// The model below `model`, with the output projection that a source has under a name.
fn build(
    model: &Source<'_>,
    (source, name): (&Source<'_>, &str),
    config: &DecoderConfig,
    runtime: &Runtime,
) -> Result<Decoder, Error> {
    let (width, vocabulary) = (config.hidden_size, config.vocab_size);
    let head = Linear::head(runtime, source, name, width, vocabulary)?;
    let tokens = if config.tie_word_embeddings {
        TokenTable::Head
    } else {
        TokenTable::load(runtime, model, TOKEN_TABLE, width, vocabulary)?
    };
    let blocks = config
        .layers
        .iter()
        .enumerate()
        .map(|(layer, own)| block(&model.child(format_args!("layers.{layer}")), layer, *own, config, runtime))
        .collect::<Result<_, _>>()?;
    Ok(Decoder {
        architecture: config.family.name(),
        vocabulary,
        context: config.max_position_embeddings,
        widths: config.widths(),
        embedding: Embedding {
            width,
            tokens,
            positions: None,
            scale: config.family.is_gemma().then(|| (width as f32).sqrt()),
        },
        rotaries: config.ropes.iter().map(Rotary::new).collect::<Result<_, _>>()?,
        blocks,
        final_norm: norm(&model.child("norm"), config)?,
        head,
        logit_cap: config.logit_cap,
    })
}

/// A norm of the stream.
fn norm(source: &Source<'_>, config: &DecoderConfig) -> Result<Norm, Error> {
    Norm::root_mean_square(source, config.hidden_size, config.rms_norm_eps, gain_offset(config))
}

/// What is added to the gains of norms.
fn gain_offset(config: &DecoderConfig) -> f32 {
    if config.family.is_gemma() { 1.0 } else { 0.0 }
}

fn block(
    source: &Source<'_>,
    layer: usize,
    LayerConfig { window, rope }: LayerConfig,
    config: &DecoderConfig,
    runtime: &Runtime,
) -> Result<Block, Error> {
    let (width, inner, shape) = (config.hidden_size, config.intermediate_size, config.qkv_shape());
    let norm = |name: &str| Ok::<_, Error>(norm(&source.child(name), config)?.in_layer(layer));
    // Gemma has a norm behind each layer, too, and calls those before the feed-forward layers otherwise.
    let is_gemma = config.family.is_gemma();
    let behind = |name: &str| if is_gemma { norm(name).map(Some) } else { Ok(None) };
    let before_feed_forward = if is_gemma { "pre_feedforward_layernorm" } else { "post_attention_layernorm" };
    let attention = source.child("self_attn");
    let linear = |source: Source<'_>, inputs, outputs, has_bias| {
        Linear::load_joined(runtime, &[(source, outputs)], inputs, has_bias)
    };
    let plan = shape.attention(runtime.cpu(), config.attention_scale, runtime.kv_dtype())?;
    Ok(Block {
        index: layer,
        width,
        shape,
        attention_norm: norm("input_layernorm")?,
        qkv: qkv(&attention, config, runtime)?.named("qkv", layer),
        head_norms: head_norms(&attention, config)?,
        rotary: rope,
        attention: config.attention_cap.map_or(plan, |cap| plan.with_soft_cap(cap)),
        mask: window.map_or(Mask::Causal, Mask::Window),
        attention_out: linear(attention.child("o_proj"), shape.query_width(), width, config.has_output_bias)?
            .named("attention out", layer),
        attention_out_norm: behind("post_attention_layernorm")?,
        feed_forward_norm: norm(before_feed_forward)?,
        feed_forward: FeedForward::Gated {
            gate_up: gate_up(&source.child("mlp"), config, runtime)?.named("gate and up", layer),
            activation: config.activation.into(),
        },
        down: linear(source.child("mlp.down_proj"), inner, width, config.has_mlp_bias)?.named("down", layer),
        down_norm: behind("post_feedforward_layernorm")?,
    })
}

/// Queries, keys and values side by side.
fn qkv(source: &Source<'_>, config: &DecoderConfig, runtime: &Runtime) -> Result<Linear, Error> {
    let (shape, width) = (config.qkv_shape(), config.hidden_size);
    if config.family == Family::Phi3 {
        let joined = source.child("qkv_proj");
        return Linear::joined_qkv(runtime, &joined, Layout::OutIn, width, shape, config.has_qkv_bias);
    }
    let parts = ["q_proj", "k_proj", "v_proj"].map(|name| source.child(name));
    Linear::qkv(runtime, &parts, width, shape, config.has_qkv_bias)
}

/// Gates and what they let through, side by side.
fn gate_up(source: &Source<'_>, config: &DecoderConfig, runtime: &Runtime) -> Result<Linear, Error> {
    let (width, inner) = (config.hidden_size, config.intermediate_size);
    if config.family == Family::Phi3 {
        let joined = [(source.child("gate_up_proj"), 2 * inner)];
        return Linear::load_joined(runtime, &joined, width, config.has_mlp_bias);
    }
    let parts = ["gate_proj", "up_proj"].map(|name| (source.child(name), inner));
    Linear::load_joined(runtime, &parts, width, config.has_mlp_bias)
}

fn head_norms(source: &Source<'_>, config: &DecoderConfig) -> Result<Option<HeadNorms>, Error> {
    if !config.family.has_head_norms() {
        return Ok(None);
    }
    let gain = |name: &str| -> Result<Vec<f32>, Error> {
        let mut gain = source.child(name).vector(&["weight"], config.head_dim)?;
        gain.iter_mut().for_each(|gain| *gain += gain_offset(config));
        Ok(gain)
    };
    Ok(Some(HeadNorms { query_gain: gain("q_norm")?, key_gain: gain("k_norm")?, epsilon: config.rms_norm_eps }))
}
