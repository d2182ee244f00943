//! `generation_config.json` as transformers would have it, from the keys of a GGUF file.

use super::config::as_json;
use super::stand_in::{StandInFile, StandInObject};
use super::{GgufFile, LoadError};

/// Tokens that end a text: its own end, that of a turn, that of a message.
const END_KEYS: [&str; 3] =
    ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"];

/// Further token ids.
const TOKEN_KEYS: [(&str, &str); 2] =
    [("bos_token_id", "tokenizer.ggml.bos_token_id"), ("pad_token_id", "tokenizer.ggml.padding_token_id")];

/// Settings of the sampler that the model's authors recommend.
const SAMPLING: &str = "general.sampling.";
const SAMPLING_KEYS: [(&str, &str); 5] = [
    ("temp", "temperature"),
    ("top_k", "top_k"),
    ("top_p", "top_p"),
    ("min_p", "min_p"),
    ("penalty_repeat", "repetition_penalty"),
];

/// What `generation_config.json` holds, if there is something to say.
///
/// # Errors
/// Fails if a key has the wrong type or is out of range.
pub(super) fn generation_config_json(file: &GgufFile) -> Result<Option<StandInFile>, LoadError> {
    let mut json = StandInObject::default();
    let token = |key| file.integer(key, 0..=u64::from(u32::MAX));
    let mut ends: Vec<u64> = Vec::new();
    for id in END_KEYS.map(token) {
        ends.extend(id?.filter(|id| !ends.contains(id)));
    }
    if !ends.is_empty() {
        let said: Vec<&str> = END_KEYS.into_iter().filter(|key| matches!(file.value(key), Ok(Some(_)))).collect();
        json.set_from("eos_token_id", said.join(", "), ends);
    }
    for (name, key) in TOKEN_KEYS {
        if let Some(id) = token(key)? {
            json.set_from(name, key, id);
        }
    }
    let sampling: Vec<&str> = file.keys().filter(|key| key.starts_with(SAMPLING)).collect();
    if !sampling.is_empty() {
        json.set("do_sample", true);
    }
    for key in sampling {
        let Some(value) = file.value(key)? else { continue };
        let own = &key[SAMPLING.len()..];
        // What has no counterpart keeps its name, so that the file's reader says that it is not followed.
        let name = SAMPLING_KEYS.iter().find(|(known, _)| *known == own).map_or(key, |(_, name)| name);
        json.set_from(name, key, as_json(value));
    }
    Ok((!json.is_empty()).then(|| json.into_file()))
}
