//! Rows of A prepared once, for every product that reads them in the same format.

use super::destination::RowsFor;
use super::format::RowFormat;
use super::microkernel::Supported;
use super::panel::RowBlock;
use super::strided::{Strided, padded_bytes};
use crate::error::Error;
use crate::scheme::Scheme;
use crate::scratch::AlignedBuf;
use crate::threads::{Parallel, for_each_chunk};
use crate::view::MatRef;

/// Rows of A in a kernel's format. The memory grows to the largest demand and is then reused.
#[derive(Debug)]
pub struct RowBuf {
    bytes: AlignedBuf<u8>,
    format: Option<RowFormat>,
    rows: usize,
    k: usize,
}

/// Rows that one task prepares.
const ROWS_PER_TASK: usize = 16;

impl RowBuf {
    /// Holds no rows yet.
    pub const fn new() -> Self {
        RowBuf { bytes: AlignedBuf::empty(0), format: None, rows: 0, k: 0 }
    }

    /// Rows held.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Elements of a row.
    pub fn k(&self) -> usize {
        self.k
    }

    /// The format of the rows; `None` if there are none.
    pub fn format(&self) -> Option<RowFormat> {
        self.format
    }

    /// Prepares the rows of A (m, k) for a kernel, and for all others with the same format.
    ///
    /// # Errors
    /// Returns [`Error::OutOfMemory`] if the memory has to grow and the allocation fails. It then holds no rows.
    pub fn prepare<S: Scheme>(
        &mut self,
        kernel: Supported<S>,
        a: MatRef<'_, S::A>,
        pool: &dyn Parallel,
    ) -> Result<(), Error> {
        let format = kernel.record().row_format();
        self.reserve(&format, a.rows(), a.cols())?;
        let bytes = prepared_bytes(kernel, a.rows(), a.cols());
        prepare(kernel, a, &mut self.bytes[..bytes], pool);
        self.is_filled(format, a.rows(), a.cols());
        Ok(())
    }

    /// The buffer as the [`Destination`](super::Destination) of a product whose results are rows for `kernel`, and for all others with the
    /// same format.
    pub fn rows_for<S: Scheme<A = f32>>(&mut self, kernel: Supported<S>) -> RowsFor<'_> {
        RowsFor { buf: self, format: kernel.record().row_format(), prepare: kernel.prepare_fn() }
    }

    /// Room for rows of `k` elements: its first byte and the bytes from a row to the next. The buffer holds no rows until it
    /// [is filled](RowBuf::is_filled).
    pub(super) fn reserve(&mut self, format: &RowFormat, rows: usize, k: usize) -> Result<(*mut u8, usize), Error> {
        (self.format, self.rows, self.k) = (None, 0, 0);
        let stride = row_stride(format, k);
        let bytes = rows.saturating_mul(stride);
        if self.bytes.len() < bytes {
            self.bytes = AlignedBuf::zeroed(bytes)?;
        }
        Ok((self.bytes.as_mut_ptr(), stride))
    }

    /// The room that was reserved holds rows of this format now.
    pub(super) fn is_filled(&mut self, format: RowFormat, rows: usize, k: usize) {
        (self.format, self.rows, self.k) = (Some(format), rows, k);
    }

    /// Whether `kernel` reads these rows.
    pub(super) fn check_format<S: Scheme>(&self, kernel: Supported<S>) -> Result<(), Error> {
        let wanted = kernel.record().row_format();
        if self.format == Some(wanted) {
            return Ok(());
        }
        let found = self.format.map_or("none", |format| format.layout);
        Err(Error::RowsForAnotherKernel { kernel: kernel.record().name(), wanted: wanted.layout, found })
    }

    /// The rows as the loops see them.
    pub(super) fn operand(&self) -> Strided<u8> {
        let strides = self.format.map_or((0, 0), |format| (row_stride(&format, self.k), format.block_bytes));
        Strided { data: self.bytes.as_ptr(), row_stride: strides.0, col_stride: strides.1 }
    }
}

impl Default for RowBuf {
    fn default() -> Self {
        Self::new()
    }
}

/// Bytes of `rows` prepared rows of `k` elements. Saturates.
pub(super) fn prepared_bytes<S: Scheme>(kernel: Supported<S>, rows: usize, k: usize) -> usize {
    rows.saturating_mul(row_stride(&kernel.record().row_format(), k))
}

/// Prepares the rows of A in `room`, which has [`prepared_bytes`], and gives them as the loops see them.
pub(super) fn prepare<S: Scheme>(
    kernel: Supported<S>,
    a: MatRef<'_, S::A>,
    room: &mut [u8],
    pool: &dyn Parallel,
) -> Strided<u8> {
    let format = kernel.record().row_format();
    let (k, stride) = (a.cols(), row_stride(&format, a.cols()));
    for_each_chunk(pool, room, ROWS_PER_TASK.saturating_mul(stride), |chunk, out| {
        let first = chunk * ROWS_PER_TASK;
        let source = a.block(first..first + out.len() / stride, 0..k);
        kernel.prepare(RowBlock { format: &format, source, rows: out, row_stride: stride });
    });
    Strided { data: room.as_ptr(), row_stride: stride, col_stride: format.block_bytes }
}

/// Bytes from one row to the next.
fn row_stride(format: &RowFormat, k: usize) -> usize {
    padded_bytes(format.row_bytes(k))
}
