//! How rows of A and panels of B get into the format of a kernel, and a column of B out of it.

use super::format::{PanelFormat, RowFormat};
use super::micro::copy::CopyBlock;
use super::strided::Strided;
use crate::scheme::{Element, Scheme, Uniform};
use crate::simd::Entry;
use crate::view::MatRef;

/// A block of B and the panel that it is packed into.
#[derive(Debug)]
pub struct PanelBlock<'a, B> {
    /// The kernel's format.
    pub format: &'a PanelFormat,
    /// At most as many columns as the panel has from `col` on.
    pub source: MatRef<'a, B>,
    /// The whole panel.
    pub panel: &'a mut [u8],
    /// Row of B at which the block begins: a multiple of the format's `block_k`.
    pub row: usize,
    /// Column of the panel at which the block begins.
    pub col: usize,
}

/// Packs a block into its panel. What the panel holds elsewhere stays; its columns past those of B are zero bytes.
///
/// # Safety
/// The CPU has what the kernel needs.
pub type PackFn<S> = unsafe fn(PanelBlock<'_, <S as Scheme>::B>);

/// out ← column `col` of a panel: (k).
pub type ColumnFn<S> = fn(&PanelFormat, &[u8], usize, &mut [<S as Scheme>::B]);

/// Rows of A and where they are prepared: row i at `i · row_stride` bytes.
#[derive(Debug)]
pub struct RowBlock<'a, A> {
    /// The kernel's format.
    pub format: &'a RowFormat,
    /// The rows.
    pub source: MatRef<'a, A>,
    /// Room for `row_stride` bytes for each of them.
    pub rows: &'a mut [u8],
    /// At least the format's bytes of a row.
    pub row_stride: usize,
}

/// Prepares rows. A row's bytes depend on that row alone.
///
/// # Safety
/// The CPU has what the kernel needs.
pub type PrepareFn<S> = unsafe fn(RowBlock<'_, <S as Scheme>::A>);

/// Rows and panels whose blocks are single elements.
pub(super) struct Rows;

impl Rows {
    /// # Safety
    /// As [`PackFn`].
    pub(super) unsafe fn pack<S: Uniform, V: Entry<CopyBlock<S::E>>>(block: PanelBlock<'_, S::E>) {
        let PanelBlock { format, source, panel, row, col } = block;
        let (k, cols) = (panel.len() / format.block_bytes, format.cols);
        assert!(source.rows() <= k - row && source.cols() <= cols - col, "wanted a block inside the panel");
        let panel = panel.as_mut_ptr().cast::<S::E>();
        assert!(panel.is_aligned(), "wanted an aligned panel");
        let out = panel.wrapping_add(row * cols + col);
        // SAFETY: the view vouches for its elements; the places lie inside the panel, as was checked; the ISA is promised by the caller.
        unsafe { copy::<S::E, V>(source, out, cols) }
    }

    pub(super) fn column<S: Uniform>(format: &PanelFormat, panel: &[u8], col: usize, out: &mut [S::E]) {
        for (x, row) in out.iter_mut().zip(panel.chunks_exact(format.block_bytes)) {
            let bytes = &row[col * size_of::<S::E>()..][..size_of::<S::E>()];
            // SAFETY: as many bytes as an element has, of which any are a value.
            *x = unsafe { bytes.as_ptr().cast::<S::E>().read_unaligned() };
        }
    }

    /// # Safety
    /// As [`PrepareFn`].
    pub(super) unsafe fn prepare<S: Uniform, V: Entry<CopyBlock<S::E>>>(block: RowBlock<'_, S::E>) {
        let RowBlock { format, source, rows, row_stride } = block;
        assert!(row_stride >= format.row_bytes(source.cols()), "wanted room for each row");
        assert!(source.rows() <= rows.len() / row_stride.max(1), "wanted room for the rows");
        let out = rows.as_mut_ptr().cast::<S::E>();
        assert!(out.is_aligned() && row_stride.is_multiple_of(size_of::<S::E>()), "wanted aligned rows");
        // SAFETY: the view vouches for its elements; the rows have room, as was checked; the ISA is promised by the caller.
        unsafe { copy::<S::E, V>(source, out, row_stride / size_of::<S::E>()) }
    }
}

/// out[i·out_stride + j] ← source[i][j]
///
/// # Safety
/// The CPU has the ISA of V; `out` is valid for writes there.
unsafe fn copy<E: Element, V: Entry<CopyBlock<E>>>(source: MatRef<'_, E>, out: *mut E, out_stride: usize) {
    let args = Strided::of(&source).copied_to(source.rows(), source.cols(), out, out_stride);
    // SAFETY: promised by the caller.
    unsafe { (V::FUNCTION)(&args) }
}
