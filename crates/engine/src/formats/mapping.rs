//! The one place where files are mapped into memory.

#![allow(unsafe_code, reason = "the one module that maps files")]

use std::fs::{File, Metadata};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::time::SystemTime;

use memmap2::Mmap;

use super::bounded_file::open_regular;
use crate::load_error::LoadError;

/// A read-only mapping of a whole file.
///
/// # When the file changes
///
/// A mapping is a window on the file, not a copy. [`MappedFile::check_unchanged`] compares the file's length and
/// modification time with those at opening; callers do so right before each slab they read, so a checkpoint that is
/// cut short or overwritten during a load gives an error. What remains is a race: a file cut short between that
/// check and the read of the same slab makes the kernel deliver SIGBUS, and one overwritten in between gives mixed
/// bytes. No user-space check can close that gap on a file that others may write; replacing a checkpoint by renaming
/// a new file over it is always safe.
#[derive(Debug)]
pub(crate) struct MappedFile {
    file: File,
    map: Mmap,
    opened: Stamp,
}

/// What tells that a file was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    /// `None` on a file system that keeps no modification time.
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self { bytes: metadata.len(), modified: metadata.modified().ok() }
    }
}

impl MappedFile {
    /// Maps the regular file at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, LoadError> {
        let (file, metadata) = open_regular(path)?;
        let map = map_read_only(&file).map_err(|source| LoadError::io(path, source))?;
        Ok(Self { file, map, opened: Stamp::of(&metadata) })
    }

    /// The file's content.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// Fails where the file was written to since it was opened; `path` is for the message.
    pub(crate) fn check_unchanged(&self, path: &Path) -> Result<(), LoadError> {
        let now = Stamp::of(&self.file.metadata().map_err(|source| LoadError::io(path, source))?);
        if now == self.opened {
            return Ok(());
        }
        Err(LoadError::Changed { file: path.to_owned(), opened: self.opened.bytes, found: now.bytes })
    }

    /// Tells the operating system that the pages under `range` are not needed for now; a later read brings them back
    /// from the file.
    pub(crate) fn release(&self, range: Range<usize>) {
        assert!(range.start <= range.end && range.end <= self.map.len(), "range {range:?} leaves the mapping");
        #[cfg(unix)]
        if !range.is_empty() {
            // SAFETY: MADV_DONTNEED discards contents only of anonymous or modified private pages. This mapping is of
            // a file and was never writable (`map_read_only`), so each page reads back the same. `range` lies inside
            // the mapping (asserted above).
            let advised = unsafe {
                self.map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, range.start, range.len())
            };
            // Advice that is refused costs memory, not correctness.
            drop(advised);
        }
    }
}

fn map_read_only(file: &File) -> io::Result<Mmap> {
    // SAFETY: the mapping is read-only and private, and `MappedFile` keeps it within the bounds the file had when it
    // was opened. That nobody writes to the file meanwhile cannot be established by any program; the documentation of
    // `MappedFile` says what is checked and what remains.
    unsafe { Mmap::map(file) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn released_pages_read_back_the_same_bytes() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let bytes: Vec<u8> = (0..20_000u32).map(|i| i as u8).collect();
        file.write_all(&bytes).unwrap();
        let mapped = MappedFile::open(file.path()).unwrap();
        assert_eq!(mapped.bytes(), bytes);
        mapped.release(5..19_999);
        mapped.release(7..7);
        assert_eq!(mapped.bytes(), bytes);
    }

    #[test]
    fn empty_file_maps_to_no_bytes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(MappedFile::open(file.path()).unwrap().bytes().is_empty());
    }
}
