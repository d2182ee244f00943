//! What a BPE tokenizer is made of beside vocabulary and merges: the parts as `tokenizer.json` writes them, and those that the
//! library's classes have by themselves.

use std::path::Path;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer};
use serde_json::{Value, json};
use tokenizers::{DecoderWrapper, NormalizerWrapper, PreTokenizerWrapper};

use super::bpe::{Bpe, ResolvedMerge};
use super::class::rejected;
use super::class_name::Class;
use super::error::TokenizerFileError;
use super::model::{ModelTokenizer, TextModel};
use super::patterns;
use super::settings::Settings;
use super::special_tokens::SpecialNames;
use super::vocabulary::Vocabulary;
use crate::load_error::LoadError;

/// What stands for a space in a vocabulary of SentencePiece's.
pub(super) const SPACE: &str = "\u{2581}";

/// How the tokens of a vocabulary spell a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// A character for each byte, in GPT-2's alphabet.
    ByteLevel,
    /// The text itself with U+2581 for spaces, and `<0x0A>` for a byte; whether a space that begins a decoded text falls away.
    SentencePiece {
        /// As [`Tokenizer::strips_first_space`](super::Tokenizer::strips_first_space).
        strips_first_space: bool,
    },
    /// The text itself.
    WordPiece,
}

impl Spelling {
    /// That of a BPE tokenizer with this decoder.
    pub(super) fn of_bpe(decoder: Option<&Value>) -> Result<Self, TokenizerFileError> {
        let kind = decoder.and_then(|decoder| decoder.get("type")).and_then(Value::as_str);
        let strips = |strips_first_space| decoder == Some(&sentencepiece_decoder(strips_first_space));
        match kind {
            Some("ByteLevel") => Ok(Self::ByteLevel),
            _ if strips(true) => Ok(Self::SentencePiece { strips_first_space: true }),
            _ if strips(false) => Ok(Self::SentencePiece { strips_first_space: false }),
            Some("Sequence") => Err(TokenizerFileError::UnknownDecoder),
            _ => Err(TokenizerFileError::NotByteLevel { found: kind.unwrap_or("none").to_owned() }),
        }
    }
}

/// The settings of a BPE model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct ModelSettings {
    pub(super) unk_token: Option<String>,
    pub(super) continuing_subword_prefix: Option<String>,
    pub(super) end_of_word_suffix: Option<String>,
    #[serde(default, deserialize_with = "flag")]
    pub(super) fuse_unk: bool,
    /// Whether what the vocabulary lacks becomes tokens of its bytes.
    #[serde(default, deserialize_with = "flag")]
    pub(super) byte_fallback: bool,
    /// Whether a word that is a token is not made by merges.
    #[serde(default, deserialize_with = "flag")]
    pub(super) ignore_merges: bool,
}

/// `true` or `false`; `null` is `false`.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(false))
}

/// The parts of a BPE tokenizer beside vocabulary and merges.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct BpeParts {
    pub(super) normalizer: Option<Value>,
    pub(super) pre_tokenizer: Option<Value>,
    pub(super) decoder: Option<Value>,
    pub(super) model: ModelSettings,
}

impl BpeParts {
    /// Those that a class has by itself. Source: `tokenization_gpt2.py` and the others of their kind in transformers 5.
    pub(super) fn of_class(class: Class, settings: &Settings, special: &SpecialNames) -> Result<Self, LoadError> {
        let prefix_space = |default: bool| settings.flag("add_prefix_space", default);
        Ok(match class {
            Class::Llama => {
                let strips = prefix_space(true)?;
                let scheme = match settings.flag("legacy", false)? {
                    _ if !strips => "never",
                    true => "always",
                    false => "first",
                };
                Self {
                    pre_tokenizer: Some(metaspace(scheme)),
                    decoder: Some(sentencepiece_decoder(strips)),
                    model: ModelSettings { fuse_unk: true, byte_fallback: true, ..ModelSettings::default() },
                    ..Self::default()
                }
            }
            Class::Gemma => Self {
                normalizer: Some(replace(" ", SPACE)),
                decoder: Some(sentencepiece_decoder(false)),
                model: sentencepiece_model(Some(special.name("unk_token").to_owned())),
                ..Self::default()
            },
            Class::Qwen2 => Self {
                normalizer: Some(json!({"type": "NFC"})),
                pre_tokenizer: Some(sequence(vec![split(patterns::QWEN2), byte_level(prefix_space(false)?, false)])),
                decoder: Some(byte_level(true, true)),
                ..Self::default()
            },
            Class::Gpt2 | Class::Bert | Class::General => Self {
                pre_tokenizer: Some(byte_level(prefix_space(false)?, true)),
                decoder: Some(byte_level(true, true)),
                ..Self::default()
            },
        })
    }

    /// The tokenizer of these parts; `file` is for messages.
    pub(super) fn build(
        self,
        vocabulary: Vocabulary,
        merges: &[ResolvedMerge],
        file: &Path,
    ) -> Result<ModelTokenizer, LoadError> {
        let mut inner = ModelTokenizer::new(TextModel::Bpe(Bpe::new(vocabulary.tokens, merges, self.model)));
        inner
            .with_normalizer(part::<NormalizerWrapper>(self.normalizer, file)?)
            .map_err(|error| rejected(file, &error))?
            .with_pre_tokenizer(part::<PreTokenizerWrapper>(self.pre_tokenizer, file)?)
            .with_decoder(part::<DecoderWrapper>(self.decoder, file)?);
        Ok(inner)
    }
}

fn part<T: DeserializeOwned>(part: Option<Value>, file: &Path) -> Result<Option<T>, LoadError> {
    part.map(|part| serde_json::from_value(part).map_err(|error| rejected(file, &error))).transpose()
}

/// The model settings of SentencePiece's kind.
pub(super) fn sentencepiece_model(unk_token: Option<String>) -> ModelSettings {
    ModelSettings { unk_token, fuse_unk: true, byte_fallback: true, ..ModelSettings::default() }
}

/// Writes bytes in GPT-2's alphabet; with `words`, splits by GPT-2's regular expression before that.
pub(super) fn byte_level(add_prefix_space: bool, words: bool) -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": add_prefix_space, "trim_offsets": true, "use_regex": words})
}

/// Splits round whatever a regular expression matches.
pub(super) fn split(pattern: &str) -> Value {
    json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false})
}

/// Pre-tokenizers, one after the other.
pub(super) fn sequence(pre_tokenizers: Vec<Value>) -> Value {
    json!({"type": "Sequence", "pretokenizers": pre_tokenizers})
}

/// Writes spaces as U+2581, one more of them before a text as `scheme` says, and splits nothing.
fn metaspace(scheme: &str) -> Value {
    json!({"type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme, "split": false})
}

/// Puts a text before each other one that is not empty.
pub(super) fn prepend(text: &str) -> Value {
    json!({"type": "Prepend", "prepend": text})
}

/// Writes each occurrence of a text as another.
pub(super) fn replace(from: &str, to: &str) -> Value {
    json!({"type": "Replace", "pattern": {"String": from}, "content": to})
}

/// The text of tokens of SentencePiece's kind.
pub(super) fn sentencepiece_decoder(strips_first_space: bool) -> Value {
    let mut decoders = vec![replace(SPACE, " "), json!({"type": "ByteFallback"}), json!({"type": "Fuse"})];
    if strips_first_space {
        decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    json!({"type": "Sequence", "decoders": decoders})
}
