//! Matrices of `ndarray`, seen without a copy.

use super::convert::strides_of;
use super::{AsMatMut, AsMatRef, MatMut, MatRef};
use crate::error::Error;
use ndarray::{ArrayBase, ArrayView2, ArrayViewMut2, Data, DataMut, Ix2};

impl<'a, T> TryFrom<ArrayView2<'a, T>> for MatRef<'a, T> {
    type Error = Error;

    /// # Errors
    /// Fails if an axis is inverted.
    fn try_from(view: ArrayView2<'a, T>) -> Result<MatRef<'a, T>, Error> {
        let ((rows, cols), strides) = (view.dim(), view.strides());
        let (row_stride, col_stride) = strides_of(rows, cols, strides[0], strides[1])?;
        // SAFETY: the view borrows elements of these strides during 'a, and strides that are not taken are 0.
        Ok(unsafe { MatRef::from_raw(view.as_ptr(), rows, cols, row_stride, col_stride) })
    }
}

impl<'a, T> TryFrom<ArrayViewMut2<'a, T>> for MatMut<'a, T> {
    type Error = Error;

    /// # Errors
    /// Fails if an axis is inverted.
    fn try_from(mut view: ArrayViewMut2<'a, T>) -> Result<MatMut<'a, T>, Error> {
        let ((rows, cols), strides) = (view.dim(), view.strides());
        let (row_stride, col_stride) = strides_of(rows, cols, strides[0], strides[1])?;
        // SAFETY: the view borrows distinct elements of these strides exclusively during 'a, and strides that are not taken are 0.
        Ok(unsafe { MatMut::from_raw(view.as_mut_ptr(), rows, cols, row_stride, col_stride) })
    }
}

impl<T, S: Data<Elem = T>> AsMatRef<T> for ArrayBase<S, Ix2> {
    fn as_mat_ref(&self) -> Result<MatRef<'_, T>, Error> {
        self.view().try_into()
    }
}

impl<T, S: DataMut<Elem = T>> AsMatMut<T> for ArrayBase<S, Ix2> {
    fn as_mat_mut(&mut self) -> Result<MatMut<'_, T>, Error> {
        self.view_mut().try_into()
    }
}
