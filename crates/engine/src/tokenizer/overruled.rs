//! Where `tokenizer.json` and `tokenizer_config.json` say different things: which of them is not used.

use std::path::Path;

use serde_json::{Value, json};

use super::class::bert_normalizer;
use super::json::TokenizerJson;
use super::settings::Settings;
use crate::formats::json_object::excerpt;
use crate::load_error::LoadError;
use crate::notice::Notice;

/// The keys of BERT's normalizer in `tokenizer.json`, and in `tokenizer_config.json`.
const BERT_KEYS: [(&str, &str); 3] = [
    ("lowercase", "do_lower_case"),
    ("strip_accents", "strip_accents"),
    ("handle_chinese_chars", "tokenize_chinese_chars"),
];

/// The notice that a part of `tokenizer.json` is not used.
pub(super) fn part(file: &Path, key: &str, value: impl Into<String>, by: String) -> Notice {
    Notice::Overruled { file: file.to_owned(), key: key.to_owned(), value: value.into(), by }
}

/// What GPT-2's class does not take from `tokenizer.json`: the normalizer, and another pre-tokenizer than its own.
pub(super) fn gpt2(file: &Path, settings: &Settings, written: &TokenizerJson) -> Result<Vec<Notice>, LoadError> {
    let mut notices = Vec::new();
    if let Some(normalizer) = &written.normalizer {
        notices.push(part(file, "normalizer", excerpt(normalizer), "none of GPT2Tokenizer".to_owned()));
    }
    let prefix_space = settings.flag("add_prefix_space", false)?;
    let Some(found) = &written.pre_tokenizer else {
        notices.push(part(file, "pre_tokenizer", "null", "that of GPT2Tokenizer".to_owned()));
        return Ok(notices);
    };
    let is_byte_level =
        kind(found) == Some("ByteLevel") && found.get("use_regex").is_none_or(|regex| regex == &json!(true));
    let found_space = found.get("add_prefix_space").is_some_and(|space| space == &json!(true));
    if !is_byte_level {
        notices.push(part(file, "pre_tokenizer", excerpt(found), "that of GPT2Tokenizer".to_owned()));
    } else if found_space != prefix_space {
        let by = settings.named("add_prefix_space", prefix_space);
        notices.push(part(file, "pre_tokenizer.add_prefix_space", found_space.to_string(), by));
    }
    Ok(notices)
}

/// What BERT's class does not take from `tokenizer.json`: normalizer and pre-tokenizer, if they are other than its own.
pub(super) fn bert(file: &Path, settings: &Settings, written: &TokenizerJson) -> Result<Vec<Notice>, LoadError> {
    let own_normalizer = serde_json::to_value(bert_normalizer(settings)?).unwrap_or_default();
    let own = &own_normalizer;
    let mut notices = Vec::new();
    match &written.normalizer {
        Some(found) if kind(found) == Some("BertNormalizer") => {
            let normalizer = found;
            for (key, setting) in BERT_KEYS {
                let (found, own) = (normalizer.get(key).unwrap_or(&Value::Null), &own[key]);
                // One that follows from another setting is named with that.
                if found != own && effective(normalizer, key) != effective(&own_normalizer, key) {
                    let by = settings.named(setting, own);
                    notices.push(part(file, &format!("normalizer.{key}"), excerpt(found), by));
                }
            }
        }
        other => {
            let found = other.as_ref().map_or_else(|| "null".to_owned(), excerpt);
            let by = settings.named("do_lower_case", &own["lowercase"]);
            notices.push(part(file, "normalizer", found, format!("that of BertTokenizer with {by}")));
        }
    }
    let found = written.pre_tokenizer.as_ref();
    if found.and_then(kind) != Some("BertPreTokenizer") {
        let found = found.map_or_else(|| "null".to_owned(), excerpt);
        notices.push(part(file, "pre_tokenizer", found, "that of BertTokenizer".to_owned()));
    }
    Ok(notices)
}

/// What the general class does not take from `tokenizer_config.json`, if `tokenizer.json` says something else.
pub(super) fn settings(settings: &Settings, written: &TokenizerJson) -> Result<Vec<Notice>, LoadError> {
    let mut notices = Vec::new();
    let normalizer = written.normalizer.as_ref().filter(|part| kind(part) == Some("BertNormalizer"));
    for (key, setting) in BERT_KEYS {
        let found = normalizer.and_then(|part| part.get(key)).unwrap_or(&Value::Null);
        if let Some(wanted) = settings.config.get(setting).filter(|wanted| *wanted != found) {
            // Lowercasing may also be done by another part.
            let is_lowered = key == "lowercase" && wanted == &json!(true) && has_part(&written.normalizer, "Lowercase");
            if !is_lowered {
                let by = format!("tokenizer.json `normalizer.{key}` {}", excerpt(found));
                notices.push(settings.config.overruled(setting, by));
            }
        }
    }
    let found = written.pre_tokenizer.as_ref().and_then(|part| part.get("add_prefix_space"));
    let found = found.is_some_and(|space| space == &json!(true));
    if settings.config.flag("add_prefix_space")?.is_some_and(|wanted| wanted != found) {
        let by = format!("tokenizer.json `pre_tokenizer.add_prefix_space` {found}");
        notices.push(settings.config.overruled("add_prefix_space", by));
    }
    Ok(notices)
}

/// A setting of BERT's normalizer; accents are stripped as letters are lowered unless it says otherwise.
fn effective<'a>(normalizer: &'a Value, key: &str) -> &'a Value {
    let value = &normalizer[key];
    if key == "strip_accents" && value.is_null() { &normalizer["lowercase"] } else { value }
}

fn kind(part: &Value) -> Option<&str> {
    part.get("type").and_then(Value::as_str)
}

/// Whether a part is of a kind, or a sequence with one that is.
fn has_part(part: &Option<Value>, wanted: &str) -> bool {
    let Some(part) = part else { return false };
    let members = part.get("normalizers").and_then(Value::as_array).into_iter().flatten();
    kind(part) == Some(wanted) || members.into_iter().any(|member| kind(member) == Some(wanted))
}
