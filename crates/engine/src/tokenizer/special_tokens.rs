//! Tokens with a role: where a text begins and ends, what fills it up.

use std::path::Path;

use serde_json::Value;

use crate::formats::json_object::JsonObject;
use crate::load_error::LoadError;

/// The ids of the tokens that have a role; `None` where the tokenizer has none in that role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpecialTokens {
    /// Begins a text.
    pub bos: Option<u32>,
    /// Ends a text.
    pub eos: Option<u32>,
    /// Stands for what the vocabulary lacks.
    pub unk: Option<u32>,
    /// Begins a sequence that is classified or embedded.
    pub cls: Option<u32>,
    /// Ends or separates such sequences.
    pub sep: Option<u32>,
    /// Fills short sequences.
    pub pad: Option<u32>,
    /// Hides a token to be guessed.
    pub mask: Option<u32>,
}

/// The names of the special tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SpecialNames {
    pub(super) bos: String,
    pub(super) eos: String,
    pub(super) unk: String,
    pub(super) cls: String,
    pub(super) sep: String,
    pub(super) pad: String,
    pub(super) mask: String,
}

impl SpecialNames {
    /// The names in `tokenizer_config.json`, else in `special_tokens_map.json`, else `fallback`'s.
    pub(super) fn read(dir: &Path, fallback: &Self) -> Result<Self, LoadError> {
        let sources = [
            JsonObject::read_if_present(&dir.join("tokenizer_config.json"))?,
            JsonObject::read_if_present(&dir.join("special_tokens_map.json"))?,
        ];
        let name = |key: &str, fallback: &String| {
            for source in sources.iter().flatten() {
                if let Some(name) = token_name(source, key)? {
                    return Ok::<_, LoadError>(name);
                }
            }
            Ok(fallback.clone())
        };
        Ok(Self {
            bos: name("bos_token", &fallback.bos)?,
            eos: name("eos_token", &fallback.eos)?,
            unk: name("unk_token", &fallback.unk)?,
            cls: name("cls_token", &fallback.cls)?,
            sep: name("sep_token", &fallback.sep)?,
            pad: name("pad_token", &fallback.pad)?,
            mask: name("mask_token", &fallback.mask)?,
        })
    }

    /// The names that GPT-2 and BERT use.
    pub(super) fn usual() -> Self {
        let text_end = || "<|endoftext|>".to_owned();
        Self {
            bos: text_end(),
            eos: text_end(),
            unk: "[UNK]".to_owned(),
            cls: "[CLS]".to_owned(),
            sep: "[SEP]".to_owned(),
            pad: "[PAD]".to_owned(),
            mask: "[MASK]".to_owned(),
        }
    }

    /// All names.
    pub(super) fn all(&self) -> [&str; 7] {
        [&self.bos, &self.eos, &self.unk, &self.cls, &self.sep, &self.pad, &self.mask]
    }

    /// The ids of those names that are tokens.
    pub(super) fn resolve(&self, id_of: impl Fn(&str) -> Option<u32>) -> SpecialTokens {
        SpecialTokens {
            bos: id_of(&self.bos),
            eos: id_of(&self.eos),
            unk: id_of(&self.unk),
            cls: id_of(&self.cls),
            sep: id_of(&self.sep),
            pad: id_of(&self.pad),
            mask: id_of(&self.mask),
        }
    }
}

/// A token's name, written as a string or as an object with `content`.
fn token_name(json: &JsonObject, key: &str) -> Result<Option<String>, LoadError> {
    let name = match json.get(key) {
        None => return Ok(None),
        Some(Value::Object(token)) => token.get("content").and_then(Value::as_str),
        Some(value) => value.as_str(),
    };
    match name {
        Some(name) => Ok(Some(name.to_owned())),
        None => Err(json.wrong(key, "a string or an object with `content`")),
    }
}
