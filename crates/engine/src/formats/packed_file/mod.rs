//! A whole model in one file, its weights in the panels that kernels read: mapped, it runs where it lies.
//!
//! ```text
//! header | entries, each filled up with zeros to a multiple of 128 bytes | table of entries, JSON
//! ```
//!
//! The header has a magic, a version, the file's length, the place of the table, and checksums (XXH3, 64 bits) of the table and of
//! itself; the table says of each entry what it is, where it lies, and its checksum. Entries tile the file between header and table.
//! Header and table are checked in full before [`PackedFile::open`] returns, an entry's checksum whenever it is asked for.
//! The book's page on packed files has the layout byte by byte.

mod error;
mod header;
mod writer;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use cke_kernels::gemm::PanelFormat;
use cke_kernels::scratch::AlignedBuf;
use cke_kernels::threads::{Parallel, run_tasks};

pub use self::error::PackedFileError;
pub use self::header::Content;
pub use self::writer::Output;

pub(crate) use self::writer::{PackedWriter, WeightSink};

use self::header::{Entry, Header, Table, checksum};
use super::mapping::{FileBytes, FileRange, MappedFile};
use crate::load_error::LoadError;
use crate::weight_format::WeightFormat;

/// What a packed file begins with. Its second half does not survive a transfer that takes it for text.
pub const MAGIC: [u8; 8] = *b"\x89CKE\r\n\x1a\n";

/// The version of the format that is written and read.
pub const VERSION: u64 = 3;

/// Entries and the table begin at multiples of this many bytes.
pub const ALIGNMENT: usize = 128;

/// Largest table that is read, in bytes. That of a model of a hundred layers takes about 0.3 MB.
pub const TABLE_LIMIT: usize = 64 << 20;

/// Largest number of entries.
pub const MAX_ENTRIES: usize = 1 << 17;

/// Bytes whose checksums are taken together, by all threads. Between them progress is reported.
const AHEAD: usize = 256 << 20;

/// Bytes of the magic that make a packed file of a file, however damaged the rest is.
const RECOGNISED: usize = 4;

/// Whether a file begins as a packed file does.
pub(crate) fn is_packed(head: &[u8]) -> bool {
    head.starts_with(&MAGIC[..RECOGNISED])
}

/// A packed file, mapped.
#[derive(Debug)]
pub struct PackedFile {
    path: PathBuf,
    file: Arc<FileBytes>,
    format: WeightFormat,
    entries: Vec<Entry>,
    /// Whether each entry's checksum was found right.
    is_right: Vec<AtomicBool>,
    /// Indices into `entries`.
    by_name: HashMap<String, usize>,
}

/// What the table says of an entry.
#[derive(Debug, Clone, Copy)]
pub struct EntryInfo<'a> {
    /// Its name: that of one of the model's files, or of weights.
    pub name: &'a str,
    /// What it holds.
    pub holds: &'a Content,
    /// Its size in the file.
    pub bytes: usize,
}

impl PackedFile {
    /// Whether the file at a path begins as a packed file does.
    pub fn is_at(path: &Path) -> bool {
        let mut head = [0; RECOGNISED];
        // Nothing else is opened: a pipe would block.
        let is_file = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
        is_file && File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && is_packed(&head)
    }

    /// Maps a packed file and checks its header and table.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be opened, is not a packed file, is damaged or truncated, or has another version.
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        Self::new(path, FileBytes::Mapped(MappedFile::open(path)?))
    }

    /// Reads a packed file that is in memory; `name` stands for its path in messages.
    ///
    /// # Errors
    ///
    /// As [`PackedFile::open`], and if an allocation fails.
    pub fn from_bytes(bytes: &[u8], name: &str) -> Result<Self, LoadError> {
        let path = Path::new(name);
        let no_memory = |_| LoadError::NoMemory { file: path.to_owned(), bytes: bytes.len() };
        let mut memory = AlignedBuf::zeroed(bytes.len()).map_err(no_memory)?;
        memory.copy_from_slice(bytes);
        Self::new(path, FileBytes::Memory(memory))
    }

    fn new(path: &Path, file: FileBytes) -> Result<Self, LoadError> {
        let bytes = file.bytes();
        let failed = |problem| LoadError::packed(path, problem);
        if cfg!(target_endian = "big") {
            return Err(failed(PackedFileError::ByteOrder));
        }
        let table = Header::read(bytes).and_then(|header| header.table_range(bytes)).map_err(failed)?;
        LoadError::check_memory(path, table.len())?;
        let (format, entries) = Table::read(&bytes[table.clone()], table.start).map_err(failed)?;
        let mut by_name = HashMap::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            if by_name.insert(entry.name.clone(), index).is_some() {
                return Err(failed(PackedFileError::DuplicateName { entry: entry.name.clone() }));
            }
        }
        let is_right = entries.iter().map(|_| AtomicBool::new(false)).collect();
        Ok(Self { path: path.to_owned(), file: Arc::new(file), format, entries, is_right, by_name })
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The format of the weights.
    pub fn weight_format(&self) -> WeightFormat {
        self.format
    }

    /// Every entry, in the order of their bytes.
    pub fn infos(&self) -> impl Iterator<Item = EntryInfo<'_>> {
        self.entries.iter().map(|entry| EntryInfo {
            name: &entry.name,
            holds: &entry.holds,
            bytes: entry.range().len(),
        })
    }

    /// Size of all weights, in bytes.
    pub fn weight_bytes(&self) -> usize {
        self.infos().filter(|info| *info.holds != Content::File).map(|info| info.bytes).sum()
    }

    /// Checks the checksum of an entry.
    ///
    /// # Errors
    ///
    /// Fails if the checksum does not match, the entry does not exist, or the file was written to since it was opened.
    pub fn verify(&self, name: &str) -> Result<(), LoadError> {
        self.verified(self.index(&[name])?).map(drop)
    }

    /// Checks the checksums of the first of `names` that exists and of the entries after it, [`AHEAD`] bytes in all, by all threads of
    /// a pool: weights are used in the order of the file. A wrong one is an error where that entry is used.
    pub(crate) fn check_ahead(&self, names: &[&str], pool: &dyn Parallel) {
        let Ok(first) = self.index(names) else { return };
        if self.is_right[first].load(Relaxed) {
            return;
        }
        let mut bytes = 0;
        let is_near = |entry: &&Entry| {
            bytes += entry.range().len();
            bytes <= AHEAD
        };
        let count = self.entries[first..].iter().take_while(is_near).count().max(1);
        // The largest first, so that threads end together.
        let mut order: Vec<usize> = (first..first + count).collect();
        order.sort_by_key(|&index| Reverse(self.entries[index].bytes));
        run_tasks(pool, order.len(), &|task, _worker| {
            self.check(order[task]);
        });
    }

    /// The size of one of the model's own files; `None` if there is none of that name.
    pub(crate) fn file_bytes(&self, name: &str) -> Option<usize> {
        let entry = &self.entries[*self.by_name.get(name)?];
        (entry.holds == Content::File).then_some(entry.range().len())
    }

    /// Whether an entry holds panels, or numbers of 32 bits if not; `None` if there is no such entry.
    pub(crate) fn is_panels(&self, name: &str) -> Option<bool> {
        let entry = &self.entries[*self.by_name.get(name)?];
        Some(matches!(entry.holds, Content::Panels { .. }))
    }

    /// The layout of an entry's panels; `None` if there is no such entry, or it holds something else.
    pub(crate) fn panel_layout(&self, name: &str) -> Option<&str> {
        match &self.entries[*self.by_name.get(name)?].holds {
            Content::Panels { layout, .. } => Some(layout),
            _ => None,
        }
    }

    /// The bytes of one of the model's own files.
    pub(crate) fn file(&self, name: &str) -> Result<FileRange, LoadError> {
        let index = self.index(&[name])?;
        let entry = &self.entries[index];
        if entry.holds != Content::File {
            return Err(self.other_content(entry, "a file"));
        }
        self.verified(index)
    }

    /// The numbers of the first of `names` that exists: a (rows, cols) table.
    pub(crate) fn f32(&self, names: &[&str], rows: usize, cols: usize) -> Result<FileRange, LoadError> {
        self.weights(names, &Content::F32 { rows: rows as u64, cols: cols as u64 })
    }

    /// The panels of weights (k, n), if they are in the format of the kernel that is going to read them.
    pub(crate) fn panels(&self, name: &str, format: PanelFormat, size: (usize, usize)) -> Result<FileRange, LoadError> {
        self.weights(&[name], &Content::panels(format, size))
    }

    fn weights(&self, names: &[&str], wanted: &Content) -> Result<FileRange, LoadError> {
        let index = self.index(names)?;
        let entry = &self.entries[index];
        if entry.holds != *wanted {
            return Err(self.other_content(entry, wanted));
        }
        self.verified(index)
    }

    /// The error that weights are wanted as rows of numbers.
    pub(crate) fn only_packed(&self, name: &str) -> LoadError {
        let problem = |found: String| PackedFileError::OtherContent {
            entry: name.to_owned(),
            wanted: "a matrix row by row".to_owned(),
            found,
        };
        match self.index(&[name]) {
            Ok(index) => LoadError::packed(&self.path, problem(self.entries[index].holds.to_string())),
            Err(error) => error,
        }
    }

    /// The place of the first of `names` that exists.
    fn index(&self, names: &[&str]) -> Result<usize, LoadError> {
        match names.iter().find_map(|name| self.by_name.get(*name)) {
            Some(&index) => Ok(index),
            None => {
                let wanted = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ");
                Err(LoadError::packed(
                    &self.path,
                    PackedFileError::MissingEntry { wanted, present: self.entries.len() },
                ))
            }
        }
    }

    /// The bytes of an entry whose checksum is right.
    fn verified(&self, index: usize) -> Result<FileRange, LoadError> {
        self.file.check_unchanged(&self.path)?;
        let entry = &self.entries[index];
        if !self.check(index) {
            let problem = PackedFileError::Checksum { entry: entry.name.clone() };
            return Err(LoadError::packed(&self.path, problem));
        }
        Ok(FileRange::new(Arc::clone(&self.file), entry.range()))
    }

    /// Whether an entry's checksum is right; computed until it once was.
    fn check(&self, index: usize) -> bool {
        let is_right = &self.is_right[index];
        if !is_right.load(Relaxed) {
            let entry = &self.entries[index];
            is_right.store(checksum(&self.file.bytes()[entry.padded_range()]) == entry.xxh3, Relaxed);
        }
        is_right.load(Relaxed)
    }

    fn other_content(&self, entry: &Entry, wanted: impl fmt::Display) -> LoadError {
        let problem = PackedFileError::OtherContent {
            entry: entry.name.clone(),
            wanted: wanted.to_string(),
            found: entry.holds.to_string(),
        };
        LoadError::packed(&self.path, problem)
    }
}

impl Content {
    /// Weights (k, n) in panels of a format.
    fn panels(format: PanelFormat, (k, n): (usize, usize)) -> Content {
        let PanelFormat { layout, cols, block_k, block_bytes } = format;
        Content::Panels {
            layout: layout.to_owned(),
            cols: cols as u64,
            block_k: block_k as u64,
            block_bytes: block_bytes as u64,
            k: k as u64,
            n: n as u64,
        }
    }
}

impl fmt::Display for Content {
    /// `768 × 2304 as int8 in quads, spread in panels of 16 columns, blocks of 128 in 2176 bytes`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Content::File => f.write_str("a file"),
            Content::F32 { rows, cols } => write!(f, "{rows} × {cols} as f32"),
            Content::Panels { layout, cols, block_k, block_bytes, k, n } => write!(
                f,
                "{k} × {n} as {layout} in panels of {cols} columns, blocks of {block_k} in {block_bytes} bytes"
            ),
        }
    }
}
