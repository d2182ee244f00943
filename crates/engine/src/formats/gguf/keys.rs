//! Values of keys, taken with a check of their types.

use std::ops::RangeInclusive;

use super::value::{Array, Value};
use super::{GgufFile, LoadError};

impl GgufFile {
    /// A whole number of any type in `range`.
    pub(crate) fn integer(&self, key: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, LoadError> {
        let Some(value) = self.value(key)? else { return Ok(None) };
        match value {
            Value::Integer(_, number) => u64::try_from(number).ok().filter(|number| range.contains(number)),
            _ => None,
        }
        .map(Some)
        .ok_or_else(|| self.wrong(key, format!("a whole number from {} to {}", range.start(), range.end()), value))
    }

    /// A number of type FLOAT32 or FLOAT64 that is finite.
    pub(crate) fn number(&self, key: &str) -> Result<Option<f64>, LoadError> {
        match self.value(key)? {
            None => Ok(None),
            Some(Value::Float(_, number)) if number.is_finite() => Ok(Some(number)),
            Some(found) => Err(self.wrong(key, "a finite FLOAT32 or FLOAT64", found)),
        }
    }

    /// A BOOL.
    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>, LoadError> {
        match self.value(key)? {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(found) => Err(self.wrong(key, "a BOOL", found)),
        }
    }

    /// A STRING.
    pub(crate) fn text(&self, key: &str) -> Result<Option<&str>, LoadError> {
        match self.value(key)? {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(found) => Err(self.wrong(key, "a STRING", found)),
        }
    }

    /// The elements of an ARRAY, each as `element` takes it; `wanted` puts in words what it takes.
    pub(crate) fn list<'a, T>(
        &'a self,
        key: &str,
        wanted: &str,
        element: impl Fn(Value<'a>) -> Option<T>,
    ) -> Result<Option<Vec<T>>, LoadError> {
        let array: Array<'a> = match self.value(key)? {
            None => return Ok(None),
            Some(Value::Array(array)) => array,
            Some(found) => return Err(self.wrong(key, wanted, found)),
        };
        // A string of one byte is nine in the file and some fifty in memory.
        LoadError::check_memory(self.path(), array.bytes())?;
        let mut list = Vec::new();
        for value in array.values() {
            let value = value.map_err(|problem| LoadError::config(self.path(), key, wanted, problem.to_string()))?;
            list.push(element(value).ok_or_else(|| self.wrong(key, wanted, Value::Array(array)))?);
        }
        Ok(Some(list))
    }

    /// The error that a key wanted something else than what is there.
    pub(crate) fn wrong(&self, key: &str, wanted: impl Into<String>, found: Value<'_>) -> LoadError {
        LoadError::config(self.path(), key, wanted, found.to_string())
    }

    /// `value`, or the error that `key` is needed.
    pub(crate) fn required<T>(&self, key: &str, value: Option<T>, wanted: &str) -> Result<T, LoadError> {
        value.ok_or_else(|| LoadError::config(self.path(), key, wanted, "no such key"))
    }
}
