//! What can be seen as a matrix.

use super::{MatMut, MatRef};
use crate::error::Error;

/// Anything that lends a matrix to read: a view, an array of rows, a matrix of `ndarray` or `faer`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a matrix of `{T}`",
    label = "wanted a `MatRef`, an array of arrays, or a matrix of `ndarray` or `faer` (with that feature)",
    note = "a slice or a vector needs its numbers of rows and columns: `&MatRef::new(&numbers, rows, cols)?`",
    note = "all operands of a product have the same type of numbers: `f32` or `f64`"
)]
pub trait AsMatRef<T> {
    /// The matrix.
    ///
    /// # Errors
    /// Fails if it cannot be described by strides of 0 or more.
    fn as_mat_ref(&self) -> Result<MatRef<'_, T>, Error>;
}

/// Anything that lends a matrix to write.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a matrix of `{T}` that can be written",
    label = "wanted a `MatMut`, an array of arrays, or a matrix of `ndarray` or `faer` (with that feature)",
    note = "a slice or a vector needs its numbers of rows and columns: `&mut MatMut::new(&mut numbers, rows, cols)?`",
    note = "all operands of a product have the same type of numbers: `f32` or `f64`"
)]
pub trait AsMatMut<T> {
    /// The matrix.
    ///
    /// # Errors
    /// As [`AsMatRef::as_mat_ref`].
    fn as_mat_mut(&mut self) -> Result<MatMut<'_, T>, Error>;
}

impl<T> AsMatRef<T> for MatRef<'_, T> {
    fn as_mat_ref(&self) -> Result<MatRef<'_, T>, Error> {
        Ok(MatRef { ..*self })
    }
}

impl<T> AsMatRef<T> for MatMut<'_, T> {
    fn as_mat_ref(&self) -> Result<MatRef<'_, T>, Error> {
        Ok(self.as_ref())
    }
}

impl<T> AsMatMut<T> for MatMut<'_, T> {
    fn as_mat_mut(&mut self) -> Result<MatMut<'_, T>, Error> {
        Ok(self.reborrow())
    }
}

impl<T, const ROWS: usize, const COLS: usize> AsMatRef<T> for [[T; COLS]; ROWS] {
    fn as_mat_ref(&self) -> Result<MatRef<'_, T>, Error> {
        MatRef::new(self.as_flattened(), ROWS, COLS)
    }
}

impl<T, const ROWS: usize, const COLS: usize> AsMatMut<T> for [[T; COLS]; ROWS] {
    fn as_mat_mut(&mut self) -> Result<MatMut<'_, T>, Error> {
        MatMut::new(self.as_flattened_mut(), ROWS, COLS)
    }
}

/// The strides of a matrix of another crate, of which one that is never taken may be any number.
///
/// # Errors
/// Fails if one that is taken is negative.
#[cfg(any(feature = "ndarray", feature = "faer"))]
pub(super) fn strides_of(
    rows: usize,
    cols: usize,
    row_stride: isize,
    col_stride: isize,
) -> Result<(usize, usize), Error> {
    let is_empty = rows == 0 || cols == 0;
    let stride = |size: usize, stride: isize| if is_empty || size == 1 { Ok(0) } else { usize::try_from(stride) };
    let strides = stride(rows, row_stride).and_then(|row_stride| Ok((row_stride, stride(cols, col_stride)?)));
    strides.map_err(|_| Error::NegativeStride { rows, cols, row_stride, col_stride })
}
