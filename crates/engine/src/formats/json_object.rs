//! A JSON object whose values are taken out with a check, so that each error names file, key, wish and finding.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::bounded_file::CONFIG_LIMIT;
use crate::load_error::LoadError;
use crate::model_files::ModelFiles;
use crate::notice::Notice;

/// Longest excerpt of a value in a message, in characters.
const EXCERPT: usize = 60;

/// What messages call keys, dotted where nested, if they have other names in the file that a user knows.
pub(crate) type KeyNames = BTreeMap<String, String>;

/// An object of a configuration file. A key whose value is `null` counts as absent.
#[derive(Debug)]
pub(crate) struct JsonObject {
    file: PathBuf,
    /// What stands before its keys in messages: empty, or the key that holds the object and a dot.
    prefix: String,
    key_names: KeyNames,
    values: Map<String, Value>,
}

impl JsonObject {
    /// Reads a configuration file.
    pub(crate) fn read(files: &ModelFiles, name: &str) -> Result<Self, LoadError> {
        Self::parse_own(files, name, &files.read(name, CONFIG_LIMIT)?)
    }

    /// Reads a configuration file, or gives `None` where there is none.
    pub(crate) fn read_if_present(files: &ModelFiles, name: &str) -> Result<Option<Self>, LoadError> {
        let json = files.read_if_present(name, CONFIG_LIMIT)?;
        json.map(|json| Self::parse_own(files, name, &json)).transpose()
    }

    fn parse_own(files: &ModelFiles, name: &str, json: &[u8]) -> Result<Self, LoadError> {
        Ok(Self { key_names: files.key_names(name), ..Self::parse(json, &files.path(name))? })
    }

    /// Parses the content of `file`.
    pub(crate) fn parse(json: &[u8], file: &Path) -> Result<Self, LoadError> {
        LoadError::check_tree_memory(file, json)?;
        let value: Value = serde_json::from_slice(json).map_err(|source| LoadError::json(file, json, source))?;
        let found = match value {
            Value::Object(values) => {
                let (file, prefix, key_names) = (file.to_owned(), String::new(), KeyNames::new());
                return Ok(Self { file, prefix, key_names, values });
            }
            Value::Array(_) => "a list",
            Value::String(_) => "a string",
            Value::Number(_) => "a number",
            Value::Bool(_) | Value::Null => "true, false or null",
        };
        Err(LoadError::OtherFormat { file: file.to_owned(), wanted: "a JSON object", found: found.to_owned() })
    }

    /// The file, for messages.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// A key as messages name it.
    pub(crate) fn full_key(&self, key: &str) -> String {
        let full = format!("{}{key}", self.prefix);
        self.key_names.get(&full).cloned().unwrap_or(full)
    }

    /// The value as it is written, which may be `null`.
    pub(crate) fn raw(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// The value, if it is not `null`.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key).filter(|value| !value.is_null())
    }

    /// All keys and values, `null` included.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.values.iter()
    }

    /// The error that `key` wanted something else than what is there.
    pub(crate) fn wrong(&self, key: &str, wanted: impl Into<String>) -> LoadError {
        let found = self.raw(key).map_or_else(|| "no such key".to_owned(), excerpt);
        LoadError::config(&self.file, self.full_key(key), wanted, found)
    }

    /// `value`, or the error that `key` is needed.
    pub(crate) fn required<T>(&self, key: &str, value: Option<T>, wanted: &str) -> Result<T, LoadError> {
        value.ok_or_else(|| self.wrong(key, wanted))
    }

    /// A whole number in `range`.
    pub(crate) fn integer(&self, key: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, LoadError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match value.as_u64().filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(self.wrong(key, whole_number(&range))),
        }
    }

    /// A size from 1 to `limit`.
    pub(crate) fn size(&self, key: &str, limit: usize) -> Result<Option<usize>, LoadError> {
        // Cannot truncate: the number is at most `limit`.
        Ok(self.integer(key, 1..=limit as u64)?.map(|size| size as usize))
    }

    /// A size from 1 to `limit` that must be there.
    pub(crate) fn required_size(&self, key: &str, limit: usize) -> Result<usize, LoadError> {
        self.required(key, self.size(key, limit)?, &whole_number(&(1..=limit as u64)))
    }

    /// A number that, rounded to f32, satisfies `valid`, which `wanted` puts in words.
    pub(crate) fn number(
        &self,
        key: &str,
        wanted: &str,
        valid: impl Fn(f32) -> bool,
    ) -> Result<Option<f32>, LoadError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match value.as_f64().map(|number| number as f32).filter(|&number| valid(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(self.wrong(key, wanted)),
        }
    }

    /// A finite number above 0.
    pub(crate) fn positive(&self, key: &str) -> Result<Option<f32>, LoadError> {
        self.number(key, POSITIVE, is_positive)
    }

    /// A finite number above 0 that must be there.
    pub(crate) fn required_positive(&self, key: &str) -> Result<f32, LoadError> {
        self.required(key, self.positive(key)?, POSITIVE)
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>, LoadError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| self.wrong(key, "true or false"))
    }

    /// A string.
    pub(crate) fn text(&self, key: &str) -> Result<Option<&str>, LoadError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| self.wrong(key, "a string"))
    }

    /// A token id, if it is below `vocab_size`: one that is not can never matter.
    pub(crate) fn token_id(&self, key: &str, vocab_size: usize) -> Result<Option<u32>, LoadError> {
        if self.get(key).is_some_and(Value::is_array) {
            return Err(self.wrong(key, TOKEN_ID));
        }
        Ok(self.token_ids(key, vocab_size)?.and_then(|ids| ids.usable.first().copied()))
    }

    /// One token id or a list of them; `None` if there is no such key.
    pub(crate) fn token_ids(&self, key: &str, vocab_size: usize) -> Result<Option<TokenIds>, LoadError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let list = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        let mut ids = TokenIds::default();
        for value in list {
            ids.push(value.as_i64().ok_or_else(|| self.wrong(key, TOKEN_ID))?, vocab_size);
        }
        Ok(Some(ids))
    }

    /// The notice that `key` names an id that no token has.
    pub(crate) fn unusable_id(&self, key: &str, id: i64, vocabulary: usize) -> Notice {
        Notice::UnusableId { file: self.file.clone(), key: self.full_key(key), id, vocabulary }
    }

    /// The value of `key` as JSON, shortened to fit a message; `null` if there is none.
    pub(crate) fn excerpt(&self, key: &str) -> String {
        self.get(key).map_or_else(|| "null".to_owned(), excerpt)
    }

    /// The notice that `key` is not followed.
    pub(crate) fn not_followed(&self, key: &str, instead: impl Into<String>) -> Notice {
        Notice::NotFollowed {
            file: self.file.clone(),
            key: self.full_key(key),
            value: self.excerpt(key),
            instead: instead.into(),
        }
    }

    /// The notice that another place decides instead of `key`.
    pub(crate) fn overruled(&self, key: &str, by: impl Into<String>) -> Notice {
        Notice::Overruled { file: self.file.clone(), key: self.full_key(key), value: self.excerpt(key), by: by.into() }
    }

    /// A notice for each key with a value that `is_known` does not know.
    pub(crate) fn unknown_keys(&self, is_known: impl Fn(&str) -> bool) -> Vec<Notice> {
        let unknown = self.entries().filter(|(key, value)| !value.is_null() && !is_known(key));
        unknown
            .map(|(key, value)| Notice::UnknownKey {
                file: self.file.clone(),
                key: self.full_key(key),
                value: excerpt(value),
            })
            .collect()
    }

    /// This object with the values of another, which come first.
    pub(crate) fn overlaid(mut self, other: JsonObject) -> JsonObject {
        self.values.extend(other.values);
        self
    }

    /// An object inside this one, whose errors name its keys after `key` and a dot.
    pub(crate) fn object(&self, key: &str) -> Result<Option<JsonObject>, LoadError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let values = value.as_object().ok_or_else(|| self.wrong(key, "an object"))?;
        let prefix = format!("{}{key}.", self.prefix);
        let (file, key_names) = (self.file.clone(), self.key_names.clone());
        Ok(Some(JsonObject { file, prefix, key_names, values: values.clone() }))
    }
}

/// Token ids of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct TokenIds {
    /// Those below the size of the vocabulary.
    pub(crate) usable: Vec<u32>,
    /// The others, which no token has.
    pub(crate) unusable: Vec<i64>,
}

impl TokenIds {
    pub(crate) fn push(&mut self, id: i64, vocab_size: usize) {
        match u32::try_from(id).ok().filter(|&id| (id as usize) < vocab_size) {
            Some(id) => self.usable.push(id),
            None => self.unusable.push(id),
        }
    }
}

/// What [`JsonObject::token_id`] wants.
const TOKEN_ID: &str = "a token id, a whole number";

/// What [`JsonObject::positive`] wants.
const POSITIVE: &str = "a number above 0";

/// Whether a number is finite and above 0.
pub(crate) fn is_positive(number: f32) -> bool {
    number > 0.0 && number.is_finite()
}

fn whole_number(range: &RangeInclusive<u64>) -> String {
    format!("a whole number from {} to {}", range.start(), range.end())
}

/// A value as JSON, shortened to fit a message.
pub(crate) fn excerpt(value: &Value) -> String {
    let json = value.to_string();
    match json.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}…", &json[..end]),
        None => json,
    }
}
