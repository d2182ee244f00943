//! Matrices of `faer`, seen without a copy.

use super::convert::strides_of;
use super::{AsMatMut, AsMatRef, MatMut, MatRef};
use crate::error::Error;

impl<'a, T> TryFrom<faer::MatRef<'a, T>> for MatRef<'a, T> {
    type Error = Error;

    /// # Errors
    /// Fails if rows or columns are reversed.
    fn try_from(view: faer::MatRef<'a, T>) -> Result<MatRef<'a, T>, Error> {
        let (rows, cols) = (view.nrows(), view.ncols());
        let (row_stride, col_stride) = strides_of(rows, cols, view.row_stride(), view.col_stride())?;
        // SAFETY: the view borrows elements of these strides during 'a, and strides that are not taken are 0.
        Ok(unsafe { MatRef::from_raw(view.as_ptr(), rows, cols, row_stride, col_stride) })
    }
}

impl<'a, T> TryFrom<faer::MatMut<'a, T>> for MatMut<'a, T> {
    type Error = Error;

    /// # Errors
    /// Fails if rows or columns are reversed.
    fn try_from(view: faer::MatMut<'a, T>) -> Result<MatMut<'a, T>, Error> {
        let (rows, cols) = (view.nrows(), view.ncols());
        let (row_stride, col_stride) = strides_of(rows, cols, view.row_stride(), view.col_stride())?;
        // SAFETY: the view borrows distinct elements of these strides exclusively during 'a, and strides that are not taken are 0.
        Ok(unsafe { MatMut::from_raw(view.as_ptr_mut(), rows, cols, row_stride, col_stride) })
    }
}

impl<T> AsMatRef<T> for faer::Mat<T> {
    fn as_mat_ref(&self) -> Result<MatRef<'_, T>, Error> {
        self.as_ref().try_into()
    }
}

impl<T> AsMatMut<T> for faer::Mat<T> {
    fn as_mat_mut(&mut self) -> Result<MatMut<'_, T>, Error> {
        self.as_mut().try_into()
    }
}

impl<T> AsMatRef<T> for faer::MatRef<'_, T> {
    fn as_mat_ref(&self) -> Result<MatRef<'_, T>, Error> {
        (*self).try_into()
    }
}

impl<T> AsMatMut<T> for faer::MatMut<'_, T> {
    fn as_mat_mut(&mut self) -> Result<MatMut<'_, T>, Error> {
        faer::reborrow::ReborrowMut::rb_mut(self).try_into()
    }
}
