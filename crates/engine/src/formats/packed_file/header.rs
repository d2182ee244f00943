//! The header and the table of entries of a packed file, checked before any of it is believed.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use super::error::PackedFileError;
use super::{ALIGNMENT, MAGIC, MAX_ENTRIES, TABLE_LIMIT, VERSION};
use crate::weight_format::WeightFormat;

/// Bytes of the header: its fields and zeros.
pub(super) const HEADER_BYTES: usize = ALIGNMENT;
/// Bytes of the fields that its checksum is taken of, and of all fields.
const CHECKED_BYTES: usize = 40;
const FIELD_BYTES: usize = CHECKED_BYTES + 8;

/// The checksum of bytes.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes)
}

/// The fixed part of a file, all numbers with their lowest byte first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) file_bytes: u64,
    pub(super) table_offset: u64,
    pub(super) table_xxh3: u64,
}

impl Header {
    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        let fields = [VERSION, self.file_bytes, self.table_offset, self.table_xxh3];
        for (out, field) in bytes[8..CHECKED_BYTES].chunks_exact_mut(8).zip(fields) {
            out.copy_from_slice(&field.to_le_bytes());
        }
        let own = checksum(&bytes[..CHECKED_BYTES]);
        bytes[CHECKED_BYTES..FIELD_BYTES].copy_from_slice(&own.to_le_bytes());
        bytes
    }

    /// The header of a file that begins as a packed file does, checked against the file's length.
    pub(super) fn read(file: &[u8]) -> Result<Header, PackedFileError> {
        let Some((header, _)) = file.split_first_chunk::<HEADER_BYTES>() else {
            return Err(PackedFileError::TooShort { wanted: HEADER_BYTES, found: file.len() });
        };
        if !header.starts_with(&MAGIC) {
            return Err(PackedFileError::ChangedMagic);
        }
        let field = |index: usize| {
            let (bytes, _) = header[8 * index..].split_first_chunk().expect("the fields lie inside the header");
            u64::from_le_bytes(*bytes)
        };
        if field(1) != VERSION {
            return Err(PackedFileError::Version { found: field(1) });
        }
        let is_zero = header[FIELD_BYTES..].iter().all(|&byte| byte == 0);
        if field(CHECKED_BYTES / 8) != checksum(&header[..CHECKED_BYTES]) || !is_zero {
            return Err(PackedFileError::HeaderChecksum);
        }
        let read = Header { file_bytes: field(2), table_offset: field(3), table_xxh3: field(4) };
        if read.file_bytes != file.len() as u64 {
            return Err(PackedFileError::Length { wanted: read.file_bytes, found: file.len() });
        }
        Ok(read)
    }

    /// Where the table lies in a file whose header this is: from an aligned place to the end.
    pub(super) fn table_range(&self, file: &[u8]) -> Result<Range<usize>, PackedFileError> {
        let place = usize::try_from(self.table_offset).ok();
        let is_place = |&at: &usize| at >= HEADER_BYTES && at <= file.len() && at.is_multiple_of(ALIGNMENT);
        let Some(start) = place.filter(is_place) else {
            return Err(PackedFileError::TablePlace { found: self.table_offset, available: file.len() });
        };
        if file.len() - start > TABLE_LIMIT {
            return Err(PackedFileError::TableTooLarge { found: file.len() - start });
        }
        if checksum(&file[start..]) != self.table_xxh3 {
            return Err(PackedFileError::TableChecksum);
        }
        Ok(start..file.len())
    }
}

/// The table as it is written: JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    /// The name of a [`WeightFormat`].
    pub(super) dtype: String,
    /// In the order of their bytes.
    pub(super) entries: Vec<Entry>,
}

/// A named part of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) holds: Content,
    /// Where its bytes begin, from the beginning of the file.
    pub(super) offset: u64,
    pub(super) bytes: u64,
    /// The checksum of its bytes and of the zeros up to the next aligned place.
    pub(super) xxh3: u64,
}

/// What the bytes of an entry are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Content {
    /// One of the model's own files, such as `config.json`.
    File,
    /// Numbers of 32 bits, row by row.
    F32 {
        /// Rows; 1 for a vector.
        rows: u64,
        /// Numbers of a row.
        cols: u64,
    },
    /// A weight matrix B (k, n) in the panels of a kernel: see [`PanelFormat`](cke_kernels::gemm::PanelFormat).
    Panels {
        /// What a block holds.
        layout: String,
        /// Columns of a panel.
        cols: u64,
        /// Products of a block.
        block_k: u64,
        /// Bytes of a block.
        block_bytes: u64,
        /// Rows of B: the inputs of the layer.
        k: u64,
        /// Columns of B: its outputs.
        n: u64,
    },
}

impl Content {
    /// How many bytes there are by the sizes, if those say so; `None` if they overflow or make no panels.
    fn bytes(&self) -> Option<Option<u64>> {
        match *self {
            Content::File => Some(None),
            Content::F32 { rows, cols } => Some(Some(rows.checked_mul(cols)?.checked_mul(4)?)),
            Content::Panels { cols, block_k, block_bytes, k, n, .. } => {
                if cols == 0 || block_k == 0 {
                    return None;
                }
                let blocks = n.div_ceil(cols).checked_mul(k.div_ceil(block_k))?;
                Some(Some(blocks.checked_mul(block_bytes)?))
            }
        }
    }
}

impl Entry {
    /// Where its bytes lie. Only for an entry that [`Table::read`] has checked.
    pub(super) fn range(&self) -> Range<usize> {
        self.offset as usize..(self.offset + self.bytes) as usize
    }

    /// The same with the zeros up to the next entry.
    pub(super) fn padded_range(&self) -> Range<usize> {
        let Range { start, end } = self.range();
        start..end.next_multiple_of(ALIGNMENT)
    }

    /// Checks that it begins at `offset` and ends before the table at `table`; returns where the next one begins.
    fn check(&self, offset: usize, table: usize) -> Result<usize, PackedFileError> {
        let entry = || self.name.clone();
        if self.offset != offset as u64 {
            return Err(PackedFileError::Offset { entry: entry(), wanted: offset, found: self.offset });
        }
        match self.holds.bytes() {
            None => return Err(PackedFileError::Overflow { entry: entry() }),
            Some(Some(wanted)) if wanted != self.bytes => {
                return Err(PackedFileError::Size { entry: entry(), wanted, found: self.bytes });
            }
            Some(_) => {}
        }
        let end = usize::try_from(self.bytes)
            .ok()
            .and_then(|bytes| offset.checked_add(bytes)?.checked_next_multiple_of(ALIGNMENT));
        end.filter(|&end| end <= table).ok_or_else(|| PackedFileError::PastEnd {
            entry: entry(),
            offset,
            bytes: self.bytes,
            available: table,
        })
    }
}

impl Table {
    /// Parses and checks the table of a file, which begins at `start`: entries tile all bytes between header and table.
    pub(super) fn read(json: &[u8], start: usize) -> Result<(WeightFormat, Vec<Entry>), PackedFileError> {
        let table: Table = serde_json::from_slice(json).map_err(|source| PackedFileError::Table { source })?;
        let Table { dtype, entries } = table;
        let Ok(format) = dtype.parse() else { return Err(PackedFileError::UnknownDtype { found: dtype }) };
        if entries.len() > MAX_ENTRIES {
            return Err(PackedFileError::TooManyEntries { found: entries.len() });
        }
        let end = entries.iter().try_fold(HEADER_BYTES, |offset, entry| entry.check(offset, start))?;
        if end != start {
            return Err(PackedFileError::Hole { count: start - end });
        }
        Ok((format, entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_is_that_of_the_reference_implementation() {
        // `XXH3_64bits` of xxHash 0.8.1.
        let bytes: Vec<u8> = (0..=255).cycle().take(1000).collect();
        assert_eq!(checksum(&[0; 128]), 665452966430363425);
        assert_eq!(checksum(&bytes), 15221559858528915024);
    }
}
