//! Values of a GGUF file's keys.

use std::fmt;

use super::error::GgufError;
use super::reader::Reader;

/// The type of a value; the numbers are those of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the format")]
pub enum ValueType {
    Uint8 = 0,
    Int8 = 1,
    Uint16 = 2,
    Int16 = 3,
    Uint32 = 4,
    Int32 = 5,
    Float32 = 6,
    Bool = 7,
    String = 8,
    Array = 9,
    Uint64 = 10,
    Int64 = 11,
    Float64 = 12,
}

/// Every type in the order of its number, with the name that the format has for it and the bytes of a value, 0 if they differ.
const TYPES: [(ValueType, &str, u64); 13] = [
    (ValueType::Uint8, "UINT8", 1),
    (ValueType::Int8, "INT8", 1),
    (ValueType::Uint16, "UINT16", 2),
    (ValueType::Int16, "INT16", 2),
    (ValueType::Uint32, "UINT32", 4),
    (ValueType::Int32, "INT32", 4),
    (ValueType::Float32, "FLOAT32", 4),
    (ValueType::Bool, "BOOL", 1),
    (ValueType::String, "STRING", 0),
    (ValueType::Array, "ARRAY", 0),
    (ValueType::Uint64, "UINT64", 8),
    (ValueType::Int64, "INT64", 8),
    (ValueType::Float64, "FLOAT64", 8),
];

/// A value. Strings and arrays lie in the file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// A whole number of any type.
    Integer(ValueType, i128),
    /// A number of type FLOAT32 or FLOAT64.
    Float(ValueType, f64),
    /// A BOOL.
    Bool(bool),
    /// A STRING.
    Text(&'a str),
    /// An ARRAY.
    Array(Array<'a>),
}

/// An array in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Array<'a> {
    element: ValueType,
    len: usize,
    bytes: &'a [u8],
}

impl ValueType {
    pub(super) fn from_number(number: u32) -> Option<ValueType> {
        TYPES.get(usize::try_from(number).ok()?).map(|record| record.0)
    }

    fn name(self) -> &'static str {
        TYPES[self as usize].1
    }

    fn bytes(self) -> u64 {
        TYPES[self as usize].2
    }
}

/// Passes over the value of `key` and checks it; what strings hold is not looked at.
pub(super) fn check(reader: &mut Reader<'_>, value_type: ValueType, key: &str) -> Result<(), GgufError> {
    match value_type {
        ValueType::Bool => check_bools(reader.take(1, of_key(key))?, key),
        ValueType::String => reader.string(of_key(key)).map(drop),
        ValueType::Array => {
            let number = reader.u32(of_key(key))?;
            let element = ValueType::from_number(number)
                .ok_or_else(|| GgufError::ValueType { key: key.to_owned(), found: number })?;
            let count = reader.u64(of_key(key))?;
            match element {
                ValueType::Array => Err(GgufError::NestedArray { key: key.to_owned() }),
                ValueType::Bool => check_bools(reader.take(count, of_key(key))?, key),
                // Each takes 8 bytes at least, so a false count ends at the end of the file.
                ValueType::String => (0..count).try_for_each(|_| reader.string(of_key(key)).map(drop)),
                _ => reader.take(count.saturating_mul(element.bytes()), of_key(key)).map(drop),
            }
        }
        _ => reader.take(value_type.bytes(), of_key(key)).map(drop),
    }
}

fn of_key(key: &str) -> impl fmt::Display {
    fmt::from_fn(move |f| write!(f, "key `{key}`"))
}

fn check_bools(bytes: &[u8], key: &str) -> Result<(), GgufError> {
    match bytes.iter().find(|byte| **byte > 1) {
        Some(&found) => Err(GgufError::NotBool { key: key.to_owned(), found }),
        None => Ok(()),
    }
}

/// The value of `key` in its bytes, which [`check`] found right.
pub(super) fn decode<'a>(bytes: &'a [u8], value_type: ValueType, key: &str) -> Result<Value<'a>, GgufError> {
    let reader = &mut Reader::new(bytes);
    match value_type {
        ValueType::String => text(reader.string(of_key(key))?, of_key(key)).map(Value::Text),
        ValueType::Array => {
            let number = reader.u32(of_key(key))?;
            let element = ValueType::from_number(number)
                .ok_or_else(|| GgufError::ValueType { key: key.to_owned(), found: number })?;
            // Cannot truncate: an element takes a byte at least.
            let len = reader.u64(of_key(key))? as usize;
            Ok(Value::Array(Array { element, len, bytes: &bytes[reader.at()..] }))
        }
        _ => number(reader, value_type, of_key(key)),
    }
}

/// A value of fixed size.
fn number<'a>(reader: &mut Reader<'_>, value_type: ValueType, what: impl fmt::Display) -> Result<Value<'a>, GgufError> {
    let mut padded = [0; 8];
    let bytes = reader.take(value_type.bytes(), what)?;
    padded[..bytes.len()].copy_from_slice(bytes);
    let bits = u64::from_le_bytes(padded);
    let integer = |value: i128| Value::Integer(value_type, value);
    Ok(match value_type {
        ValueType::Int8 => integer(i128::from(bits as i8)),
        ValueType::Int16 => integer(i128::from(bits as i16)),
        ValueType::Int32 => integer(i128::from(bits as i32)),
        ValueType::Int64 => integer(i128::from(bits as i64)),
        ValueType::Float32 => Value::Float(value_type, shortest(f32::from_bits(bits as u32))),
        ValueType::Float64 => Value::Float(value_type, f64::from_bits(bits)),
        ValueType::Bool => Value::Bool(bits != 0),
        _ => integer(i128::from(bits)),
    })
}

/// The f64 of the shortest decimal number that is `x` in f32: 1e-5, not 9.999999747378752e-6.
fn shortest(x: f32) -> f64 {
    let short = x.to_string().parse().unwrap_or(f64::from(x));
    if short as f32 == x { short } else { f64::from(x) }
}

fn text(bytes: &[u8], what: impl fmt::Display) -> Result<&str, GgufError> {
    std::str::from_utf8(bytes).map_err(|error| GgufError::NotUtf8 { what: what.to_string(), at: error.valid_up_to() })
}

impl<'a> Array<'a> {
    /// The type of the elements.
    pub fn element(&self) -> ValueType {
        self.element
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of the elements in the file.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The elements. One that is not UTF-8 is an error that gives its place.
    pub fn values(self) -> impl Iterator<Item = Result<Value<'a>, GgufError>> {
        let mut reader = Reader::new(self.bytes);
        (0..self.len).map(move |index| {
            let what = fmt::from_fn(move |f| write!(f, "element {index}"));
            match self.element {
                ValueType::String => text(reader.string(&what)?, what).map(Value::Text),
                element => number(&mut reader, element, what),
            }
        })
    }
}

impl fmt::Display for Value<'_> {
    /// `UINT32 7`, `STRING "abc"`, `ARRAY of 3 STRING`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Longest text that is quoted, in characters.
        const QUOTED: usize = 40;
        match self {
            Value::Integer(value_type, value) => write!(f, "{} {value}", value_type.name()),
            Value::Float(value_type, value) => write!(f, "{} {value}", value_type.name()),
            Value::Bool(value) => write!(f, "BOOL {value}"),
            Value::Text(text) => match text.char_indices().nth(QUOTED) {
                Some((end, _)) => write!(f, "STRING {:?}", format!("{}…", &text[..end])),
                None => write!(f, "STRING {text:?}"),
            },
            Value::Array(array) => write!(f, "ARRAY of {} {}", array.len, array.element.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_in_the_order_of_their_numbers() {
        for (number, record) in TYPES.iter().enumerate() {
            assert_eq!((record.0 as usize, ValueType::from_number(number as u32)), (number, Some(record.0)));
        }
        assert_eq!(ValueType::from_number(13), None);
    }

    #[test]
    fn number_of_32_bits_is_read_as_it_would_be_written() {
        for (x, wanted) in [(1e-5f32, 1e-5), (0.1, 0.1), (1e6, 1e6), (f32::MAX, 3.4028235e38), (-0.0, -0.0)] {
            assert_eq!(shortest(x).to_bits(), f64::to_bits(wanted), "{x}");
        }
        assert!(shortest(f32::NAN).is_nan() && shortest(f32::INFINITY).is_infinite());
    }

    #[test]
    fn values_say_their_type_in_messages() {
        assert_eq!(decode(&[7, 0, 0, 0], ValueType::Uint32, "k").unwrap().to_string(), "UINT32 7");
        assert_eq!(decode(&[0xFF], ValueType::Int8, "k").unwrap().to_string(), "INT8 -1");
        assert_eq!(Value::Text(&"x".repeat(50)).to_string(), format!("STRING \"{}…\"", "x".repeat(40)));
    }
}
