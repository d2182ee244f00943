//! A vocabulary as its file writes it, checked before a tokenizer is built on it.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use tokenizers::models::bpe::Vocab;

use super::bpe::{ResolvedMerge, Taken, Tokens};
use super::error::TokenizerFileError;
use crate::config::MAX_VOCABULARY;

/// Tokens and their ids, each once, all ids below the model's vocabulary.
#[derive(Debug)]
pub(super) struct Vocabulary {
    pub(super) tokens: Tokens,
}

impl Vocabulary {
    /// Checks `pairs` against a model with `model_vocab` embedding rows.
    pub(super) fn new(pairs: &[(impl AsRef<str>, u64)], model_vocab: usize) -> Result<Self, TokenizerFileError> {
        let vocabulary = model_vocab.min(MAX_VOCABULARY);
        let bytes = pairs.iter().map(|(token, _)| token.as_ref().len()).sum();
        if u32::try_from(bytes).is_err() {
            return Err(TokenizerFileError::OutOfMemory { bytes });
        }
        let mut tokens = Tokens::with_capacity(pairs.len(), bytes);
        for (token, id) in pairs {
            let owned = || token.as_ref().to_owned();
            // Fits: a vocabulary has at most 2²⁰ ids.
            let Some(known) = usize::try_from(*id).ok().filter(|&id| id < vocabulary).map(|id| id as u32) else {
                return Err(TokenizerFileError::IdOutsideVocabulary { token: owned(), id: *id, vocabulary });
            };
            match tokens.insert(token.as_ref(), known) {
                Ok(()) => {}
                Err(Taken::Text) => return Err(TokenizerFileError::DuplicateToken { token: owned() }),
                Err(Taken::Id) => {
                    let first = tokens.get(known).unwrap_or_default().to_owned();
                    return Err(TokenizerFileError::DuplicateId { id: known, first, second: owned() });
                }
            }
        }
        Ok(Self { tokens })
    }

    /// As the crate's word pieces take it.
    pub(super) fn to_map(&self) -> Vocab {
        self.tokens.iter().map(|(token, id)| (token.to_owned(), id)).collect()
    }

    /// Largest id plus one.
    pub(super) fn end(&self) -> usize {
        self.tokens.end()
    }

    /// The ids of a merge's two parts and of their union, which must be tokens; `number` counts merges from 1. `prefix` is what
    /// begins each token that continues a word, and falls away in the union.
    pub(super) fn resolve(
        &self,
        number: usize,
        (left, right): (&str, &str),
        prefix: &str,
    ) -> Result<ResolvedMerge, TokenizerFileError> {
        let Some(rest) = right.strip_prefix(prefix) else {
            let (right, prefix) = (right.to_owned(), prefix.to_owned());
            return Err(TokenizerFileError::MergeWithoutPrefix { number, right, prefix });
        };
        let id = |part: &str| {
            self.tokens.id(part).ok_or_else(|| TokenizerFileError::UnknownMerge {
                number,
                left: left.to_owned(),
                right: right.to_owned(),
                missing: part.to_owned(),
            })
        };
        Ok(ResolvedMerge { left: id(left)?, right: id(right)?, union: id(&[left, rest].concat())? })
    }

    /// A merge of ids, if they are those of its parts; looks nothing up if they are.
    pub(super) fn check(
        &self,
        number: usize,
        merge: ResolvedMerge,
        prefix: &str,
    ) -> Result<ResolvedMerge, TokenizerFileError> {
        let part = |id: u32| {
            self.tokens.get(id).ok_or_else(|| {
                let reason = format!("merge {number} is of token {id}, which there is not");
                TokenizerFileError::PackedVocabulary { reason }
            })
        };
        let (left, right, union) = (part(merge.left)?, part(merge.right)?, part(merge.union)?);
        let rest = right.strip_prefix(prefix);
        let is_union = rest.is_some_and(|rest| union.strip_prefix(left) == Some(rest));
        if is_union { Ok(merge) } else { self.resolve(number, (left, right), prefix) }
    }
}

/// The two parts of a merge that is written as a line: tokens with one space between them.
pub(super) fn parts_of_merge(line: &str) -> Option<(&str, &str)> {
    let (left, right) = line.split_once(' ')?;
    (!left.is_empty() && !right.is_empty() && !right.contains(' ')).then_some((left, right))
}

/// A merge as `tokenizer.json` writes it, `"a b"` or `["a", "b"]`, or a line that is none.
#[derive(Debug)]
pub(super) enum WrittenMerge {
    Line(String),
    Pair(String, String),
}

impl WrittenMerge {
    /// Its parts; `number` counts merges from 1.
    pub(super) fn parts(&self, number: usize) -> Result<(&str, &str), TokenizerFileError> {
        match self {
            WrittenMerge::Pair(left, right) => Ok((left, right)),
            WrittenMerge::Line(line) => {
                parts_of_merge(line).ok_or_else(|| TokenizerFileError::MalformedMerge { number, found: line.clone() })
            }
        }
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
                Ok(WrittenMerge::Line(line.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<WrittenMerge, A::Error> {
                let (left, right) = (list.next_element()?, list.next_element()?);
                match (left, right, list.next_element::<IgnoredAny>()?) {
                    (Some(left), Some(right), None) => Ok(WrittenMerge::Pair(left, right)),
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
