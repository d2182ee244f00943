//! Methods of Python's strings, lists and mappings that templates call.

use minijinja::value::{Kwargs, Tuple, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::plain_data::{held_inside, is_container};

/// Calls a method that the value does not have by itself.
///
/// # Errors
/// Fails if the method is unknown or its arguments are wrong.
pub(super) fn call(state: &mut State<'_, '_>, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    for container in args.iter().filter(|arg| is_container(arg) && !arg.is_kwargs()) {
        held_inside(state, container.clone())?;
    }
    let own = match value.as_str() {
        Some(text) => of_string(text, method, args)?,
        None if matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) => of_list(value, method, args)?,
        None => None,
    };
    match own {
        Some(result) => Ok(result),
        None => unknown_method_callback(state, value, method, args),
    }
}

/// What Python's `str.strip` takes away: white space of Unicode and the separators of ASCII.
pub(super) fn is_python_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// `None`: a method that is left to others.
fn of_string(text: &str, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    Ok(Some(match method {
        "strip" => strip(text, args, true, true)?,
        "lstrip" => strip(text, args, true, false)?,
        "rstrip" => strip(text, args, false, true)?,
        "split" => split(text, args, false)?,
        "rsplit" => split(text, args, true)?,
        "isspace" => {
            let () = from_args(args)?;
            Value::from(!text.is_empty() && text.chars().all(is_python_space))
        }
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(args)?;
            Value::from(text.strip_prefix(prefix).unwrap_or(text))
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(args)?;
            Value::from(text.strip_suffix(suffix).unwrap_or(text))
        }
        "partition" => {
            let (separator,): (&str,) = from_args(args)?;
            let (head, tail) = nonempty(separator, text.split_once(separator))?.unwrap_or((text, ""));
            three([head, if head.len() == text.len() { "" } else { separator }, tail])
        }
        "rpartition" => {
            let (separator,): (&str,) = from_args(args)?;
            let (head, tail) = nonempty(separator, text.rsplit_once(separator))?.unwrap_or(("", text));
            three([head, if tail.len() == text.len() { "" } else { separator }, tail])
        }
        _ => return Ok(None),
    }))
}

fn three(parts: [&str; 3]) -> Value {
    Value::from(Tuple::from(parts.map(Value::from)))
}

fn of_list(value: &Value, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    if method != "index" {
        return Ok(None);
    }
    let (wanted,): (&Value,) = from_args(args)?;
    for (index, item) in value.try_iter()?.checked().enumerate() {
        if item? == *wanted {
            return Ok(Some(Value::from(index)));
        }
    }
    Err(Error::new(ErrorKind::InvalidOperation, "index: the value is not in the list"))
}

fn strip(text: &str, args: &[Value], start: bool, end: bool) -> Result<Value, Error> {
    let (chars,): (Option<&str>,) = from_args(args)?;
    let goes = |c: char| chars.map_or_else(|| is_python_space(c), |chars| chars.contains(c));
    let text = if start { text.trim_start_matches(goes) } else { text };
    Ok(Value::from(if end { text.trim_end_matches(goes) } else { text }))
}

/// `split` and `rsplit`: at a separator, or at runs of white space if there is none; at most `maxsplit` times, if that is given.
fn split(text: &str, args: &[Value], from_end: bool) -> Result<Value, Error> {
    let (separator, most, named): (Option<&str>, Option<i64>, Kwargs) = from_args(args)?;
    let separator = separator.or(named.get("sep")?);
    let most = most.or(named.get("maxsplit")?).and_then(|most| usize::try_from(most).ok());
    named.assert_all_used()?;
    let most = most.unwrap_or(usize::MAX - 1);
    let mut parts: Vec<&str> = match separator {
        Some("") => return nonempty("", None::<()>).map(Value::from),
        Some(separator) if from_end => text.rsplitn(most + 1, separator).collect(),
        Some(separator) => text.splitn(most + 1, separator).collect(),
        None => split_space(text, most, from_end),
    };
    if from_end {
        parts.reverse();
    }
    Ok(parts.into_iter().collect())
}

/// Words of a text, those from the end in that order; the last part has the rest.
fn split_space(text: &str, most: usize, from_end: bool) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text.trim_matches(is_python_space);
    while !rest.is_empty() {
        let cut = match from_end {
            true => rest.rfind(is_python_space),
            false => rest.find(is_python_space),
        };
        let Some(cut) = cut.filter(|_| parts.len() < most) else {
            parts.push(rest);
            break;
        };
        let (head, tail) = rest.split_at(cut);
        let tail_word = tail.trim_start_matches(is_python_space);
        if from_end {
            parts.push(tail_word);
            rest = head.trim_end_matches(is_python_space);
        } else {
            parts.push(head);
            rest = tail_word;
        }
    }
    parts
}

fn nonempty<T>(separator: &str, value: T) -> Result<T, Error> {
    match separator.is_empty() {
        true => Err(Error::new(ErrorKind::InvalidOperation, "empty separator")),
        false => Ok(value),
    }
}
