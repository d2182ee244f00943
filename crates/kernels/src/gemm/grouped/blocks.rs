//! Blocks of weights into panels, and columns out of them.

use super::Preparation;
use super::format::{COLS, Columns, Decode, Fields, GroupFormat, Places, WORD, panel};
use super::rows;
use crate::error::{Error, expect_size};
use crate::gemm::format::PanelFormat;
use crate::gemm::group::copy_group;
use crate::gemm::packed::PackedB;
use crate::gemm::panel::{PackFn, PanelBlock, PrepareFn};
use crate::gemm::plan::GemmPlan;
use crate::scheme::Grouped;
use crate::simd::Scalar;
use crate::threads::{Parallel, Serial};

/// The largest block of a format, weights and bytes.
const MOST_WEIGHTS: usize = 256;
const MOST_BYTES: usize = 256;

impl Preparation {
    /// What packs panels of a format, and what prepares rows.
    pub(super) const fn functions<F: Decode + GroupFormat>(self) -> (PackFn<Grouped<F>>, PrepareFn<Grouped<F>>) {
        match self {
            Preparation::Baseline => (pack::<F>, rows::prepare),
            #[cfg(target_arch = "x86_64")]
            Preparation::Avx2 => (pack_avx2::<F>, rows::prepare_avx2),
            #[cfg(target_arch = "x86_64")]
            Preparation::Avx512 => (pack_avx2::<F>, rows::prepare_avx512),
        }
    }
}

/// Packs weights as plain Rust compiles for the baseline.
///
/// # Safety
/// None: the type of [`PackFn`] is unsafe.
unsafe fn pack<F: Decode + GroupFormat>(block: PanelBlock<'_, f32>) {
    quantize_into_panel::<F>(block);
}

/// # Safety
/// The CPU has AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn pack_avx2<F: Decode + GroupFormat>(block: PanelBlock<'_, f32>) {
    quantize_into_panel::<F>(block);
}

#[inline(always)]
fn quantize_into_panel<F: Decode + GroupFormat>(block: PanelBlock<'_, f32>) {
    let PanelBlock { source, panel, row, col, format } = block;
    for start in (0..source.rows()).step_by(F::BLOCK) {
        let number = (row + start) / F::BLOCK;
        let out = &mut panel[number * format.block_bytes..][..format.block_bytes];
        for j in 0..source.cols() {
            let (mut weights, mut column) = ([0.0; MOST_WEIGHTS], [0; MOST_BYTES]);
            let (weights, column) = (&mut weights[..F::BLOCK], &mut column[..F::FIELDS.size()]);
            copy_group(source.transposed(), j, start, weights);
            F::quantize(weights, column);
            interleave(F::FIELDS, Places::of::<F>(number), column, col + j, out);
        }
    }
}

/// A block of column j into that of its panel.
#[inline(always)]
fn interleave(fields: Fields, places: Places, column: &[u8], j: usize, panel: &mut [u8]) {
    let (halves, rest) = column.split_at(2 * fields.halves);
    let (bytes, words) = rest.split_at(fields.bytes);
    scatter::<2>(halves, j, &mut panel[places.head..]);
    scatter::<1>(bytes, j, &mut panel[places.head + halves.len() * COLS..]);
    scatter::<WORD>(words, j, &mut panel[places.words..]);
}

/// Fields of N bytes of column j into rows of those of all columns.
#[inline(always)]
fn scatter<const N: usize>(column: &[u8], j: usize, panel: &mut [u8]) {
    let rows = panel.as_chunks_mut::<N>().0.chunks_exact_mut(COLS);
    for (field, row) in column.as_chunks::<N>().0.iter().zip(rows) {
        row[j] = *field;
    }
}

/// out ← what column `col` of a panel stands for: the decoding of the scalar kernel.
pub(super) fn read<F: Decode + GroupFormat>(format: &PanelFormat, panel: &[u8], col: usize, out: &mut [f32]) {
    assert!(col < format.cols && format.block_bytes == COLS * F::FIELDS.size(), "wanted a column of the format");
    for (number, (weights, block)) in out.chunks_mut(F::BLOCK).zip(panel.chunks_exact(format.block_bytes)).enumerate() {
        let columns = Columns::<F>::new(block.as_ptr(), Places::of::<F>(number), col);
        for (group, weights) in weights.chunks_mut(F::GROUP).enumerate() {
            // SAFETY: fields of a column of a whole block.
            let ([scale], [minimum]) =
                unsafe { (F::scales::<_, 1>(Scalar, columns, group), F::minimums::<_, 1>(Scalar, columns, group)) };
            for (quad, weights) in weights.chunks_mut(WORD).enumerate() {
                // SAFETY: fields of a column of a whole block.
                let word = unsafe { F::words::<_, 1>(Scalar, columns, group, quad) };
                for (x, byte) in weights.iter_mut().zip(word) {
                    let level = if F::BITS == 8 { i32::from(byte as i8) } else { i32::from(byte) - F::ZERO };
                    *x = scale * level as f32;
                    if F::HAS_MINIMUM {
                        *x += minimum;
                    }
                }
            }
        }
    }
}

impl<F: GroupFormat> PackedB<Grouped<F>> {
    /// Packs the columns of B from `n0` on from a file's blocks: for each column those of all its weights, one after the other. Nothing is
    /// lost: [`PackedB::copy_column`] gives what the blocks stand for.
    ///
    /// # Errors
    /// Returns [`Error::Size`] if the rows of B are not whole blocks, the bytes are not those of whole columns or of more than are left, or
    /// [`Error::SharedWeights`] if the panels belong to somebody else.
    pub fn write_blocks(&mut self, n0: usize, blocks: &[u8]) -> Result<(), Error> {
        self.write_blocks_by(&Serial, n0, blocks)
    }

    /// As [`PackedB::write_blocks`], by the threads of a pool: the bytes are the same with any number of them.
    ///
    /// # Errors
    /// Those of [`PackedB::write_blocks`].
    pub fn write_blocks_by(&mut self, pool: &dyn Parallel, n0: usize, blocks: &[u8]) -> Result<(), Error> {
        let (k, n) = (self.k(), self.n());
        expect_size("rows of B past whole blocks of its format", 0, k % F::BLOCK)?;
        let column_bytes = k / F::BLOCK * F::BLOCK_BYTES;
        expect_size(
            "bytes past whole columns of blocks",
            0,
            blocks.len().checked_rem(column_bytes).unwrap_or(blocks.len()),
        )?;
        let columns = blocks.len().checked_div(column_bytes).unwrap_or(0);
        if n0 > n || columns > n - n0 {
            let what = "columns of B that are left to pack";
            return Err(Error::Size { what, wanted: n.saturating_sub(n0), found: columns });
        }
        let block_bytes = panel::<F>().block_bytes;
        self.for_each_panel(pool, n0..n0 + columns, |panel, columns| {
            let of_panel = &blocks[(columns.start - n0) * column_bytes..(columns.end - n0) * column_bytes];
            for (j, column) in columns.zip(of_panel.chunks_exact(column_bytes)) {
                let places = panel.chunks_exact_mut(block_bytes);
                for (number, (block, place)) in column.chunks_exact(F::BLOCK_BYTES).zip(places).enumerate() {
                    let mut fields = [0; MOST_BYTES];
                    let fields = &mut fields[..F::FIELDS.size()];
                    F::arrange(block, fields);
                    interleave(F::FIELDS, Places::of::<F>(number), fields, j % COLS, place);
                }
            }
        })
    }
}

impl<F: GroupFormat> GemmPlan<Grouped<F>> {
    /// B in the panels that this plan's kernel reads, from the blocks of all of its columns, as [`PackedB::write_blocks`] takes them.
    ///
    /// # Errors
    /// Those of [`PackedB::write_blocks`], if blocks are missing, or if the memory cannot be allocated.
    pub fn pack_blocks(&self, blocks: &[u8]) -> Result<PackedB<Grouped<F>>, Error> {
        let bytes = (self.k() / F::BLOCK).saturating_mul(F::BLOCK_BYTES).saturating_mul(self.n());
        expect_size("bytes of blocks", bytes, blocks.len())?;
        let mut packed = self.empty_b()?;
        packed.write_blocks(0, blocks)?;
        Ok(packed)
    }
}
