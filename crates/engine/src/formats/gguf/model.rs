//! A GGUF file as a model directory.

use std::path::Path;

use super::architecture::Architecture;
use super::config::config_json;
use super::generation::generation_config_json;
use super::{GgufFile, LoadError};

/// A GGUF file, and the files of the model directory that it stands for.
#[derive(Debug)]
pub struct GgufModel {
    file: GgufFile,
    config: Vec<u8>,
    generation: Option<Vec<u8>>,
}

impl GgufModel {
    /// Opens a GGUF file with its parts.
    ///
    /// # Errors
    /// As [`GgufFile::open`] and [`GgufModel::new`].
    pub fn open(path: &Path) -> Result<GgufModel, LoadError> {
        Self::new(GgufFile::open(path)?)
    }

    /// The model of a file that is open.
    ///
    /// # Errors
    /// The architecture is not supported, or a key is absent, of the wrong type, or makes another model of it.
    pub fn new(file: GgufFile) -> Result<GgufModel, LoadError> {
        let architecture = Architecture::of(&file)?;
        let (config, generation) = (config_json(&file, architecture)?, generation_config_json(&file)?);
        Ok(GgufModel { file, config, generation })
    }

    /// The file.
    pub fn file(&self) -> &GgufFile {
        &self.file
    }

    /// The content of one of the model's own files, by its name in a directory; `None` if there is none.
    pub fn own_file(&self, name: &str) -> Option<&[u8]> {
        match name {
            crate::config::FILE => Some(&self.config),
            crate::generation_config::FILE => self.generation.as_deref(),
            _ => None,
        }
    }
}
