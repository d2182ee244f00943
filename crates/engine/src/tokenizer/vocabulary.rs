//! A vocabulary as its file writes it, checked before a tokenizer is built on it.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use tokenizers::models::bpe::Vocab;

use super::error::TokenizerFileError;
use crate::config::MAX_VOCABULARY;

/// Tokens and their ids, each once, all ids below the model's vocabulary.
#[derive(Debug)]
pub(super) struct Vocabulary {
    pub(super) ids: Vocab,
}

impl Vocabulary {
    /// Checks `pairs` against a model with `model_vocab` embedding rows.
    pub(super) fn new(pairs: Vec<(String, u64)>, model_vocab: usize) -> Result<Self, TokenizerFileError> {
        let vocabulary = model_vocab.min(MAX_VOCABULARY);
        let mut is_taken = vec![false; vocabulary];
        let mut ids = Vocab::with_capacity(pairs.len());
        for (token, id) in pairs {
            let Some(is_taken) = usize::try_from(id).ok().and_then(|id| is_taken.get_mut(id)) else {
                return Err(TokenizerFileError::IdOutsideVocabulary { token, id, vocabulary });
            };
            if ids.contains_key(&token) {
                return Err(TokenizerFileError::DuplicateToken { token });
            }
            // Fits: `is_taken` has at most 2²⁰ slots.
            let id = id as u32;
            if std::mem::replace(is_taken, true) {
                let first = ids.into_iter().find(|(_, other)| *other == id).map(|(token, _)| token);
                return Err(TokenizerFileError::DuplicateId { id, first: first.unwrap_or_default(), second: token });
            }
            ids.insert(token, id);
        }
        Ok(Self { ids })
    }

    /// Largest id plus one.
    pub(super) fn end(&self) -> usize {
        self.ids.values().max().map_or(0, |&id| id as usize + 1)
    }

    /// Checks that a merge's two parts and their union are tokens; `number` counts merges from 1. `prefix` is what
    /// begins each token that continues a word, and falls away in the union.
    ///
    /// The builder of the BPE model relies on this: it copies the union into a buffer as long as the longest token.
    pub(super) fn check_merge(&self, number: usize, merge: &Merge, prefix: &str) -> Result<(), TokenizerFileError> {
        let Merge { left, right } = merge;
        let Some(rest) = right.strip_prefix(prefix) else {
            let (right, prefix) = (right.clone(), prefix.to_owned());
            return Err(TokenizerFileError::MergeWithoutPrefix { number, right, prefix });
        };
        let union = [left, rest].concat();
        match [left, right, &union].into_iter().find(|&part| !self.ids.contains_key(part)) {
            None => Ok(()),
            Some(missing) => Err(TokenizerFileError::UnknownMerge {
                number,
                left: left.clone(),
                right: right.clone(),
                missing: missing.clone(),
            }),
        }
    }
}

/// A rule of byte-pair encoding: two adjacent parts become one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Merge {
    pub(super) left: String,
    pub(super) right: String,
}

impl Merge {
    /// Two tokens with one space between them.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let (left, right) = line.split_once(' ')?;
        let valid = !left.is_empty() && !right.is_empty() && !right.contains(' ');
        valid.then(|| Self { left: left.to_owned(), right: right.to_owned() })
    }
}

/// A merge as `tokenizer.json` writes it, `"a b"` or `["a", "b"]`, or a line that is none.
#[derive(Debug)]
pub(super) struct WrittenMerge(Result<Merge, String>);

impl WrittenMerge {
    pub(super) fn parse(self, number: usize) -> Result<Merge, TokenizerFileError> {
        self.0.map_err(|found| TokenizerFileError::MalformedMerge { number, found })
    }
}

impl<'de> Deserialize<'de> for WrittenMerge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LineOrPair;

        impl<'de> Visitor<'de> for LineOrPair {
            type Value = WrittenMerge;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a merge: two tokens with a space between them, or a list of two tokens")
            }

            fn visit_str<E: Error>(self, line: &str) -> Result<WrittenMerge, E> {
                Ok(WrittenMerge(Merge::parse(line).ok_or_else(|| line.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<WrittenMerge, A::Error> {
                let (left, right) = (list.next_element()?, list.next_element()?);
                match (left, right, list.next_element::<IgnoredAny>()?) {
                    (Some(left), Some(right), None) => Ok(WrittenMerge(Ok(Merge { left, right }))),
                    _ => Err(A::Error::custom("a merge: wanted a list of two tokens")),
                }
            }
        }

        deserializer.deserialize_any(LineOrPair)
    }
}

/// The pairs of a vocabulary object as written, so that a repeated token is seen. A list, which other kinds of model
/// have in this place, reads as no pairs.
#[derive(Debug, Default)]
pub(super) struct WrittenVocabulary(pub(super) Vec<(String, u64)>);

impl<'de> Deserialize<'de> for WrittenVocabulary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = WrittenVocabulary;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object from tokens to ids")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WrittenVocabulary, A::Error> {
                let mut pairs = Vec::new();
                while let Some(token) = map.next_key::<String>()? {
                    if pairs.len() == MAX_VOCABULARY {
                        return Err(A::Error::custom(TokenizerFileError::TooManyEntries { limit: MAX_VOCABULARY }));
                    }
                    let id = map
                        .next_value()
                        .map_err(|error: A::Error| A::Error::custom(format_args!("id of token {token:?}: {error}")))?;
                    pairs.push((token, id));
                }
                Ok(WrittenVocabulary(pairs))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<WrittenVocabulary, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(WrittenVocabulary::default())
            }
        }

        deserializer.deserialize_any(Pairs)
    }
}
