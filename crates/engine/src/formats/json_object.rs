//! A JSON object whose values are taken out with a check, so that each error names file, key, wish and finding.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::bounded_file::{CONFIG_LIMIT, read_bounded, read_if_present};
use crate::load_error::LoadError;

/// Longest excerpt of a value in a message, in characters.
const EXCERPT: usize = 60;

/// An object of a configuration file. A key whose value is `null` counts as absent.
#[derive(Debug)]
pub(crate) struct JsonObject {
    file: PathBuf,
    values: Map<String, Value>,
}

impl JsonObject {
    /// Reads a configuration file.
    pub(crate) fn read(path: &Path) -> Result<Self, LoadError> {
        Self::parse(&read_bounded(path, CONFIG_LIMIT)?, path)
    }

    /// Reads a configuration file, or gives `None` where there is none.
    pub(crate) fn read_if_present(path: &Path) -> Result<Option<Self>, LoadError> {
        read_if_present(path, CONFIG_LIMIT)?.map(|json| Self::parse(&json, path)).transpose()
    }

    /// Parses the content of `file`.
    pub(crate) fn parse(json: &[u8], file: &Path) -> Result<Self, LoadError> {
        let values =
            serde_json::from_slice(json).map_err(|source| LoadError::Json { file: file.to_owned(), source })?;
        Ok(Self { file: file.to_owned(), values })
    }

    /// The file, for messages.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// The raw value.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key).filter(|value| !value.is_null())
    }

    /// All keys and values, `null` included.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.values.iter()
    }

    /// The error that `key` wanted something else than what is there.
    pub(crate) fn wrong(&self, key: &str, wanted: impl Into<String>) -> LoadError {
        let found = self.get(key).map_or_else(|| "no such key".to_owned(), excerpt);
        LoadError::config(&self.file, key, wanted, found)
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

    /// A token id below `vocab_size`.
    pub(crate) fn token_id(&self, key: &str, vocab_size: usize) -> Result<Option<u32>, LoadError> {
        let last = vocab_size.saturating_sub(1).min(u32::MAX as usize) as u64;
        Ok(self.integer(key, 0..=last)?.map(|id| id as u32))
    }

    /// One token id below `vocab_size`, or a list of them.
    pub(crate) fn token_ids(&self, key: &str, vocab_size: usize) -> Result<Option<Vec<u32>>, LoadError> {
        let Some(Value::Array(list)) = self.get(key) else {
            return Ok(self.token_id(key, vocab_size)?.map(|id| vec![id]));
        };
        let id = |value: &Value| value.as_u64().filter(|&id| id < vocab_size as u64).and_then(|id| id.try_into().ok());
        let ids: Option<Vec<u32>> = list.iter().map(id).collect();
        ids.map(Some).ok_or_else(|| self.wrong(key, format!("token ids below the vocabulary's {vocab_size}")))
    }
}

fn whole_number(range: &RangeInclusive<u64>) -> String {
    format!("a whole number from {} to {}", range.start(), range.end())
}

/// A value as JSON, shortened to fit a message.
fn excerpt(value: &Value) -> String {
    let json = value.to_string();
    match json.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}…", &json[..end]),
        None => json,
    }
}
