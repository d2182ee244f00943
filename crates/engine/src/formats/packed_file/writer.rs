//! Writing a packed file, entry after entry; the table comes last, and then the header to its place.

use std::cell::RefCell;
use std::hash::Hasher;
use std::io::{self, Seek, SeekFrom, Write};

use cke_kernels::gemm::PanelFormat;
use twox_hash::XxHash3_64;

use super::ALIGNMENT;
use super::header::{Content, Entry, HEADER_BYTES, Header, Table, checksum};
use crate::weight_format::WeightFormat;

/// Numbers that become bytes at a time.
const CONVERTED: usize = 4096;

/// What a packed file is written to.
pub trait Output: Write + Seek {}
impl<W: Write + Seek> Output for W {}

/// Where weights are written down while they are loaded.
pub(crate) trait WeightSink {
    /// Adds a (rows, cols) table.
    fn add_f32(&self, name: &str, rows: usize, cols: usize, numbers: &[f32]) -> io::Result<()>;

    /// Adds packed weights (k, n).
    fn add_panels(&self, name: &str, format: PanelFormat, size: (usize, usize), panels: &[u8]) -> io::Result<()>;
}

/// A packed file in the making.
pub(crate) struct PackedWriter<'w> {
    format: WeightFormat,
    state: RefCell<State<'w>>,
}

struct State<'w> {
    out: &'w mut dyn Output,
    entries: Vec<Entry>,
    /// Bytes written so far.
    at: u64,
    hasher: XxHash3_64,
}

impl<'w> PackedWriter<'w> {
    /// Leaves room for the header.
    pub(crate) fn new(out: &'w mut dyn Output, format: WeightFormat) -> io::Result<Self> {
        out.write_all(&[0; HEADER_BYTES])?;
        let state = State { out, entries: Vec::new(), at: HEADER_BYTES as u64, hasher: XxHash3_64::default() };
        Ok(Self { format, state: RefCell::new(state) })
    }

    /// Adds one of the model's own files.
    pub(crate) fn add_file(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        state.put(content)?;
        state.end(name, Content::File)
    }

    /// Writes the table and the header.
    pub(crate) fn finish(self) -> io::Result<()> {
        let State { out, entries, at, .. } = self.state.into_inner();
        let table = serde_json::to_vec(&Table { dtype: self.format.name().to_owned(), entries })?;
        out.write_all(&table)?;
        let header = Header { file_bytes: at + table.len() as u64, table_offset: at, table_xxh3: checksum(&table) };
        out.seek(SeekFrom::Start(0))?;
        out.write_all(&header.to_bytes())?;
        out.flush()
    }
}

impl WeightSink for PackedWriter<'_> {
    fn add_f32(&self, name: &str, rows: usize, cols: usize, numbers: &[f32]) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        let mut bytes = [[0; 4]; CONVERTED];
        for numbers in numbers.chunks(CONVERTED) {
            let bytes = &mut bytes[..numbers.len()];
            bytes.iter_mut().zip(numbers).for_each(|(bytes, number)| *bytes = number.to_le_bytes());
            state.put(bytes.as_flattened())?;
        }
        state.end(name, Content::F32 { rows: rows as u64, cols: cols as u64 })
    }

    fn add_panels(&self, name: &str, format: PanelFormat, size: (usize, usize), panels: &[u8]) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        state.put(panels)?;
        state.end(name, Content::panels(format, size))
    }
}

impl State<'_> {
    /// Writes bytes of the entry that is being added.
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.write(bytes);
        self.at += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    /// Ends the entry that is being added, and fills up to the next aligned place.
    fn end(&mut self, name: &str, holds: Content) -> io::Result<()> {
        let offset = self.entries.last().map_or(HEADER_BYTES, |entry| entry.padded_range().end) as u64;
        let bytes = self.at - offset;
        let padding = self.at.next_multiple_of(ALIGNMENT as u64) - self.at;
        self.put(&[0; ALIGNMENT][..padding as usize])?;
        let xxh3 = std::mem::take(&mut self.hasher).finish();
        self.entries.push(Entry { name: name.to_owned(), holds, offset, bytes, xxh3 });
        Ok(())
    }
}
