//! One tensor of a checkpoint, read as f32 or as blocks in slabs of rows.

pub(crate) mod quantized;
mod row_order;

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use cke_kernels::threads::{Parallel, Serial, for_each_chunk};
use half::f16;
use half::slice::HalfFloatSliceExt;

use self::quantized::Quantized;
pub(crate) use self::row_order::RowOrder;
use crate::dtype::Dtype;
use crate::formats::gguf::{GgufNames, blocks};
use crate::formats::tensor_entry::TensorEntry;
use crate::formats::weight_file::WeightFile;
use crate::load_error::LoadError;
use crate::weights::TensorInfo;

/// Elements that are compared at a time.
const COMPARED: usize = 1 << 18;

/// Rows that a thread copies at a time.
const COPIED_ROWS: usize = 16;

/// A tensor in its file, not yet read.
///
/// A tensor of shape `[d0, d1, …]` has `d0` rows of `d1·…` elements, row-major; one of shape `[]` has one row of one
/// element.
#[derive(Debug, Clone, Copy)]
pub struct Tensor<'a> {
    entry: &'a TensorEntry,
    conversion: Conversion,
    /// What the weights are made of, if that is several tensors.
    quantized: Option<&'a Quantized>,
    /// What a GGUF file calls tensors.
    names: Option<GgufNames>,
    source: &'a WeightFile,
}

/// What makes the model's tensor of the one in the file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Conversion {
    /// In which order the file has the rows.
    pub(crate) rows: RowOrder,
    /// What the file's numbers have too much.
    pub(crate) excess: f32,
}

impl Conversion {
    /// None: the file has the model's tensor.
    pub(crate) const NONE: Conversion = Conversion { rows: RowOrder::Model, excess: 0.0 };
}

impl<'a> Tensor<'a> {
    pub(crate) fn new(entry: &'a TensorEntry, conversion: Conversion, source: &'a WeightFile) -> Self {
        Self { entry, conversion, quantized: None, names: None, source }
    }

    /// The same, made of several tensors.
    pub(crate) fn made_of(self, quantized: Option<&'a Quantized>) -> Self {
        Self { quantized, ..self }
    }

    /// The same with the names that messages have for it.
    pub(crate) fn named_by(self, names: Option<GgufNames>) -> Self {
        Self { names, ..self }
    }

    /// The name in the file.
    fn name_in_file(&self) -> String {
        self.names.and_then(|names| names.in_file(self.name())).unwrap_or_else(|| self.name().to_owned())
    }

    /// Name, type, shape, size and file.
    pub fn info(&self) -> TensorInfo<'a> {
        let TensorEntry { name, dtype, shape, range } = self.entry;
        let bytes = self.quantized.map_or(range.len(), Quantized::bytes);
        TensorInfo { name, dtype: *dtype, shape, bytes, file: &self.source.path }
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
    /// Returns [`LoadError::Shape`] if the shapes differ.
    pub fn expect_shape(self, wanted: &[usize]) -> Result<Self, LoadError> {
        if self.shape() == wanted {
            return Ok(self);
        }
        Err(LoadError::Shape {
            file: self.file().to_owned(),
            tensor: self.name_in_file(),
            wanted: wanted.to_vec(),
            found: self.shape().to_vec(),
        })
    }

    /// Converts `rows` to f32: `out[(i − rows.start)·row_len + j] = tensor[i][j]`. Every f16 and bf16 value has an
    /// exact f32; NaN and infinity are values like others. Blocks of GGUF are decoded, and quantised weights multiplied by their scales.
    ///
    /// # Errors
    ///
    /// Fails unless the type is F32, F16, BF16 or a block format of GGUF, or the weights are quantised; also if the file
    /// was written to since it was opened.
    ///
    /// # Panics
    ///
    /// If `rows` leaves the tensor or `out` is not `rows.len()·row_len` long.
    pub fn read_rows_f32(&self, rows: Range<usize>, out: &mut [f32]) -> Result<(), LoadError> {
        self.expect_float()?;
        let elements = self.elements_of(&rows);
        assert_eq!(out.len(), elements.len(), "output of {} rows of {} elements", rows.len(), self.row_len());
        if let Some(quantized) = self.quantized {
            return quantized.read_rows(rows, out);
        }
        let bytes = &self.source.bytes()?[self.entry.range.clone()];
        match self.conversion.rows {
            RowOrder::Model => convert(self.dtype(), bytes, elements, out),
            order => {
                let row_len = self.row_len();
                for (row, out) in rows.zip(out.chunks_mut(row_len.max(1))) {
                    let first = order.stored(row) * row_len;
                    convert(self.dtype(), bytes, first..first + row_len, out);
                }
            }
        }
        if self.conversion.excess != 0.0 {
            out.iter_mut().for_each(|value| *value -= self.conversion.excess);
        }
        Ok(())
    }

    /// The whole tensor as f32.
    ///
    /// # Errors
    ///
    /// As [`Tensor::read_rows_f32`], or there is not enough memory.
    pub fn read_f32(&self) -> Result<Vec<f32>, LoadError> {
        self.expect_float()?;
        let mut out = self.buffer(self.rows() * self.row_len())?;
        self.read_rows_f32(0..self.rows(), &mut out)?;
        Ok(out)
    }

    /// The blocks of `rows` as they are in the file, row after row, each of `row_len / block_len` blocks: what
    /// [`Dtype`] says of the tensor's type. `None` if the type has no blocks, if a row is not made of whole ones, or if the model's
    /// numbers are not those of the file.
    ///
    /// # Errors
    ///
    /// Fails if the file was written to since it was opened, or the memory for reordered rows cannot be allocated.
    ///
    /// # Panics
    ///
    /// If `rows` leaves the tensor.
    pub fn blocks(&self, rows: Range<usize>) -> Result<Option<Cow<'a, [u8]>>, LoadError> {
        self.blocks_by(&Serial, rows)
    }

    /// As [`Tensor::blocks`]; rows that lie in another order in the file are copied by the threads of a pool.
    pub(crate) fn blocks_by(
        &self,
        pool: &dyn Parallel,
        rows: Range<usize>,
    ) -> Result<Option<Cow<'a, [u8]>>, LoadError> {
        let elements = self.elements_of(&rows);
        let Some(row_bytes) = self.row_block_bytes() else { return Ok(None) };
        if let Some(quantized) = self.quantized {
            return Ok(quantized.blocks(rows)?.map(Cow::Owned));
        }
        let bytes = &self.source.bytes()?[self.entry.range.clone()];
        let order = self.conversion.rows;
        if order == RowOrder::Model || elements.is_empty() {
            return Ok(Some(Cow::Borrowed(&bytes[rows.start * row_bytes..rows.end * row_bytes])));
        }
        let (mut copy, len) = (Vec::new(), rows.len() * row_bytes);
        copy.try_reserve_exact(len).map_err(|_| self.out_of_memory(len))?;
        copy.resize(len, 0);
        for_each_chunk(pool, &mut copy, COPIED_ROWS * row_bytes, |index, copies| {
            let rows = rows.start + index * COPIED_ROWS..;
            for (row, copy) in rows.zip(copies.chunks_exact_mut(row_bytes)) {
                copy.copy_from_slice(&bytes[order.stored(row) * row_bytes..][..row_bytes]);
            }
        });
        Ok(Some(Cow::Owned(copy)))
    }

    /// Whether [`Tensor::blocks`] gives any.
    pub(crate) fn has_whole_blocks(&self) -> bool {
        self.row_block_bytes().is_some()
    }

    /// Bytes of a row that [`Tensor::blocks`] gives.
    fn row_block_bytes(&self) -> Option<usize> {
        let (dtype, row_len) = (self.dtype(), self.row_len());
        let is_whole = dtype.is_blocks() && row_len.is_multiple_of(dtype.block_len());
        (is_whole && self.conversion.excess == 0.0).then(|| row_len / dtype.block_len() * dtype.block_bytes())
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
        out.try_reserve_exact(len).map_err(|_| self.out_of_memory(len.saturating_mul(size_of::<f32>())))?;
        out.resize(len, 0.0);
        Ok(out)
    }

    fn out_of_memory(&self, bytes: usize) -> LoadError {
        LoadError::OutOfMemory { file: self.file().to_owned(), tensor: self.name_in_file(), bytes }
    }

    /// Tells the operating system that the pages of these rows are not needed for now, so that memory holds a slab of
    /// a file and not all of it. Reading them again stays correct.
    ///
    /// # Panics
    ///
    /// If `rows` leaves the tensor.
    pub fn release_rows(&self, rows: Range<usize>) {
        if self.quantized.is_some() {
            // Rows lie between each other.
            if rows.end == self.rows() {
                self.release();
            }
            return;
        }
        let rows = self.conversion.rows.stored_range(rows, self.rows());
        let elements = self.elements_of(&rows);
        let (len, bits) = (self.dtype().block_len(), self.dtype().block_bits());
        let start = self.entry.range.start;
        let (first, end) = (elements.start / len * bits / 8, (elements.end.div_ceil(len) * bits).div_ceil(8));
        self.source.release(start + first..start + end);
    }

    /// As [`Tensor::release_rows`], for all rows.
    pub fn release(&self) {
        self.source.release(self.entry.range.clone());
    }

    /// Checks that the type is one that weights may have.
    fn expect_float(&self) -> Result<(), LoadError> {
        match self.dtype() {
            Dtype::F32 | Dtype::F16 | Dtype::BF16 => Ok(()),
            dtype if dtype.is_blocks() || self.quantized.is_some() => Ok(()),
            dtype => Err(LoadError::NotFloat { file: self.file().to_owned(), tensor: self.name_in_file(), dtype }),
        }
    }

    fn elements_of(&self, rows: &Range<usize>) -> Range<usize> {
        assert!(rows.start <= rows.end && rows.end <= self.rows(), "rows {rows:?} of {}", self.rows());
        let row_len = self.row_len();
        rows.start * row_len..rows.end * row_len
    }
}

/// The elements of a range as f32; `bytes` are those of the whole tensor.
fn convert(dtype: Dtype, bytes: &[u8], elements: Range<usize>, out: &mut [f32]) {
    let of_size = |size: usize| &bytes[elements.start * size..elements.end * size];
    match dtype {
        Dtype::F32 => convert_f32(of_size(4), out),
        Dtype::F16 => convert_f16(of_size(2), out),
        Dtype::BF16 => convert_bf16(of_size(2), out),
        _ => convert_blocks(dtype, bytes, elements, out),
    }
}

/// As [`convert`]. A matrix has whole blocks in its rows, and only a part of a vector may begin or end inside a block.
fn convert_blocks(dtype: Dtype, bytes: &[u8], elements: Range<usize>, out: &mut [f32]) {
    let (len, block_bytes) = (dtype.block_len(), dtype.block_bytes());
    let blocks = |range: Range<usize>| &bytes[range.start * block_bytes..range.end * block_bytes];
    if elements.start.is_multiple_of(len) && elements.end.is_multiple_of(len) {
        return blocks::decode(dtype, blocks(elements.start / len..elements.end / len), out);
    }
    let (mut block, mut decoded) = ([0.0; Dtype::MOST_BLOCK_LEN], None);
    for (element, value) in elements.zip(out) {
        if decoded != Some(element / len) {
            blocks::decode(dtype, blocks(element / len..element / len + 1), &mut block[..len]);
            decoded = Some(element / len);
        }
        *value = block[element % len];
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
