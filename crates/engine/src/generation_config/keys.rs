//! Every key of `generation_config.json`: what is followed, what cannot change the output, and what is named.
//!
//! The lists are those of transformers 5.

use serde_json::Value;

use crate::formats::json_object::JsonObject;
use crate::notice::Notice;

/// Keys that are followed.
const FOLLOWED: [&str; 31] = [
    "bad_words_ids",
    "begin_suppress_tokens",
    "bos_token_id",
    "do_sample",
    "encoder_no_repeat_ngram_size",
    "encoder_repetition_penalty",
    "eos_token_id",
    "epsilon_cutoff",
    "eta_cutoff",
    "exponential_decay_length_penalty",
    "force_bos_token_to_be_generated",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "max_length",
    "max_new_tokens",
    "max_time",
    "min_length",
    "min_new_tokens",
    "min_p",
    "no_repeat_ngram_size",
    "pad_token_id",
    "remove_invalid_values",
    "repetition_penalty",
    "sequence_bias",
    "stop_strings",
    "suppress_tokens",
    "temperature",
    "top_h",
    "top_k",
    "top_p",
    "typical_p",
];

/// Keys that change the output if they have an effect, each with what is done instead.
const NAMED: [(&str, &str); 13] = [
    ("cache_implementation", "keys and values are kept in f32"),
    ("constraints", "no word is forced"),
    ("dola_layers", "only the last layer is decoded"),
    ("force_words_ids", "no word is forced"),
    ("guidance_scale", "generation is not guided"),
    ("is_assistant", "generation does not end where the model is unsure"),
    ("num_beam_groups", "no beam search is done"),
    ("num_beams", "no beam search is done"),
    ("num_return_sequences", "each prompt is continued once"),
    ("penalty_alpha", "no contrastive search is done"),
    ("token_healing", "the prompt's tokens stay as they are"),
    ("watermarking_config", "the output has no watermark"),
    ("custom_generate", "the model's own code is not run"),
];

/// Keys that cannot change the output: the way of computing, forms of output, notes, what only goes with beams or with an
/// assistant (whose tokens the model itself confirms).
const WITHOUT_EFFECT: [&str; 36] = [
    "_commit_hash",
    "_from_model_config",
    "assistant_confidence_threshold",
    "assistant_early_exit",
    "assistant_ensemble_weight",
    "assistant_lookbehind",
    "cache_config",
    "compile_config",
    "continuous_batching_config",
    "decoder_start_token_id",
    "disable_compile",
    "diversity_penalty",
    "early_stopping",
    "is_decoder",
    "length_penalty",
    "low_memory",
    "max_cache_len",
    "max_matching_ngram_size",
    "num_assistant_tokens",
    "num_assistant_tokens_schedule",
    "output_attentions",
    "output_hidden_states",
    "output_logits",
    "output_scores",
    "prefill_chunk_size",
    "prompt_lookup_num_tokens",
    "renormalize_logits",
    "return_dict_in_generate",
    "return_legacy_cache",
    "speculation_type",
    "target_lookbehind",
    "trust_remote_code",
    "transformers_version",
    "transformers.js_config",
    "use_cache",
    "use_mtp",
];

/// Whether it is a key of `generation_config.json`.
pub(crate) fn is_key(key: &str) -> bool {
    FOLLOWED.contains(&key) || WITHOUT_EFFECT.contains(&key) || NAMED.iter().any(|(named, _)| *named == key)
}

/// Whether a key with this value changes what transformers generates.
pub(crate) fn has_effect(key: &str, value: &Value) -> bool {
    let number = value.as_f64();
    match key {
        "do_sample" | "remove_invalid_values" | "token_healing" | "is_assistant" => value.as_bool() == Some(true),
        "temperature"
        | "top_p"
        | "typical_p"
        | "repetition_penalty"
        | "encoder_repetition_penalty"
        | "guidance_scale"
        | "num_beams"
        | "num_beam_groups"
        | "num_return_sequences" => number != Some(1.0),
        "min_length"
        | "no_repeat_ngram_size"
        | "encoder_no_repeat_ngram_size"
        | "epsilon_cutoff"
        | "eta_cutoff"
        | "penalty_alpha" => number != Some(0.0),
        "top_k" => number != Some(50.0),
        "max_length" => number != Some(20.0),
        "cache_implementation" => value.as_str() == Some("quantized"),
        _ if WITHOUT_EFFECT.contains(&key) => false,
        _ => !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()),
    }
}

/// What the file says and is not followed. Keys of a model's own configuration are known to its reader.
pub(super) fn notices(json: &JsonObject, is_model_config: bool) -> Vec<Notice> {
    let mut notices = if is_model_config { Vec::new() } else { json.unknown_keys(is_key) };
    for (key, instead) in NAMED {
        if json.get(key).is_some_and(|value| has_effect(key, value)) {
            notices.push(json.not_followed(key, instead));
        }
    }
    notices
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn keys_are_in_one_list_each() {
        let all: Vec<&str> = FOLLOWED.into_iter().chain(WITHOUT_EFFECT).chain(NAMED.map(|(key, _)| key)).collect();
        let mut unique = all.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), all.len());
    }

    #[test]
    fn values_that_change_nothing_give_no_notice() {
        let json = br#"{"num_beams":1,"num_return_sequences":1,"guidance_scale":1.0,"penalty_alpha":0,"token_healing":false,
            "cache_implementation":"static","use_cache":false,"length_penalty":2.0,"constraints":null,"force_words_ids":[]}"#;
        let json = JsonObject::parse(json, Path::new("generation_config.json")).unwrap();
        assert_eq!(notices(&json, false), []);
    }
}
