//! The files of a model, and sending them.

use super::remote::{Remote, quoted};
use crate::error::CliError;
use crate::model::ModelArgs;
use cke_engine::bundle::Bundle;
use cke_engine::config::ModelConfig;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// What a model directory has that is read; weights in other formats are left behind.
const ENDINGS: [&str; 4] = ["json", "txt", "jinja", "safetensors"];

/// A model that is going to be copied.
#[derive(Debug)]
pub(super) struct ModelCopy {
    /// Its name there.
    pub(super) name: String,
    /// Whether it embeds texts instead of continuing them.
    pub(super) is_encoder: bool,
    /// Names below the model's own, and sizes; one without a name for a model in one file.
    files: Vec<(PathBuf, u64)>,
    path: PathBuf,
}

impl ModelCopy {
    /// The model that is named; `None` for the demo model, which is in the program.
    ///
    /// # Errors
    /// If it cannot be used.
    pub(super) fn find(named: &ModelArgs) -> Result<Option<ModelCopy>, CliError> {
        let Some(path) = &named.model else { return Ok(None) };
        let bundle = Bundle::of_files(&named.files()?)?;
        let is_encoder = matches!(bundle.config(), ModelConfig::Bert(_));
        let input = |source| CliError::Input { input: path.display().to_string(), source };
        let whole = fs::canonicalize(path).map_err(input)?;
        let name = whole.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        let name = name.filter(|name| !name.contains(char::is_control) && name != "cke" && !name.starts_with('-'));
        let name = name.ok_or_else(|| {
            CliError::Failed(format!("{}: wanted a plain name other than cke; rename it or add a link", path.display()))
        })?;
        let mut files = Vec::new();
        if whole.is_dir() {
            add_files(&whole, Path::new(""), 1, &mut files).map_err(input)?;
        } else {
            files.push((PathBuf::new(), fs::metadata(&whole).map_err(input)?.len()));
        }
        Ok(Some(ModelCopy { name, is_encoder, files, path: whole }))
    }

    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, size)| size).sum()
    }

    /// Sends all of its files.
    ///
    /// # Errors
    /// If one cannot be read, or does not arrive.
    pub(super) fn send(&self, remote: &Remote, directory: &str) -> Result<(), CliError> {
        for (file, size) in &self.files {
            let name = Path::new(&self.name).join(file);
            let name = name.to_string_lossy();
            let name = name.trim_end_matches('/');
            if let Some((folder, _)) = name.rsplit_once('/') {
                let folder = quoted(&format!("{directory}/{folder}"));
                remote.run(&format!("mkdir -p {folder}")).map_err(|failure| {
                    CliError::Failed(format!("{}: wanted to make the directory {folder}: {failure}", remote.host()))
                })?;
            }
            // Joined with nothing, a path would end with a separator, which only directories may.
            let path = if file.as_os_str().is_empty() { self.path.clone() } else { self.path.join(file) };
            let mut opened =
                File::open(&path).map_err(|source| CliError::Input { input: path.display().to_string(), source })?;
            remote.send(directory, name, &mut opened, *size)?;
        }
        Ok(())
    }
}

/// The files of a directory, and of those inside down to a depth.
fn add_files(root: &Path, below: &Path, depth: usize, files: &mut Vec<(PathBuf, u64)>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let name = below.join(entry?.file_name());
        let found = fs::metadata(root.join(&name))?;
        if found.is_dir() && depth > 0 {
            add_files(root, &name, depth - 1, files)?;
        } else if found.is_file() && name.extension().is_some_and(|end| ENDINGS.iter().any(|ending| end == *ending)) {
            files.push((name, found.len()));
        }
    }
    files.sort();
    Ok(())
}
