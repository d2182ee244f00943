//! An operand where it lies: a pointer and the two strides.

use super::tile_args::CopyArgs;
use crate::scratch::LINE;
use crate::view::MatRef;

/// Bytes between addresses that share a set of the first cache level.
pub(super) const SET_STRIDE: usize = 4096;

/// Columns of B from which on a copy of A pays whose rows would share sets.
const COLUMNS_FOR_SHARED_SETS: usize = 96;

/// Bytes from one row of a copy to the next: whole lines and an odd number of them, so that rows do not share the sets of a cache.
pub(super) fn padded_bytes(row: usize) -> usize {
    (row.div_ceil(LINE) | 1).saturating_mul(LINE)
}

/// The same in elements, for rows of `k` of them.
pub(super) fn padded_row<E>(k: usize) -> usize {
    padded_bytes(k.saturating_mul(size_of::<E>())) / size_of::<E>()
}

/// A matrix that is valid for reads at `row · row_stride + col · col_stride`, counted in elements.
pub(crate) struct Strided<T> {
    pub(crate) data: *const T,
    pub(crate) row_stride: usize,
    pub(crate) col_stride: usize,
}

impl<T> Clone for Strided<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Strided<T> {}

// SAFETY: the pointer stands for a shared borrow of Sync elements.
unsafe impl<T: Sync> Sync for Strided<T> {}

impl<T> Strided<T> {
    pub(crate) fn of(view: &MatRef<'_, T>) -> Self {
        Strided { data: view.as_ptr(), row_stride: view.row_stride(), col_stride: view.col_stride() }
    }

    pub(crate) fn transposed(self) -> Self {
        Strided { row_stride: self.col_stride, col_stride: self.row_stride, ..self }
    }

    /// Element (row, col).
    pub(crate) fn at(&self, row: usize, col: usize) -> *const T {
        self.data.wrapping_add(row * self.row_stride + col * self.col_stride)
    }

    /// The same in bytes.
    #[inline(always)]
    pub(crate) fn bytes(self) -> Strided<u8> {
        // Strides that are never taken may overflow.
        let bytes = |stride: usize| stride.wrapping_mul(size_of::<T>());
        let Strided { data, row_stride, col_stride } = self;
        Strided { data: data.cast(), row_stride: bytes(row_stride), col_stride: bytes(col_stride) }
    }

    /// The first rows and columns, to be copied so that rows are contiguous.
    pub(super) fn copied_to(&self, rows: usize, cols: usize, out: *mut T, out_stride: usize) -> CopyArgs<T> {
        let Strided { data: source, row_stride, col_stride } = *self;
        CopyArgs { source, rows, cols, row_stride, col_stride, out, out_stride }
    }

    /// Whether a copy of these `m` rows costs less than that they share sets, if `n` columns are multiplied with them in tiles of `mr`.
    #[inline(always)]
    pub(super) fn copy_saves_sets(&self, m: usize, n: usize, mr: usize) -> bool {
        n >= COLUMNS_FOR_SHARED_SETS && m > mr && self.shares_sets()
    }

    /// Whether its rows, which are contiguous, lie in the same sets of the caches: few of them then stay there at a time.
    #[inline(always)]
    pub(crate) fn shares_sets(&self) -> bool {
        self.col_stride == 1 && self.bytes().row_stride.is_multiple_of(SET_STRIDE)
    }

    /// The part from element (row, col) on.
    pub(crate) fn from(self, row: usize, col: usize) -> Self {
        Strided { data: self.at(row, col), ..self }
    }
}
