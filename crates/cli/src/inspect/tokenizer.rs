//! What tokenizer a model has.

use cke_engine::bundle::Bundle;
use cke_engine::load_error::LoadError;
use cke_engine::notice::Notice;
use cke_report::words::counted;
use serde::Serialize;
use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

/// A tokenizer, or why there is none.
#[derive(Debug, Serialize)]
pub(super) struct TokenizerReport {
    /// `byte-level BPE` or `WordPiece`.
    kind: Option<&'static str>,
    /// Largest id plus one.
    vocabulary: Option<usize>,
    /// Why it cannot be used, if there is one.
    error: Option<String>,
    /// `None` if it has none.
    #[serde(skip)]
    pub(super) chat_template: Option<ChatTemplateReport>,
}

/// The chat template of a tokenizer.
#[derive(Debug, Serialize)]
pub(super) struct ChatTemplateReport {
    /// The file that has it.
    file: PathBuf,
    /// The key of a GGUF file that has it.
    #[serde(skip)]
    key: Option<&'static str>,
    pub(super) text: String,
}

impl fmt::Display for ChatTemplateReport {
    /// `tokenizer_config.json, 40 lines, 2310 bytes, begins "{% for …"`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Characters that are shown.
        const SHOWN: usize = 60;
        let ChatTemplateReport { file, key, text } = self;
        let beginning: String = text.trim_start().chars().take(SHOWN).collect();
        let (lines, name) = (counted(text.lines().count(), "line"), file.file_name().unwrap_or(file.as_os_str()));
        let place = key.map_or_else(|| name.to_string_lossy(), Cow::Borrowed);
        write!(f, "{place}, {lines}, {}, begins {beginning:?}", counted(text.len(), "byte"))
    }
}

impl TokenizerReport {
    /// The tokenizer of a model, and what its files say and is not followed. That it is missing or malformed is part of the
    /// report.
    pub(super) fn new(bundle: &Bundle) -> (TokenizerReport, Vec<Notice>) {
        let without = |error| TokenizerReport { kind: None, vocabulary: None, error, chat_template: None };
        match bundle.tokenizer() {
            Ok(tokenizer) => {
                let (kind, vocabulary) = (Some(tokenizer.kind()), Some(tokenizer.vocab_size()));
                let notices = tokenizer.notices().iter().cloned().chain(bundle.end_token_notice(&tokenizer)).collect();
                let key = bundle.files().gguf().map(|_| "tokenizer.chat_template");
                let template = |text: &str| ChatTemplateReport {
                    file: tokenizer.chat_template_file().to_owned(),
                    key,
                    text: text.to_owned(),
                };
                let chat_template = tokenizer.chat_template().map(template);
                (TokenizerReport { kind, vocabulary, error: None, chat_template }, notices)
            }
            Err(LoadError::NoTokenizer { .. }) => (without(None), bundle.stop_strings_notice().into_iter().collect()),
            Err(error) => (without(Some(error.to_string())), Vec::new()),
        }
    }
}

impl fmt::Display for TokenizerReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, self.vocabulary, &self.error) {
            (Some(kind), Some(tokens), _) => write!(f, "{kind}, {tokens} tokens"),
            (.., Some(error)) => write!(f, "cannot be used: {error}"),
            _ => write!(f, "none: text needs one, lists of tokens do not"),
        }
    }
}
