//! Reports a bad argument to the program's own `cblas_xerbla` or `xerbla_`, otherwise to stderr.
//!
//! The BLAS lets a program replace `xerbla_` and `cblas_xerbla`. This library defines neither. It refers to them weakly: the dynamic
//! linker fills in what the process has, and the static linker exports a program's own for that. Those of another BLAS in the process
//! are not asked: some of them end the process. The call returns after the report unless the program's own function ends the process,
//! or leaves it by an exception or `longjmp`: on the way out of the library nothing waits to be cleaned up.

use crate::arguments::{BadArgument, Caller, Layout};
use crate::calls::Routine;
use crate::messages::say_plainly;
use crate::other_blas;
use std::ffi::{c_char, c_int, c_void};

/// `XERBLA(SRNAME, INFO)` with the hidden length of SRNAME.
type Xerbla = unsafe extern "C-unwind" fn(srname: *const c_char, info: *const c_int, srname_len: usize);
/// `cblas_xerbla(info, rout, form, ...)` of the reference CBLAS, OpenBLAS, BLIS and ATLAS.
type CblasXerbla = unsafe extern "C-unwind" fn(info: c_int, rout: *const c_char, form: *const c_char, ...);
/// `cblas_xerbla(name, num)` of MKL.
type MklXerbla = unsafe extern "C-unwind" fn(name: *const c_char, num: c_int);

/// The weak references; null for what the process does not have.
#[repr(C)]
struct Process {
    xerbla: *const c_void,
    cblas_xerbla: *const c_void,
    /// The reference `cblas_xerbla` finds here whether the numbers are those of the mirrored call, and mirrors them back.
    row_major: *mut c_int,
    /// Not null if MKL is there, whose `cblas_xerbla` takes other arguments.
    mkl_get_version: *const c_void,
}

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod weak {
    // In assembly because Rust has no stable weak linkage.
    std::arch::global_asm!(
        ".weak xerbla_",
        ".weak cblas_xerbla",
        ".weak RowMajorStrg",
        ".weak MKL_Get_Version",
        ".pushsection .data.rel.ro.cke_blas_process,\"aw\"",
        ".balign 8",
        ".globl cke_blas_process",
        ".hidden cke_blas_process",
        "cke_blas_process:",
        ".quad xerbla_",
        ".quad cblas_xerbla",
        ".quad RowMajorStrg",
        ".quad MKL_Get_Version",
        ".popsection",
    );

    unsafe extern "C" {
        pub(super) static cke_blas_process: super::Process;
    }
}

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn process() -> &'static Process {
    // SAFETY: four words as above, written by the linker before any code of the library runs.
    unsafe { &weak::cke_blas_process }
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
fn process() -> &'static Process {
    const NONE: Process = Process {
        xerbla: std::ptr::null(),
        cblas_xerbla: std::ptr::null(),
        row_major: std::ptr::null_mut(),
        mkl_get_version: std::ptr::null(),
    };
    &NONE
}

/// A function of the process, if the program brought it.
fn own(function: *const c_void) -> Option<*const c_void> {
    (!function.is_null() && !other_blas::defines(function)).then_some(function)
}

/// Reports the lowest bad argument of a call.
///
/// A row-major call reports to `cblas_xerbla` the number of the mirrored Fortran call, as the reference CBLAS does; what is written to
/// stderr has the caller's own number.
#[cold]
pub(crate) fn report(caller: Caller, routine: Routine, BadArgument(position): BadArgument) {
    match caller {
        Caller::Fortran => report_to_fortran(routine, position),
        Caller::Cblas { .. } => {
            let is_mirrored = caller.layout() == Some(Layout::RowMajor) && !routine.mirrored_arguments().is_empty();
            report_to_cblas(routine, position + 1, is_mirrored);
        }
    }
}

fn report_to_fortran(routine: Routine, position: c_int) {
    match own(process().xerbla) {
        Some(xerbla) => call_xerbla(xerbla, routine, position),
        None => {
            let name = routine.fortran_name().to_string_lossy();
            say_plainly(&format!(" ** On entry to {name} parameter number {position:2} had an illegal value"));
        }
    }
}

fn call_xerbla(xerbla: *const c_void, routine: Routine, position: c_int) {
    // In C the length is often left out, and the name read up to a zero.
    let name = routine.fortran_name();
    // SAFETY: a function of this name has this type in every BLAS; the pointers are valid for the call.
    unsafe { std::mem::transmute::<*const c_void, Xerbla>(xerbla)(name.as_ptr(), &position, name.count_bytes()) }
}

/// A program that has `xerbla_` alone gets name and number of the Fortran routine, which in other libraries finds what is bad.
fn report_to_cblas(routine: Routine, position: c_int, is_mirrored: bool) {
    let name = routine.cblas_name();
    let Process { xerbla, cblas_xerbla, row_major, mkl_get_version } = *process();
    let Some(cblas_xerbla) = own(cblas_xerbla) else {
        if let Some(xerbla) = own(xerbla) {
            return call_xerbla(xerbla, routine, position - 1);
        }
        let position = if is_mirrored { mirrored(routine, position) } else { position };
        return say_plainly(&format!("Parameter {position} to routine {} was incorrect", name.to_string_lossy()));
    };
    // SAFETY: a function of this name has the one type where MKL is and the other elsewhere; the pointers are valid for the call.
    // RowMajorStrg is the reference CBLAS's int, which it writes in every call as we do here.
    unsafe {
        if !mkl_get_version.is_null() {
            return std::mem::transmute::<*const c_void, MklXerbla>(cblas_xerbla)(name.as_ptr(), position);
        }
        if !row_major.is_null() {
            row_major.write(c_int::from(is_mirrored));
        }
        std::mem::transmute::<*const c_void, CblasXerbla>(cblas_xerbla)(position, name.as_ptr(), c"".as_ptr());
        if !row_major.is_null() {
            row_major.write(0);
        }
    }
}

/// The number of the same argument in the list of the mirrored call.
fn mirrored(routine: Routine, position: c_int) -> c_int {
    let pair = routine.mirrored_arguments().iter().find(|pair| pair.contains(&position));
    pair.map_or(position, |[first, second]| first + second - position)
}
