//! Where `tokenizer.json` and `tokenizer_config.json` say different things: which of them is not used.

use std::path::Path;

use serde_json::{Value, json};

use super::bpe_parts::{BpeParts, ModelSettings, split};
use super::class::bert_normalizer;
use super::class_name::Class;
use super::json::TokenizerJson;
use super::patterns;
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

/// The key that asks for another regular expression than that of `tokenizer.json`.
const CORRECTION: &str = "fix_mistral_regex";

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

/// What a class of a BPE vocabulary does not take from `tokenizer.json`: the parts that are other than its own.
pub(super) fn bpe(file: &Path, class: Class, own: &BpeParts, written: &TokenizerJson) -> Vec<Notice> {
    let mut parts = vec![
        ("normalizer", &own.normalizer, &written.normalizer),
        ("pre_tokenizer", &own.pre_tokenizer, &written.pre_tokenizer),
    ];
    // The settings of the decoder of bytes make no difference.
    if own.decoder.as_ref().and_then(kind) != Some("ByteLevel") {
        parts.push(("decoder", &own.decoder, &written.decoder));
    }
    let differs = |own: &Option<Value>, found: &Option<Value>| {
        let found = found.as_ref().filter(|found| !splits_nothing(found, own));
        own.as_ref().map(essence) != found.map(essence)
    };
    let others = parts.into_iter().filter(|(_, own, found)| differs(own, found));
    let notice = |(key, own, found): (&str, &Option<Value>, &Option<Value>)| {
        let text = |part: &Option<Value>| part.as_ref().map_or_else(|| "null".to_owned(), excerpt);
        part(file, key, text(found), format!("{} of {}", text(own), class.names()[0]))
    };
    others.map(notice).collect()
}

/// The settings of the model that a class of a BPE vocabulary does not take from `tokenizer.json`.
pub(super) fn model(file: &Path, class: Class, own: &ModelSettings, found: &ModelSettings) -> Vec<Notice> {
    let flags = [
        ("model.byte_fallback", own.byte_fallback, found.byte_fallback),
        ("model.ignore_merges", own.ignore_merges, found.ignore_merges),
    ];
    let others = flags.into_iter().filter(|(_, own, found)| own != found);
    others
        .map(|(key, own, found)| part(file, key, found.to_string(), format!("{own} of {}", class.names()[0])))
        .collect()
}

/// What of a part can make a difference: positions of tokens in a text are not kept.
fn essence(part: &Value) -> Value {
    match part {
        Value::Object(object) => {
            let kept = object.iter().filter(|(key, _)| *key != "trim_offsets");
            Value::Object(kept.map(|(key, value)| (key.clone(), essence(value))).collect())
        }
        Value::Array(list) => Value::Array(list.iter().map(essence).collect()),
        other => other.clone(),
    }
}

/// Whether a part splits at spaces, of which a class without a pre-tokenizer leaves none (Gemma's).
fn splits_nothing(part: &Value, own: &Option<Value>) -> bool {
    own.is_none() && kind(part) == Some("Split") && part.get("pattern") == Some(&json!({"String": " "}))
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
    notices.extend(uncorrected(settings, written)?);
    Ok(notices)
}

/// The notice that a correction which `tokenizer_config.json` asks for is not made.
fn uncorrected(settings: &Settings, written: &TokenizerJson) -> Result<Option<Notice>, LoadError> {
    let is_wanted = settings.config.flag(CORRECTION)? == Some(true);
    let members = |part: &Value| part.get("pretokenizers").and_then(Value::as_array).cloned().unwrap_or_default();
    let is_made = written.pre_tokenizer.as_ref().is_some_and(|part| members(part).contains(&split(patterns::TEKKEN)));
    let notice =
        || settings.config.not_followed(CORRECTION, "the pre-tokenizer of tokenizer.json is followed as it is");
    Ok((is_wanted && !is_made).then(notice))
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
