//! The tokenizer of a GGUF file, as the files of a model directory: `tokenizer.json`, which decides alone, and
//! `tokenizer_config.json`.
//!
//! The keys are those of `docs/gguf.md` of the ggml project; what they stand for is what llama.cpp's converter writes of a model
//! directory, so that the files here are those that it read, as far as the keys tell.

mod checked;
mod merges;
mod pre_tokenizers;
#[cfg(test)]
mod tests;

use std::path::Path;

use serde_json::{Map, Value, json};

use self::checked::{Checked, Model};
use super::bpe_parts::{
    BpeParts, SPACE, byte_level, prepend, replace, sentencepiece_decoder, sentencepiece_model, sequence,
};
use super::class_name;
use super::error::TokenizerFileError;
use super::token_bytes::byte_piece;
use crate::formats::bounded_file::TOKENIZER_LIMIT;
use crate::formats::gguf::{StandInFile, StandInObject};
use crate::load_error::LoadError;
use crate::notice::Notice;

/// The tokenizer of a GGUF file: the values of its keys `tokenizer.ggml.*` and `tokenizer.chat_template`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GgufTokenizer {
    /// `model`: `gpt2` (byte-level BPE) or `llama` (BPE of SentencePiece's kind).
    pub model: String,
    /// `pre`: what splits a text into words before byte-level BPE.
    pub pre: Option<String>,
    /// `tokens`: the vocabulary, by id.
    pub tokens: Vec<String>,
    /// `scores`: of each token; the greater, the earlier it is made.
    pub scores: Option<Vec<f32>>,
    /// `token_type`: of each token; 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte.
    pub token_types: Option<Vec<i32>>,
    /// `merges`: two tokens with a space between them, the most important first.
    pub merges: Vec<String>,
    /// `bos_token_id`: begins a text.
    pub bos: Option<u32>,
    /// `eos_token_id`: ends a text.
    pub eos: Option<u32>,
    /// `unknown_token_id`: stands for what the vocabulary lacks.
    pub unk: Option<u32>,
    /// `padding_token_id`: fills short sequences.
    pub pad: Option<u32>,
    /// `eot_token_id`: ends a message of a chat.
    pub eot: Option<u32>,
    /// `add_bos_token`: whether `bos` is put before a text.
    pub add_bos: Option<bool>,
    /// `add_eos_token`: whether `eos` is put after a text.
    pub add_eos: Option<bool>,
    /// `add_space_prefix`: whether a space is put before a text.
    pub add_space_prefix: Option<bool>,
    /// `remove_extra_whitespaces`: whether runs of spaces become one; not supported.
    pub remove_extra_whitespaces: Option<bool>,
    /// `tokenizer.chat_template`.
    pub chat_template: Option<String>,
}

/// The tokenizer as a `tokenizer.json`; `file` is the GGUF file, for messages.
///
/// # Errors
/// Fails if a key has a value that is not supported, the keys do not match, or an allocation fails. Whether the parts of each merge
/// are tokens is left to the reader of the result.
pub(crate) fn tokenizer_json(tokenizer: &GgufTokenizer, file: &Path) -> Result<Vec<u8>, LoadError> {
    let problem = |problem| LoadError::tokenizer(file, problem);
    let checked = Checked::new(tokenizer).map_err(problem)?;
    let parts = parts(&checked).map_err(problem)?;
    let head = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added_tokens(&checked),
        "normalizer": parts.normalizer,
        "pre_tokenizer": parts.pre_tokenizer,
        "post_processor": frame(&checked),
        "decoder": parts.decoder,
    });
    let model = json!({
        "type": "BPE",
        "dropout": null,
        "unk_token": parts.model.unk_token,
        "continuing_subword_prefix": null,
        "end_of_word_suffix": null,
        "fuse_unk": parts.model.fuse_unk,
        "byte_fallback": parts.model.byte_fallback,
        "ignore_merges": parts.model.ignore_merges,
    });
    let mut json = JsonText::default();
    json.open_object(&head, "model");
    json.open_object(&model, "vocab");
    write_vocabulary(&mut json, &checked).map_err(problem)?;
    json.text.extend_from_slice(b",\"merges\":[");
    write_merges(&mut json, &checked).map_err(problem)?;
    json.text.extend_from_slice(b"]}}");
    Ok(json.text)
}

/// The settings beside it as a `tokenizer_config.json`, whose class leaves everything to `tokenizer.json`.
///
/// # Errors
/// Fails if the id of a token is outside the vocabulary.
pub(crate) fn tokenizer_config_json(tokenizer: &GgufTokenizer, file: &Path) -> Result<StandInFile, LoadError> {
    checked::check_ids(tokenizer).map_err(|problem| LoadError::tokenizer(file, problem))?;
    let text = |id: Option<u32>| id.and_then(|id| tokenizer.tokens.get(id as usize));
    let mut settings = StandInObject::default();
    settings.set(class_name::KEY, class_name::GGUF);
    for (key, own_key, id) in [
        ("bos_token", "bos", tokenizer.bos),
        ("eos_token", "eos", tokenizer.eos),
        ("unk_token", "unknown", tokenizer.unk),
        ("pad_token", "padding", tokenizer.pad),
        ("eot_token", "eot", tokenizer.eot),
    ] {
        // `null` says that there is none; without the key, a usual one would take the role.
        settings.set_from(key, format!("tokenizer.ggml.{own_key}_token_id"), json!(text(id)));
    }
    if let Some(template) = &tokenizer.chat_template {
        settings.set_from("chat_template", "tokenizer.chat_template", template.as_str());
    }
    Ok(settings.into_file())
}

/// What is not said, or not followed: without `pre` the words are GPT-2's, and a token that is to be put round a text may not be
/// named.
pub(crate) fn notices(tokenizer: &GgufTokenizer, file: &Path) -> Vec<Notice> {
    let notice = |key: &str, value: &str, instead: &str| Notice::NotFollowed {
        file: file.to_owned(),
        key: format!("tokenizer.ggml.{key}"),
        value: value.to_owned(),
        instead: instead.to_owned(),
    };
    let mut notices = Vec::new();
    if tokenizer.model == checked::BYTE_LEVEL && tokenizer.pre.is_none() {
        notices.push(notice("pre", "(no such key)", "texts are split into words as GPT-2 does, other ids are likely"));
    }
    for (key, flag, id) in
        [("add_bos_token", tokenizer.add_bos, tokenizer.bos), ("add_eos_token", tokenizer.add_eos, tokenizer.eos)]
    {
        if flag == Some(true) && id.is_none() {
            notices.push(notice(key, "true", "no key names that token"));
        }
    }
    notices
}

/// Everything but vocabulary, merges, added tokens and frame.
fn parts(checked: &Checked<'_>) -> Result<BpeParts, TokenizerFileError> {
    let prefix_space = checked.tokenizer.add_space_prefix;
    match &checked.model {
        Model::ByteLevel(words) => {
            let mut steps = words.steps();
            steps.push(byte_level(prefix_space.unwrap_or(false), words.ends_with_gpt2));
            let pre_tokenizer = if steps.len() == 1 { steps.remove(0) } else { sequence(steps) };
            let mut parts = BpeParts {
                normalizer: words.composes.then(|| json!({"type": "NFC"})),
                pre_tokenizer: Some(pre_tokenizer),
                decoder: Some(byte_level(true, true)),
                ..BpeParts::default()
            };
            parts.model.ignore_merges = words.ignores_merges;
            Ok(parts)
        }
        // As Llama's tokenizer.json, SentencePiece and llama.cpp do: a space before each part of a text between special tokens, even if
        // the part begins with one. Llama's class in transformers 5 adds it before the first part only.
        Model::SentencePiece => {
            let begins_with_space = prefix_space.unwrap_or(true);
            let unknown = checked.unknown().map(|id| checked.token(id).to_owned());
            let is_byte = |token: &String| byte_piece(token).is_some();
            if unknown.is_none() && checked.tokenizer.tokens.iter().filter(|token| is_byte(token)).count() < 256 {
                return Err(TokenizerFileError::Gguf {
                    key: "unknown_token_id",
                    wanted: "a token for what the vocabulary lacks, or a token for each of the 256 bytes".to_owned(),
                    found: "neither".to_owned(),
                });
            }
            Ok(BpeParts {
                normalizer: Some(if begins_with_space {
                    json!({"type": "Sequence", "normalizers": [prepend(SPACE), replace(" ", SPACE)]})
                } else {
                    replace(" ", SPACE)
                }),
                pre_tokenizer: None,
                decoder: Some(sentencepiece_decoder(begins_with_space)),
                model: sentencepiece_model(unknown),
            })
        }
    }
}

/// The tokens that are found whole in a text, by id: those that are no part of a text, and those that a user defined.
fn added_tokens(checked: &Checked<'_>) -> Vec<Value> {
    let added = (0..checked.tokenizer.tokens.len() as u32).filter(|&id| checked.is_added(id));
    // An empty one is never found.
    let added = added.filter(|&id| !checked.token(id).is_empty());
    let token = |id: u32| {
        json!({
            "id": id,
            "content": checked.token(id),
            "single_word": false,
            "lstrip": false,
            "rstrip": false,
            "normalized": false,
            "special": checked.is_special(id),
        })
    };
    added.map(token).collect()
}

/// What puts tokens round a text.
fn frame(checked: &Checked<'_>) -> Option<Value> {
    let tokenizer = checked.tokenizer;
    let adds_bos = tokenizer.add_bos.unwrap_or(match &checked.model {
        Model::ByteLevel(words) => words.begins_with_bos,
        Model::SentencePiece => true,
    });
    let before = tokenizer.bos.filter(|_| adds_bos);
    let after = tokenizer.eos.filter(|_| tokenizer.add_eos == Some(true));
    if before.is_none() && after.is_none() {
        return None;
    }
    let special =
        |id: Option<u32>, side: u32| id.map(|id| json!({"SpecialToken": {"id": checked.token(id), "type_id": side}}));
    let text = |name: &str, side: u32| Some(json!({"Sequence": {"id": name, "type_id": side}}));
    let single = [special(before, 0), text("A", 0), special(after, 0)];
    let pair = [special(before, 1), text("B", 1), special(after, 1)];
    let single: Vec<Value> = single.into_iter().flatten().collect();
    let pair: Vec<Value> = single.iter().cloned().chain(pair.into_iter().flatten()).collect();
    let entry = |id: u32| {
        let token = checked.token(id);
        (token.to_owned(), json!({"id": token, "ids": [id], "tokens": [token]}))
    };
    let tokens: Map<String, Value> = before.into_iter().chain(after).map(entry).collect();
    Some(json!({"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": tokens}))
}

/// A JSON text that grows; large lists are written without a tree of their values.
#[derive(Default)]
struct JsonText {
    text: Vec<u8>,
}

impl JsonText {
    /// Writes an object up to the value of one more key.
    fn open_object(&mut self, object: &Value, key: &str) {
        let object = object.to_string();
        self.text.extend_from_slice(object.strip_suffix('}').unwrap_or(&object).as_bytes());
        self.text.extend_from_slice(format!(",\"{key}\":").as_bytes());
    }

    /// Writes a string, after a comma unless it is the first of its list.
    fn string(&mut self, text: &str) -> Result<(), TokenizerFileError> {
        // An escaped byte takes up to six, and what stands round it up to twenty.
        let bytes = text.len().saturating_mul(6).saturating_add(20);
        if self.text.len().saturating_add(bytes) as u64 > TOKENIZER_LIMIT {
            return Err(TokenizerFileError::Gguf {
                key: "tokens",
                wanted: format!("vocabulary and merges of at most {TOKENIZER_LIMIT} bytes"),
                found: "more".to_owned(),
            });
        }
        self.text.try_reserve(bytes).map_err(|_| TokenizerFileError::OutOfMemory { bytes: self.text.len() + bytes })?;
        let written = serde_json::to_writer(&mut self.text, text);
        written.map_err(|error| TokenizerFileError::Rejected { reason: error.to_string() })
    }
}

fn write_vocabulary(json: &mut JsonText, checked: &Checked<'_>) -> Result<(), TokenizerFileError> {
    let mut opening: &[u8] = b"{";
    for id in (0..checked.tokenizer.tokens.len() as u32).filter(|&id| !checked.is_placeholder(id)) {
        json.text.extend_from_slice(std::mem::replace(&mut opening, b","));
        json.string(checked.token(id))?;
        json.text.extend_from_slice(format!(":{id}").as_bytes());
    }
    json.text.extend_from_slice(if opening == b"{" { b"{}" } else { b"}" });
    Ok(())
}

fn write_merges(json: &mut JsonText, checked: &Checked<'_>) -> Result<(), TokenizerFileError> {
    let mut opening: &[u8] = b"[";
    let mut write = |left: &str, right: &str| {
        json.text.extend_from_slice(std::mem::replace(&mut opening, b",["));
        json.string(left)?;
        json.text.push(b',');
        json.string(right)?;
        json.text.push(b']');
        Ok(())
    };
    if checked.tokenizer.merges.is_empty() {
        let merges = merges::derive(checked)?;
        return merges.into_iter().try_for_each(|(left, right)| write(left, right));
    }
    for (merge, number) in checked.tokenizer.merges.iter().zip(1..) {
        let parts =
            merge.split_once(' ').filter(|(left, right)| !left.is_empty() && !right.is_empty() && !right.contains(' '));
        let malformed = || TokenizerFileError::MalformedMerge { number, found: merge.clone() };
        let (left, right) = parts.ok_or_else(malformed)?;
        write(left, right)?;
    }
    Ok(())
}
