//! What `config.json` says of a decoder and is not followed, because transformers does not, either, or does not know it.

use super::decoder::{ATTENTION_CAP, Family, GLOBAL, LOCAL};
use super::rope::{KEYS, PART};
use crate::formats::json_object::JsonObject;
use crate::notice::Notice;

/// The notices of a family.
pub(super) fn notices(json: &JsonObject, family: Family) -> Vec<Notice> {
    let ropes = rope_objects(json, family);
    let mut notices: Vec<Notice> =
        ropes.iter().flat_map(|(rope, known)| rope.unknown_keys(|key| known.contains(&key))).collect();
    let mut add = |object: &JsonObject, key: &str, instead: &str| {
        notices.push(object.not_followed(key, format!("{instead}, as transformers does for {}", family.name())));
    };
    let is_part = |object: &JsonObject| object.get(PART).is_some_and(|part| part.as_f64() != Some(1.0));
    for object in std::iter::once(json).chain(ropes.iter().map(|(rope, _)| rope)) {
        if family != Family::Phi3 && is_part(object) {
            add(object, PART, "whole heads are turned");
        }
    }
    if family == Family::Phi3 && json.get("layer_types").is_some() {
        add(json, "layer_types", "all layers have the window");
    }
    if family == Family::Gemma3 && json.get(ATTENTION_CAP).is_some() {
        add(json, ATTENTION_CAP, "scores have no cap");
    }
    notices
}

/// The objects that say how queries and keys are turned, each with the keys that it may have.
fn rope_objects(json: &JsonObject, family: Family) -> Vec<(JsonObject, &'static [&'static str])> {
    // What is no object has been refused.
    let inside = |object: &JsonObject, key: &str| object.object(key).ok().flatten();
    let (older, newer) = (inside(json, "rope_scaling"), inside(json, "rope_parameters"));
    let mut objects = Vec::from_iter(older.map(|older| (older, &KEYS[..])));
    match newer {
        Some(newer) if family == Family::Gemma3 => {
            objects.extend([GLOBAL, LOCAL].into_iter().filter_map(|kind| Some((inside(&newer, kind)?, &KEYS[..]))));
            objects.push((newer, &[GLOBAL, LOCAL]));
        }
        newer => objects.extend(newer.map(|newer| (newer, &KEYS[..]))),
    }
    objects
}
