//! Matrices as C passes them, and the views that they become once they are checked.

use crate::status::Failure;
use cke_kernels::gemm::{Layout, Matrices, MatricesMut};
use cke_kernels::view::{MatMut, MatRef};
use std::ffi::c_void;
use std::mem::MaybeUninit;

/// The type of a matrix's elements; of a plan, the numbers that its products are computed in.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum cke_dtype {
    /// float
    CKE_F32 = 0,
    /// double. Not of plans: only cke_gemm and cke_gemm_batch take it.
    CKE_F64 = 1,
    /// Of plans alone: weights and rows in eight bits with a scale for each 128 of K. Each such group is multiplied by a matrix of ±1
    /// before it is rounded, so that large numbers cost less precision; products stay the same. All matrices are float.
    CKE_INT8 = 2,
    /// Of plans alone: weights in four bits and rows in eight, with a scale for each 32 of K; not multiplied before. All matrices are
    /// float.
    CKE_INT4 = 3,
    /// Of plans: weights rounded to bf16. All matrices are float, but for a C that cke_plan_run_as writes in bf16 (uint16_t).
    CKE_BF16 = 4,
    /// Of plans alone: weights rounded to IEEE binary16, infinite from 65520 on. All matrices are float.
    CKE_F16 = 5,
    /// Of plans alone: as CKE_INT8, with one scale for each row and each column of weights, and nothing multiplied before: what other
    /// libraries mean by int8. All matrices are float.
    ///
    /// Choose CKE_INT8 for accuracy, since here one large number costs the precision of a whole row or column, and for few rows; this
    /// one for results as of other libraries, or if there are no such numbers: with 64 rows or more it is a few percent faster.
    CKE_INT8_CHANNEL = 6,
}

/// A matrix to read: element (i, j) stands i · row_stride + j · col_stride elements after data.
///
/// Row-major without gaps is { data, rows, cols, cols, 1 }, its transpose { data, cols, rows, 1, cols }; a leading dimension is the
/// row stride of a row-major matrix and the column stride of a column-major one. Strides may be 0. If rows or cols is 0, data
/// may be NULL.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cke_matrix {
    /// The first element.
    pub data: *const c_void,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// Elements from one row to the next.
    pub row_stride: usize,
    /// Elements from one column to the next.
    pub col_stride: usize,
}

/// A matrix to write: as cke_matrix, but no two elements share a place, and one stride steps over all that the other one spans.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cke_matrix_mut {
    /// The first element.
    pub data: *mut c_void,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// Elements from one row to the next.
    pub row_stride: usize,
    /// Elements from one column to the next.
    pub col_stride: usize,
}

/// `count` matrices to read, of one shape and one pair of strides. Matrix i starts
///
/// - by address: at addresses[i], if addresses is not NULL;
/// - by offset: offsets[i] elements after data, if addresses is NULL and offsets is not;
/// - by stride: i · stride elements after data, if both are NULL. A stride of 0 repeats one matrix.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cke_matrices {
    /// Number of matrices.
    pub count: usize,
    /// Rows of each.
    pub rows: usize,
    /// Columns of each.
    pub cols: usize,
    /// Elements from one row to the next.
    pub row_stride: usize,
    /// Elements from one column to the next.
    pub col_stride: usize,
    /// The first element, by offset and by stride.
    pub data: *const c_void,
    /// Elements from one matrix to the next, by stride.
    pub stride: usize,
    /// `count` addresses, or NULL.
    pub addresses: *const *const c_void,
    /// `count` offsets in elements, or NULL.
    pub offsets: *const usize,
}

/// As cke_matrices, to write: no two matrices share an element. They may be interleaved, like heads side by side in each row.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cke_matrices_mut {
    /// Number of matrices.
    pub count: usize,
    /// Rows of each.
    pub rows: usize,
    /// Columns of each.
    pub cols: usize,
    /// Elements from one row to the next.
    pub row_stride: usize,
    /// Elements from one column to the next.
    pub col_stride: usize,
    /// The first element, by offset and by stride.
    pub data: *mut c_void,
    /// Elements from one matrix to the next, by stride.
    pub stride: usize,
    /// `count` addresses, or NULL.
    pub addresses: *const *mut c_void,
    /// `count` offsets in elements, or NULL.
    pub offsets: *const usize,
}

impl cke_dtype {
    /// The failure of a function that takes only the `wanted` ones.
    pub(crate) fn unsupported(self, what: &'static str, wanted: &[cke_dtype]) -> Failure {
        Failure::Unsupported { what, wanted: names(wanted), found: format!("{self:?}") }
    }

    /// What C passed, which may be any number.
    pub(crate) fn known(dtype: MaybeUninit<cke_dtype>) -> Result<cke_dtype, Failure> {
        // SAFETY: an argument from C is an initialised int32_t, of which cke_dtype has the layout.
        let found = unsafe { dtype.as_ptr().cast::<i32>().read() };
        use cke_dtype::{CKE_BF16, CKE_F16, CKE_F32, CKE_F64, CKE_INT4, CKE_INT8, CKE_INT8_CHANNEL};
        let all = [CKE_F32, CKE_F64, CKE_INT8, CKE_INT4, CKE_BF16, CKE_F16, CKE_INT8_CHANNEL];
        let unknown = || Failure::Unsupported { what: "dtype", wanted: names(&all), found: found.to_string() };
        all.into_iter().find(|&dtype| dtype as i32 == found).ok_or_else(unknown)
    }
}

/// The names of dtypes, for a message.
fn names(dtypes: &[cke_dtype]) -> String {
    dtypes.iter().map(|dtype| format!("{dtype:?}")).collect::<Vec<_>>().join(" or ")
}

/// That a (rows, cols) matrix of floats can exist.
pub(crate) fn check_addressable(what: &'static str, rows: usize, cols: usize) -> Result<(), Failure> {
    let layout = Layout { rows, cols, row_stride: cols, col_stride: 1 };
    Claim { what, layout, last_start: 0 }.check_extent(size_of::<f32>())
}

/// Matrices to be checked: their name in messages, their layout, and how far the first elements reach beyond `data`.
struct Claim {
    what: &'static str,
    layout: Layout,
    last_start: usize,
}

impl Claim {
    /// That no address computation can overflow.
    fn check_extent(&self, element: usize) -> Result<(), Failure> {
        let Claim { what, layout: Layout { rows, cols, row_stride, col_stride }, last_start } = *self;
        if self.is_empty() {
            return Ok(());
        }
        let bytes = || {
            let (down, across) = ((rows - 1).checked_mul(row_stride)?, (cols - 1).checked_mul(col_stride)?);
            last_start.checked_add(down)?.checked_add(across)?.checked_add(1)?.checked_mul(element)
        };
        let fits = bytes().is_some_and(|bytes| bytes <= isize::MAX as usize);
        if fits { Ok(()) } else { Err(Failure::TooLarge { what, rows, cols, row_stride, col_stride }) }
    }

    /// That `address` can be where a matrix starts.
    fn check_address<T>(&self, address: *const T) -> Result<(), Failure> {
        if self.is_empty() || (!address.is_null() && address.is_aligned()) {
            return Ok(());
        }
        let (what, address, wanted) = (self.what, address as usize, align_of::<T>());
        Err(if address == 0 { Failure::Null(what) } else { Failure::Misaligned { what, address, wanted } })
    }

    fn is_empty(&self) -> bool {
        self.layout.rows == 0 || self.layout.cols == 0
    }
}

impl cke_matrix {
    /// The matrix as a view.
    ///
    /// # Safety
    /// Its elements are valid for reads, and not written, during 'a.
    pub(crate) unsafe fn view<'a, T>(&self, what: &'static str) -> Result<MatRef<'a, T>, Failure> {
        let cke_matrix { data, rows, cols, row_stride, col_stride } = *self;
        let claim = Claim { what, layout: Layout { rows, cols, row_stride, col_stride }, last_start: 0 };
        claim.check_extent(size_of::<T>())?;
        claim.check_address(data.cast::<T>())?;
        // SAFETY: promised by the caller.
        Ok(unsafe { MatRef::from_raw(data.cast(), rows, cols, row_stride, col_stride) })
    }
}

impl cke_matrix_mut {
    /// The matrix as a view.
    ///
    /// # Safety
    /// Its elements are valid for reads and writes, and not accessed by anything else, during 'a.
    pub(crate) unsafe fn view<'a, T>(&self, what: &'static str) -> Result<MatMut<'a, T>, Failure> {
        let cke_matrix_mut { data, rows, cols, row_stride, col_stride } = *self;
        let claim = Claim { what, layout: Layout { rows, cols, row_stride, col_stride }, last_start: 0 };
        claim.check_extent(size_of::<T>())?;
        claim.check_address(data.cast::<T>())?;
        claim.layout.check_distinct(0, 1)?;
        // SAFETY: promised by the caller, and no two elements share a place.
        Ok(unsafe { MatMut::from_raw(data.cast(), rows, cols, row_stride, col_stride) })
    }
}

/// Where the matrices of a batch start.
enum Starts<'a, P> {
    Addresses(&'a [P]),
    Offsets(&'a [usize]),
    Stride(usize),
}

impl<'a, P> Starts<'a, P> {
    /// # Safety
    /// Each list is NULL or valid for reads of `count` elements during 'a.
    unsafe fn new(
        addresses: *const P,
        offsets: *const usize,
        stride: usize,
        count: usize,
        what: &'static str,
    ) -> Result<Self, Failure> {
        // SAFETY: promised by the caller.
        unsafe {
            Ok(if !addresses.is_null() {
                Starts::Addresses(list(addresses, count, what)?)
            } else if !offsets.is_null() {
                Starts::Offsets(list(offsets, count, what)?)
            } else {
                Starts::Stride(stride)
            })
        }
    }

    fn last(&self, count: usize) -> usize {
        match self {
            Starts::Addresses(_) => 0,
            Starts::Offsets(offsets) => offsets.iter().copied().max().unwrap_or(0),
            Starts::Stride(stride) => count.saturating_sub(1).saturating_mul(*stride),
        }
    }
}

/// `len` elements in a row; an address that has none may be any but NULL.
///
/// # Safety
/// `data` is valid for reads of `len` elements during 'a.
pub(crate) unsafe fn list<'a, T>(data: *const T, len: usize, what: &'static str) -> Result<&'a [T], Failure> {
    let layout = Layout { rows: 1, cols: len, row_stride: 0, col_stride: 1 };
    let claim = Claim { what, layout, last_start: 0 };
    claim.check_extent(size_of::<T>())?;
    claim.check_address(data)?;
    // SAFETY: promised by the caller; aligned, and no more bytes than an address space has.
    Ok(if len == 0 { &[] } else { unsafe { std::slice::from_raw_parts(data, len) } })
}

impl cke_matrices {
    /// The matrices as a batch.
    ///
    /// # Safety
    /// The lists are NULL or valid for reads of `count` elements, and every element of every matrix is valid for reads and not
    /// written, during 'a.
    pub(crate) unsafe fn view<'a, T>(&self, what: &'static str) -> Result<Matrices<'a, T>, Failure> {
        let cke_matrices { count, rows, cols, row_stride, col_stride, data, stride, .. } = *self;
        // SAFETY: promised by the caller.
        let starts = unsafe { Starts::new(self.addresses.cast::<*const T>(), self.offsets, stride, count, what) }?;
        let (layout, data) = (Layout { rows, cols, row_stride, col_stride }, data.cast::<T>());
        let claim = Claim { what, layout, last_start: starts.last(count) };
        if count > 0 {
            claim.check_extent(size_of::<T>())?;
            match starts {
                Starts::Addresses(addresses) => addresses.iter().try_for_each(|&x| claim.check_address(x))?,
                Starts::Offsets(_) | Starts::Stride(_) => claim.check_address(data)?,
            }
        }
        // SAFETY: promised by the caller.
        Ok(unsafe {
            match starts {
                Starts::Addresses(addresses) => Matrices::from_addresses(addresses, layout),
                Starts::Offsets(offsets) => Matrices::from_offsets(data, layout, offsets),
                Starts::Stride(stride) => Matrices::from_stride(data, layout, stride, count),
            }
        })
    }
}

impl cke_matrices_mut {
    /// The matrices as a batch.
    ///
    /// # Safety
    /// The lists are NULL or valid for reads of `count` elements; every element of every matrix is valid for reads and writes and
    /// not accessed by anything else during 'a; by address and by offset, no two matrices share an element.
    pub(crate) unsafe fn view<'a, T>(&self, what: &'static str) -> Result<MatricesMut<'a, T>, Failure> {
        let cke_matrices_mut { count, rows, cols, row_stride, col_stride, data, stride, .. } = *self;
        // SAFETY: promised by the caller.
        let starts = unsafe { Starts::new(self.addresses.cast::<*mut T>(), self.offsets, stride, count, what) }?;
        let (layout, data) = (Layout { rows, cols, row_stride, col_stride }, data.cast::<T>());
        let claim = Claim { what, layout, last_start: starts.last(count) };
        if count > 0 {
            claim.check_extent(size_of::<T>())?;
            match starts {
                Starts::Addresses(addresses) => addresses.iter().try_for_each(|&x| claim.check_address(x))?,
                Starts::Offsets(_) => claim.check_address(data)?,
                Starts::Stride(_) => claim.check_address(data)?,
            }
            let apart = if let Starts::Stride(stride) = starts { (stride, count) } else { (0, 1) };
            layout.check_distinct(apart.0, apart.1)?;
        }
        // SAFETY: promised by the caller; by stride, no two matrices share an element, as was checked.
        Ok(unsafe {
            match starts {
                Starts::Addresses(addresses) => MatricesMut::from_addresses(addresses, layout),
                Starts::Offsets(offsets) => MatricesMut::from_offsets(data, layout, offsets),
                Starts::Stride(stride) => MatricesMut::from_stride(data, layout, stride, count),
            }
        })
    }
}
