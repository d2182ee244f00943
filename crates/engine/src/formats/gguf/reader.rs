//! Bytes of a file, taken one field after the other.

use std::fmt::Display;

use super::error::GgufError;

/// A position in a file. Each read names its field, for the error that the file ends inside it.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// At the beginning of `bytes`.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes were taken.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `wanted` bytes.
    pub(super) fn take(&mut self, wanted: u64, what: impl Display) -> Result<&'a [u8], GgufError> {
        if wanted > self.left() as u64 {
            let (what, at, available) = (what.to_string(), self.at, self.bytes.len());
            return Err(GgufError::PastEnd { what, wanted, at, available });
        }
        // Cannot truncate: it is at most what is left.
        let end = self.at + wanted as usize;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    /// The next N bytes.
    pub(super) fn array<const N: usize>(&mut self, what: impl Display) -> Result<[u8; N], GgufError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64, what)?);
        Ok(array)
    }

    pub(super) fn u32(&mut self, what: impl Display) -> Result<u32, GgufError> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: impl Display) -> Result<u64, GgufError> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A string: its length in 8 bytes, then its bytes, which need not be UTF-8.
    pub(super) fn string(&mut self, what: impl Display) -> Result<&'a [u8], GgufError> {
        let length = self.u64(format_args!("length of {what}"))?;
        self.take(length, what)
    }
}
