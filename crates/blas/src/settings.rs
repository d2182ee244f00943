//! The library's own functions, and those by which programs set the number of threads of other BLAS libraries.
//!
//! A program that was written for OpenBLAS, MKL or BLIS limits its threads by that library's function; under a preload, or linked with
//! this library instead, the limit is meant for us. If another library in the process has the function too, its limit is set as well.

use crate::limits;
use std::ffi::{CStr, c_char, c_int, c_void};

/// Sets the number of threads that a large product may use; below 1: as the environment says again.
#[unsafe(no_mangle)]
pub extern "C" fn cke_blas_set_num_threads(threads: c_int) {
    limits::set_count(threads);
}

/// The number of threads that a large product may use.
#[unsafe(no_mangle)]
pub extern "C" fn cke_blas_get_num_threads() -> c_int {
    c_int::try_from(limits::count()).unwrap_or(c_int::MAX)
}

/// The version of the library, for example "0.1.0".
#[unsafe(no_mangle)]
pub extern "C" fn cke_blas_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Functions of other libraries that set a number of threads: the name, and the type of the number.
macro_rules! setters {
    ($($name:ident: $integer:ty;)*) => { $(
        /// Sets the number of threads that a large product may use, as [`cke_blas_set_num_threads`], and that of the library behind.
        #[unsafe(no_mangle)]
        pub extern "C" fn $name(threads: $integer) {
            // Wider integers than `c_int` stop at its largest; below 0 all say the same.
            limits::set_count(threads.clamp(0, c_int::MAX.into()) as c_int);
            let name = concat!(stringify!($name), "\0").as_bytes();
            if let Some(next) = next(name) {
                // SAFETY: a function of this name takes this one number in every library that has it.
                unsafe { std::mem::transmute::<*const c_void, unsafe extern "C" fn($integer)>(next)(threads) }
            }
        }
    )* };
}

/// The same for Fortran, which passes the address of the number.
macro_rules! fortran_setters {
    ($($name:ident;)*) => { $(
        /// Sets the number of threads that a large product may use, as [`cke_blas_set_num_threads`], and that of the library behind.
        ///
        /// # Safety
        /// `threads` is valid for reads.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(threads: *const c_int) {
            // SAFETY: promised by the caller.
            limits::set_count(unsafe { *threads });
            let name = concat!(stringify!($name), "\0").as_bytes();
            if let Some(next) = next(name) {
                // SAFETY: a function of this name takes this one address in every library that has it, and it is valid for reads.
                unsafe { std::mem::transmute::<*const c_void, unsafe extern "C" fn(*const c_int)>(next)(threads) }
            }
        }
    )* };
}

/// Functions of other libraries that tell a number of threads.
macro_rules! getters {
    ($($name:ident: $integer:ty;)*) => { $(
        /// As [`cke_blas_get_num_threads`].
        #[unsafe(no_mangle)]
        pub extern "C" fn $name() -> $integer {
            cke_blas_get_num_threads().into()
        }
    )* };
}

setters! {
    openblas_set_num_threads: c_int;
    openblas_set_num_threads64_: c_int;
    openblas_set_num_threads_64: c_int;
    scipy_openblas_set_num_threads: c_int;
    scipy_openblas_set_num_threads64_: c_int;
    MKL_Set_Num_Threads: c_int;
    bli_thread_set_num_threads: i64;
}

fortran_setters! {
    openblas_set_num_threads_;
    mkl_set_num_threads;
    mkl_set_num_threads_;
}

getters! {
    openblas_get_num_threads: c_int;
    openblas_get_num_threads_: c_int;
    openblas_get_num_threads64_: c_int;
    openblas_get_num_threads_64: c_int;
    scipy_openblas_get_num_threads: c_int;
    scipy_openblas_get_num_threads64_: c_int;
    MKL_Get_Max_Threads: c_int;
    mkl_get_max_threads: c_int;
    mkl_get_max_threads_: c_int;
    bli_thread_get_num_threads: i64;
}

/// The function of this name in the libraries that come after this one, if there is one.
fn next(name: &[u8]) -> Option<*const c_void> {
    let name = CStr::from_bytes_with_nul(name).ok()?;
    // SAFETY: looks a name up.
    let address = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    (!address.is_null()).then_some(address.cast_const())
}
