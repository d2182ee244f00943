//! Values that a template keeps, as plain data of little depth.
//!
//! A name that is set in a loop can come to hold a list in a list in a list, or a list that has the same list twice, and that one
//! twice: a few steps make a value whose release overflows the call stack, or whose text no memory holds. So whatever a template
//! keeps is copied into lists, tuples and mappings of its own, each element of which costs fuel.

use minijinja::value::{ObjectRepr, Tuple, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

/// Deepest list of lists that a template can keep.
const MAX_DEPTH: usize = 64;

/// A value that a name gets: a container as plain data, everything else as it is.
pub(super) fn held(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    match is_container(&value) {
        true => copied(state, &value, 0),
        false => Ok(value),
    }
}

/// A value that an attribute of a namespace gets, which outlives the scope in which it was made.
///
/// # Errors
/// Fails if the value is or contains something other than plain data (a namespace, which could contain itself; a loop; a
/// macro), nests too deeply, or takes more steps than allowed.
pub(super) fn held_inside(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    copied(state, &value, 0)
}

/// Whether text or comparison of the value goes through others.
pub(super) fn is_container(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::Map) && !has_own_state(value)
}

fn copied(state: &State<'_, '_>, value: &Value, depth: usize) -> Result<Value, Error> {
    state.consume_fuel(1)?;
    if value.as_object().is_none() {
        return Ok(value.clone());
    }
    if depth == MAX_DEPTH {
        return Err(refused(format!("lists and mappings nested more than {MAX_DEPTH} deep")));
    }
    if !is_container(value) {
        return Err(refused(format!("a namespace, loop or function ({}) inside another value", value.kind())));
    }
    let inner = |item: &Value| copied(state, item, depth + 1);
    if value.kind() == ValueKind::Map {
        let mut pairs = Vec::new();
        for key in value.try_iter()?.checked() {
            let key = key?;
            pairs.push((inner(&key)?, inner(&value.get_item(&key)?)?));
        }
        return Ok(Value::from_pairs(pairs));
    }
    let items = value.try_iter()?.checked().map(|item| inner(&item?)).collect::<Result<Vec<_>, _>>()?;
    Ok(if value.is_tuple() { Value::from(Tuple::from(items)) } else { Value::from(items) })
}

/// Whether the value is not plain data: what it refers to may change.
fn has_own_state(value: &Value) -> bool {
    value.as_object().is_some_and(|object| {
        object.repr() == ObjectRepr::Plain
            || object.type_name().ends_with("::Namespace")
            || object.type_name().ends_with("::Loop")
    })
}

fn refused(what: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("a template cannot keep {what}"))
}
