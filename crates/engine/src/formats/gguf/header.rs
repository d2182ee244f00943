//! The header of a GGUF file, checked before any of it is believed.
//!
//! ```text
//! "GGUF" | version: u32 | tensors: u64 | keys: u64
//! keys times: name: string | type: u32 | value
//! tensors times: name: string | dimensions: u32 | each: u64, the innermost first | type: u32 | offset: u64
//! zeros up to a multiple of the alignment | data
//! ```
//!
//! A string is its length (u64) and its bytes; an array the type of its elements (u32), their number (u64) and the elements. All
//! numbers are little-endian. Offsets count from the beginning of the data and are multiples of `general.alignment`, or else of 32.
//! Source: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.
//!
//! Tensors must follow each other without holes or overlaps, as ggml demands. Memory stays in proportion to the file, whatever its
//! counts and lengths claim.

use std::ops::Range;

use super::error::GgufError;
use super::reader::Reader;
use super::types::dtype_of;
use super::value::{self, Value, ValueType};
use crate::dtype::Dtype;
use crate::formats::tensor_entry::TensorEntry;

/// Largest number of tensors in one file.
pub const MAX_TENSORS: usize = 1 << 17;
/// Largest number of keys.
pub const MAX_KEYS: usize = 1 << 16;
/// Largest number of dimensions of a tensor.
pub const MAX_DIMENSIONS: usize = 4;
/// Longest name of a key or a tensor, in bytes. The format allows 64 for tensors; later writers have longer ones.
pub const MAX_NAME_BYTES: u64 = (1 << 16) - 1;

/// What a GGUF file begins with.
pub(super) const MAGIC: [u8; 4] = *b"GGUF";

/// Alignment of data if the file does not say another.
const DEFAULT_ALIGNMENT: u64 = 32;
const ALIGNMENT_KEY: &str = "general.alignment";

/// Bytes of the smallest entry of a key: an empty name, a type, a value of one byte.
const LEAST_KEY: usize = 8 + 4 + 1;
/// Bytes of the smallest entry of a tensor: an empty name, no dimensions, type, offset.
const LEAST_TENSOR: usize = 8 + 4 + 4 + 8;

/// What the header of a file says.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) version: u32,
    /// Sorted by name.
    pub(super) keys: Vec<KeyEntry>,
    /// In the order of their data.
    pub(super) tensors: Vec<TensorEntry>,
}

/// A key, and where its value lies in the file.
#[derive(Debug)]
pub(super) struct KeyEntry {
    pub(super) key: String,
    pub(super) value_type: ValueType,
    pub(super) range: Range<usize>,
}

/// The header of `file`, the whole content of a GGUF file.
pub(super) fn read(file: &[u8]) -> Result<Header, GgufError> {
    let reader = &mut Reader::new(file);
    let version = version(reader)?;
    let (tensors, keys) = (reader.u64("number of tensors")?, reader.u64("number of keys")?);
    let keys = read_keys(reader, keys, file)?;
    let alignment = alignment(&keys, file)?;
    let mut entries = read_tensors(reader, tensors)?;
    check_names(&entries)?;
    let start = (reader.at() as u64).next_multiple_of(alignment);
    // Nothing but the end of a file without tensors may lie before the data begins.
    let start = usize::try_from(start).map_or(file.len(), |start| start.min(file.len()));
    for entry in &mut entries {
        entry.place(alignment, start, file.len())?;
    }
    let mut tensors: Vec<TensorEntry> = entries.into_iter().map(|raw| raw.entry).collect();
    check_layout(&mut tensors, alignment)?;
    for tensor in &mut tensors {
        tensor.range = tensor.range.start + start..tensor.range.end + start;
    }
    Ok(Header { version, keys, tensors })
}

fn version(reader: &mut Reader<'_>) -> Result<u32, GgufError> {
    let magic: [u8; 4] = reader.array("magic")?;
    if magic != MAGIC {
        return Err(GgufError::Magic { found: magic.to_vec() });
    }
    let version = reader.u32("version")?;
    match version {
        2 | 3 => Ok(version),
        found if (1..=3).contains(&found.swap_bytes()) => Err(GgufError::BigEndian { version: found.swap_bytes() }),
        found => Err(GgufError::Version { found }),
    }
}

fn read_keys(reader: &mut Reader<'_>, count: u64, file: &[u8]) -> Result<Vec<KeyEntry>, GgufError> {
    let room = reader.left() / LEAST_KEY;
    if count > room.min(MAX_KEYS) as u64 {
        return Err(GgufError::TooManyKeys { found: count, room });
    }
    let mut keys = Vec::new();
    for index in 0..count {
        let key = name(reader, format_args!("name of key {index}"))?;
        let number = reader.u32(format_args!("type of key `{key}`"))?;
        let Some(value_type) = ValueType::from_number(number) else {
            return Err(GgufError::ValueType { key, found: number });
        };
        let start = reader.at();
        value::check(reader, value_type, &key)?;
        debug_assert!(reader.at() <= file.len());
        keys.push(KeyEntry { key, value_type, range: start..reader.at() });
    }
    keys.sort_by(|a, b| a.key.cmp(&b.key));
    match keys.windows(2).find(|pair| pair[0].key == pair[1].key) {
        Some(pair) => Err(GgufError::DuplicateKey { key: pair[0].key.clone() }),
        None => Ok(keys),
    }
}

/// A name of bounded length.
fn name(reader: &mut Reader<'_>, what: impl std::fmt::Display) -> Result<String, GgufError> {
    let length = reader.u64(format_args!("length of {what}"))?;
    if length > MAX_NAME_BYTES {
        return Err(GgufError::NameTooLong { what: what.to_string(), found: length });
    }
    let bytes = reader.take(length, &what)?;
    match std::str::from_utf8(bytes) {
        Ok(name) => Ok(name.to_owned()),
        Err(error) => Err(GgufError::NotUtf8 { what: what.to_string(), at: error.valid_up_to() }),
    }
}

fn alignment(keys: &[KeyEntry], file: &[u8]) -> Result<u64, GgufError> {
    let Ok(index) = keys.binary_search_by(|entry| entry.key.as_str().cmp(ALIGNMENT_KEY)) else {
        return Ok(DEFAULT_ALIGNMENT);
    };
    let KeyEntry { key, value_type, range } = &keys[index];
    match value::decode(&file[range.clone()], *value_type, key)? {
        Value::Integer(ValueType::Uint32, found) if found >= 8 && found.count_ones() == 1 => Ok(found as u64),
        found => Err(GgufError::Alignment { found: found.to_string() }),
    }
}

/// A tensor whose offset is not believed yet; the range of its entry begins at 0.
struct RawTensor {
    entry: TensorEntry,
    offset: u64,
}

fn read_tensors(reader: &mut Reader<'_>, count: u64) -> Result<Vec<RawTensor>, GgufError> {
    let room = reader.left() / LEAST_TENSOR;
    if count > room.min(MAX_TENSORS) as u64 {
        return Err(GgufError::TooManyTensors { found: count, room });
    }
    (0..count).map(|index| read_tensor(reader, index)).collect()
}

fn read_tensor(reader: &mut Reader<'_>, index: u64) -> Result<RawTensor, GgufError> {
    let tensor = name(reader, format_args!("name of tensor {index}"))?;
    let dimensions = reader.u32(format_args!("dimensions of tensor `{tensor}`"))?;
    if dimensions as usize > MAX_DIMENSIONS {
        return Err(GgufError::Dimensions { tensor, found: dimensions });
    }
    let mut shape = Vec::with_capacity(MAX_DIMENSIONS);
    for _ in 0..dimensions {
        shape.push(reader.u64(format_args!("shape of tensor `{tensor}`"))?);
    }
    // The innermost comes first in the file.
    shape.reverse();
    let id = reader.u32(format_args!("type of tensor `{tensor}`"))?;
    let offset = reader.u64(format_args!("offset of tensor `{tensor}`"))?;
    let dtype = dtype_of(id, &tensor)?;
    let row = shape.last().copied().unwrap_or(1);
    if !row.is_multiple_of(dtype.block_len() as u64) {
        return Err(GgufError::PartOfBlock { tensor, dtype, len: dtype.block_len(), row });
    }
    let Some((dimensions, bytes)) = checked_size(&shape, dtype) else {
        return Err(GgufError::ShapeOverflow { tensor, shape, dtype });
    };
    Ok(RawTensor { entry: TensorEntry { name: tensor, dtype, shape: dimensions, range: 0..bytes }, offset })
}

/// Dimensions and bytes of a tensor, or `None` if they overflow. A dimension of zero does not excuse the others.
fn checked_size(shape: &[u64], dtype: Dtype) -> Option<(Vec<usize>, usize)> {
    let dimensions = shape.iter().map(|&dimension| usize::try_from(dimension).ok()).collect::<Option<Vec<usize>>>()?;
    let elements = dimensions.iter().try_fold(1usize, |product, &dimension| product.checked_mul(dimension.max(1)))?;
    // The f32 of all elements must have a size, too.
    elements.checked_mul(size_of::<f32>()).filter(|bytes| isize::try_from(*bytes).is_ok())?;
    let bytes = elements.div_ceil(dtype.block_len()).checked_mul(dtype.block_bytes())?;
    Some((dimensions, if shape.contains(&0) { 0 } else { bytes }))
}

impl RawTensor {
    /// Puts it where its offset says, if that is inside the data, which begin at `start` and end with the file.
    fn place(&mut self, alignment: u64, start: usize, file: usize) -> Result<(), GgufError> {
        let (offset, bytes, tensor) = (self.offset, self.entry.range.len(), || self.entry.name.clone());
        if !offset.is_multiple_of(alignment) {
            return Err(GgufError::Misaligned { tensor: tensor(), offset, alignment });
        }
        let end = offset.checked_add(bytes as u64);
        let Some(end) = end.filter(|end| *end <= (file - start) as u64) else {
            let end = end.and_then(|end| end.checked_add(start as u64));
            return Err(GgufError::TensorPastEnd { tensor: tensor(), end, file });
        };
        // Neither can truncate: both are at most the file's length.
        self.entry.range = offset as usize..end as usize;
        Ok(())
    }
}

fn check_names(tensors: &[RawTensor]) -> Result<(), GgufError> {
    let mut names: Vec<&str> = tensors.iter().map(|tensor| tensor.entry.name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(GgufError::DuplicateTensor { tensor: pair[0].to_owned() }),
        None => Ok(()),
    }
}

/// Sorts the tensors by their data and checks that each begins where the one before it ends, but for alignment.
fn check_layout(tensors: &mut [TensorEntry], alignment: u64) -> Result<(), GgufError> {
    tensors.sort_by_key(|tensor| (tensor.range.start, tensor.range.end));
    let mut previous: Option<&TensorEntry> = None;
    for tensor in tensors.iter() {
        let (begin, previous_end) = (tensor.range.start, previous.map_or(0, |previous| previous.range.end));
        if begin < previous_end {
            let previous = previous.map_or_else(String::new, |previous| previous.name.clone());
            return Err(GgufError::Overlap { tensor: tensor.name.clone(), begin, previous, previous_end });
        }
        if (begin - previous_end) as u64 >= alignment {
            return Err(GgufError::Hole { tensor: tensor.name.clone(), begin, previous_end });
        }
        previous = Some(tensor);
    }
    Ok(())
}
