//! An operand where it lies: a pointer and the two strides.

use crate::scratch::LINE;
use crate::view::MatRef;

/// Bytes between addresses that share a set of the first cache level.
pub(super) const SET_STRIDE: usize = 4096;

/// Columns of B from which on a copy of A pays whose rows would share sets.
pub(super) const COLUMNS_FOR_SHARED_SETS: usize = 96;

/// Elements from one row of a copy of A to the next: whole lines, and no power of two.
pub(super) fn padded_row<E>(k: usize) -> usize {
    let line = LINE / size_of::<E>();
    (k.div_ceil(line) | 1).saturating_mul(line)
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
    /// No matrix.
    pub(crate) const NOTHING: Self = Strided { data: std::ptr::null(), row_stride: 0, col_stride: 0 };

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
