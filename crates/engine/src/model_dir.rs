//! Checks that a path is a model, and suggests which one was meant if it is not.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::formats::bounded_file::NO_FILE;
use crate::formats::disguise::{HEAD, recognise};
use crate::formats::gguf::GgufFile;
use crate::load_error::LoadError;

/// Entries of a directory that are looked at.
const MOST_ENTRIES: usize = 10_000;

/// Directories that a message suggests at most.
const MOST_SUGGESTED: usize = 3;

/// Checks that `path` can be a model directory.
///
/// # Errors
/// Returns [`LoadError::NotAModel`] if nothing lies there, it is a file, or it is a directory without `config.json` or
/// `modules.json`.
pub(crate) fn check(path: &Path) -> Result<(), LoadError> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => return Err(not_a_model(path, absent_model(path).unwrap_or_else(|| nothing(&error)), &[])),
    };
    if metadata.is_file() {
        return Err(file_as_model(path));
    }
    if !metadata.is_dir() {
        return Err(not_a_model(path, NO_FILE.to_owned(), &[]));
    }
    let has = |name: &str| fs::symlink_metadata(path.join(name)).is_ok();
    if has("config.json") || has("modules.json") {
        return Ok(());
    }
    let unknown = || ("a directory without config.json".to_owned(), Vec::new());
    let (found, meant) = directory_as_model(path).unwrap_or_else(unknown);
    Err(not_a_model(path, found, &meant))
}

/// What is found where the system finds nothing.
fn nothing(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "nothing: No such file or directory".to_owned(),
        _ => error.to_string(),
    }
}

/// What a path that leads nowhere is, if that can be told.
fn absent_model(path: &Path) -> Option<String> {
    if let Ok(target) = fs::read_link(path) {
        return Some(format!("a link to `{}`, which cannot be opened", target.display()));
    }
    let name = path.to_str().filter(|name| is_repository(name))?;
    Some(format!(
        "no such directory (if it is a repository of the Hugging Face Hub, `hf download {name}` fetches it and prints its directory)"
    ))
}

/// Whether a relative path could be the id of a repository: `owner/name`.
fn is_repository(path: &str) -> bool {
    let is_name = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    let owner_is_directory = |owner: &str| Path::new(owner).is_dir();
    path.split_once('/').is_some_and(|(owner, name)| is_name(owner) && is_name(name) && !owner_is_directory(owner))
}

fn not_a_model(path: &Path, found: String, meant: &[PathBuf]) -> LoadError {
    let listed: Vec<String> = meant.iter().take(MOST_SUGGESTED).map(|dir| format!("`{}`", dir.display())).collect();
    let hint = match listed.len() {
        0 => String::new(),
        _ => format!("; did you mean {}?", listed.join(" or ")),
    };
    LoadError::NotAModel { path: path.to_owned(), found, hint }
}

/// A file was given: its directory was meant, if it is one of a model's files.
fn file_as_model(path: &Path) -> LoadError {
    let mut head = Vec::new();
    let readable = File::open(path).and_then(|file| file.take(HEAD as u64).read_to_end(&mut head));
    let is_json = path.extension().is_some_and(|end| end == "json");
    let is_empty = readable.as_ref().is_ok_and(|&bytes| bytes == 0);
    let found = match readable.ok().and_then(|_| recognise(&head)) {
        _ if is_empty => "an empty file".to_owned(),
        Some(found) if !is_json => found,
        _ => "a file".to_owned(),
    };
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let meant = if parent.join("config.json").is_file() { vec![parent] } else { Vec::new() };
    not_a_model(path, found, &meant)
}

/// What a directory without a configuration is, and the directories in it that may have been meant.
fn directory_as_model(dir: &Path) -> Option<(String, Vec<PathBuf>)> {
    if dir.join("snapshots").is_dir() {
        return Some(("the folder of a model in the Hugging Face cache".to_owned(), snapshots(dir)));
    }
    let (entries, hub) = (entries(dir), self::entries(&dir.join("hub")));
    if entries.is_empty() {
        return Some(("an empty directory".to_owned(), Vec::new()));
    }
    let cached: Vec<&PathBuf> = entries.iter().chain(&hub).filter(|entry| is_cached_model(entry)).collect();
    if !cached.is_empty() {
        let meant = cached.into_iter().flat_map(|model| snapshots(model)).collect();
        return Some(("the Hugging Face cache".to_owned(), meant));
    }
    let models: Vec<PathBuf> = entries.iter().filter(|entry| entry.join("config.json").is_file()).cloned().collect();
    if !models.is_empty() {
        return Some(("a directory of models".to_owned(), models));
    }
    let is_gguf =
        |entry: &&PathBuf| entry.file_name().and_then(|name| name.to_str()).is_some_and(GgufFile::may_be_whole);
    let gguf: Vec<PathBuf> = entries.iter().filter(is_gguf).cloned().collect();
    (!gguf.is_empty()).then(|| ("a directory with GGUF files".to_owned(), gguf))
}

/// What a directory holds, sorted.
fn entries(dir: &Path) -> Vec<PathBuf> {
    let Ok(list) = fs::read_dir(dir) else { return Vec::new() };
    let mut entries: Vec<PathBuf> = list.take(MOST_ENTRIES).filter_map(|entry| Some(entry.ok()?.path())).collect();
    entries.sort_unstable();
    entries
}

/// Whether it is a folder `models--owner--name` with snapshots.
fn is_cached_model(entry: &Path) -> bool {
    let name = entry.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("models--") && entry.join("snapshots").is_dir()
}

/// The snapshots of a cached model that hold a configuration: that of `refs/main` alone, if it does.
fn snapshots(model: &Path) -> Vec<PathBuf> {
    let has_config = |snapshot: &PathBuf| snapshot.join("config.json").is_file();
    let mut revision = String::new();
    let main = File::open(model.join("refs/main")).and_then(|file| file.take(100).read_to_string(&mut revision));
    let revision = revision.trim();
    if main.is_ok() && !revision.is_empty() && revision.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        let snapshot = model.join("snapshots").join(revision);
        if has_config(&snapshot) {
            return vec![snapshot];
        }
    }
    entries(&model.join("snapshots")).into_iter().filter(has_config).collect()
}
