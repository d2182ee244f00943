//! `sentence_bert_config.json`: how a text enters the transformer, and how long it may be.

use std::fmt;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::formats::json_object::JsonObject;
use crate::load_error::LoadError;
use crate::model_files::ModelFiles;
use crate::notice::Notice;

/// The names that the file has had; the first one that exists counts.
const FILES: [&str; 7] = [
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
];

/// Keys of the file that are followed or refused.
const KEYS: [&str; 14] = [
    "config_args",
    "config_kwargs",
    "do_lower_case",
    "max_seq_length",
    "modality_config",
    "model_args",
    "model_kwargs",
    "module_output_name",
    "processing_kwargs",
    "processor_kwargs",
    "tokenizer_args",
    "tokenizer_name_or_path",
    "transformer_task",
    "unpad_inputs",
];

/// Arguments that say where files lie and how they are loaded.
const LOADING_KEYS: [&str; 9] = [
    "cache_dir",
    "local_files_only",
    "revision",
    "subfolder",
    "token",
    "trust_remote_code",
    "use_auth_token",
    "use_fast",
    "use_safetensors",
];

/// Longest input that a file may ask for; the model's positions bound it further.
const MAX_SEQUENCE: usize = 1 << 20;

/// Tokens of a text that count, special ones included, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputLimit {
    /// Number of tokens.
    pub tokens: usize,
    /// Name of the file that says so.
    pub file: String,
    /// Its key, dotted where nested.
    pub key: String,
}

impl fmt::Display for InputLimit {
    /// `128 tokens (`max_seq_length` of sentence_bert_config.json)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tokens (`{}` of {})", self.tokens, self.key, self.file)
    }
}

impl InputLimit {
    fn of(json: &JsonObject, key: &str, tokens: usize) -> InputLimit {
        let file = json.file().file_name().unwrap_or_default().to_string_lossy().into_owned();
        InputLimit { tokens, file, key: json.full_key(key) }
    }
}

/// What the file says.
#[derive(Debug, Default)]
pub(super) struct InputSettings {
    pub(super) limit: Option<InputLimit>,
    pub(super) do_lower_case: bool,
}

impl InputSettings {
    /// Reads the file among those of a transformer, if there is one.
    pub(super) fn load(files: &ModelFiles, notices: &mut Vec<Notice>) -> Result<Self, LoadError> {
        let Some(name) = FILES.iter().find(|name| files.has(name)) else { return Ok(Self::default()) };
        let json = JsonObject::read(files, name)?;
        refuse_other_inputs(&json)?;
        refuse_arguments(&json)?;
        for key in ["model_args", "model_kwargs"] {
            if json.get(key).is_some_and(|value| !is_loading(value)) {
                notices.push(json.not_followed(key, "the model is computed in f32, with its own attention"));
            }
        }
        for key in ["query_length", "document_length", "query_expansion"] {
            if json.get(key).is_some() {
                notices.push(json.not_followed(key, "queries and documents are read like all texts"));
            }
        }
        let named = ["query_length", "document_length", "query_expansion"];
        notices.extend(json.unknown_keys(|key| KEYS.contains(&key) || named.contains(&key)));
        Ok(Self { limit: limit(&json)?, do_lower_case: json.flag("do_lower_case")?.unwrap_or(false) })
    }

    /// The file of a model that has no `modules.json`, where the library does not read it.
    pub(super) fn unread(files: &ModelFiles) -> Option<PathBuf> {
        FILES.iter().find(|name| files.has(name)).map(|name| files.path(name))
    }
}

/// The limit that the file sets: in the arguments of the tokenizer's call, else of its making, else its own key.
fn limit(json: &JsonObject) -> Result<Option<InputLimit>, LoadError> {
    if let Some(text) = json.object("processing_kwargs")?.map(|object| object.object("text")).transpose()?.flatten()
        && let Some(tokens) = text.size("max_length", MAX_SEQUENCE)?
    {
        return Ok(Some(InputLimit::of(&text, "max_length", tokens)));
    }
    if let Some(arguments) = tokenizer_arguments(json)?
        && let Some(tokens) = arguments.size("model_max_length", MAX_SEQUENCE)?
    {
        return Ok(Some(InputLimit::of(&arguments, "model_max_length", tokens)));
    }
    let tokens = json.size("max_seq_length", MAX_SEQUENCE)?;
    Ok(tokens.map(|tokens| InputLimit::of(json, "max_seq_length", tokens)))
}

/// The arguments of the tokenizer's making: the older name's take the place of the newer one's, as in the library.
fn tokenizer_arguments(json: &JsonObject) -> Result<Option<JsonObject>, LoadError> {
    match json.object("tokenizer_args")? {
        Some(arguments) => Ok(Some(arguments)),
        None => json.object("processor_kwargs"),
    }
}

/// Refuses what would make other vectors: another task, input or output of the transformer.
fn refuse_other_inputs(json: &JsonObject) -> Result<(), LoadError> {
    if json.get("transformer_task").is_some_and(|task| task != "feature-extraction") {
        return Err(json.wrong("transformer_task", "\"feature-extraction\""));
    }
    if json.get("module_output_name").is_some_and(|name| name != "token_embeddings") {
        return Err(json.wrong("module_output_name", "\"token_embeddings\""));
    }
    let text = json!({"method": "forward", "method_output_name": "last_hidden_state"});
    if json
        .get("modality_config")
        .is_some_and(|config| config.get("text") != Some(&text) || config.get("message").is_some())
    {
        return Err(json.wrong("modality_config", format!("`text` with {text}, and no `message`")));
    }
    if json.get("tokenizer_name_or_path").is_some() {
        return Err(json.wrong("tokenizer_name_or_path", "no such key (the model's own tokenizer is read)"));
    }
    Ok(())
}

/// Refuses arguments that change the configuration or the tokens, but for the length.
fn refuse_arguments(json: &JsonObject) -> Result<(), LoadError> {
    for key in ["config_args", "config_kwargs"] {
        if json.get(key).is_some_and(|value| !is_loading(value)) {
            return Err(json.wrong(key, "an empty object (other arguments are not supported)"));
        }
    }
    for key in ["processor_kwargs", "tokenizer_args"] {
        if let Some(arguments) = json.object(key)? {
            let other = arguments.entries().find(|(key, value)| {
                !value.is_null() && *key != "model_max_length" && !LOADING_KEYS.contains(&key.as_str())
            });
            if let Some((key, _)) = other {
                return Err(
                    arguments.wrong(key, "no such key (of the tokenizer's arguments `model_max_length` is followed)")
                );
            }
        }
    }
    let Some(processing) = json.object("processing_kwargs")? else { return Ok(()) };
    for (modality, _) in processing.entries() {
        let Some(arguments) = processing.object(modality)? else { continue };
        let is_followed = |key: &str, value: &Value| match key {
            "max_length" => modality == "text",
            "padding" | "return_tensors" => true,
            "truncation" => value.as_bool() == Some(true) || value == "longest_first" || value == "only_first",
            _ => value.is_null(),
        };
        let matters = modality == "text" || modality == "common";
        if let Some((key, _)) = arguments.entries().find(|(key, value)| matters && !is_followed(key, value)) {
            return Err(arguments.wrong(key, "no such key (of the text's arguments `max_length` is followed)"));
        }
    }
    Ok(())
}

/// Whether arguments say no more than where files lie.
fn is_loading(arguments: &Value) -> bool {
    arguments.as_object().is_some_and(|arguments| {
        arguments.iter().all(|(key, value)| value.is_null() || LOADING_KEYS.contains(&key.as_str()))
    })
}

/// The limit of a model that sets none in `sentence_bert_config.json`: the smaller of its tokenizer's and of its positions.
pub(crate) fn default_limit(files: &ModelFiles, positions: usize) -> Result<InputLimit, LoadError> {
    if let Some(json) = JsonObject::read_if_present(files, "tokenizer_config.json")? {
        for key in ["model_max_length", "max_len"] {
            match json.get(key).map(|value| (value.as_u64(), value.as_f64())) {
                None => continue,
                // Numbers beyond all lengths stand for no limit.
                Some((_, Some(tokens))) if tokens >= positions as f64 => break,
                Some((Some(tokens), _)) if tokens > 0 => return Ok(InputLimit::of(&json, key, tokens as usize)),
                Some(_) => return Err(json.wrong(key, "a whole number from 1")),
            }
        }
    }
    let file = crate::config::FILE.to_owned();
    Ok(InputLimit { tokens: positions, file, key: "max_position_embeddings".to_owned() })
}
