//! Handles that destroy themselves, and matrices as C passes them.

use cke::*;
use cke_testkit::{Element, Layout, Matrix};
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};

/// A dtype as an argument from C.
pub(crate) const F32: MaybeUninit<cke_dtype> = MaybeUninit::new(cke_dtype::CKE_F32);
/// A dtype as an argument from C.
pub(crate) const F64: MaybeUninit<cke_dtype> = MaybeUninit::new(cke_dtype::CKE_F64);
/// A dtype as an argument from C.
pub(crate) const INT8: MaybeUninit<cke_dtype> = MaybeUninit::new(cke_dtype::CKE_INT8);
/// A dtype as an argument from C.
pub(crate) const INT8_CHANNEL: MaybeUninit<cke_dtype> = MaybeUninit::new(cke_dtype::CKE_INT8_CHANNEL);
/// A dtype as an argument from C.
pub(crate) const INT4: MaybeUninit<cke_dtype> = MaybeUninit::new(cke_dtype::CKE_INT4);
/// A dtype as an argument from C.
pub(crate) const BF16: MaybeUninit<cke_dtype> = MaybeUninit::new(cke_dtype::CKE_BF16);
/// A dtype as an argument from C.
pub(crate) const F16: MaybeUninit<cke_dtype> = MaybeUninit::new(cke_dtype::CKE_F16);

/// A handle, destroyed with the value.
pub(crate) struct Handle<T> {
    pointer: *mut T,
    destroy: unsafe extern "C" fn(*mut T),
}

// SAFETY: the header's promise: any number of threads may pass a handle at once; a context says so if it is in use.
unsafe impl<T> Sync for Handle<T> {}

impl<T> Handle<T> {
    /// What `create` writes to its argument.
    pub(crate) fn new(
        create: impl FnOnce(*mut *mut T) -> cke_status,
        destroy: unsafe extern "C" fn(*mut T),
    ) -> Result<Self, cke_status> {
        let mut pointer = null_mut();
        match create(&mut pointer) {
            cke_status::CKE_OK => {
                assert!(!pointer.is_null());
                Ok(Handle { pointer, destroy })
            }
            status => {
                assert!(pointer.is_null());
                Err(status)
            }
        }
    }

    pub(crate) fn get(&self) -> *const T {
        self.pointer
    }
}

impl<T> Drop for Handle<T> {
    fn drop(&mut self) {
        // SAFETY: made by the function that belongs to `destroy`, and not destroyed before.
        unsafe { (self.destroy)(self.pointer) }
    }
}

pub(crate) fn pool(threads: usize) -> Handle<cke_pool> {
    // SAFETY: `out` is valid for writes.
    Handle::new(|out| unsafe { cke_pool_create(threads, out) }, cke_pool_destroy).expect("threads")
}

pub(crate) fn context(pool: Option<&Handle<cke_pool>>) -> Handle<cke_context> {
    let pool = pool.map_or(null(), Handle::get);
    // SAFETY: the pool is NULL or a handle, `out` is valid for writes.
    Handle::new(|out| unsafe { cke_context_create(pool, out) }, cke_context_destroy).expect("memory")
}

pub(crate) fn plan(m: usize, n: usize, k: usize) -> Handle<cke_plan> {
    plan_in(F32, m, n, k)
}

pub(crate) fn plan_in(dtype: MaybeUninit<cke_dtype>, m: usize, n: usize, k: usize) -> Handle<cke_plan> {
    // SAFETY: `out` is valid for writes.
    Handle::new(|out| unsafe { cke_plan_create(dtype, m, n, k, out) }, cke_plan_destroy).expect("a dtype of plans")
}

pub(crate) fn pack(plan: &Handle<cke_plan>, b: &cke_matrix) -> Result<Handle<cke_packed>, cke_status> {
    // SAFETY: a handle, a matrix that the callers vouch for, and `out` is valid for writes.
    Handle::new(|out| unsafe { cke_pack_b(plan.get(), b, out) }, cke_packed_destroy)
}

pub(crate) fn brgemm(m: usize, n: usize, k: usize) -> Handle<cke_brgemm> {
    // SAFETY: `out` is valid for writes.
    Handle::new(|out| unsafe { cke_brgemm_create(F32, m, n, k, out) }, cke_brgemm_destroy).expect("a plan for f32")
}

/// A matrix to read.
pub(crate) fn matrix<T: Element>(matrix: &Matrix<T>) -> cke_matrix {
    let Layout { rows, cols, row_stride, col_stride } = matrix.layout();
    cke_matrix { data: matrix.as_slice().as_ptr().cast(), rows, cols, row_stride, col_stride }
}

/// A matrix to write.
pub(crate) fn matrix_mut<T: Element>(matrix: &mut Matrix<T>) -> cke_matrix_mut {
    let Layout { rows, cols, row_stride, col_stride } = matrix.layout();
    cke_matrix_mut { data: matrix.as_mut_slice().as_mut_ptr().cast(), rows, cols, row_stride, col_stride }
}

/// Matrices to read, one after the other in `data`, row-major and without gaps.
pub(crate) fn matrices<T>(data: &[T], count: usize, rows: usize, cols: usize) -> cke_matrices {
    assert_eq!(data.len(), count * rows * cols);
    let (data, stride) = (data.as_ptr().cast(), rows * cols);
    cke_matrices {
        count,
        rows,
        cols,
        row_stride: cols,
        col_stride: 1,
        data,
        stride,
        addresses: null(),
        offsets: null(),
    }
}

/// As [`matrices`], to write.
pub(crate) fn matrices_mut<T>(data: &mut [T], count: usize, rows: usize, cols: usize) -> cke_matrices_mut {
    assert_eq!(data.len(), count * rows * cols);
    let (data, stride) = (data.as_mut_ptr().cast(), rows * cols);
    let (row_stride, col_stride, addresses, offsets) = (cols, 1, null(), null());
    cke_matrices_mut { count, rows, cols, row_stride, col_stride, data, stride, addresses, offsets }
}

/// The epilogue that does nothing.
pub(crate) fn no_epilogue() -> cke_epilogue {
    cke_epilogue {
        size: size_of::<cke_epilogue>(),
        scale: null(),
        scale_count: 0,
        bias: null(),
        activation: MaybeUninit::new(cke_activation::CKE_ACTIVATION_NONE),
        residual: null(),
        residual_row_stride: 0,
    }
}

/// The message of the last failure.
pub(crate) fn last_error() -> String {
    // SAFETY: the library's promise: a string that lives until the next failure.
    unsafe { CStr::from_ptr(cke_last_error()) }.to_str().expect("UTF-8").to_owned()
}
