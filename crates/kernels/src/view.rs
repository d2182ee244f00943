//! Borrowed matrices with any strides, checked once when made.
//!
//! [`MatRef::new`] and [`MatMut::new`] see a slice as a matrix, row after row; [`transposed`](MatRef::transposed) and
//! [`with_strides`](MatRef::with_strides) see it in other ways. With the features `ndarray` and `faer`, views are made of the matrices of
//! those crates by `try_into`, without a copy.

mod convert;
#[cfg(feature = "faer")]
mod of_faer;
#[cfg(feature = "ndarray")]
mod of_ndarray;

pub use convert::{AsMatMut, AsMatRef};

use crate::error::Error;
use std::marker::PhantomData;
use std::ops::Range;

/// A borrowed (rows, cols) matrix: element (i, j) stands `i · row_stride + j · col_stride` elements after the first.
#[derive(Clone, Copy, Debug)]
pub struct MatRef<'a, T> {
    data: *const T,
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
    borrow: PhantomData<&'a [T]>,
}

/// A mutably borrowed (rows, cols) matrix whose elements are all distinct.
#[derive(Debug)]
pub struct MatMut<'a, T> {
    data: *mut T,
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
    borrow: PhantomData<&'a mut [T]>,
}

// SAFETY: a MatRef is a shared borrow of a slice, a MatMut an exclusive one, and both are as free to move as those.
unsafe impl<T: Sync> Send for MatRef<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for MatRef<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for MatMut<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for MatMut<'_, T> {}

/// Elements from the first to the last of a view, both counted; `None` where that overflows.
fn span(rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> Option<usize> {
    if rows == 0 || cols == 0 {
        return Some(0);
    }
    let down = (rows - 1).checked_mul(row_stride)?;
    let across = (cols - 1).checked_mul(col_stride)?;
    down.checked_add(across)?.checked_add(1)
}

fn check_span(rows: usize, cols: usize, row_stride: usize, col_stride: usize, found: usize) -> Result<(), Error> {
    let needed = span(rows, cols, row_stride, col_stride).unwrap_or(usize::MAX);
    if needed <= found {
        return Ok(());
    }
    Err(Error::ViewOutOfBounds { rows, cols, row_stride, col_stride, needed, found })
}

/// A stride that is never taken, in a dimension of one row or column or of a matrix without elements, may be any number. It is cut to
/// this, so that addresses and hints that are computed from it cannot overflow.
const LARGEST_UNUSED_STRIDE: usize = 1 << 16;

/// The row and column strides, cut if they are never taken.
#[inline]
pub(crate) fn bounded_strides(rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> (usize, usize) {
    let has_elements = rows > 0 && cols > 0;
    let bounded = |stride: usize, size: usize| {
        if has_elements && size > 1 { stride } else { stride.min(LARGEST_UNUSED_STRIDE) }
    };
    (bounded(row_stride, rows), bounded(col_stride, cols))
}

impl<'a, T> MatRef<'a, T> {
    /// A matrix whose rows follow each other without a gap.
    ///
    /// # Errors
    /// If `data` is shorter than rows · cols.
    pub fn new(data: &'a [T], rows: usize, cols: usize) -> Result<Self, Error> {
        Self::with_strides(data, rows, cols, cols, 1)
    }

    /// A matrix with any strides; they may be 0 or overlap, since nothing is written.
    ///
    /// # Errors
    /// If the last element lies outside `data`.
    pub fn with_strides(
        data: &'a [T],
        rows: usize,
        cols: usize,
        row_stride: usize,
        col_stride: usize,
    ) -> Result<Self, Error> {
        check_span(rows, cols, row_stride, col_stride, data.len())?;
        let (row_stride, col_stride) = bounded_strides(rows, cols, row_stride, col_stride);
        Ok(MatRef { data: data.as_ptr(), rows, cols, row_stride, col_stride, borrow: PhantomData })
    }

    /// A matrix at an address, as a foreign caller passes it.
    ///
    /// # Safety
    /// Every element (i, j), `i · row_stride + j · col_stride` elements after `data`, is valid for reads during 'a and written by
    /// nobody meanwhile. `data` may be anything where the matrix is empty.
    pub unsafe fn from_raw(data: *const T, rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> Self {
        let (row_stride, col_stride) = bounded_strides(rows, cols, row_stride, col_stride);
        MatRef { data, rows, cols, row_stride, col_stride, borrow: PhantomData }
    }

    /// The transposed matrix: the same elements, nothing moved.
    pub fn transposed(self) -> Self {
        MatRef { rows: self.cols, cols: self.rows, row_stride: self.col_stride, col_stride: self.row_stride, ..self }
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Elements from one row to the next; at most 65,536 if there is no next row, or no element.
    pub fn row_stride(&self) -> usize {
        self.row_stride
    }

    /// Elements from one column to the next; at most 65,536 if there is no next column, or no element.
    pub fn col_stride(&self) -> usize {
        self.col_stride
    }

    /// These rows and columns of it.
    ///
    /// # Panics
    /// If it does not have them.
    pub fn block(self, rows: Range<usize>, cols: Range<usize>) -> Self {
        assert!(rows.start <= rows.end && rows.end <= self.rows, "wanted rows {rows:?} of {}", self.rows);
        assert!(cols.start <= cols.end && cols.end <= self.cols, "wanted columns {cols:?} of {}", self.cols);
        let data = self.data.wrapping_add(rows.start * self.row_stride + cols.start * self.col_stride);
        MatRef { data, rows: rows.len(), cols: cols.len(), ..self }
    }

    /// The first element; dangling where the matrix is empty.
    pub fn as_ptr(&self) -> *const T {
        self.data
    }
}

impl<'a, T> MatMut<'a, T> {
    /// A matrix whose rows follow each other without a gap.
    ///
    /// # Errors
    /// If `data` is shorter than rows · cols.
    pub fn new(data: &'a mut [T], rows: usize, cols: usize) -> Result<Self, Error> {
        Self::with_strides(data, rows, cols, cols, 1)
    }

    /// A matrix with any strides that give every element a place of its own.
    ///
    /// # Errors
    /// If the last element lies outside `data`, or neither stride steps over all that the other one spans.
    pub fn with_strides(
        data: &'a mut [T],
        rows: usize,
        cols: usize,
        row_stride: usize,
        col_stride: usize,
    ) -> Result<Self, Error> {
        check_span(rows, cols, row_stride, col_stride, data.len())?;
        let row_major = rows <= 1 || row_stride >= span(1, cols, 0, col_stride).unwrap_or(usize::MAX);
        let col_major = cols <= 1 || col_stride >= span(rows, 1, row_stride, 0).unwrap_or(usize::MAX);
        let distinct = (cols <= 1 || col_stride > 0) && (rows <= 1 || row_stride > 0);
        if rows > 0 && cols > 0 && !(distinct && (row_major || col_major)) {
            return Err(Error::ViewOverlaps { rows, cols, row_stride, col_stride });
        }
        let (row_stride, col_stride) = bounded_strides(rows, cols, row_stride, col_stride);
        Ok(MatMut { data: data.as_mut_ptr(), rows, cols, row_stride, col_stride, borrow: PhantomData })
    }

    /// A matrix at an address, as a foreign caller passes it.
    ///
    /// # Safety
    /// The elements (i, j), `i · row_stride + j · col_stride` elements after `data`, are distinct, valid for reads and writes during
    /// 'a and used by nobody else meanwhile. `data` may be anything where the matrix is empty.
    pub unsafe fn from_raw(data: *mut T, rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> Self {
        let (row_stride, col_stride) = bounded_strides(rows, cols, row_stride, col_stride);
        MatMut { data, rows, cols, row_stride, col_stride, borrow: PhantomData }
    }

    /// The transposed matrix: the same elements, nothing moved.
    pub fn transposed(self) -> Self {
        MatMut { rows: self.cols, cols: self.rows, row_stride: self.col_stride, col_stride: self.row_stride, ..self }
    }

    /// A shorter borrow of the same matrix.
    pub fn reborrow(&mut self) -> MatMut<'_, T> {
        MatMut { borrow: PhantomData, ..*self }
    }

    /// The same matrix, to read.
    pub fn as_ref(&self) -> MatRef<'_, T> {
        MatRef {
            data: self.data,
            rows: self.rows,
            cols: self.cols,
            row_stride: self.row_stride,
            col_stride: self.col_stride,
            borrow: PhantomData,
        }
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Elements from one row to the next; at most 65,536 if there is no next row, or no element.
    pub fn row_stride(&self) -> usize {
        self.row_stride
    }

    /// Elements from one column to the next; at most 65,536 if there is no next column, or no element.
    pub fn col_stride(&self) -> usize {
        self.col_stride
    }

    /// The first element; dangling where the matrix is empty.
    pub fn as_mut_ptr(&mut self) -> *mut T {
        self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn view_past_the_end_is_refused() {
        let data = [0f32; 11];
        assert!(MatRef::new(&data, 3, 4).is_err());
        assert!(MatRef::with_strides(&data, 3, 3, 4, 1).is_ok());
        assert!(MatRef::with_strides(&data, usize::MAX, 2, usize::MAX, 1).is_err());
    }

    #[test]
    fn empty_view_of_nothing_is_fine() {
        assert!(MatRef::<f32>::new(&[], 0, 5).is_ok());
        assert!(MatRef::<f32>::new(&[], 5, 0).is_ok());
    }

    #[test]
    fn overlapping_mutable_view_is_refused() {
        let mut data = [0f32; 16];
        for (rows, cols, row_stride, col_stride) in [(2, 3, 2, 1), (2, 2, 0, 1), (2, 2, 1, 0), (3, 3, 2, 2)] {
            let error = MatMut::with_strides(&mut data, rows, cols, row_stride, col_stride).unwrap_err();
            assert!(matches!(error, Error::ViewOverlaps { .. }), "{error}");
        }
        assert!(MatMut::with_strides(&mut data, 4, 4, 1, 4).is_ok(), "column-major");
        assert!(MatMut::with_strides(&mut data, 1, 4, 0, 1).is_ok(), "one row needs no row stride");
    }

    #[test]
    fn transposed_swaps_shape_and_strides() {
        let data = [0f32; 12];
        let t = MatRef::new(&data, 3, 4).unwrap().transposed();
        assert_eq!((t.rows(), t.cols(), t.row_stride(), t.col_stride()), (4, 3, 1, 4));
    }

    #[test]
    fn strides_that_are_never_taken_are_cut() {
        let (mut data, big) = ([0.0f32; 6], usize::MAX);
        let row = MatRef::with_strides(&data, 1, 6, big, 1).unwrap();
        assert_eq!((row.row_stride(), row.col_stride()), (LARGEST_UNUSED_STRIDE, 1));
        let column = MatMut::with_strides(&mut data, 6, 1, 1, big).unwrap();
        assert_eq!((column.row_stride(), column.col_stride()), (1, LARGEST_UNUSED_STRIDE));
        let empty = MatRef::<f32>::with_strides(&[], 5, 0, big, big).unwrap();
        assert_eq!((empty.row_stride(), empty.col_stride()), (LARGEST_UNUSED_STRIDE, LARGEST_UNUSED_STRIDE));
        let far = vec![0u8; 2 * LARGEST_UNUSED_STRIDE + 1];
        let wide = MatRef::with_strides(&far, 2, 1, 2 * LARGEST_UNUSED_STRIDE, 1).unwrap();
        assert_eq!(wide.row_stride(), 2 * LARGEST_UNUSED_STRIDE, "taken");
    }
}
