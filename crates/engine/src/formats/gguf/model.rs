//! A GGUF file as a model directory.

use std::path::Path;
use std::sync::OnceLock;

use super::architecture::Architecture;
use super::config::config_json;
use super::generation::generation_config_json;
use super::stand_in::StandInFile;
use super::{GgufFile, LoadError};
use crate::formats::json_object::KeyNames;
use crate::notice::Notice;
use crate::tokenizer::settings::FILE as SETTINGS;
use crate::tokenizer::{TOKENIZER_JSON, gguf};

/// A GGUF file, and the files of the model directory that it stands for.
#[derive(Debug)]
pub struct GgufModel {
    file: GgufFile,
    config: StandInFile,
    generation: Option<StandInFile>,
    /// What the file says of the model and is not followed, beside what the files above say.
    notices: Vec<Notice>,
    tokenizer: OnceLock<TokenizerFiles>,
}

/// The files of the tokenizer, made when the first of them is asked for.
#[derive(Debug)]
struct TokenizerFiles {
    json: Vec<u8>,
    config: StandInFile,
    notices: Vec<Notice>,
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
    /// Fails if the architecture is not supported, or a key is missing, has the wrong type, or asks for a variant that
    /// is not supported.
    pub fn new(file: GgufFile) -> Result<GgufModel, LoadError> {
        let architecture = Architecture::of(&file)?;
        let ((config, notices), generation) = (config_json(&file, architecture)?, generation_config_json(&file)?);
        Ok(GgufModel { file, config, generation, notices, tokenizer: OnceLock::new() })
    }

    /// The file.
    pub fn file(&self) -> &GgufFile {
        &self.file
    }

    /// Whether there is a file of this name among the model's own.
    pub(crate) fn has_own_file(&self, name: &str) -> bool {
        match name {
            crate::config::FILE => true,
            crate::generation_config::FILE => self.generation.is_some(),
            TOKENIZER_JSON | SETTINGS => self.file.has_tokenizer(),
            _ => false,
        }
    }

    /// The content of one of the model's own files, by its name in a directory; `None` if there is none.
    ///
    /// # Errors
    /// Fails if a key of the tokenizer is missing, has the wrong type or is not supported, or an allocation fails.
    pub fn own_file(&self, name: &str) -> Result<Option<&[u8]>, LoadError> {
        Ok(match name {
            TOKENIZER_JSON => self.tokenizer()?.map(|files| &files.json[..]),
            _ => self.stand_in(name)?.map(|file| &file.content[..]),
        })
    }

    fn stand_in(&self, name: &str) -> Result<Option<&StandInFile>, LoadError> {
        Ok(match name {
            crate::config::FILE => Some(&self.config),
            crate::generation_config::FILE => self.generation.as_ref(),
            SETTINGS => self.tokenizer()?.map(|files| &files.config),
            _ => None,
        })
    }

    /// What messages call the keys of one of the model's own files.
    pub(crate) fn key_names(&self, name: &str) -> KeyNames {
        let file = self.stand_in(name).ok().flatten();
        file.map_or_else(KeyNames::new, |file| file.key_names.clone())
    }

    /// What the file says of the model and is not followed, beside what [`GgufModel::own_file`] says.
    pub(crate) fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// What the file says of its tokenizer and is not followed, as far as its files were asked for.
    pub(crate) fn tokenizer_notices(&self) -> &[Notice] {
        self.tokenizer.get().map_or(&[], |files| &files.notices)
    }

    fn tokenizer(&self) -> Result<Option<&TokenizerFiles>, LoadError> {
        if let Some(files) = self.tokenizer.get() {
            return Ok(Some(files));
        }
        let Some(tokenizer) = self.file.tokenizer()? else { return Ok(None) };
        let path = self.file.path();
        let files = TokenizerFiles {
            json: gguf::tokenizer_json(&tokenizer, path)?,
            config: gguf::tokenizer_config_json(&tokenizer, path)?,
            notices: gguf::notices(&tokenizer, path),
        };
        Ok(Some(self.tokenizer.get_or_init(|| files)))
    }
}
