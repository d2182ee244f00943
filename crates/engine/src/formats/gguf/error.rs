//! What can be wrong with a GGUF file.

use super::header::{MAX_DIMENSIONS, MAX_KEYS, MAX_NAME_BYTES, MAX_TENSORS};
use crate::dtype::Dtype;

/// What is wrong with the header of a GGUF file, or with a file in parts.
#[derive(thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message says what its fields mean")]
pub enum GgufError {
    #[error("wanted the magic `GGUF` at the beginning, found bytes {found:02x?}")]
    Magic { found: Vec<u8> },
    #[error("wanted version 2 or 3, found {found}")]
    Version { found: u32 },
    #[error("wanted numbers in little-endian order, found a big-endian file of version {version}")]
    BigEndian { version: u32 },
    #[error(
        "{what}: wanted {wanted} bytes at byte {at}, but the file has {available}: it is incomplete or damaged, download or copy it again"
    )]
    PastEnd { what: String, wanted: u64, at: usize, available: usize },
    #[error(
        "the header counts {found} keys, wanted at most {MAX_KEYS}, and the file has room for {room}: it is incomplete or damaged, download or copy it again"
    )]
    TooManyKeys { found: u64, room: usize },
    #[error(
        "the header counts {found} tensors, wanted at most {MAX_TENSORS}, and the file has room for {room}: it is incomplete or damaged, download or copy it again"
    )]
    TooManyTensors { found: u64, room: usize },
    #[error("{what}: wanted a name of at most {MAX_NAME_BYTES} bytes, found {found}")]
    NameTooLong { what: String, found: u64 },
    #[error("{what}: not UTF-8 from byte {at} of it on")]
    NotUtf8 { what: String, at: usize },
    #[error("key `{key}`: it is there twice")]
    DuplicateKey { key: String },
    #[error("key `{key}`: wanted a type of value from 0 to 12, found {found}")]
    ValueType { key: String, found: u32 },
    #[error("key `{key}`: wanted an array of values, found an array of arrays (not supported)")]
    NestedArray { key: String },
    #[error("key `{key}`: wanted 0 or 1 as a BOOL, found {found}")]
    NotBool { key: String, found: u8 },
    #[error("key `general.alignment`: wanted a UINT32 that is a power of two from 8 on, found {found}")]
    Alignment { found: String },
    #[error("tensor `{tensor}`: it is there twice")]
    DuplicateTensor { tensor: String },
    #[error("tensor `{tensor}`: wanted at most {MAX_DIMENSIONS} dimensions, found {found}")]
    Dimensions { tensor: String, found: u32 },
    #[error("tensor `{tensor}`: shape {shape:?} of {dtype} overflows the address space")]
    ShapeOverflow { tensor: String, shape: Vec<u64>, dtype: Dtype },
    #[error("tensor `{tensor}`: type {name} ({id}) is not supported")]
    UnsupportedType { tensor: String, name: &'static str, id: u32 },
    #[error("tensor `{tensor}`: unknown type {id}")]
    UnknownType { tensor: String, id: u32 },
    #[error("tensor `{tensor}`: wanted rows of whole blocks of {len} as {dtype}, found rows of {row}")]
    PartOfBlock { tensor: String, dtype: Dtype, len: usize, row: u64 },
    #[error("tensor `{tensor}`: wanted an offset that is a multiple of {alignment}, found {offset}")]
    Misaligned { tensor: String, offset: u64, alignment: u64 },
    #[error(
        "tensor `{tensor}` ends at byte {}, the file at byte {file}: it is incomplete or damaged, download or copy it again",
        .end.map_or_else(|| "2^64 or later".to_owned(), |end| end.to_string())
    )]
    TensorPastEnd { tensor: String, end: Option<u64>, file: usize },
    #[error("tensor `{tensor}`: begins at {begin}, inside `{previous}`, which ends at {previous_end}")]
    Overlap { tensor: String, begin: usize, previous: String, previous_end: usize },
    #[error("tensor `{tensor}`: begins at {begin}, leaving a hole after {previous_end}")]
    Hole { tensor: String, begin: usize, previous_end: usize },
    #[error("tensor `{tensor}`: wanted an even number of rows for each of {heads} heads, found {rows} rows in all")]
    HeadRows { tensor: String, heads: u64, rows: usize },
    #[error("tensor `{tensor}`: wanted {wanted}, found {found}")]
    Tensor { tensor: String, wanted: String, found: String },
    #[error(
        "it is part {} of {count}: wanted the first part, named `…-00001-of-{count:05}.gguf`, with the others beside it",
        .number + 1
    )]
    NotFirstPart { number: u64, count: u64 },
    #[error(
        "it is a part of a file that has {count}: wanted the name `…-00001-of-{count:05}.gguf`, to find the others by"
    )]
    PartName { count: u64 },
    #[error("wanted part {} of {count} of the model, found no such file: download or copy it to this directory", .number + 1)]
    MissingPart { number: u64, count: u64 },
    #[error("wanted part {} of {count}, found what its keys `split.no` and `split.count` call part {} of {found_count}", .number + 1, .found + 1)]
    OtherPart { number: u64, count: u64, found: u64, found_count: u64 },
    #[error("wanted {wanted} tensors in all parts, as key `split.tensors.count` says, found {found}")]
    PartTensors { wanted: u64, found: usize },
}

cke_kernels::debug_as_display!(GgufError);
