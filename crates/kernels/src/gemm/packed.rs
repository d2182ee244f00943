//! One rule for panels: B (k, n) is cut into panels of nr columns, each a run of blocks in the kernel's [`PanelFormat`], the columns past
//! n zero bytes.
//!
//! Kernels with equal formats read the same packed weights.

use super::format::{KBlocks, PanelFormat};
use super::loops::WholeB;
use super::microkernel::Supported;
use super::panel::PanelBlock;
use crate::error::{Error, expect_size};
use crate::scheme::Scheme;
use crate::scratch::{AlignedBuf, HugePages};
use crate::threads::{Parallel, Serial, for_each_chunk};
use crate::view::MatRef;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Memory with packed panels that somebody else owns, such as a mapped file.
///
/// # Safety
/// [`StableBytes::bytes`] returns the same slice, at the same address, whenever it is called.
pub unsafe trait StableBytes: Send + Sync {
    /// The bytes.
    fn bytes(&self) -> &[u8];
}

// SAFETY: a vector that is shared is not written, so its elements stay where they are.
unsafe impl StableBytes for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }
}

/// B (k, n) in panels.
#[derive(Debug)]
pub struct PackedB<S: Scheme> {
    bytes: Bytes,
    kernel: Supported<S>,
    k: usize,
    n: usize,
}

enum Bytes {
    Owned(AlignedBuf<u8>),
    Shared(Arc<dyn StableBytes>),
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bytes::Owned(bytes) => write!(f, "{} bytes of its own", bytes.len()),
            Bytes::Shared(bytes) => write!(f, "{} shared bytes", bytes.bytes().len()),
        }
    }
}

/// Alignment of the panels that somebody else owns: that of the widest element.
const ALIGNMENT: usize = align_of::<f64>();

impl<S: Scheme> PackedB<S> {
    /// Zeros, to be filled by [`PackedB::write`].
    ///
    /// # Errors
    /// Returns [`Error::OutOfMemory`] if the allocation fails.
    pub fn zeroed(kernel: Supported<S>, k: usize, n: usize) -> Result<Self, Error> {
        let bytes = Bytes::Owned(AlignedBuf::zeroed(kernel.record().panel_format().bytes(k, n))?);
        Ok(PackedB { bytes, kernel, k, n })
    }

    /// As [`PackedB::zeroed`], in memory beside that of other weights.
    ///
    /// # Errors
    /// Returns [`Error::OutOfMemory`] if the allocation fails.
    pub fn zeroed_in(pages: &HugePages, kernel: Supported<S>, k: usize, n: usize) -> Result<Self, Error> {
        let bytes = Bytes::Owned(AlignedBuf::zeroed_in(pages, kernel.record().panel_format().bytes(k, n))?);
        Ok(PackedB { bytes, kernel, k, n })
    }

    /// The same panels once more, in memory beside that of other weights.
    ///
    /// # Errors
    /// Returns [`Error::OutOfMemory`] if the allocation fails.
    pub fn copy_in(&self, pages: &HugePages) -> Result<Self, Error> {
        let mut bytes = AlignedBuf::zeroed_in(pages, self.bytes())?;
        bytes.copy_from_slice(self.as_bytes());
        Ok(PackedB { bytes: Bytes::Owned(bytes), ..*self })
    }

    /// Panels that were packed before, as [`PackedB::as_bytes`] gave them, in memory that is shared with their owner.
    ///
    /// # Errors
    /// Returns [`Error::Size`] if they are not as many bytes as the kernel's format takes, or do not start at a
    /// multiple of eight bytes.
    pub fn from_shared(kernel: Supported<S>, k: usize, n: usize, bytes: Arc<dyn StableBytes>) -> Result<Self, Error> {
        let format = kernel.record().panel_format();
        let found = bytes.bytes();
        expect_size("bytes of packed B", format.bytes(k, n), found.len())?;
        expect_size("bytes of packed B past a multiple of 8", 0, found.as_ptr().addr() % ALIGNMENT)?;
        Ok(PackedB { bytes: Bytes::Shared(bytes), kernel, k, n })
    }

    /// Rows of B.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Columns of B.
    pub fn n(&self) -> usize {
        self.n
    }

    /// How the panels are laid out.
    pub fn format(&self) -> PanelFormat {
        self.kernel.record().panel_format()
    }

    /// All panels, to be written to a file.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Owned(bytes) => bytes,
            Bytes::Shared(bytes) => bytes.bytes(),
        }
    }

    /// Bytes held, or shared.
    pub fn bytes(&self) -> usize {
        self.as_bytes().len()
    }

    /// Rows of which a part of B must have a multiple, unless it ends with B: all of them where one scale serves whole columns.
    pub fn rows_at_a_time(&self) -> usize {
        match self.kernel.tiles().kernel().k_blocks {
            KBlocks::Whole => self.k.max(1),
            _ => self.format().block_k,
        }
    }

    /// Packs `block` as the part of B that starts at row `k0` and column `n0`.
    ///
    /// # Errors
    /// If the block reaches outside B, it does not begin and end where blocks of the format do, or the panels belong to somebody else.
    pub fn write(&mut self, k0: usize, n0: usize, block: MatRef<'_, S::B>) -> Result<(), Error> {
        self.write_by(&Serial, k0, n0, block)
    }

    /// As [`PackedB::write`], by the threads of a pool: the bytes are the same with any number of them.
    ///
    /// # Errors
    /// Those of [`PackedB::write`].
    pub fn write_by(
        &mut self,
        pool: &dyn Parallel,
        k0: usize,
        n0: usize,
        block: MatRef<'_, S::B>,
    ) -> Result<(), Error> {
        let (k, n, format) = (self.k, self.n, self.format());
        let (rows_left, cols_left) = (k.saturating_sub(k0), n.saturating_sub(n0));
        if block.rows() > rows_left {
            return Err(Error::Size {
                what: "rows of B that are left to pack",
                wanted: rows_left,
                found: block.rows(),
            });
        }
        if block.cols() > cols_left {
            let what = "columns of B that are left to pack";
            return Err(Error::Size { what, wanted: cols_left, found: block.cols() });
        }
        if block.rows() == 0 {
            return Ok(());
        }
        let unit = self.rows_at_a_time();
        let is_whole = k0.is_multiple_of(unit) && (block.rows() == rows_left || block.rows().is_multiple_of(unit));
        if !is_whole {
            let what = "rows of B, or their multiples, to be packed at a time";
            return Err(Error::Size { what, wanted: unit, found: block.rows() });
        }
        let kernel = self.kernel;
        self.for_each_panel(pool, n0..n0 + block.cols(), |panel, columns| {
            let source = block.block(0..block.rows(), columns.start - n0..columns.end - n0);
            kernel.pack(PanelBlock { format: &format, source, panel, row: k0, col: columns.start % format.cols });
        })
    }

    /// Calls `work(panel, columns)` for each panel that has some of the given columns of B, with those that it has, spread over the pool.
    pub(super) fn for_each_panel(
        &mut self,
        pool: &dyn Parallel,
        columns: Range<usize>,
        work: impl Fn(&mut [u8], Range<usize>) + Sync,
    ) -> Result<(), Error> {
        let format = self.format();
        let (width, panel_bytes) = (format.cols, format.panel_bytes(self.k));
        let bytes = self.bytes_mut()?;
        if columns.is_empty() || panel_bytes == 0 {
            return Ok(());
        }
        let first_panel = columns.start / width;
        let panels = &mut bytes[first_panel * panel_bytes..columns.end.div_ceil(width) * panel_bytes];
        for_each_chunk(pool, panels, panel_bytes, |index, panel| {
            let first = (first_panel + index) * width;
            work(panel, first.max(columns.start)..(first + width).min(columns.end));
        });
        Ok(())
    }

    /// The panels, if they are our own.
    pub(super) fn bytes_mut(&mut self) -> Result<&mut [u8], Error> {
        match &mut self.bytes {
            Bytes::Owned(bytes) => Ok(bytes),
            Bytes::Shared(_) => Err(Error::SharedWeights),
        }
    }

    /// out ← column `j` of B: (k).
    ///
    /// # Errors
    /// If there is no such column or `out` is not k elements.
    pub fn copy_column(&self, j: usize, out: &mut [S::B]) -> Result<(), Error> {
        if j >= self.n {
            return Err(Error::Size { what: "column of packed B, below", wanted: self.n, found: j });
        }
        expect_size("elements for a column of packed B", self.k, out.len())?;
        let format = self.format();
        let panel_bytes = format.panel_bytes(self.k);
        let panel = &self.as_bytes()[(j / format.cols) * panel_bytes..][..panel_bytes];
        self.kernel.record().read_column(panel, j % format.cols, out);
        Ok(())
    }

    /// Whether `kernel` reads these panels.
    pub(super) fn check_format(&self, kernel: Supported<S>) -> Result<(), Error> {
        let (record, found) = (kernel.record(), self.format());
        let wanted = record.panel_format();
        if found == wanted {
            Ok(())
        } else {
            Err(Error::PackedForAnotherKernel { kernel: record.name(), wanted, found })
        }
    }

    /// The panels as the loops see them, which count in widths of the tiles of `kernel`.
    pub(super) fn whole(&self, kernel: Supported<S>) -> WholeB {
        let format = self.format();
        let stride = kernel.tiles().kernel().panels_of_tile().saturating_mul(format.panel_bytes(self.k));
        WholeB::of_rows(self.as_bytes().as_ptr(), stride, format.block_bytes)
    }
}
