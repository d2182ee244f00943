//! One tensor of a checkpoint, read as f32 in slabs of rows.

use std::ops::Range;
use std::path::Path;

use half::f16;
use half::slice::HalfFloatSliceExt;
use safetensors::Dtype;

use crate::formats::safetensors::HeaderEntry;
use crate::load_error::LoadError;
use crate::weights::{Source, TensorInfo};

/// Elements that are compared at a time.
const COMPARED: usize = 1 << 18;

/// A tensor in its file, not yet read.
///
/// A tensor of shape `[d0, d1, …]` has `d0` rows of `d1·…` elements, row-major; one of shape `[]` has one row of one
/// element.
#[derive(Debug, Clone, Copy)]
pub struct Tensor<'a> {
    entry: &'a HeaderEntry,
    source: &'a Source,
}

impl<'a> Tensor<'a> {
    pub(crate) fn new(entry: &'a HeaderEntry, source: &'a Source) -> Self {
        Self { entry, source }
    }

    /// Name, type, shape, size and file.
    pub fn info(&self) -> TensorInfo<'a> {
        let HeaderEntry { name, dtype, shape, range } = self.entry;
        TensorInfo { name, dtype: *dtype, shape, bytes: range.len(), file: &self.source.path }
    }

    /// The full name.
    pub fn name(&self) -> &'a str {
        &self.entry.name
    }

    /// The type of the elements in the file.
    pub fn dtype(&self) -> Dtype {
        self.entry.dtype
    }

    /// The shape, outermost dimension first.
    pub fn shape(&self) -> &'a [usize] {
        &self.entry.shape
    }

    /// The file that holds the tensor.
    pub fn file(&self) -> &'a Path {
        &self.source.path
    }

    /// The leading dimension.
    pub fn rows(&self) -> usize {
        self.entry.shape.first().copied().unwrap_or(1)
    }

    /// Elements in a row: the product of all dimensions but the leading one.
    pub fn row_len(&self) -> usize {
        // Cannot overflow: the header's check counts zero dimensions as one.
        self.entry.shape.iter().skip(1).product()
    }

    /// The tensor itself, where its shape is `wanted`.
    ///
    /// # Errors
    ///
    /// [`LoadError::Shape`] with both shapes.
    pub fn expect_shape(self, wanted: &[usize]) -> Result<Self, LoadError> {
        if self.shape() == wanted {
            return Ok(self);
        }
        Err(LoadError::Shape {
            file: self.file().to_owned(),
            tensor: self.name().to_owned(),
            wanted: wanted.to_vec(),
            found: self.shape().to_vec(),
        })
    }

    /// Converts `rows` to f32: `out[(i − rows.start)·row_len + j] = tensor[i][j]`. Every f16 and bf16 value has an
    /// exact f32; NaN and infinity are values like others.
    ///
    /// # Errors
    ///
    /// The tensor is not of type F32, F16 or BF16, or the file was written to since it was opened.
    ///
    /// # Panics
    ///
    /// If `rows` leaves the tensor or `out` is not `rows.len()·row_len` long.
    pub fn read_rows_f32(&self, rows: Range<usize>, out: &mut [f32]) -> Result<(), LoadError> {
        let element = self.float_bytes()?;
        let elements = self.elements_of(&rows);
        assert_eq!(out.len(), elements.len(), "output of {} rows of {} elements", rows.len(), self.row_len());
        let start = self.entry.range.start;
        let bytes = &self.source.bytes()?[start + elements.start * element..start + elements.end * element];
        match self.dtype() {
            Dtype::F32 => convert_f32(bytes, out),
            Dtype::F16 => convert_f16(bytes, out),
            _ => convert_bf16(bytes, out),
        }
        Ok(())
    }

    /// The whole tensor as f32.
    ///
    /// # Errors
    ///
    /// As [`Tensor::read_rows_f32`], or there is not enough memory.
    pub fn read_f32(&self) -> Result<Vec<f32>, LoadError> {
        let element = self.float_bytes()?;
        let mut out = self.buffer(self.entry.range.len() / element)?;
        self.read_rows_f32(0..self.rows(), &mut out)?;
        Ok(out)
    }

    /// Whether another tensor has the same shape and the same values, read slab by slab.
    ///
    /// # Errors
    ///
    /// As [`Tensor::read_rows_f32`].
    pub(crate) fn has_same_values(&self, other: &Tensor<'_>) -> Result<bool, LoadError> {
        if self.shape() != other.shape() {
            return Ok(false);
        }
        let rows_per_slab = (COMPARED / self.row_len().max(1)).max(1);
        let len = rows_per_slab.min(self.rows()) * self.row_len();
        let (mut own, mut others) = (self.buffer(len)?, other.buffer(len)?);
        for first in (0..self.rows()).step_by(rows_per_slab) {
            let rows = first..self.rows().min(first + rows_per_slab);
            let (own, others) = (&mut own[..rows.len() * self.row_len()], &mut others[..rows.len() * self.row_len()]);
            self.read_rows_f32(rows.clone(), own)?;
            other.read_rows_f32(rows.clone(), others)?;
            self.release_rows(rows.clone());
            other.release_rows(rows);
            if own != others {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Zeros to read elements into.
    pub(crate) fn buffer(&self, len: usize) -> Result<Vec<f32>, LoadError> {
        let mut out = Vec::new();
        out.try_reserve_exact(len).map_err(|_| LoadError::OutOfMemory {
            file: self.file().to_owned(),
            tensor: self.name().to_owned(),
            bytes: len.saturating_mul(size_of::<f32>()),
        })?;
        out.resize(len, 0.0);
        Ok(out)
    }

    /// Tells the operating system that the pages of these rows are not needed for now, so that memory holds a slab of
    /// a file and not all of it. Reading them again stays correct.
    ///
    /// # Panics
    ///
    /// If `rows` leaves the tensor.
    pub fn release_rows(&self, rows: Range<usize>) {
        let elements = self.elements_of(&rows);
        let bits = self.dtype().bitsize();
        let start = self.entry.range.start;
        self.source.release(start + elements.start * bits / 8..start + (elements.end * bits).div_ceil(8));
    }

    /// As [`Tensor::release_rows`], for all rows.
    pub fn release(&self) {
        self.source.release(self.entry.range.clone());
    }

    /// Bytes of an element, where it is of a type that weights may have.
    fn float_bytes(&self) -> Result<usize, LoadError> {
        match self.dtype() {
            Dtype::F32 => Ok(4),
            Dtype::F16 | Dtype::BF16 => Ok(2),
            dtype => Err(LoadError::NotFloat { file: self.file().to_owned(), tensor: self.name().to_owned(), dtype }),
        }
    }

    fn elements_of(&self, rows: &Range<usize>) -> Range<usize> {
        assert!(rows.start <= rows.end && rows.end <= self.rows(), "rows {rows:?} of {}", self.rows());
        let row_len = self.row_len();
        rows.start * row_len..rows.end * row_len
    }
}

fn convert_f32(bytes: &[u8], out: &mut [f32]) {
    for (value, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
        *value = f32::from_le_bytes(*bytes);
    }
}

fn convert_f16(bytes: &[u8], out: &mut [f32]) {
    // The bytes may be unaligned, and the conversion by hardware wants slices: so block by block over the stack.
    const BLOCK: usize = 512;
    let mut halves = [f16::ZERO; BLOCK];
    for (bytes, out) in bytes.chunks(2 * BLOCK).zip(out.chunks_mut(BLOCK)) {
        let halves = &mut halves[..out.len()];
        for (half, bytes) in halves.iter_mut().zip(bytes.as_chunks().0) {
            *half = f16::from_le_bytes(*bytes);
        }
        halves.convert_to_f32_slice(out);
    }
}

fn convert_bf16(bytes: &[u8], out: &mut [f32]) {
    // A bf16 is the upper half of the f32 of the same value.
    for (value, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
        *value = f32::from_bits(u32::from(u16::from_le_bytes(*bytes)) << 16);
    }
}
