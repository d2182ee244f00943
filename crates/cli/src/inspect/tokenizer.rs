//! What tokenizer a model has.

use cke_engine::bundle::Bundle;
use cke_engine::load_error::LoadError;
use cke_engine::notice::Notice;
use serde::Serialize;
use std::fmt;

/// A tokenizer, or why there is none.
#[derive(Debug, Serialize)]
pub(super) struct TokenizerReport {
    /// `byte-level BPE` or `WordPiece`.
    kind: Option<&'static str>,
    /// Largest id plus one.
    vocabulary: Option<usize>,
    /// Why it cannot be used, if there is one.
    error: Option<String>,
}

impl TokenizerReport {
    /// The tokenizer of a model, and what its files say and is not followed. That it is missing or malformed is part of the
    /// report.
    pub(super) fn new(bundle: &Bundle) -> (TokenizerReport, Vec<Notice>) {
        let without = |error| TokenizerReport { kind: None, vocabulary: None, error };
        match bundle.tokenizer() {
            Ok(tokenizer) => {
                let (kind, vocabulary) = (Some(tokenizer.kind()), Some(tokenizer.vocab_size()));
                let notices = tokenizer.notices().iter().cloned().chain(bundle.end_token_notice(&tokenizer)).collect();
                (TokenizerReport { kind, vocabulary, error: None }, notices)
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
