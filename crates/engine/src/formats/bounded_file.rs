//! Reading text files without trusting their size or kind.

use std::fs::{File, Metadata};
use std::io::Read;
use std::path::Path;

use crate::load_error::LoadError;

/// Largest `config.json` and the like. With a label for each of 20,000 classes one takes about 2 MB.
pub(crate) const CONFIG_LIMIT: u64 = 8 << 20;
/// Largest tokenizer file. Vocabularies of 256,000 entries with their merges take about 35 MB.
pub(crate) const TOKENIZER_LIMIT: u64 = 128 << 20;
/// Largest shard index. One of 90,000 tensors takes about 9 MB.
pub(crate) const INDEX_LIMIT: u64 = 64 << 20;

/// What is neither a file nor a directory, in words for a message.
pub(crate) const NO_FILE: &str = "a pipe or device";

/// Opens a regular file; a pipe would block and a device may never end.
pub(crate) fn open_regular(path: &Path) -> Result<(File, Metadata), LoadError> {
    let kind = std::fs::metadata(path).map_err(|source| LoadError::io(path, source))?.file_type();
    if !kind.is_file() {
        let found = if kind.is_dir() { "a directory" } else { NO_FILE };
        return Err(LoadError::NotAFile { file: path.to_owned(), found });
    }
    let file = File::open(path).map_err(|source| LoadError::io(path, source))?;
    let metadata = file.metadata().map_err(|source| LoadError::io(path, source))?;
    Ok((file, metadata))
}

/// The whole of a regular file of at most `limit` bytes.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, LoadError> {
    let (file, metadata) = open_regular(path)?;
    let too_large = |found| LoadError::TooLarge { file: path.to_owned(), limit, found };
    if metadata.len() > limit {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::new();
    // The file may grow after its size was asked for, so the read is bounded too.
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|source| LoadError::io(path, source))?;
    if bytes.len() as u64 > limit {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}

/// The text of a file's bytes; `file` is for the message.
pub(crate) fn utf8<'a>(bytes: &'a [u8], file: &Path) -> Result<&'a str, LoadError> {
    std::str::from_utf8(bytes).map_err(|error| LoadError::NotUtf8 { file: file.to_owned(), at: error.valid_up_to() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_over_the_limit_is_refused_with_both_sizes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        std::fs::write(&path, [b' '; 11]).unwrap();
        assert_eq!(read_bounded(&path, 11).unwrap().len(), 11);
        let message = read_bounded(&path, 10).unwrap_err().to_string();
        assert!(message.ends_with("config.json: wanted at most 10 bytes, found 11"), "{message}");
    }

    #[test]
    fn directory_in_place_of_a_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let message = read_bounded(dir.path(), 10).unwrap_err().to_string();
        assert!(message.ends_with("wanted a regular file, found a directory"), "{message}");
    }
}
