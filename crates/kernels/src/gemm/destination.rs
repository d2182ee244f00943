//! What a product's results become: f32, bf16, or rows that the next product reads.

use super::format::RowFormat;
use super::panel::RowBlock;
use super::rows::RowBuf;
use crate::cpu::Cpu;
use crate::error::{Error, expect_size};
use crate::ops::quantize::to_bf16;
use crate::view::{MatMut, MatRef};
use std::ops::Range;

/// Rows of A: a matrix, or already as the kernel reads them.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a, A> {
    /// A matrix (m, k) with any strides.
    Matrix(MatRef<'a, A>),
    /// Rows that were prepared for a kernel which reads the same format.
    Prepared(&'a RowBuf),
}

/// Where the results C (m, n) go, and as what.
#[derive(Debug)]
pub enum Destination<'a> {
    /// A matrix with any strides.
    F32(MatMut<'a, f32>),
    /// A matrix of bf16 as [`to_bf16`] rounds, with any strides.
    Bf16(MatMut<'a, u16>),
    /// Rows of A for another product, in whatever its kernel reads: eight bits with their scales, bf16 in pairs, f32. The bytes are those
    /// of [`RowBuf::prepare`] of C, which is never in memory: each thread makes some columns at a time in a room that stays in its caches.
    Rows(RowsFor<'a>),
}

/// A [`RowBuf`] to be filled for one kernel, made by [`RowBuf::rows_for`].
#[derive(Debug)]
pub struct RowsFor<'a> {
    pub(super) buf: &'a mut RowBuf,
    pub(super) format: RowFormat,
    /// The kernel's, whose CPU was checked.
    pub(super) prepare: unsafe fn(RowBlock<'_, f32>),
}

impl Destination<'_> {
    /// Checks the sizes against a C (m, n), asks for the memory of rows and gives the place of C.
    pub(super) fn open(&mut self, m: usize, n: usize) -> Result<Place, Error> {
        let check = |rows: usize, cols: usize| {
            expect_size("rows of C", m, rows)?;
            expect_size("columns of C", n, cols)
        };
        Ok(match self {
            Destination::F32(c) => {
                check(c.rows(), c.cols())?;
                Place::F32 { c: c.as_mut_ptr(), row_stride: c.row_stride(), col_stride: c.col_stride() }
            }
            Destination::Bf16(c) => {
                check(c.rows(), c.cols())?;
                Place::Bf16 { c: c.as_mut_ptr(), row_stride: c.row_stride(), col_stride: c.col_stride() }
            }
            Destination::Rows(RowsFor { buf, format, prepare }) => {
                let (data, row_stride) = buf.reserve(format, m, n)?;
                Place::Rows { data, row_stride, format: *format, prepare: *prepare }
            }
        })
    }

    /// The place that [`Destination::open`] gave holds C (m, n) now.
    pub(super) fn close(self, m: usize, n: usize) {
        if let Destination::Rows(RowsFor { buf, format, .. }) = self {
            buf.is_filled(format, m, n);
        }
    }
}

/// A destination as the loops see it: valid for writes of a whole C.
#[derive(Clone, Copy)]
pub(super) enum Place {
    F32 { c: *mut f32, row_stride: usize, col_stride: usize },
    Bf16 { c: *mut u16, row_stride: usize, col_stride: usize },
    Rows { data: *mut u8, row_stride: usize, format: RowFormat, prepare: unsafe fn(RowBlock<'_, f32>) },
}

impl Place {
    /// Parts of C that are stored separately must begin at a multiple of this number of columns.
    pub(super) fn columns_together(&self) -> usize {
        match self {
            Place::F32 { .. } => 1,
            Place::Bf16 { .. } => AT_ONCE,
            Place::Rows { format, .. } if format.needs_whole_rows => usize::MAX,
            Place::Rows { format, .. } => AT_ONCE.next_multiple_of(format.block_k),
        }
    }

    /// Stores a part of C whose element (0, 0) is at `from`.
    ///
    /// # Safety
    /// `from` is valid for reads of the part, the place for writes of it, and nobody else uses that part of it meanwhile. The columns begin
    /// at a multiple of [`Place::columns_together`] and end at one or where C ends.
    pub(super) unsafe fn store(
        &self,
        cpu: &Cpu,
        rows: Range<usize>,
        cols: Range<usize>,
        (from, stride): (*const f32, usize),
    ) {
        for (i, row) in rows.enumerate() {
            // SAFETY: a row of the part, promised by the caller.
            let x = unsafe { std::slice::from_raw_parts(from.add(i * stride), cols.len()) };
            match *self {
                Place::F32 { c, row_stride, col_stride } => {
                    for (j, &x) in x.iter().enumerate() {
                        // SAFETY: an element of the part, promised by the caller.
                        unsafe { *c.add(row * row_stride + (cols.start + j) * col_stride) = x };
                    }
                }
                Place::Bf16 { c, row_stride, col_stride } => {
                    let first = c.wrapping_add(row * row_stride + cols.start * col_stride);
                    // SAFETY: the row's elements of the part, promised by the caller.
                    unsafe { store_bf16(cpu, x, first, col_stride) };
                }
                Place::Rows { data, row_stride, ref format, prepare } => {
                    let blocks = cols.start / format.block_k..cols.end.div_ceil(format.block_k);
                    let bytes = blocks.len() * format.block_bytes;
                    let first = data.wrapping_add(row * row_stride + blocks.start * format.block_bytes);
                    let source = MatRef::new(x, 1, x.len()).expect("one row");
                    // SAFETY: the row's blocks of the part, which no other part shares, since it has whole blocks.
                    let rows = unsafe { std::slice::from_raw_parts_mut(first, bytes) };
                    // SAFETY: the CPU has what the kernel needs, by the constructor of RowsFor.
                    unsafe { prepare(RowBlock { format, source, rows, row_stride: bytes }) };
                }
            }
        }
    }
}

/// Elements that are converted at a time: calls for fewer are most of the work, and no line is to be written by two threads.
const AT_ONCE: usize = 64;

/// out[j · stride] ← x[j] as bf16
///
/// # Safety
/// `out` is valid for writes there, and nobody else uses these elements meanwhile.
unsafe fn store_bf16(cpu: &Cpu, x: &[f32], out: *mut u16, stride: usize) {
    if stride == 1 {
        // SAFETY: promised by the caller.
        let out = unsafe { std::slice::from_raw_parts_mut(out, x.len()) };
        return to_bf16(cpu, x, out).expect("as many as there are");
    }
    let mut rounded = [0; AT_ONCE];
    for (index, x) in x.chunks(AT_ONCE).enumerate() {
        let rounded = &mut rounded[..x.len()];
        to_bf16(cpu, x, rounded).expect("as many as there are");
        for (j, &x) in rounded.iter().enumerate() {
            // SAFETY: promised by the caller.
            unsafe { *out.add((index * AT_ONCE + j) * stride) = x };
        }
    }
}
