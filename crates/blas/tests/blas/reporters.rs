//! This program's own `xerbla_` and `cblas_xerbla`, which note what they are told.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int};

thread_local! {
    static REPORTS: RefCell<Vec<(String, c_int)>> = const { RefCell::new(Vec::new()) };
}

/// What was reported on this thread since the last call: routine and number.
pub(crate) fn take() -> Vec<(String, c_int)> {
    REPORTS.take()
}

#[unsafe(no_mangle)]
extern "C-unwind" fn xerbla_(srname: *const c_char, info: *const c_int, srname_len: usize) {
    // SAFETY: a BLAS passes a name of this length and a number.
    let (name, info) = unsafe { (std::slice::from_raw_parts(srname.cast(), srname_len), *info) };
    REPORTS.with_borrow_mut(|reports| reports.push((String::from_utf8_lossy(name).into_owned(), info)));
}

/// The C function is variadic; what comes after `form` is not looked at.
#[unsafe(no_mangle)]
extern "C-unwind" fn cblas_xerbla(info: c_int, rout: *const c_char, _form: *const c_char) {
    // SAFETY: a BLAS passes a C string.
    let name = unsafe { CStr::from_ptr(rout) }.to_string_lossy().into_owned();
    REPORTS.with_borrow_mut(|reports| reports.push((name, info)));
}
