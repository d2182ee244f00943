//! The functions and filters that transformers gives its chat templates, in Jinja's environment with its sandbox.
//!
//! Source: transformers 5.24, `utils/chat_template_utils.py`, `_cached_compile_jinja_template`; jinja2 3.1.6.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, Value, filters};
use serde::Serialize;
use std::io;

use super::clock::strftime;
use super::methods::{self, is_python_space};
use super::plain_data::{held, held_inside, is_container};
use super::template_source::{HELD, HELD_INSIDE};

/// The one template of an environment.
pub(super) const NAME: &str = "chat";
/// The variable with the seconds since the Unix epoch that `strftime_now` shows.
pub(super) const NOW: &str = "__now";
/// Most scopes, calls of macros (each four) and recursive loops inside each other.
const RECURSION_LIMIT: usize = 100;
/// Longest form of a date.
const MAX_DATE_FORMAT: usize = 256;
/// Largest indentation of JSON.
const MAX_INDENT: usize = 16;

/// What a template says by `raise_exception`.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(super) struct Raised(pub(super) String);

/// An environment with the template in it.
///
/// # Errors
/// Fails if the template has a syntax error.
pub(super) fn compile(template: String) -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_recursion_limit(RECURSION_LIMIT);
    environment.set_debug(true);
    environment.set_unknown_method_callback(methods::call);
    environment.set_formatter(write_value);
    for name in ["batch", "slice", "groupby", "zip", "pprint"] {
        environment.remove_filter(name);
    }
    environment.remove_global("debug");
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", strftime_now);
    environment.add_function(HELD, |state: &State<'_, '_>, value: Value| held(state, value));
    environment.add_function(HELD_INSIDE, |state: &State<'_, '_>, value: Value| held_inside(state, value));
    environment.add_test("iterable", is_sequence);
    environment.add_test("sequence", is_sequence);
    environment.add_filter("tojson", to_json);
    environment.add_filter("trim", trim);
    for (name, filter) in filters_of_text() {
        environment.add_filter(name, move |state: &mut State<'_, '_>, args: Rest<Value>| {
            for container in args.iter().filter(|arg| is_container(arg) && !arg.is_kwargs()) {
                held_inside(state, container.clone())?;
            }
            filter.call(state, &args)
        });
    }
    environment.add_template_owned(NAME, template)?;
    Ok(environment)
}

/// Filters that make a text of whatever they get. That of a list which contains another many times may be larger than any memory.
fn filters_of_text() -> [(&'static str, Value); 9] {
    [
        ("string", Value::from_function(filters::string)),
        ("lower", Value::from_function(filters::lower)),
        ("upper", Value::from_function(filters::upper)),
        ("title", Value::from_function(filters::title)),
        ("capitalize", Value::from_function(filters::capitalize)),
        ("join", Value::from_function(filters::join)),
        ("unique", Value::from_function(filters::unique)),
        ("sort", Value::from_function(filters::sort)),
        ("format", Value::from_function(filters::format)),
    ]
}

/// Writes the value of `{{ … }}`.
fn write_value(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    if is_container(value) {
        held_inside(state, value.clone())?;
    }
    minijinja::escape_formatter(out, state, value)
}

/// What can be iterated over and has a length in Python: texts and mappings, too, but not none. What is undefined is as good as
/// empty.
fn is_sequence(value: &Value) -> bool {
    use ValueKind::{Iterable, Map, Seq, String, Undefined};
    matches!(value.kind(), String | Seq | Iterable | Map | Undefined)
}

fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message.clone()).with_source(Raised(message)))
}

fn strftime_now(state: &State<'_, '_>, format: &str) -> Result<String, Error> {
    if format.len() > MAX_DATE_FORMAT {
        return Err(Error::new(ErrorKind::InvalidOperation, "strftime_now: the format is too long"));
    }
    let now = state.lookup(NOW).and_then(|now| u64::try_from(now).ok()).unwrap_or_default();
    Ok(strftime(format, now))
}

/// Jinja's `trim` is Python's `str.strip`.
fn trim(text: Value, chars: Option<&str>) -> String {
    let text = if text.is_undefined() { String::new() } else { text.to_string() };
    let goes = |c: char| chars.map_or_else(|| is_python_space(c), |chars| chars.contains(c));
    text.trim_matches(goes).to_owned()
}

/// `json.dumps` of Python, in which white space follows separators, and nothing is escaped for HTML.
fn to_json(state: &State<'_, '_>, value: Value, indent: Option<usize>, named: Kwargs) -> Result<String, Error> {
    let indent = indent.or(named.get("indent")?);
    let ascii = named.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false);
    let sorted = named.get::<Option<bool>>("sort_keys")?.unwrap_or(false);
    let separators: Option<Vec<String>> = named.get("separators")?;
    named.assert_all_used()?;
    if indent.is_some_and(|indent| indent > MAX_INDENT) {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("tojson: wanted an indent of at most {MAX_INDENT}"),
        ));
    }
    let separators = match separators.as_deref() {
        None => [if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned()],
        Some([item, key]) => [item.clone(), key.clone()],
        Some(_) => return Err(Error::new(ErrorKind::InvalidOperation, "tojson: wanted two separators")),
    };
    // Copied for its limits: what is printed is then no larger than what was paid for.
    let value = held_inside(state, value)?;
    let value = if sorted { sorted_keys(&value)? } else { value };
    let mut json = Vec::new();
    let style = PythonStyle { indent, ascii, separators, depth: 0, is_empty: true };
    value
        .serialize(&mut serde_json::Serializer::with_formatter(&mut json, style))
        .map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
    String::from_utf8(json).map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))
}

/// The same with the keys of each mapping in order.
fn sorted_keys(value: &Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Map => {
            let mut keys = value.try_iter()?.checked().collect::<Result<Vec<_>, _>>()?;
            keys.sort();
            let pairs = keys.into_iter().map(|key| {
                let inner = sorted_keys(&value.get_item(&key)?)?;
                Ok((key, inner))
            });
            Ok(Value::from_pairs(pairs.collect::<Result<Vec<_>, Error>>()?))
        }
        ValueKind::Seq => {
            let items = value.try_iter()?.checked().map(|item| sorted_keys(&item?));
            Ok(Value::from(items.collect::<Result<Vec<_>, Error>>()?))
        }
        _ => Ok(value.clone()),
    }
}

/// The layout of Python's `json.dumps`.
struct PythonStyle {
    indent: Option<usize>,
    ascii: bool,
    /// Between items, and between key and value.
    separators: [String; 2],
    depth: usize,
    is_empty: bool,
}

impl PythonStyle {
    fn open<W: ?Sized + io::Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        (self.depth, self.is_empty) = (self.depth + 1, true);
        writer.write_all(bracket)
    }

    fn close<W: ?Sized + io::Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth -= 1;
        if !self.is_empty {
            self.new_line(writer)?;
        }
        self.is_empty = false;
        writer.write_all(bracket)
    }

    fn before_item<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.is_empty = false;
        if !first {
            writer.write_all(self.separators[0].as_bytes())?;
        }
        self.new_line(writer)
    }

    fn new_line<W: ?Sized + io::Write>(&self, writer: &mut W) -> io::Result<()> {
        match self.indent {
            Some(indent) => write!(writer, "\n{:1$}", "", indent * self.depth),
            None => Ok(()),
        }
    }
}

impl serde_json::ser::Formatter for PythonStyle {
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"[")
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"]")
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.before_item(writer, first)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"{")
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"}")
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.before_item(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(self.separators[1].as_bytes())
    }

    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if !self.ascii {
            return writer.write_all(fragment.as_bytes());
        }
        for c in fragment.chars() {
            match c.is_ascii() {
                true => write!(writer, "{c}")?,
                false => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        write!(writer, "\\u{unit:04x}")?;
                    }
                }
            }
        }
        Ok(())
    }
}
