//! `config_sentence_transformers.json`: what is put before a text, and how much of its vector is kept.

use std::collections::BTreeMap;

use crate::formats::json_object::JsonObject;
use crate::load_error::LoadError;
use crate::model_files::ModelFiles;
use crate::notice::Notice;

/// Prompts that every model has, empty unless its file says otherwise.
const BUILT_IN: [&str; 2] = ["document", "query"];

/// The file's name.
pub(super) const FILE: &str = "config_sentence_transformers.json";

/// Keys of the file; versions and requirements are notes.
const KEYS: [&str; 8] = [
    "__version__",
    "default_prompt_name",
    "max_seq_length",
    "model_type",
    "prompts",
    "requirements",
    "similarity_fn_name",
    "truncate_dim",
];

/// The settings of a whole sentence model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextSettings {
    /// Texts by name; one of them may be put before each text.
    pub prompts: BTreeMap<String, String>,
    /// Name of the one that is put before a text if none is asked for.
    pub default_prompt: Option<String>,
    /// Elements of a vector that are kept, its first ones; all if there are no more.
    pub truncate_dim: Option<usize>,
    /// How vectors are meant to be compared: `cosine`, `dot`, `euclidean` or `manhattan`.
    pub similarity: Option<String>,
}

impl Default for TextSettings {
    fn default() -> Self {
        let prompts = BUILT_IN.map(|name| (name.to_owned(), String::new())).into();
        Self { prompts, default_prompt: None, truncate_dim: None, similarity: None }
    }
}

impl TextSettings {
    /// Reads the file of a model, if there is one.
    pub(super) fn load(files: &ModelFiles, notices: &mut Vec<Notice>) -> Result<Self, LoadError> {
        let mut settings = Self::default();
        let Some(json) = JsonObject::read_if_present(files, FILE)? else {
            return Ok(settings);
        };
        if json.text("model_type")?.is_some_and(|kind| kind != "SentenceTransformer") {
            return Err(json.wrong("model_type", "\"SentenceTransformer\""));
        }
        if let Some(prompts) = json.object("prompts")? {
            for (name, value) in prompts.entries() {
                let text = if value.is_null() { Some("") } else { value.as_str() };
                let text = text.ok_or_else(|| prompts.wrong(name, "a text"))?;
                settings.prompts.insert(name.clone(), text.to_owned());
            }
        }
        if let Some(name) = json.text("default_prompt_name")? {
            if !settings.prompts.contains_key(name) {
                return Err(json.wrong("default_prompt_name", format!("one of {}", settings.names())));
            }
            settings.default_prompt = Some(name.to_owned());
        }
        settings.truncate_dim = json.size("truncate_dim", usize::MAX)?;
        settings.similarity = json.text("similarity_fn_name")?.map(str::to_owned);
        notices.extend(json.unknown_keys(|key| KEYS.contains(&key)));
        if json.get("max_seq_length").is_some() {
            notices.push(json.not_followed("max_seq_length", "that of sentence_bert_config.json is"));
        }
        Ok(settings)
    }

    /// The names of the prompts, for messages.
    pub fn names(&self) -> String {
        self.prompts.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    }
}
