//! `config.json` as transformers would have it, from the keys and tensors of a GGUF file.
//!
//! Sizes that the file must have are errors under GGUF's own names if they are absent. Defaults are those of llama.cpp, which
//! writes and reads most of these files. Keys of the architecture that have no counterpart are put into `config.json` as they are, so
//! that its reader names them as not followed; if ignoring one would give other numbers, it is an error.

use serde_json::Value as Json;

use super::architecture::Architecture;
use super::rope_scaling::rope_scaling;
use super::stand_in::{StandInFile, StandInObject};
use super::value::Value;
use super::{GgufFile, LoadError};
use crate::notice::Notice;

/// Largest size that is taken over; the reader of `config.json` has narrower limits for each.
const MAX_SIZE: u64 = u32::MAX as u64;

/// Most layers for which a file may have a list; the reader of `config.json` takes no more, either.
const MAX_LAYERS: u64 = 1 << 10;

/// Longest text of a key that nothing follows, in bytes; of a longer one the beginning is enough for a notice.
const MAX_UNKNOWN_TEXT: usize = 1000;

/// Base of the rotary frequencies if the file does not say it.
const DEFAULT_ROPE_THETA: f64 = 10_000.0;

/// Keys without effect: notes on the file, or said by the tensors.
const WITHOUT_EFFECT: [&str; 4] =
    ["expert_used_count", "rope.scaling.finetuned", "rope.scaling.original_context_length", "tensor_data_layout"];

/// Keys that would make another model of it unless they are zero.
const REFUSED: [&str; 9] = [
    "attention.clamp_kqv",
    "attention.max_alibi_bias",
    "attention.output_scale",
    "attention.temperature_length",
    "embedding_scale",
    "expert_count",
    "logit_scale",
    "residual_scale",
    "rope.scaling.alpha",
];

/// A `config.json` that is being made.
#[derive(Debug)]
pub(super) struct Settings<'f> {
    pub(super) file: &'f GgufFile,
    architecture: &'static Architecture,
    json: StandInObject,
    /// What the file says and is not followed, if it is not put into `config.json`.
    notices: Vec<Notice>,
    /// Keys of the architecture that were read, without its name.
    read: Vec<&'static str>,
}

/// What `config.json` holds, and what else the file says and is not followed.
///
/// # Errors
/// Fails if a key is missing or has the wrong type, or asks for a variant of the model that is not supported.
pub(super) fn config_json(
    file: &GgufFile,
    architecture: &'static Architecture,
) -> Result<(StandInFile, Vec<Notice>), LoadError> {
    let (json, notices, read) = Default::default();
    let mut settings = Settings { file, architecture, json, notices, read };
    settings.set("model_type", architecture.model_type);
    settings.sizes()?;
    (architecture.settings)(&mut settings)?;
    settings.refuse_other_models()?;
    settings.keep_unknown()?;
    Ok((settings.json.into_file(), settings.notices))
}

impl Settings<'_> {
    /// The full name of a key of the architecture.
    pub(super) fn full_key(&self, key: &str) -> String {
        format!("{}.{key}", self.architecture.name)
    }

    /// A size from 0 on.
    pub(super) fn size(&mut self, key: &'static str) -> Result<Option<u64>, LoadError> {
        self.read.push(key);
        self.file.integer(&self.full_key(key), 0..=MAX_SIZE)
    }

    /// A size from 1 on that must be there.
    fn required_size(&mut self, key: &'static str) -> Result<u64, LoadError> {
        self.read.push(key);
        let full = self.full_key(key);
        let size = self.file.integer(&full, 1..=MAX_SIZE)?;
        self.file.required(&full, size, &format!("a whole number from 1 to {MAX_SIZE}"))
    }

    /// A number.
    pub(super) fn number(&mut self, key: &'static str) -> Result<Option<f64>, LoadError> {
        self.read.push(key);
        self.file.number(&self.full_key(key))
    }

    /// A string.
    pub(super) fn text(&mut self, key: &'static str) -> Result<Option<&str>, LoadError> {
        self.read.push(key);
        self.file.text(&self.full_key(key))
    }

    /// Passes over a key that something else says, too.
    pub(super) fn pass(&mut self, key: &'static str) {
        self.read.push(key);
    }

    /// Puts a key into `config.json`.
    pub(super) fn set(&mut self, name: &str, value: impl Into<Json>) {
        self.json.set(name, value);
    }

    /// Puts the value of a key of the architecture into `config.json` under another name.
    pub(super) fn set_from(&mut self, name: &str, key: &str, value: impl Into<Json>) {
        self.json.set_from(name, self.full_key(key), value);
    }

    /// Remembers which key of the architecture it is that `config.json` has under another name, dotted where nested.
    pub(super) fn name_key(&mut self, name: &str, key: &str) {
        self.json.name_key(name, self.full_key(key));
    }

    /// A size that was put into `config.json`.
    fn written(&self, name: &str) -> u64 {
        self.json.get(name).and_then(Json::as_u64).unwrap_or(0)
    }

    /// What all architectures have.
    fn sizes(&mut self) -> Result<(), LoadError> {
        for (name, key) in [
            ("hidden_size", "embedding_length"),
            ("num_hidden_layers", "block_count"),
            ("intermediate_size", "feed_forward_length"),
            ("num_attention_heads", "attention.head_count"),
            ("max_position_embeddings", "context_length"),
        ] {
            let size = self.required_size(key)?;
            self.set_from(name, key, size);
        }
        let key_heads_key = "attention.head_count_kv";
        let key_heads = self.size(key_heads_key)?.unwrap_or(self.written("num_attention_heads"));
        self.set_from("num_key_value_heads", key_heads_key, key_heads);
        self.head_dim()?;
        let epsilon_key = "attention.layer_norm_rms_epsilon";
        let epsilon = self.number(epsilon_key)?;
        let epsilon = self.file.required(&self.full_key(epsilon_key), epsilon, "a number above 0")?;
        self.set_from("rms_norm_eps", epsilon_key, epsilon);
        let theta_key = "rope.freq_base";
        let theta = self.number(theta_key)?.unwrap_or(DEFAULT_ROPE_THETA);
        self.set_from("rope_theta", theta_key, theta);
        if let Some(scaling) = rope_scaling(self, theta)? {
            self.set("rope_scaling", scaling);
        }
        self.vocabulary()
    }

    fn head_dim(&mut self) -> Result<(), LoadError> {
        let (width, heads) = (self.written("hidden_size"), self.written("num_attention_heads"));
        let wrong = |this: &Self, key: &str, wanted: String, found: u64| {
            Err(LoadError::config(this.file.path(), this.full_key(key), wanted, found.to_string()))
        };
        let head_dim = match self.size("attention.key_length")? {
            Some(length) => length,
            None if !width.is_multiple_of(heads) => {
                return wrong(self, "attention.head_count", format!("a divisor of the width {width}"), heads);
            }
            None => width / heads,
        };
        self.set_from("head_dim", "attention.key_length", head_dim);
        if let Some(found) = self.size("attention.value_length")?.filter(|length| *length != head_dim) {
            return wrong(self, "attention.value_length", format!("the {head_dim} of keys"), found);
        }
        let Some(rotated) = self.size("rope.dimension_count")?.filter(|rotated| *rotated != head_dim) else {
            return Ok(());
        };
        if self.architecture.model_type != "phi3" || rotated > head_dim {
            return wrong(self, "rope.dimension_count", format!("the {head_dim} of a head"), rotated);
        }
        self.set_from("partial_rotary_factor", "rope.dimension_count", rotated as f64 / head_dim as f64);
        Ok(())
    }

    /// How many numbers of a head are rotated.
    pub(super) fn rotated(&self) -> u64 {
        let factor = self.json.get("partial_rotary_factor").and_then(Json::as_f64).unwrap_or(1.0);
        (self.written("head_dim") as f64 * factor).round() as u64
    }

    fn vocabulary(&mut self) -> Result<(), LoadError> {
        const EMBEDDING: &str = "token_embd.weight";
        let Some(table) = self.file.get(EMBEDDING) else {
            let (file, present) = (self.file.path().to_owned(), self.file.infos().count());
            return Err(LoadError::MissingTensor { file, wanted: vec![EMBEDDING.to_owned()], present });
        };
        // Here, as what else has the vocabulary's size would be wrong with it.
        let shape = [table.rows(), self.written("hidden_size") as usize];
        let rows = table.expect_shape(&shape)?.rows() as u64;
        self.set("vocab_size", rows);
        const KEY: &str = "vocab_size";
        if let Some(other) = self.size(KEY)?.filter(|size| *size != rows) {
            self.notices.push(Notice::Overruled {
                file: self.file.path().to_owned(),
                key: self.full_key(KEY),
                value: other.to_string(),
                by: format!("the number of rows of `{EMBEDDING}`, {rows},"),
            });
        }
        self.set("tie_word_embeddings", !self.has_tensor("output.weight"));
        for (name, key) in
            [("bos_token_id", "tokenizer.ggml.bos_token_id"), ("eos_token_id", "tokenizer.ggml.eos_token_id")]
        {
            if let Some(id) = self.file.integer(key, 0..=MAX_SIZE)? {
                self.json.set_from(name, key, id);
            }
        }
        Ok(())
    }

    fn has_tensor(&self, name: &str) -> bool {
        self.file.get(name).is_some()
    }

    /// Whether queries have biases, as a switch of `config.json`.
    fn attention_bias(&mut self) {
        let has_bias = self.has_tensor("blk.0.attn_q.bias");
        self.set("attention_bias", has_bias);
    }

    /// The activation of Llama's layers, and which of them have biases.
    fn biases(&mut self) {
        self.set("hidden_act", "silu");
        self.attention_bias();
        let has_bias = self.has_tensor("blk.0.ffn_up.bias");
        self.set("mlp_bias", has_bias);
    }

    /// A number under a name of its own, or the default.
    fn number_or(&mut self, name: &str, key: &'static str, default: f64) -> Result<(), LoadError> {
        let number = self.number(key)?.unwrap_or(default);
        self.set_from(name, key, number);
        Ok(())
    }

    /// The width of the sliding window, if there is one.
    fn sliding_window(&mut self, default: Option<u64>) -> Result<(), LoadError> {
        let key = "attention.sliding_window";
        let window = self.size(key)?.or(default);
        if let Some(window) = window.filter(|window| *window > 0) {
            self.set_from("sliding_window", key, window);
        }
        Ok(())
    }

    /// What scores are divided by the square root of: the width of a head, but for the models of `large_layers` layers.
    fn query_scalar(&mut self, large_layers: u64) -> Result<(), LoadError> {
        let key = "attention.scale";
        let scalar = match self.number(key)? {
            Some(scale) if scale > 0.0 => Json::from(1.0 / (scale * scale)),
            _ if self.written("num_hidden_layers") == large_layers => {
                (self.written("hidden_size") / self.written("num_attention_heads")).into()
            }
            _ => self.written("head_dim").into(),
        };
        self.set_from("query_pre_attn_scalar", key, scalar);
        Ok(())
    }

    /// Which layers see a window alone, if the file says it: every layer but each `n`th, or layer by layer.
    fn window_pattern(&mut self) -> Result<(), LoadError> {
        const KEY: &str = "attention.sliding_window_pattern";
        self.read.push(KEY);
        let key = self.full_key(KEY);
        match self.file.value(&key)? {
            None => {}
            Some(found @ Value::Array(array)) => {
                let layers = self.written("num_hidden_layers");
                if array.len() as u64 != layers || layers > MAX_LAYERS {
                    return Err(self.file.wrong(&key, format!("a BOOL for each of {layers} layers"), found));
                }
                let layer_type = |value: Value<'_>| match value {
                    Value::Bool(true) => Some("sliding_attention"),
                    Value::Bool(false) => Some("full_attention"),
                    _ => None,
                };
                let types = self.file.list(&key, "a BOOL for each layer", layer_type)?.unwrap_or_default();
                self.set_from("layer_types", KEY, types);
            }
            Some(_) => {
                let period = self.file.integer(&key, 1..=MAX_SIZE)?;
                self.set_from("sliding_window_pattern", KEY, period);
            }
        }
        Ok(())
    }

    /// Refuses what would give other numbers.
    fn refuse_other_models(&mut self) -> Result<(), LoadError> {
        const CAUSAL: &str = "attention.causal";
        self.read.push(CAUSAL);
        let causal = self.full_key(CAUSAL);
        if self.file.flag(&causal)? == Some(false) {
            return Err(self.file.wrong(
                &causal,
                "true (attention to later tokens is not supported)",
                Value::Bool(false),
            ));
        }
        let scale = (!self.read.contains(&"attention.scale")).then_some("attention.scale");
        for key in REFUSED.into_iter().chain(scale) {
            self.read.push(key);
            let full = self.full_key(key);
            match self.file.value(&full)? {
                None | Some(Value::Integer(_, 0) | Value::Float(_, 0.0)) => {}
                Some(found) => {
                    return Err(self.file.wrong(&full, "no such key or 0 (others are not supported)", found));
                }
            }
        }
        Ok(())
    }

    /// Puts keys of the architecture that nothing reads into `config.json` under their own names.
    fn keep_unknown(&mut self) -> Result<(), LoadError> {
        let prefix = self.full_key("");
        let is_known = |key: &str| {
            let own = &key[prefix.len()..];
            self.read.contains(&own) || WITHOUT_EFFECT.contains(&own)
        };
        let unknown: Vec<&str> = self.file.keys().filter(|key| key.starts_with(&prefix) && !is_known(key)).collect();
        for key in unknown {
            let Some(value) = self.file.value(key)? else { continue };
            self.set(key, as_json(value));
        }
        Ok(())
    }
}

/// A value as JSON; what JSON has no form for is put in words.
pub(super) fn as_json(value: Value<'_>) -> Json {
    match value {
        Value::Integer(_, number) => i64::try_from(number).map_or_else(|_| value.to_string().into(), Json::from),
        Value::Float(_, number) if number.is_finite() => number.into(),
        Value::Bool(flag) => flag.into(),
        Value::Text(text) if text.len() <= MAX_UNKNOWN_TEXT => text.into(),
        Value::Float(..) | Value::Text(_) | Value::Array(_) => value.to_string().into(),
    }
}

/// Llama, SmolLM2, and Mistral, which is the one with a window.
pub(super) fn llama(settings: &mut Settings<'_>) -> Result<(), LoadError> {
    settings.biases();
    settings.sliding_window(None)?;
    if settings.written("sliding_window") > 0 {
        settings.set("model_type", "mistral");
    }
    Ok(())
}

/// SmolLM3: a Llama of which every fourth layer has no rotary embedding.
pub(super) fn smollm3(settings: &mut Settings<'_>) -> Result<(), LoadError> {
    settings.set("no_rope_layer_interval", 4);
    settings.biases();
    Ok(())
}

/// Qwen2 and Qwen2.5, whose queries, keys and values always have biases.
pub(super) fn qwen2(settings: &mut Settings<'_>) -> Result<(), LoadError> {
    settings.set("hidden_act", "silu");
    Ok(())
}

/// Qwen3.
pub(super) fn qwen3(settings: &mut Settings<'_>) -> Result<(), LoadError> {
    settings.set("hidden_act", "silu");
    settings.attention_bias();
    Ok(())
}

/// Gemma 2.
pub(super) fn gemma2(settings: &mut Settings<'_>) -> Result<(), LoadError> {
    settings.set("hidden_activation", "gelu_pytorch_tanh");
    settings.attention_bias();
    settings.number_or("attn_logit_softcapping", "attn_logit_softcapping", 50.0)?;
    settings.number_or("final_logit_softcapping", "final_logit_softcapping", 30.0)?;
    settings.sliding_window(Some(4096))?;
    // That of 27 billion weights has 46 layers.
    settings.query_scalar(46)
}

/// Gemma 3, of which GGUF files have the part for text.
pub(super) fn gemma3(settings: &mut Settings<'_>) -> Result<(), LoadError> {
    settings.set("hidden_activation", "gelu_pytorch_tanh");
    settings.attention_bias();
    const CAP: &str = "final_logit_softcapping";
    if let Some(cap) = settings.number(CAP)?.filter(|cap| *cap != 0.0) {
        settings.set_from(CAP, CAP, cap);
    }
    settings.number_or("rope_local_base_freq", "rope.freq_base_swa", DEFAULT_ROPE_THETA)?;
    settings.sliding_window(None)?;
    settings.window_pattern()?;
    // That of 27 billion weights has 62 layers.
    settings.query_scalar(62)
}

/// Phi-3 and Phi-4.
pub(super) fn phi3(settings: &mut Settings<'_>) -> Result<(), LoadError> {
    settings.set("hidden_act", "silu");
    settings.sliding_window(None)?;
    const KEY: &str = "rope.scaling.original_context_length";
    // Without the key, the context is the trained one.
    let length = settings.size(KEY)?.unwrap_or(settings.written("max_position_embeddings"));
    settings.set_from("original_max_position_embeddings", KEY, length);
    Ok(())
}
