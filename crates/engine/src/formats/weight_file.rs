//! A file that holds weights: mapped, or in memory.

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::mapping::MappedFile;
use crate::load_error::LoadError;

/// One file's bytes.
#[derive(Debug)]
pub(crate) struct WeightFile {
    pub(crate) path: PathBuf,
    data: Data,
}

#[derive(Debug)]
enum Data {
    Mapped(MappedFile),
    Memory(Cow<'static, [u8]>),
}

impl WeightFile {
    /// Maps a file.
    pub(crate) fn map(path: &Path) -> Result<Self, LoadError> {
        Ok(Self { path: path.to_owned(), data: Data::Mapped(MappedFile::open(path)?) })
    }

    /// The content of a file that is in memory; `name` stands for its path.
    pub(crate) fn in_memory(bytes: impl Into<Cow<'static, [u8]>>, name: &str) -> Self {
        Self { path: PathBuf::from(name), data: Data::Memory(bytes.into()) }
    }

    /// Whether it is in memory, so that no other files lie beside it.
    pub(crate) fn is_in_memory(&self) -> bool {
        matches!(self.data, Data::Memory(_))
    }

    /// All bytes, if the file is still the one that was opened.
    pub(crate) fn bytes(&self) -> Result<&[u8], LoadError> {
        match &self.data {
            Data::Mapped(mapped) => mapped.check_unchanged(&self.path).map(|()| mapped.bytes()),
            Data::Memory(bytes) => Ok(bytes),
        }
    }

    /// Tells the operating system that these pages are not needed for now.
    pub(crate) fn release(&self, range: Range<usize>) {
        if let Data::Mapped(mapped) = &self.data {
            mapped.release(range);
        }
    }
}
