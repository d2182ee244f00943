//! How handles and other pointers from C are made, borrowed and destroyed.

use crate::status::{Failure, cke_status, ffi_boundary};

/// Writes a new handle to `*out`, or NULL if `make` fails.
///
/// # Safety
/// `out` is NULL or valid for writes.
pub(crate) unsafe fn create<T>(out: *mut *mut T, make: impl FnOnce() -> Result<T, Failure>) -> cke_status {
    ffi_boundary(|| {
        if out.is_null() {
            return Err(Failure::Null("out"));
        }
        // SAFETY: promised by the caller.
        unsafe { out.write(std::ptr::null_mut()) };
        let handle = Box::new(make()?);
        // SAFETY: as above.
        unsafe { out.write(Box::into_raw(handle)) };
        Ok(())
    })
}

/// Destroys what [`create`] made; NULL is fine.
///
/// # Safety
/// `handle` is NULL or came from [`create`], and is not used any more.
pub(crate) unsafe fn destroy<T>(handle: *mut T) {
    ffi_boundary(|| {
        if !handle.is_null() {
            // SAFETY: promised by the caller.
            drop(unsafe { Box::from_raw(handle) });
        }
        Ok(())
    });
}

/// What a pointer points to.
///
/// # Safety
/// `pointer` is NULL or valid for reads, unchanged, during 'a.
pub(crate) unsafe fn borrow<'a, T>(pointer: *const T, what: &'static str) -> Result<&'a T, Failure> {
    // SAFETY: promised by the caller.
    unsafe { pointer.as_ref() }.ok_or(Failure::Null(what))
}
