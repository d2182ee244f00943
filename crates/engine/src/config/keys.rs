//! Every key of `config.json`: what is followed, what cannot change a result, and what is named or refused.
//!
//! The lists are those of transformers 5 and of the keys that its predecessors wrote.

use serde_json::Value;

use super::ModelConfig;
use super::quantization::Quantization;
use crate::formats::json_object::JsonObject;
use crate::generation_config;
use crate::load_error::LoadError;
use crate::notice::Notice;

/// Keys that the reader of GPT-2's configuration follows or refuses.
const GPT2: [&str; 20] = [
    "activation_function",
    "add_cross_attention",
    "bos_token_id",
    "eos_token_id",
    "hidden_size",
    "layer_norm_epsilon",
    "max_position_embeddings",
    "n_ctx",
    "n_embd",
    "n_head",
    "n_inner",
    "n_layer",
    "n_positions",
    "num_attention_heads",
    "num_hidden_layers",
    "scale_attn_by_inverse_layer_idx",
    "scale_attn_weights",
    "tie_word_embeddings",
    "tokenizer_class",
    "vocab_size",
];

/// Keys that the reader of BERT's configuration follows or refuses.
const BERT: [&str; 15] = [
    "add_cross_attention",
    "hidden_act",
    "hidden_size",
    "intermediate_size",
    "is_decoder",
    "layer_norm_eps",
    "max_position_embeddings",
    "num_attention_heads",
    "num_hidden_layers",
    "pad_token_id",
    "position_embedding_type",
    "tie_word_embeddings",
    "tokenizer_class",
    "type_vocab_size",
    "vocab_size",
];

/// Keys that the reader of other decoders' configurations follows or refuses.
const DECODER: [&str; 44] = [
    "add_cross_attention",
    "attention_bias",
    "attention_chunk_size",
    "attn_logit_softcapping",
    "bos_token_id",
    "eos_token_id",
    "final_logit_softcapping",
    "head_dim",
    "hidden_act",
    "hidden_activation",
    "hidden_size",
    "intermediate_size",
    "kv_lora_rank",
    "layer_types",
    "max_position_embeddings",
    "max_window_layers",
    "mlp_bias",
    "no_rope_layer_interval",
    "no_rope_layers",
    "num_attention_heads",
    "num_experts",
    "num_hidden_layers",
    "num_key_value_heads",
    "num_local_experts",
    "original_max_position_embeddings",
    "partial_rotary_factor",
    "query_pre_attn_scalar",
    "rms_norm_eps",
    "rope_local_base_freq",
    "rope_parameters",
    "rope_scaling",
    "rope_theta",
    "sliding_window",
    "sliding_window_pattern",
    "tie_word_embeddings",
    "tokenizer_class",
    "use_bidirectional_attention",
    "use_double_wide_mlp",
    "use_qk_norm",
    "use_sliding_window",
    "vocab_size",
    // Of the cache of keys and values, of older code alone, and not read.
    "_sliding_window_pattern",
    "cache_implementation",
    "rope_interleaved",
];

/// Keys of any model that are followed or refused.
const COMMON: [&str; 6] = [
    "architectures",
    "is_encoder_decoder",
    "model_type",
    "pruned_heads",
    "quantization_config",
    "transformers_weights",
];

/// Keys that cannot change what a model computes from given tokens: training, heads for other tasks, forms of output, the way
/// of computing, and notes about the file.
const WITHOUT_EFFECT: [&str; 62] = [
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_commit_hash",
    "_from_model_config",
    "_name_or_path",
    "_num_labels",
    "attention_probs_dropout_prob",
    "attention_dropout",
    "attn_implementation",
    "attn_pdrop",
    "bos_token_id",
    "chunk_size_feed_forward",
    "classifier_dropout",
    "cls_token_id",
    "cross_attention_hidden_size",
    "decoder_start_token_id",
    "directionality",
    "dtype",
    "embd_pdrop",
    "eos_token_id",
    "finetuning_task",
    "gradient_checkpointing",
    "hidden_dropout_prob",
    "id2label",
    "initializer_range",
    "is_causal",
    "is_decoder",
    "label2id",
    "mask_token_id",
    "num_labels",
    "output_attentions",
    "output_hidden_states",
    "output_past",
    "pad_token_id",
    "pooler_fc_size",
    "pooler_num_attention_heads",
    "pooler_num_fc_layers",
    "pooler_size_per_head",
    "pooler_type",
    "pretraining_tp",
    "problem_type",
    "reorder_and_upcast_attn",
    "resid_pdrop",
    "return_dict",
    "sentence_transformers",
    "sep_token_id",
    "summary_activation",
    "summary_first_dropout",
    "summary_proj_to_labels",
    "summary_type",
    "summary_use_proj",
    "task_specific_params",
    "tf_legacy_loss",
    "tie_encoder_decoder",
    "torch_dtype",
    "torchscript",
    "transformers.js_config",
    "transformers_version",
    "unk_token_id",
    "use_bfloat16",
    "use_cache",
    "use_return_dict",
];

/// Refuses settings under which the numbers would be another model's.
pub(super) fn refuse_other_models(json: &JsonObject) -> Result<(), LoadError> {
    refuse_if_set(json, "is_encoder_decoder")?;
    Quantization::read(json)?;
    if json.get("transformers_weights").is_some() {
        return Err(json.wrong("transformers_weights", "no such key (weights are read from model.safetensors)"));
    }
    let pruned = json.get("pruned_heads").is_some_and(|heads| heads.as_object().is_none_or(|heads| !heads.is_empty()));
    if pruned { Err(json.wrong("pruned_heads", "an empty object (pruned heads are not supported)")) } else { Ok(()) }
}

/// Fails if a switch is on that makes another model of it.
pub(super) fn refuse_if_set(json: &JsonObject, key: &str) -> Result<(), LoadError> {
    match json.flag(key)? {
        Some(true) => Err(json.wrong(key, "false (the true form is not supported)")),
        _ => Ok(()),
    }
}

/// What the file says and is not followed. `has_generation_config` tells whether a `generation_config.json` stands beside it.
pub(crate) fn notices(json: &JsonObject, model: &ModelConfig, has_generation_config: bool) -> Vec<Notice> {
    let own: &[&str] = match model {
        ModelConfig::Gpt2(_) => &GPT2,
        ModelConfig::Bert(_) => &BERT,
        ModelConfig::Decoder(_) => &DECODER,
    };
    let is_generator = model.is_causal();
    let is_known = |key: &str| {
        own.contains(&key)
            || COMMON.contains(&key)
            || WITHOUT_EFFECT.contains(&key)
            || NAMED.contains(&key)
            || generation_config::is_key(key)
    };
    let mut notices = json.unknown_keys(is_known);
    if let ModelConfig::Decoder(decoder) = model {
        notices.extend(super::decoder_notices::notices(json, decoder.family));
    }
    if json.get("prefix").is_some_and(|prefix| prefix.as_str() != Some("")) {
        notices.push(json.not_followed("prefix", "nothing is put before a text (transformers' pipelines would)"));
    }
    if json.get("auto_map").is_some() {
        notices.push(json.not_followed("auto_map", "the model's own code is not run"));
    }
    if is_generator && has_generation_config {
        // These ids are the model's own, and mostly repeated there.
        let is_own = |key: &str| ["bos_token_id", "eos_token_id", "pad_token_id"].contains(&key);
        let ignored = json.entries().filter(|(key, value)| is_ignored_wish(key, value) && !is_own(key));
        notices.extend(ignored.map(|(key, _)| json.overruled(key, "generation_config.json")));
    }
    notices
}

/// Keys that [`notices`] names.
const NAMED: [&str; 2] = ["auto_map", "prefix"];

/// Whether a key of `config.json` is a wish for generation that says something.
fn is_ignored_wish(key: &str, value: &Value) -> bool {
    generation_config::is_key(key) && !value.is_null() && generation_config::has_effect(key, value)
}
