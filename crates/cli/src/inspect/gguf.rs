//! The keys of a GGUF file.

use cke_engine::formats::gguf::{GgufFile, Value};
use cke_perf::report::{Align, Column, Table};
use serde::Serialize;
use std::collections::BTreeMap;

/// What a GGUF file says of its model.
#[derive(Debug, Serialize)]
pub(super) struct GgufReport<'a> {
    version: u32,
    /// Each key with its value; of an array its length and the type of its elements.
    metadata: BTreeMap<&'a str, serde_json::Value>,
    /// The same as text.
    #[serde(skip)]
    lines: Vec<(&'a str, String)>,
}

impl<'a> GgufReport<'a> {
    pub(super) fn new(file: &'a GgufFile) -> GgufReport<'a> {
        let (mut metadata, mut lines) = (BTreeMap::new(), Vec::new());
        for key in file.keys() {
            let (json, text) = match file.value(key) {
                Ok(Some(value)) => (json(value), value.to_string()),
                Ok(None) => continue,
                Err(error) => (error.to_string().into(), error.to_string()),
            };
            metadata.insert(key, json);
            lines.push((key, text));
        }
        GgufReport { version: file.version(), metadata, lines }
    }

    /// A line for each key; long texts are cut.
    pub(super) fn table(&self) -> Table {
        let title = format!("GGUF, version {}", self.version);
        let mut table = Table::new(vec![Column::new(title, Align::Left), Column::new("value", Align::Left)]);
        for (key, value) in &self.lines {
            table.push(vec![(*key).to_owned(), value.clone()]);
        }
        table
    }
}

/// A value as JSON has it.
fn json(value: Value<'_>) -> serde_json::Value {
    match value {
        // Numbers that no type of JSON holds do not come out of 64 bits.
        Value::Integer(_, number) => i64::try_from(number).map_or_else(|_| (number as u64).into(), Into::into),
        Value::Float(_, number) => number.into(),
        Value::Bool(flag) => flag.into(),
        Value::Text(text) => text.into(),
        Value::Array(_) => value.to_string().into(),
    }
}
