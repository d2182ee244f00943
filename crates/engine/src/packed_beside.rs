//! The packed file that is kept beside a model, and what tells whether it still is that of the model.
//!
//! It has an entry of its own that names the files which it was made of, with their sizes and times of change, and the version that
//! packed them. It is used as long as they are the same.

use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use cke_kernels::gemm::StableBytes;
use serde::{Deserialize, Serialize};

use crate::formats::gguf::part_paths;
use crate::formats::packed_file::PackedFile;
use crate::load_error::LoadError;
use crate::model_files::ModelFiles;
use crate::weight_format::WeightFormat;

/// The entry of a packed file that holds its [`Origin`].
pub(crate) const ENTRY: &str = "cke-origin.json";

/// What names of packed files end with.
const ENDING: &str = ".cke";

/// Most files of a model directory, and folders in each other: those of sentence-transformers have three.
const MAX_FILES: usize = 4096;
const MAX_DEPTH: usize = 4;

/// What a packed file was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The version of this library.
    version: String,
    /// In the order of their names.
    files: Vec<SourceFile>,
}

/// One file of a model.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceFile {
    /// From the model's directory on.
    name: String,
    bytes: u64,
    /// Seconds and nanoseconds since 1970; `None` on a file system that keeps no time, or before.
    modified: Option<(u64, u32)>,
}

impl SourceFile {
    fn new(name: String, metadata: &Metadata) -> SourceFile {
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified = modified.map(|time| (time.as_secs(), time.subsec_nanos()));
        SourceFile { name, bytes: metadata.len(), modified }
    }
}

impl Origin {
    /// The model at a path as it is now: a GGUF file with its parts, or all files of a directory but packed and hidden ones.
    ///
    /// # Errors
    /// Fails if a file cannot be looked at, or a directory has far more than a model's.
    pub fn of(model: &Path) -> Result<Origin, LoadError> {
        let mut files = Vec::new();
        if model.is_dir() {
            add_files(model, "", MAX_DEPTH, &mut files)?;
        } else {
            for path in part_paths(model) {
                let metadata = std::fs::metadata(&path).map_err(|source| LoadError::io(&path, source))?;
                files.push(SourceFile::new(name_of(&path), &metadata));
            }
        }
        files.sort_unstable();
        Ok(Origin { version: env!("CARGO_PKG_VERSION").to_owned(), files })
    }

    /// That of a packed file, if it says so.
    fn of_packed(file: &PackedFile) -> Option<Origin> {
        serde_json::from_slice(file.file(ENTRY).ok()?.bytes()).ok()
    }

    /// As a packed file has it.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>, io::Error> {
        Ok(serde_json::to_vec(self)?)
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Adds the files of a folder whose names begin with `prefix`.
fn add_files(folder: &Path, prefix: &str, depth: usize, files: &mut Vec<SourceFile>) -> Result<(), LoadError> {
    let failed = |source| LoadError::io(folder, source);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = name_of(&path);
        if name.starts_with('.') || name.ends_with(ENDING) {
            continue;
        }
        // A link whose target is gone is no file of the model.
        let Ok(metadata) = std::fs::metadata(&path) else { continue };
        if metadata.is_file() {
            files.push(SourceFile::new(format!("{prefix}{name}"), &metadata));
        } else if metadata.is_dir() && depth > 0 {
            add_files(&path, &format!("{prefix}{name}/"), depth - 1, files)?;
        }
        if files.len() > MAX_FILES {
            return Err(failed(io::Error::other(format!("wanted at most {MAX_FILES} files of a model, found more"))));
        }
    }
    Ok(())
}

/// The place of the packed file of a model in one format.
#[derive(Debug, Clone)]
pub struct PackedBeside {
    model: PathBuf,
    path: PathBuf,
    format: WeightFormat,
}

/// What lies in that place.
#[derive(Debug)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// The model's packed file.
    Current(ModelFiles),
    /// A packed file of something else.
    Other {
        /// What is wrong with it.
        why: String,
    },
}

impl PackedBeside {
    /// For a GGUF file `NAME` it is `NAME.FORMAT.cke` beside it, for a directory `model.FORMAT.cke` inside.
    pub fn new(model: &Path, format: WeightFormat) -> PackedBeside {
        let ending = format!(".{format}{ENDING}");
        let path = if model.is_dir() {
            model.join(format!("model{ending}"))
        } else {
            let mut name = OsString::from(model.file_name().unwrap_or_default());
            name.push(ending);
            model.with_file_name(name)
        };
        PackedBeside { model: model.to_owned(), path, format }
    }

    /// The format of its weights.
    pub fn format(&self) -> WeightFormat {
        self.format
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What lies there, compared with what the model is now.
    pub fn look(&self, now: &Origin) -> Found {
        if !PackedFile::is_at(&self.path) {
            return Found::Nothing;
        }
        let other = |why: &str| Found::Other { why: why.to_owned() };
        let file = match PackedFile::open(&self.path) {
            Ok(file) => file,
            // Without the path and what to do, which the caller knows.
            Err(LoadError::Packed { problem, .. }) => return other(&problem.to_string()),
            Err(error) => return other(&error.to_string()),
        };
        match Origin::of_packed(&file) {
            None => other("it was not made for `--cache`"),
            Some(origin) if origin.version != now.version => other("another version of cke made it"),
            Some(origin) if origin != *now => other("the model's files have changed since it was made"),
            Some(_) if file.weight_format() != self.format => other("its weights are in another format"),
            Some(_) => Found::Current(ModelFiles::of_packed_beside(&self.model, Arc::new(file))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn names(origin: &Origin) -> Vec<&str> {
        origin.files.iter().map(|file| file.name.as_str()).collect()
    }

    #[test]
    fn directory_is_all_of_its_files_but_packed_and_hidden_ones() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("1_Pooling")).unwrap();
        for name in ["config.json", "1_Pooling/config.json", ".hidden", "model.int8.cke"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        let before = Origin::of(dir.path()).unwrap();
        assert_eq!(names(&before), ["1_Pooling/config.json", "config.json"]);
        assert_eq!(Origin::of(dir.path()).unwrap(), before);
        fs::write(dir.path().join("config.json"), "longer than before").unwrap();
        assert_ne!(Origin::of(dir.path()).unwrap(), before);
        assert_eq!(serde_json::from_slice::<Origin>(&before.to_json().unwrap()).unwrap(), before);
    }

    #[test]
    fn file_is_all_of_its_parts() {
        let dir = tempfile::tempdir().unwrap();
        let part = |i: usize| dir.path().join(format!("m-0000{i}-of-00002.gguf"));
        fs::write(part(1), "one").unwrap();
        assert!(Origin::of(&part(1)).unwrap_err().to_string().contains("m-00002-of-00002.gguf"));
        fs::write(part(2), "two").unwrap();
        assert_eq!(names(&Origin::of(&part(1)).unwrap()), ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"]);
    }

    #[test]
    fn place_has_the_names_of_model_and_format() {
        let dir = tempfile::tempdir().unwrap();
        let place = |model: &Path, format| PackedBeside::new(model, format).path().to_owned();
        assert_eq!(place(dir.path(), WeightFormat::Int8), dir.path().join("model.int8.cke"));
        assert_eq!(place(Path::new("a/m.gguf"), WeightFormat::Stored), Path::new("a/m.gguf.auto.cke"));
    }
}
