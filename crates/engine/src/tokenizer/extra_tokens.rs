//! Special tokens without a role of the library's: which ones the files name, and in which order they get their ids.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};
use tokenizers::AddedToken;

use super::class::BYTES_PER_ADDED_TOKEN;
use super::settings::{TOKEN, is_model_specific, special_token};
use crate::fallible::check_available;
use crate::formats::json_object::JsonObject;
use crate::load_error::LoadError;

/// A list of tokens without names, or an object of tokens with names.
const EXTRA: &str = "extra_special_tokens";
/// The older name of the list, which counts only without the newer one.
const ADDITIONAL: &str = "additional_special_tokens";
/// An object of tokens with names.
const NAMED: &str = "model_specific_special_tokens";

const WANTED: &str = "a list of tokens, or an object of them";

/// Tokens by name; one that is set again keeps its place.
#[derive(Default)]
struct Named {
    tokens: Vec<AddedToken>,
    places: HashMap<String, usize>,
}

impl Named {
    fn set(&mut self, name: &str, token: AddedToken) {
        match self.places.get(name) {
            Some(&place) => self.tokens[place] = token,
            None => {
                self.places.insert(name.to_owned(), self.tokens.len());
                self.tokens.push(token);
            }
        }
    }

    /// All tokens of an object; `key` holds it.
    fn set_all(&mut self, tokens: &Map<String, Value>, json: &JsonObject, key: &str) -> Result<(), LoadError> {
        check_memory(tokens.len(), json)?;
        for (name, value) in tokens {
            self.set(name, token(value, json, key)?);
        }
        Ok(())
    }

    /// The tokens that stand in a file under names of their own.
    fn set_keys(&mut self, json: &JsonObject, is_token: impl Fn(&Value) -> bool) {
        for (key, value) in json.entries().filter(|(key, value)| is_model_specific(key) && is_token(value)) {
            if let Some(token) = special_token(value) {
                self.set(key, token);
            }
        }
    }
}

/// The tokens of `tokenizer_config.json` and of `special_tokens_map.json`: those with names, then the others. The order is the
/// library's: names of the map, of the configuration, of the map's object.
pub(super) fn read(config: &JsonObject, map: Option<&JsonObject>) -> Result<Vec<AddedToken>, LoadError> {
    let mut named = Named::default();
    if let Some(map) = map {
        named.set_keys(map, |value| value.is_string() || value.is_object());
    }
    let is_written_token = |value: &Value| value.get("__type").is_some_and(|kind| kind == "AddedToken");
    named.set_keys(config, |value| value.is_string() || is_written_token(value));
    let extra = config.get(EXTRA).filter(|value| !is_empty(value));
    let key = if extra.is_some() { EXTRA } else { ADDITIONAL };
    // Whether the newer name is taken, so that the map's older one does not count.
    let mut is_taken = config.raw(EXTRA).is_some() || config.raw(ADDITIONAL).is_some();
    let mut others = Vec::new();
    match extra.or(config.get(ADDITIONAL)) {
        None => {}
        Some(Value::Array(list)) => others = tokens(list, config, key)?,
        Some(Value::Object(tokens)) => {
            named.set_all(tokens, config, key)?;
            is_taken = false;
        }
        Some(_) => return Err(config.wrong(key, WANTED)),
    }
    match config.get(NAMED) {
        None => {}
        // Names of their own take the place of the object.
        Some(Value::Object(tokens)) if named.tokens.is_empty() => named.set_all(tokens, config, NAMED)?,
        Some(Value::Object(_)) => {}
        Some(_) => return Err(config.wrong(NAMED, "an object of tokens")),
    }
    if let Some(map) = map {
        read_map(map, is_taken, &mut named, &mut others)?;
    }
    Ok([named.tokens, others].concat())
}

/// What the map has of both kinds; `is_taken` tells whether `others` are known already.
fn read_map(
    map: &JsonObject,
    mut is_taken: bool,
    named: &mut Named,
    others: &mut Vec<AddedToken>,
) -> Result<(), LoadError> {
    match map.get(EXTRA) {
        None => {}
        Some(Value::Array(list)) => {
            let mut seen: HashSet<String> = others.iter().map(|token| token.content.clone()).collect();
            let new = tokens(list, map, EXTRA)?.into_iter().filter(|token| seen.insert(token.content.clone()));
            others.extend(new);
            is_taken = true;
        }
        Some(Value::Object(tokens)) => {
            named.set_all(tokens, map, EXTRA)?;
            others.clear();
            is_taken = false;
        }
        Some(_) => return Err(map.wrong(EXTRA, WANTED)),
    }
    match map.get(ADDITIONAL) {
        Some(Value::Array(list)) if !is_taken => *others = tokens(list, map, ADDITIONAL)?,
        None | Some(Value::Array(_)) => {}
        Some(_) => return Err(map.wrong(ADDITIONAL, "a list of tokens")),
    }
    Ok(())
}

fn tokens(list: &[Value], json: &JsonObject, key: &str) -> Result<Vec<AddedToken>, LoadError> {
    check_memory(list.len(), json)?;
    list.iter().map(|value| token(value, json, key)).collect()
}

/// Checks that there is memory for lists and tables of this many tokens, some of which are the crate's.
fn check_memory(count: usize, json: &JsonObject) -> Result<(), LoadError> {
    let bytes = count.saturating_mul(BYTES_PER_ADDED_TOKEN);
    check_available(bytes).map_err(|_| LoadError::NoMemory { file: json.file().to_owned(), bytes })
}

fn token(value: &Value, json: &JsonObject, key: &str) -> Result<AddedToken, LoadError> {
    special_token(value).ok_or_else(|| json.wrong(key, TOKEN))
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty)
}
