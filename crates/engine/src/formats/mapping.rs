//! The one place where files are mapped into memory.

#![allow(unsafe_code, reason = "the one module that maps files")]

use std::fs::{File, Metadata};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use cke_kernels::gemm::StableBytes;
use cke_kernels::scratch::AlignedBuf;
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

/// On Linux, a page fault also maps the cached pages of the 64 KB around it. If a file is read and released half a megabyte at a time,
/// those left over would add up to 5% of it.
#[cfg(unix)]
const MAPPED_AROUND: usize = 64 << 10;

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
        let map = map_read_only(&file).map_err(|source| match source.kind() {
            io::ErrorKind::OutOfMemory => {
                LoadError::NoAddressSpace { file: path.to_owned(), bytes: metadata.len(), source }
            }
            _ => LoadError::io(path, source),
        })?;
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

    /// Tells the operating system that the pages under `range` and around it are not needed for now; a later read
    /// brings them back from the file.
    pub(crate) fn release(&self, range: Range<usize>) {
        assert!(range.start <= range.end && range.end <= self.map.len(), "range {range:?} leaves the mapping");
        #[cfg(unix)]
        if !range.is_empty() {
            let (start, end) = (range.start.saturating_sub(MAPPED_AROUND), range.end.saturating_add(MAPPED_AROUND));
            let len = end.min(self.map.len()) - start;
            // SAFETY: MADV_DONTNEED discards contents only of anonymous or modified private pages. This mapping is of
            // a file and was never writable (`map_read_only`), so each page reads back the same. The `len` bytes from
            // `start` on lie inside the mapping: `range` does (asserted above), and both ends stop at those of the mapping.
            let advised = unsafe { self.map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, len) };
            // Advice that is refused costs memory, not correctness.
            drop(advised);
        }
    }
}

/// A whole file that several may read in place.
#[derive(Debug)]
pub(crate) enum FileBytes {
    /// A file.
    Mapped(MappedFile),
    /// Its content, in memory.
    Memory(AlignedBuf<u8>),
}

impl FileBytes {
    /// The file's content.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            FileBytes::Mapped(file) => file.bytes(),
            FileBytes::Memory(bytes) => bytes,
        }
    }

    /// As [`MappedFile::check_unchanged`]; memory does not change.
    pub(crate) fn check_unchanged(&self, path: &Path) -> Result<(), LoadError> {
        match self {
            FileBytes::Mapped(file) => file.check_unchanged(path),
            FileBytes::Memory(_) => Ok(()),
        }
    }
}

/// A part of a file, read in place for as long as it lives. What [`MappedFile`] says of files that change holds for every read.
#[derive(Clone, Debug)]
pub(crate) struct FileRange {
    file: Arc<FileBytes>,
    range: Range<usize>,
}

impl FileRange {
    /// # Panics
    /// If `range` leaves the file.
    pub(crate) fn new(file: Arc<FileBytes>, range: Range<usize>) -> FileRange {
        assert!(range.start <= range.end && range.end <= file.bytes().len(), "range {range:?} leaves the file");
        FileRange { file, range }
    }

    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.range.len()
    }

    /// The bytes as numbers in the machine's order of bytes.
    ///
    /// # Panics
    /// If they are no whole numbers, or misaligned.
    pub(crate) fn as_f32(&self) -> &[f32] {
        // SAFETY: any four bytes are an f32.
        let (before, numbers, after) = unsafe { self.bytes().align_to::<f32>() };
        assert!(before.is_empty() && after.is_empty(), "wanted whole and aligned numbers in {:?}", self.range);
        numbers
    }
}

// SAFETY: neither a mapping nor a buffer moves its bytes before it is dropped, nothing here writes to either, and `file` keeps them.
unsafe impl StableBytes for FileRange {
    fn bytes(&self) -> &[u8] {
        &self.file.bytes()[self.range.clone()]
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
    fn range_of_a_file_is_read_as_numbers_in_place() {
        let mut memory = AlignedBuf::<u8>::zeroed(16).unwrap();
        memory[4..8].copy_from_slice(&1.5f32.to_ne_bytes());
        let range = FileRange::new(Arc::new(FileBytes::Memory(memory)), 4..12);
        assert_eq!(range.as_f32(), [1.5, 0.0]);
        assert_eq!(range.as_f32().as_ptr().cast(), range.bytes().as_ptr());
    }

    #[test]
    fn empty_file_maps_to_no_bytes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(MappedFile::open(file.path()).unwrap().bytes().is_empty());
    }
}
