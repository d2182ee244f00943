//! The library's own functions.

use crate::threads;
use std::ffi::{c_char, c_int};

/// Sets the number of threads that a large product may use; below 1: as the environment says again.
#[unsafe(no_mangle)]
pub extern "C" fn cke_blas_set_num_threads(threads: c_int) {
    threads::set_count(threads);
}

/// The number of threads that a large product may use.
#[unsafe(no_mangle)]
pub extern "C" fn cke_blas_get_num_threads() -> c_int {
    c_int::try_from(threads::count()).unwrap_or(c_int::MAX)
}

/// The version of the library, for example "0.1.0".
#[unsafe(no_mangle)]
pub extern "C" fn cke_blas_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}
