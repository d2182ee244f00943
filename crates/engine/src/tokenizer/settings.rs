//! What stands beside a tokenizer's vocabulary: `tokenizer_config.json`, `special_tokens_map.json`, `added_tokens.json`.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use tokenizers::AddedToken;

use super::chat_template::ChatTemplates;
use super::class_name;
use super::extra_tokens;
use crate::formats::json_object::JsonObject;
use crate::load_error::LoadError;
use crate::model_files::ModelFiles;
use crate::notice::Notice;

/// The name of the file.
pub(crate) const FILE: &str = "tokenizer_config.json";

/// The files beside a vocabulary. One that is missing is empty.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) config: JsonObject,
    special_tokens_map: Option<JsonObject>,
    added_tokens: Option<JsonObject>,
    /// `config.json`, which names the model's type, and the tokenizer's class if `tokenizer_config.json` does not.
    pub(super) model_config: Option<JsonObject>,
    /// What turns messages into a text.
    pub(super) chat_templates: ChatTemplates,
}

/// What the files say of a role.
#[derive(Debug)]
pub(super) enum Role<'a> {
    /// No file names it.
    Unsaid,
    /// This file says that there is no such token.
    Nothing(&'a JsonObject),
    /// This token has it.
    Token(AddedToken),
}

/// The keys of tokens with a role, in the order in which the library adds them to a vocabulary.
pub(super) const ROLES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// Keys of `tokenizer_config.json` that are followed, with those of [`ROLES`].
const FOLLOWED: [&str; 17] = [
    "add_bos_token",
    "add_eos_token",
    "add_prefix_space",
    "added_tokens_decoder",
    "additional_special_tokens",
    "chat_template",
    "do_lower_case",
    "extra_special_tokens",
    "legacy",
    "max_len",
    "model_max_length",
    "split_special_tokens",
    "strip_accents",
    "tokenize_chinese_chars",
    "tokenizer_class",
    "truncation_side",
    "model_specific_special_tokens",
];

/// Keys of `tokenizer_config.json` that cannot change the ids of a text: padding, the text of ids (which is that of their
/// bytes here as there), chats, the library's own notes, and what older versions had.
const WITHOUT_EFFECT: [&str; 43] = [
    "auto_map",
    "backend",
    "chat_control_tokens",
    "clean_up_tokenization_spaces",
    "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output",
    "default_chat_template",
    "device_map",
    "do_basic_tokenize",
    "errors",
    "fix_mistral_regex",
    "from_slow",
    "full_tokenizer_file",
    "init_inputs",
    "is_local",
    "local_files_only",
    "max_length",
    "merges_file",
    "model_input_names",
    "model_type",
    "name_or_path",
    "never_split",
    "pad_to_multiple_of",
    "pad_token_type_id",
    "padding",
    "padding_side",
    "processor_class",
    "response_schema",
    "response_template",
    "return_token_type_ids",
    "sp_model_kwargs",
    "spaces_between_special_tokens",
    "special_tokens_map_file",
    "stride",
    "token",
    "tokenizer_file",
    "trim_offsets",
    "truncation",
    "truncation_strategy",
    "trust_remote_code",
    "use_default_system_prompt",
    "use_fast",
    "vocab_file",
    "wordpieces_prefix",
];

impl Settings {
    /// Reads the files of a model.
    pub(super) fn read(files: &ModelFiles) -> Result<Self, LoadError> {
        let config = JsonObject::read_if_present(files, FILE)?;
        let config = config.map_or_else(|| JsonObject::parse(b"{}", &files.path(FILE)), Ok)?;
        config.text(class_name::KEY)?;
        Ok(Self {
            chat_templates: ChatTemplates::read(files, &config)?,
            config,
            special_tokens_map: JsonObject::read_if_present(files, "special_tokens_map.json")?,
            added_tokens: JsonObject::read_if_present(files, "added_tokens.json")?,
            // It is read, and complained about, elsewhere.
            model_config: JsonObject::read_if_present(files, crate::config::FILE).ok().flatten(),
        })
    }

    /// No files at all.
    pub(super) fn none() -> Result<Self, LoadError> {
        let json = br#"{"tokenizer_class":"TokenizersBackend"}"#;
        let config = JsonObject::parse(json, Path::new("tokenizer_config.json"))?;
        Ok(Self {
            config,
            special_tokens_map: None,
            added_tokens: None,
            model_config: None,
            chat_templates: ChatTemplates::default(),
        })
    }

    /// The type of the model, if `config.json` names it.
    pub(super) fn model_type(&self) -> Option<&str> {
        self.model_config.as_ref()?.text("model_type").ok().flatten()
    }

    /// What the settings say and is not followed, whatever the vocabulary is.
    pub(super) fn unknown_keys(&self) -> Vec<Notice> {
        // Keys of this form with a text are tokens that are special to the model.
        let is_token = |key: &str| key.ends_with("_token") || key.ends_with("_tokens");
        self.config.unknown_keys(|key| is_token(key) || FOLLOWED.contains(&key) || WITHOUT_EFFECT.contains(&key))
    }

    /// `special_tokens_map.json`, which as in the library counts only without the newer `added_tokens_decoder`, and then comes
    /// before `tokenizer_config.json`.
    fn map(&self) -> Option<&JsonObject> {
        self.special_tokens_map.as_ref().filter(|_| self.config.get("added_tokens_decoder").is_none())
    }

    /// A token with a role.
    pub(super) fn role(&self, key: &str) -> Result<Role<'_>, LoadError> {
        for source in self.map().into_iter().chain([&self.config]) {
            match source.raw(key) {
                None => {}
                Some(Value::Null) => return Ok(Role::Nothing(source)),
                Some(value) => {
                    return special_token(value).map(Role::Token).ok_or_else(|| source.wrong(key, TOKEN));
                }
            }
        }
        Ok(Role::Unsaid)
    }

    /// Special tokens without a role of the library's, in the order in which it adds them: those of the model's own roles, then
    /// the others.
    pub(super) fn extra_special(&self) -> Result<Vec<AddedToken>, LoadError> {
        extra_tokens::read(&self.config, self.map())
    }

    /// The tokens that the settings declare beside the vocabulary, by id, and the file that does: `added_tokens_decoder`, else
    /// `added_tokens.json` with the tokens of `tokenizer.json`.
    pub(super) fn declared(
        &self,
        tokenizer_json: (&Path, &[AddedTokenJson]),
    ) -> Result<(PathBuf, Vec<(u64, AddedToken)>), LoadError> {
        let key = "added_tokens_decoder";
        let mut tokens = Vec::new();
        let mut file = self.config.file().to_owned();
        if let Some(value) = self.config.get(key) {
            let wrong = || self.config.wrong(key, "an object from ids to tokens");
            for (id, token) in value.as_object().ok_or_else(wrong)? {
                let token = WrittenToken::deserialize(token).map_err(|_| wrong())?;
                tokens.push((id.parse().map_err(|_| wrong())?, token.into()));
            }
        } else {
            if let Some(json) = &self.added_tokens {
                json.file().clone_into(&mut file);
                for (token, id) in json.entries() {
                    let id = id.as_u64().ok_or_else(|| json.wrong(token, "a token id"))?;
                    tokens.push((id, AddedToken::from(token.clone(), false)));
                }
            }
            let (written_in, written) = tokenizer_json;
            if !written.is_empty() {
                written_in.clone_into(&mut file);
            }
            for AddedTokenJson { id, token } in written {
                tokens.retain(|(other, _)| other != id);
                tokens.push((*id, token.clone().into()));
            }
        }
        tokens.sort_by_key(|(id, _)| *id);
        Ok((file, tokens))
    }

    /// Whether a text that is too long loses its beginning; `None` if nothing is said.
    pub(super) fn cuts_beginning(&self) -> Result<Option<bool>, LoadError> {
        match self.config.text("truncation_side")? {
            Some("left") => Ok(Some(true)),
            Some("right") => Ok(Some(false)),
            Some(_) => Err(self.config.wrong("truncation_side", "\"left\" or \"right\"")),
            None => Ok(None),
        }
    }

    /// `true` or `false`, with a default.
    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool, LoadError> {
        Ok(self.config.flag(key)?.unwrap_or(default))
    }

    /// A key of `tokenizer_config.json` as a message names it, with the value that holds.
    pub(super) fn named(&self, key: &str, value: impl std::fmt::Display) -> String {
        let place =
            if self.config.get(key).is_some() { "tokenizer_config.json" } else { "the tokenizer class's default" };
        format!("{place} `{key}` {value}")
    }
}

/// What a token may look like.
pub(super) const TOKEN: &str = "a string or an object with `content`";

/// Whether a key names a token of a role that is the model's own.
pub(super) fn is_model_specific(key: &str) -> bool {
    key.ends_with("_token") && !ROLES.contains(&key) && !FOLLOWED.contains(&key)
}

/// A token written as a string or as an object.
pub(super) fn special_token(value: &Value) -> Option<AddedToken> {
    match value {
        Value::String(content) => Some(AddedToken::from(content.clone(), true)),
        _ => {
            let token = WrittenToken::deserialize(value).ok()?;
            Some(AddedToken { special: true, ..token.into() })
        }
    }
}

/// A token as an object; what it does not say is off.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct WrittenToken {
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    normalized: Option<bool>,
    #[serde(default)]
    special: bool,
}

impl WrittenToken {
    /// The token's text.
    pub(super) fn content(&self) -> &str {
        &self.content
    }
}

impl From<WrittenToken> for AddedToken {
    fn from(written: WrittenToken) -> AddedToken {
        let WrittenToken { content, single_word, lstrip, rstrip, normalized, special } = written;
        AddedToken { content, single_word, lstrip, rstrip, normalized: normalized.unwrap_or(!special), special }
    }
}

/// A token of `added_tokens` in `tokenizer.json`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct AddedTokenJson {
    pub(super) id: u64,
    #[serde(flatten)]
    pub(super) token: WrittenToken,
}
