//! The table of contents of a safetensors file, checked before any of it is believed.
//!
//! A file is `N: u64 little-endian | header: N bytes of JSON | data`. The header maps each tensor's name to its
//! `dtype`, `shape` and `data_offsets` (`[begin, end)` in bytes from the start of the data), and `__metadata__` to an
//! object of strings. The tensors must tile the data: no hole, no overlap, nothing after the last one.
//! Source: <https://github.com/huggingface/safetensors#format>.
//!
//! The `safetensors` crate parses into a hash map, so a repeated name vanishes, and its errors seldom name the
//! tensor. Therefore the table is read here, and every accepted file is one that the crate accepts too (the tests and
//! the fuzz target hold it against the crate). Memory stays in proportion to the header, whatever the header claims.

use std::collections::HashMap;
use std::fmt;
use std::num::TryFromIntError;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::tensor_entry::TensorEntry;
use crate::dtype::Dtype;

/// Largest header that the format allows, in bytes.
pub const MAX_HEADER_BYTES: u64 = 100_000_000;
/// Largest number of tensors in one file: ten times more than any published shard holds.
pub const MAX_TENSORS: usize = 1 << 17;
/// Largest number of dimensions of a tensor.
pub const MAX_DIMENSIONS: usize = 8;

/// Bytes of the length field before the header.
const PREFIX_BYTES: usize = 8;

/// What is wrong with a safetensors header.
#[derive(thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message says what its fields mean")]
pub enum HeaderError {
    #[error("wanted at least 8 bytes for the header's length, found {found}")]
    TooShort { found: usize },
    #[error("wanted a header of at most {MAX_HEADER_BYTES} bytes, found a length of {found}")]
    HeaderTooLarge { found: u64 },
    #[error("wanted {wanted} bytes of header after the first 8, found {found}")]
    HeaderPastEnd { wanted: u64, found: usize },
    #[error("header is not UTF-8 from byte {at} on")]
    NotUtf8 { at: usize },
    #[error("header is not JSON: {source}")]
    NotJson { source: serde_json::Error },
    #[error("header: wanted an object at the root: {source}")]
    RootNotObject { source: serde_json::Error },
    #[error("header: wanted at most {MAX_TENSORS} tensors, found more")]
    TooManyTensors,
    #[error("`__metadata__`, key `{key}`: wanted an object of strings: {problem}")]
    Metadata { key: String, problem: String },
    #[error("tensor `{tensor}`: wanted dtype, shape and data_offsets: {problem}")]
    Entry { tensor: String, problem: String },
    #[error("tensor `{tensor}`: named twice in the header")]
    DuplicateName { tensor: String },
    #[error("tensor `{tensor}`: unknown dtype `{found}`")]
    UnknownDtype { tensor: String, found: String },
    #[error("tensor `{tensor}`: data_offsets end at {end}, before they begin at {begin}")]
    EndBeforeBegin { tensor: String, begin: u64, end: u64 },
    #[error("tensor `{tensor}`: data_offsets end at {end}, but the file has {available} bytes of data")]
    PastEnd { tensor: String, end: u64, available: usize },
    #[error("tensor `{tensor}`: shape {shape:?} of {dtype} overflows the address space")]
    ShapeOverflow { tensor: String, shape: Vec<u64>, dtype: Dtype },
    #[error("tensor `{tensor}`: shape {shape:?} of {dtype} is {bits} bits, no whole number of bytes")]
    NotWholeBytes { tensor: String, shape: Vec<u64>, dtype: Dtype, bits: u64 },
    #[error("tensor `{tensor}`: shape {shape:?} of {dtype} takes {wanted} bytes, but data_offsets span {found}")]
    SizeMismatch { tensor: String, shape: Vec<u64>, dtype: Dtype, wanted: u64, found: u64 },
    #[error("tensor `{tensor}`: begins at {begin}, leaving a hole after {previous_end}")]
    Hole { tensor: String, begin: usize, previous_end: usize },
    #[error("tensor `{tensor}`: begins at {begin}, inside `{previous}`, which ends at {previous_end}")]
    Overlap { tensor: String, begin: usize, previous: String, previous_end: usize },
    #[error("{count} bytes follow the last tensor, which ends at {end} of {available} bytes of data")]
    TrailingBytes { count: usize, end: usize, available: usize },
}

cke_kernels::debug_as_display!(HeaderError);

impl HeaderError {
    /// Whether the file's first bytes are no length of a header in it, so that it may be of another format.
    pub(crate) fn is_of_length(&self) -> bool {
        matches!(self, Self::TooShort { .. } | Self::HeaderTooLarge { .. } | Self::HeaderPastEnd { .. })
    }
}

/// What the header of a file says.
#[derive(Debug)]
pub(crate) struct Header {
    /// The tensors, in the order of their data.
    pub(crate) entries: Vec<TensorEntry>,
    /// Further names of tensors, and their places in `entries`: pairs of `__metadata__` whose value is the name of a tensor and
    /// whose key is not, as the format's own `save_model` leaves of tensors that share their memory.
    pub(crate) aliases: Vec<(String, usize)>,
}

/// The table of contents of `file`, the whole content of a safetensors file.
pub(crate) fn read_header(file: &[u8]) -> Result<Header, HeaderError> {
    let (header, data_start) = split_header(file)?;
    let mut entries = Vec::new();
    let (raw_entries, metadata) = parse_header(header)?;
    for (name, raw) in raw_entries {
        entries.push(check_entry(name, raw, file.len() - data_start)?);
    }
    check_names(&entries)?;
    check_layout(&mut entries, file.len() - data_start)?;
    for entry in &mut entries {
        entry.range.start += data_start;
        entry.range.end += data_start;
    }
    let aliases = aliases(&entries, metadata);
    Ok(Header { entries, aliases })
}

/// The pairs of the metadata that name one tensor by another.
fn aliases(entries: &[TensorEntry], metadata: Vec<(String, String)>) -> Vec<(String, usize)> {
    let places: HashMap<&str, usize> = entries.iter().map(|entry| entry.name.as_str()).zip(0..).collect();
    let alias = |(key, value): (String, String)| {
        let place = *places.get(value.as_str())?;
        (!places.contains_key(key.as_str())).then_some((key, place))
    };
    metadata.into_iter().filter_map(alias).collect()
}

/// Bytes of the header; 0 if it cannot be read.
pub(crate) fn header_len(file: &[u8]) -> usize {
    split_header(file).map_or(0, |(header, _)| header.len())
}

/// The header's text and the offset at which the data begins.
fn split_header(file: &[u8]) -> Result<(&str, usize), HeaderError> {
    let Some((length, rest)) = file.split_first_chunk::<PREFIX_BYTES>() else {
        return Err(HeaderError::TooShort { found: file.len() });
    };
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER_BYTES {
        return Err(HeaderError::HeaderTooLarge { found: length });
    }
    let header = rest.get(..length as usize).ok_or(HeaderError::HeaderPastEnd { wanted: length, found: rest.len() })?;
    let text = std::str::from_utf8(header).map_err(|error| HeaderError::NotUtf8 { at: error.valid_up_to() })?;
    Ok((text, PREFIX_BYTES + header.len()))
}

/// An entry as written, before its numbers are believed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    dtype: String,
    #[serde(deserialize_with = "bounded_shape")]
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// Entries and metadata as written.
type RawHeader = (Vec<(String, RawEntry)>, Vec<(String, String)>);

fn parse_header(text: &str) -> Result<RawHeader, HeaderError> {
    let mut problem = None;
    let mut json = serde_json::Deserializer::from_str(text);
    let parsed =
        HeaderSeed { problem: &mut problem }.deserialize(&mut json).and_then(|header| json.end().map(|()| header));
    parsed.map_err(|source| match problem {
        // What is wrong inside an entry is told with the tensor's name, a header cut short without.
        Some(problem) if !source.is_eof() => problem,
        _ if source.is_data() => HeaderError::RootNotObject { source },
        _ => HeaderError::NotJson { source },
    })
}

/// Reads the root object entry by entry. serde carries errors as text only, so the typed one is put aside.
struct HeaderSeed<'p> {
    problem: &'p mut Option<HeaderError>,
}

impl HeaderSeed<'_> {
    /// Ends the parse with `error` and puts `problem` aside as the reason.
    fn fail<T, E>(self, error: E, problem: HeaderError) -> Result<T, E> {
        *self.problem = Some(problem);
        Err(error)
    }
}

impl<'de> DeserializeSeed<'de> for HeaderSeed<'_> {
    type Value = RawHeader;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for HeaderSeed<'_> {
    type Value = RawHeader;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        let mut metadata = None;
        while let Some(name) = map.next_key::<String>()? {
            if name == "__metadata__" {
                if metadata.is_some() {
                    return self.fail(A::Error::custom("repeated"), HeaderError::DuplicateName { tensor: name });
                }
                let mut key = String::new();
                match map.next_value_seed(StringsSeed { key: &mut key }) {
                    Ok(pairs) => metadata = Some(pairs),
                    Err(error) => {
                        let problem = error.to_string();
                        return self.fail(error, HeaderError::Metadata { key, problem });
                    }
                }
                continue;
            }
            if entries.len() == MAX_TENSORS {
                return self.fail(A::Error::custom("too many"), HeaderError::TooManyTensors);
            }
            match map.next_value::<RawEntry>() {
                Ok(entry) => entries.push((name, entry)),
                Err(error) => {
                    let problem = error.to_string();
                    return self.fail(error, HeaderError::Entry { tensor: name, problem });
                }
            }
        }
        Ok((entries, metadata.unwrap_or_default()))
    }
}

/// The pairs of `__metadata__`, which must be strings; `key` is the one last read.
struct StringsSeed<'k> {
    key: &'k mut String,
}

impl<'de> DeserializeSeed<'de> for StringsSeed<'_> {
    type Value = Vec<(String, String)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for StringsSeed<'_> {
    type Value = Vec<(String, String)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            self.key.clone_from(&key);
            pairs.push((key, map.next_value()?));
        }
        Ok(pairs)
    }
}

/// A shape of at most [`MAX_DIMENSIONS`] dimensions, so that a long list cannot outgrow the header that holds it.
fn bounded_shape<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u64>, D::Error> {
    struct Shape;

    impl<'de> Visitor<'de> for Shape {
        type Value = Vec<u64>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MAX_DIMENSIONS} dimensions")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<u64>, A::Error> {
            let mut shape = Vec::new();
            while let Some(dimension) = list.next_element()? {
                if shape.len() == MAX_DIMENSIONS {
                    return Err(A::Error::invalid_length(MAX_DIMENSIONS + 1, &self));
                }
                shape.push(dimension);
            }
            Ok(shape)
        }
    }

    deserializer.deserialize_seq(Shape)
}

/// Checks one entry by itself: type, offsets inside the data, size.
fn check_entry(tensor: String, raw: RawEntry, available: usize) -> Result<TensorEntry, HeaderError> {
    let RawEntry { dtype, shape, data_offsets: (begin, end) } = raw;
    let Some(dtype) = Dtype::from_name(&dtype).filter(|dtype| dtype.is_of_safetensors()) else {
        return Err(HeaderError::UnknownDtype { tensor, found: dtype });
    };
    if end < begin {
        return Err(HeaderError::EndBeforeBegin { tensor, begin, end });
    }
    if end > available as u64 {
        return Err(HeaderError::PastEnd { tensor, end, available });
    }
    let (Some(bits), Ok(dimensions)) = (checked_bits(&shape, dtype), dimensions_of(&shape)) else {
        return Err(HeaderError::ShapeOverflow { tensor, shape, dtype });
    };
    if bits % 8 != 0 {
        return Err(HeaderError::NotWholeBytes { tensor, shape, dtype, bits });
    }
    if bits / 8 != end - begin {
        return Err(HeaderError::SizeMismatch { tensor, shape, dtype, wanted: bits / 8, found: end - begin });
    }
    // `end` is at most `available`, a usize, so neither conversion can truncate.
    Ok(TensorEntry { name: tensor, dtype, shape: dimensions, range: begin as usize..end as usize })
}

/// The size of a tensor, or `None` where it overflows. A zero dimension does not excuse the others: the product of any
/// of them must be a usable number.
fn checked_bits(shape: &[u64], dtype: Dtype) -> Option<u64> {
    let bits = dtype.block_bits() as u64;
    let all = shape.iter().try_fold(bits, |bits, &dimension| bits.checked_mul(dimension.max(1)))?;
    usize::try_from(all).ok()?;
    Some(if shape.contains(&0) { 0 } else { all })
}

fn dimensions_of(shape: &[u64]) -> Result<Vec<usize>, TryFromIntError> {
    shape.iter().map(|&dimension| usize::try_from(dimension)).collect()
}

fn check_names(entries: &[TensorEntry]) -> Result<(), HeaderError> {
    let mut names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(HeaderError::DuplicateName { tensor: pair[0].to_owned() }),
        None => Ok(()),
    }
}

/// Sorts the entries by their data and checks that they tile all `available` bytes.
fn check_layout(entries: &mut [TensorEntry], available: usize) -> Result<(), HeaderError> {
    entries.sort_by_key(|entry| (entry.range.start, entry.range.end));
    let mut previous: Option<&TensorEntry> = None;
    for entry in entries.iter() {
        let previous_end = previous.map_or(0, |previous| previous.range.end);
        let begin = entry.range.start;
        if begin > previous_end {
            return Err(HeaderError::Hole { tensor: entry.name.clone(), begin, previous_end });
        }
        if begin < previous_end {
            let previous = previous.map_or_else(String::new, |previous| previous.name.clone());
            return Err(HeaderError::Overlap { tensor: entry.name.clone(), begin, previous, previous_end });
        }
        previous = Some(entry);
    }
    let end = previous.map_or(0, |previous| previous.range.end);
    if end < available {
        return Err(HeaderError::TrailingBytes { count: available - end, end, available });
    }
    Ok(())
}
