//! GGUF files: the tensors of a model, its configuration and its tokenizer in one file, or in several parts.
//!
//! [`GgufFile`] is the container: keys and tensors as the file has them. [`GgufModel`] presents it as a model directory of
//! transformers: names of tensors (`architecture.rs`), `config.json` (`config.rs`), `generation_config.json`
//! (`generation.rs`), both put together by `stand_in.rs`, and what a tokenizer is made of (`tokenizer.rs`).

mod architecture;
pub(crate) mod blocks;
mod config;
mod error;
mod generation;
mod header;
mod keys;
mod model;
mod parts;
mod reader;
mod rope_scaling;
mod stand_in;
mod tokenizer;
mod types;
mod value;

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

pub(crate) use self::architecture::{GgufNames, GgufTensors};
pub use self::error::GgufError;
pub use self::header::{MAX_DIMENSIONS, MAX_KEYS, MAX_NAME_BYTES, MAX_TENSORS};
pub use self::model::GgufModel;
pub(crate) use self::parts::part_paths;
pub(crate) use self::stand_in::{StandInFile, StandInObject};
pub use self::value::{Array, Value, ValueType};

use self::header::{Header, KeyEntry, MAGIC};
use super::tensor_entry::TensorEntry;
use super::weight_file::WeightFile;
use crate::load_error::LoadError;
use crate::tensor::{Conversion, Tensor};
use crate::weights::TensorInfo;

/// Whether a file begins as a GGUF file does.
pub(crate) fn is_gguf(head: &[u8]) -> bool {
    head.starts_with(&MAGIC)
}

/// A GGUF file of version 2 or 3, with all of its parts, mapped. Headers are checked in full before it is open.
///
/// What [`Checkpoint`](crate::weights::Checkpoint) says of files that change holds here, too.
#[derive(Debug)]
pub struct GgufFile {
    version: u32,
    /// Those of the first part.
    keys: Vec<KeyEntry>,
    /// At least one.
    parts: Vec<Part>,
}

/// One of the files, with the tensors in it in the order of their data.
#[derive(Debug)]
struct Part {
    file: Arc<WeightFile>,
    tensors: Vec<TensorEntry>,
}

impl GgufFile {
    /// Whether the file at a path begins as a GGUF file does.
    pub fn is_at(path: &Path) -> bool {
        let mut head = [0; MAGIC.len()];
        // Nothing else is opened: a pipe would block.
        let is_file = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
        is_file && File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && is_gguf(&head)
    }

    /// Whether a file of this name may be a whole GGUF file or the first of its parts.
    pub(crate) fn may_be_whole(name: &str) -> bool {
        let is_gguf = Path::new(name).extension().is_some_and(|end| end.eq_ignore_ascii_case("gguf"));
        is_gguf && parts::PartName::parse(name).is_none_or(|part| part.number == 0)
    }

    /// Maps a GGUF file and, if it is the first of several parts (`…-00001-of-00003.gguf`), those beside it.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be opened, a header is malformed, or parts do not match.
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        Self::of_file(WeightFile::map(path)?)
    }

    /// Reads a GGUF file that is in memory; `name` stands for its path in messages. Static bytes are not copied.
    ///
    /// # Errors
    ///
    /// Fails if the header is malformed, or the file is one part of a split file.
    pub fn from_bytes(bytes: impl Into<Cow<'static, [u8]>>, name: &str) -> Result<Self, LoadError> {
        Self::of_file(WeightFile::in_memory(bytes, name))
    }

    pub(crate) fn of_file(file: WeightFile) -> Result<Self, LoadError> {
        let mut first = Self::read(file)?;
        first.open_other_parts()?;
        Ok(first)
    }

    /// One file, which may be a part.
    fn read(file: WeightFile) -> Result<Self, LoadError> {
        let bytes = file.bytes()?;
        let Header { version, keys, tensors } =
            header::read(bytes).map_err(|problem| LoadError::gguf(&file.path, problem))?;
        Ok(Self { version, keys, parts: vec![Part { file: Arc::new(file), tensors }] })
    }

    /// The file that was opened.
    pub fn path(&self) -> &Path {
        &self.first_file().path
    }

    /// Version of the format, 2 or 3.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// All keys, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|entry| entry.key.as_str())
    }

    /// The value of a key.
    ///
    /// # Errors
    ///
    /// Fails if the value is a string that is not UTF-8, or the file was written to since it was opened.
    pub fn value(&self, key: &str) -> Result<Option<Value<'_>>, LoadError> {
        let Ok(index) = self.keys.binary_search_by(|entry| entry.key.as_str().cmp(key)) else { return Ok(None) };
        let KeyEntry { key, value_type, range } = &self.keys[index];
        let bytes = &self.first_file().bytes()?[range.clone()];
        value::decode(bytes, *value_type, key).map(Some).map_err(|problem| LoadError::gguf(self.path(), problem))
    }

    /// Every tensor under its name in the file, part by part in the order of their data.
    pub fn infos(&self) -> impl Iterator<Item = TensorInfo<'_>> {
        self.tensors().map(|(_, tensor)| tensor.info())
    }

    /// The tensor of this name in the file, with the rows of the file.
    pub fn get(&self, name: &str) -> Option<Tensor<'_>> {
        self.tensors().map(|(_, tensor)| tensor).find(|tensor| tensor.name() == name)
    }

    /// Every tensor, and the place of its part.
    fn tensors(&self) -> impl Iterator<Item = (usize, Tensor<'_>)> {
        self.parts.iter().enumerate().flat_map(|(index, part)| {
            let tensor = move |entry| (index, Tensor::new(entry, Conversion::NONE, &part.file));
            part.tensors.iter().map(tensor)
        })
    }

    fn first_file(&self) -> &WeightFile {
        &self.parts[0].file
    }
}
