//! JSON files of a model directory that stand for keys of a GGUF file.

use serde_json::{Map, Value};

use crate::formats::json_object::KeyNames;

/// The object of such a file while it is being made.
#[derive(Debug, Default)]
pub(crate) struct StandInObject {
    values: Map<String, Value>,
    key_names: KeyNames,
}

impl StandInObject {
    /// Puts in a value that the GGUF file has under the same name, or not under one key.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.values.insert(name.to_owned(), value.into());
    }

    /// Puts in what the GGUF file has as `own_key`, or as several keys.
    pub(crate) fn set_from(&mut self, name: &str, own_key: impl Into<String>, value: impl Into<Value>) {
        self.set(name, value);
        self.name_key(name, own_key);
    }

    /// Remembers what the GGUF file calls a key, dotted where nested.
    pub(crate) fn name_key(&mut self, name: &str, own_key: impl Into<String>) {
        self.key_names.insert(name.to_owned(), own_key.into());
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub(crate) fn into_file(self) -> StandInFile {
        StandInFile { content: Value::Object(self.values).to_string().into_bytes(), key_names: self.key_names }
    }
}

/// A JSON file that stands for keys of a GGUF file.
#[derive(Debug)]
pub(crate) struct StandInFile {
    pub(crate) content: Vec<u8>,
    /// What messages call its keys.
    pub(super) key_names: KeyNames,
}
