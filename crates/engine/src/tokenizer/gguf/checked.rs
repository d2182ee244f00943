//! The values of a GGUF file's keys, checked against each other.

use std::collections::HashSet;

use super::GgufTokenizer;
use super::pre_tokenizers::Words;
use crate::config::MAX_VOCABULARY;
use crate::fallible::check_available;
use crate::tokenizer::error::TokenizerFileError;
use crate::tokenizer::token_bytes::byte_piece;

/// The name of byte-level BPE.
pub(super) const BYTE_LEVEL: &str = "gpt2";

/// The name of SentencePiece's kind.
const SENTENCE_PIECE: &str = "llama";

/// What stands for what the vocabulary lacks.
const UNKNOWN: i32 = 2;
/// No part of a text.
const CONTROL: i32 = 3;
/// Found whole in a text.
const USER_DEFINED: i32 = 4;
/// Without use.
const UNUSED: i32 = 5;
/// A byte of a character that the vocabulary lacks.
const BYTE: i32 = 6;

/// Memory for each token in a set of them.
const BYTES_PER_TOKEN: usize = 48;

/// What `model` and `pre` name.
#[derive(Debug)]
pub(super) enum Model {
    /// Byte-level BPE, and what splits a text before it.
    ByteLevel(&'static Words),
    /// BPE of SentencePiece's kind.
    SentencePiece,
}

/// A tokenizer whose values match.
#[derive(Debug)]
pub(super) struct Checked<'a> {
    pub(super) tokenizer: &'a GgufTokenizer,
    pub(super) model: Model,
}

impl<'a> Checked<'a> {
    /// Checks everything but what the merges consist of.
    pub(super) fn new(tokenizer: &'a GgufTokenizer) -> Result<Self, TokenizerFileError> {
        let model = match tokenizer.model.as_str() {
            BYTE_LEVEL => Model::ByteLevel(Words::named(tokenizer.pre.as_deref())?),
            SENTENCE_PIECE => Model::SentencePiece,
            other => return Err(wrong("model", format!("`{BYTE_LEVEL}` or `{SENTENCE_PIECE}`"), format!("`{other}`"))),
        };
        if tokenizer.remove_extra_whitespaces == Some(true) {
            return Err(wrong("remove_extra_whitespaces", "false".to_owned(), "true (not supported)".to_owned()));
        }
        if matches!(model, Model::ByteLevel(_)) && tokenizer.merges.is_empty() {
            return Err(wrong("merges", "a list, which `gpt2` needs".to_owned(), "none".to_owned()));
        }
        check_tokens(&tokenizer.tokens)?;
        check_types(tokenizer)?;
        check_scores(tokenizer)?;
        check_ids(tokenizer)?;
        Ok(Self { tokenizer, model })
    }

    /// The text of a token.
    pub(super) fn token(&self, id: u32) -> &'a str {
        self.tokenizer.tokens.get(id as usize).map_or("", String::as_str)
    }

    fn kind(&self, id: u32) -> i32 {
        self.tokenizer.token_types.as_ref().and_then(|types| types.get(id as usize).copied()).unwrap_or(1)
    }

    /// The token that stands for what the vocabulary lacks.
    pub(super) fn unknown(&self) -> Option<u32> {
        let of_type = || (0..self.tokenizer.tokens.len() as u32).find(|&id| self.kind(id) == UNKNOWN);
        self.tokenizer.unk.or_else(of_type)
    }

    /// Whether a token is no part of a text.
    pub(super) fn is_special(&self, id: u32) -> bool {
        matches!(self.kind(id), UNKNOWN | CONTROL) || roles(self.tokenizer).iter().any(|(_, role)| *role == Some(id))
    }

    /// Whether a token is found whole in a text.
    pub(super) fn is_added(&self, id: u32) -> bool {
        self.kind(id) == USER_DEFINED || self.is_special(id)
    }

    /// Whether a token only fills a place of the vocabulary that none of the model's own has.
    pub(super) fn is_placeholder(&self, id: u32) -> bool {
        let number = || self.token(id).strip_prefix("[PAD")?.strip_suffix(']')?.parse::<u32>().ok();
        self.kind(id) == UNUSED && number().is_some() && !self.is_special(id)
    }

    /// Whether a token may be made by merges, or be part of one.
    pub(super) fn is_mergeable(&self, id: u32) -> bool {
        !matches!(self.kind(id), UNKNOWN | CONTROL | BYTE) && !self.is_placeholder(id)
    }
}

/// The keys that name a token, and its id.
fn roles(tokenizer: &GgufTokenizer) -> [(&'static str, Option<u32>); 5] {
    [
        ("bos_token_id", tokenizer.bos),
        ("eos_token_id", tokenizer.eos),
        ("unknown_token_id", tokenizer.unk),
        ("padding_token_id", tokenizer.pad),
        ("eot_token_id", tokenizer.eot),
    ]
}

fn wrong(key: &'static str, wanted: String, found: String) -> TokenizerFileError {
    TokenizerFileError::Gguf { key, wanted, found }
}

fn check_tokens(tokens: &[String]) -> Result<(), TokenizerFileError> {
    if tokens.len() > MAX_VOCABULARY {
        return Err(TokenizerFileError::TooManyEntries { limit: MAX_VOCABULARY });
    }
    let bytes = tokens.len() * BYTES_PER_TOKEN;
    check_available(bytes).map_err(|_| TokenizerFileError::OutOfMemory { bytes })?;
    let mut seen = HashSet::with_capacity(tokens.len());
    match tokens.iter().find(|token| !seen.insert(token.as_str())) {
        Some(token) => Err(TokenizerFileError::DuplicateToken { token: token.clone() }),
        None => Ok(()),
    }
}

fn check_types(tokenizer: &GgufTokenizer) -> Result<(), TokenizerFileError> {
    let Some(types) = &tokenizer.token_types else { return Ok(()) };
    check_length("token_type", types.len(), tokenizer)?;
    for (token, &kind) in tokenizer.tokens.iter().zip(types) {
        if !(1..=BYTE).contains(&kind) {
            return Err(wrong("token_type", format!("a type from 1 to {BYTE} for token {token:?}"), kind.to_string()));
        }
        if kind == BYTE && tokenizer.model == SENTENCE_PIECE && byte_piece(token).is_none() {
            return Err(wrong(
                "tokens",
                "a byte such as `<0x0A>` for a token of type 6".to_owned(),
                format!("{token:?}"),
            ));
        }
    }
    Ok(())
}

fn check_scores(tokenizer: &GgufTokenizer) -> Result<(), TokenizerFileError> {
    let Some(scores) = &tokenizer.scores else {
        if tokenizer.model == SENTENCE_PIECE && tokenizer.merges.is_empty() {
            return Err(wrong(
                "scores",
                "a score for each token, which `llama` needs".to_owned(),
                "no such key".to_owned(),
            ));
        }
        return Ok(());
    };
    check_length("scores", scores.len(), tokenizer)?;
    match tokenizer.tokens.iter().zip(scores).find(|(_, score)| score.is_nan()) {
        Some((token, score)) => Err(wrong("scores", format!("a number for token {token:?}"), score.to_string())),
        None => Ok(()),
    }
}

fn check_length(key: &'static str, found: usize, tokenizer: &GgufTokenizer) -> Result<(), TokenizerFileError> {
    let tokens = tokenizer.tokens.len();
    if found == tokens {
        return Ok(());
    }
    Err(wrong(key, format!("one entry for each of the {tokens} tokens"), found.to_string()))
}

/// Checks that each token with a role is in the vocabulary.
pub(super) fn check_ids(tokenizer: &GgufTokenizer) -> Result<(), TokenizerFileError> {
    let tokens = tokenizer.tokens.len();
    let is_outside = |id: Option<u32>| id.filter(|&id| id as usize >= tokens);
    let outside = roles(tokenizer).into_iter().find_map(|(key, id)| Some((key, is_outside(id)?)));
    match outside {
        Some((key, id)) => Err(wrong(key, format!("an id below the {tokens} of the vocabulary"), id.to_string())),
        None => Ok(()),
    }
}
