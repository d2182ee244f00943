//! Status codes, messages, and the FFI boundary that no panic crosses.

use crate::pool::PoolFault;
use cke_kernels::Error;
use cke_kernels::cpu::CpuError;
use std::any::Any;
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a call reports. New codes may come with later versions; treat a code that you do not know as an error.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum cke_status {
    /// Done.
    CKE_OK = 0,
    /// A pointer is NULL that must not be.
    CKE_ERROR_NULL = 1,
    /// Sizes, counts or strides do not match, or a matrix does not fit into the address space.
    CKE_ERROR_SIZE = 2,
    /// The address of a matrix is no multiple of its element's size.
    CKE_ERROR_ALIGNMENT = 3,
    /// A dtype or activation that this library does not know, or that this function does not take.
    CKE_ERROR_UNSUPPORTED = 4,
    /// Packed weights that were made for a plan with another kernel.
    CKE_ERROR_PACKED = 5,
    /// The size field of a struct is not one that this library knows: header and library do not match, or it was not set.
    CKE_ERROR_VERSION = 6,
    /// The context is in use by another call.
    CKE_ERROR_BUSY = 7,
    /// The library fails to allocate memory.
    CKE_ERROR_MEMORY = 8,
    /// The operating system gives no thread.
    CKE_ERROR_THREAD = 9,
    /// The caller's own pool did not do what it promised. What was to be written is undefined.
    CKE_ERROR_POOL = 10,
    /// The environment variable CKE_ISA or CKE_REQUIRE_ISA asks for what is not there.
    CKE_ERROR_CPU = 11,
    /// A fault of the library; please report it. What was to be written is undefined.
    CKE_ERROR_INTERNAL = 12,
}

use cke_status::*;

impl cke_status {
    const ALL: [cke_status; 13] = [
        CKE_OK,
        CKE_ERROR_NULL,
        CKE_ERROR_SIZE,
        CKE_ERROR_ALIGNMENT,
        CKE_ERROR_UNSUPPORTED,
        CKE_ERROR_PACKED,
        CKE_ERROR_VERSION,
        CKE_ERROR_BUSY,
        CKE_ERROR_MEMORY,
        CKE_ERROR_THREAD,
        CKE_ERROR_POOL,
        CKE_ERROR_CPU,
        CKE_ERROR_INTERNAL,
    ];

    fn text(self) -> &'static CStr {
        match self {
            CKE_OK => c"success",
            CKE_ERROR_NULL => c"a pointer is NULL",
            CKE_ERROR_SIZE => c"sizes do not match",
            CKE_ERROR_ALIGNMENT => c"an address is not aligned",
            CKE_ERROR_UNSUPPORTED => c"not supported",
            CKE_ERROR_PACKED => c"packed weights belong to another kernel",
            CKE_ERROR_VERSION => c"header and library do not match",
            CKE_ERROR_BUSY => c"the context is in use",
            CKE_ERROR_MEMORY => c"out of memory",
            CKE_ERROR_THREAD => c"a thread cannot be started",
            CKE_ERROR_POOL => c"the caller's pool is at fault",
            CKE_ERROR_CPU => c"CKE_ISA or CKE_REQUIRE_ISA cannot be satisfied",
            CKE_ERROR_INTERNAL => c"internal error",
        }
    }
}

/// Why a call cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0} is NULL")]
    Null(&'static str),
    #[error("{what}: a {rows}×{cols} matrix with strides ({row_stride}, {col_stride}) exceeds the address space")]
    TooLarge { what: &'static str, rows: usize, cols: usize, row_stride: usize, col_stride: usize },
    #[error("{what} is at {address:#x}, which is no multiple of {wanted}")]
    Misaligned { what: &'static str, address: usize, wanted: usize },
    #[error("{what}: wanted {wanted}, found {found}")]
    Unsupported { what: &'static str, wanted: String, found: String },
    #[error("{what}.size is {found}, this library wants {wanted}")]
    Version { what: &'static str, wanted: usize, found: usize },
    #[error("the context is in use by another call; give each thread its own")]
    Busy,
    #[error(transparent)]
    Pool(PoolFault),
    #[error(transparent)]
    Cpu(#[from] CpuError),
    #[error(transparent)]
    Kernels(#[from] Error),
    #[error("internal error: {0}")]
    Internal(String),
}

impl Failure {
    pub(crate) fn status(&self) -> cke_status {
        match self {
            Failure::Null(_) => CKE_ERROR_NULL,
            Failure::TooLarge { .. } => CKE_ERROR_SIZE,
            Failure::Misaligned { .. } => CKE_ERROR_ALIGNMENT,
            Failure::Unsupported { .. } => CKE_ERROR_UNSUPPORTED,
            Failure::Version { .. } => CKE_ERROR_VERSION,
            Failure::Busy => CKE_ERROR_BUSY,
            Failure::Pool(_) => CKE_ERROR_POOL,
            Failure::Cpu(_) | Failure::Kernels(Error::Cpu(_)) => CKE_ERROR_CPU,
            Failure::Kernels(Error::PackedForAnotherKernel { .. }) => CKE_ERROR_PACKED,
            Failure::Kernels(Error::OutOfMemory { .. }) => CKE_ERROR_MEMORY,
            Failure::Kernels(Error::Thread { .. }) => CKE_ERROR_THREAD,
            Failure::Kernels(_) => CKE_ERROR_SIZE,
            Failure::Internal(_) => CKE_ERROR_INTERNAL,
        }
    }

    fn of_panic(panic: Box<dyn Any + Send>) -> Failure {
        match panic.downcast::<PoolFault>() {
            Ok(fault) => Failure::Pool(*fault),
            Err(panic) => {
                let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
                let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
                Failure::Internal(text.unwrap_or_else(|| "a panic without a message".to_owned()))
            }
        }
    }
}

thread_local! {
    static LAST_ERROR: RefCell<CString> = RefCell::default();
}

/// Runs `work` so that neither an error nor a panic gets past it.
pub(crate) fn ffi_boundary(work: impl FnOnce() -> Result<(), Failure>) -> cke_status {
    let outcome = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(Failure::of_panic(panic)));
    let Err(failure) = outcome else { return CKE_OK };
    let message = CString::new(failure.to_string().replace('\0', " ")).unwrap_or_default();
    // A thread that is ending may have lost its message already; the status tells enough.
    let _ = LAST_ERROR.try_with(|last| last.replace(message));
    failure.status()
}

/// What a status means, in a few English words; never NULL, never freed. Any number is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn cke_error_text(status: i32) -> *const c_char {
    let known = cke_status::ALL.into_iter().find(|&known| known as i32 == status);
    known.map_or(c"unknown status", cke_status::text).as_ptr()
}

/// What was wrong with the last call of this thread that failed, with names and numbers, in UTF-8. Never NULL; empty if none
/// has failed. Valid until the next failing call of the same thread.
#[unsafe(no_mangle)]
pub extern "C" fn cke_last_error() -> *const c_char {
    LAST_ERROR.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cke_kernels::gemm::PanelFormat;

    fn text(pointer: *const c_char) -> String {
        // SAFETY: both functions above return strings that are alive here.
        unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
    }

    #[test]
    fn panic_becomes_an_internal_error_with_its_message() {
        let status = ffi_boundary(|| panic!("seven {}", 7));
        assert_eq!((status, text(cke_last_error()).as_str()), (CKE_ERROR_INTERNAL, "internal error: seven 7"));
    }

    #[test]
    fn each_kind_of_failure_has_its_status() {
        let [wanted, found] =
            [64, 48].map(|cols| PanelFormat { layout: "f32", cols, block_k: 1, block_bytes: 4 * cols });
        let packed = Error::PackedForAnotherKernel { kernel: "avx512_f32_6x64", wanted, found };
        let failures = [
            (Failure::from(packed), CKE_ERROR_PACKED),
            (Error::OutOfMemory { bytes: 1 }.into(), CKE_ERROR_MEMORY),
            (Error::Thread { index: 1, reason: String::new() }.into(), CKE_ERROR_THREAD),
            (Error::Size { what: "rows", wanted: 1, found: 2 }.into(), CKE_ERROR_SIZE),
            (CpuError::BadCap("sse9".to_owned()).into(), CKE_ERROR_CPU),
            (Failure::Pool(PoolFault::Count { tasks: 2, ran: 1 }), CKE_ERROR_POOL),
        ];
        for (failure, wanted) in failures {
            let message = failure.to_string();
            assert_eq!((ffi_boundary(|| Err(failure)), text(cke_last_error())), (wanted, message));
        }
    }

    #[test]
    fn success_keeps_the_last_message() {
        ffi_boundary(|| Err(Failure::Null("a")));
        assert_eq!(ffi_boundary(|| Ok(())), CKE_OK);
        assert_eq!(text(cke_last_error()), "a is NULL");
    }

    #[test]
    fn message_belongs_to_its_thread() {
        ffi_boundary(|| Err(Failure::Busy));
        let other = std::thread::spawn(|| text(cke_last_error())).join().expect("no panic");
        assert_eq!(other, "");
    }

    #[test]
    fn every_status_has_a_text_of_its_own() {
        let mut texts: Vec<_> = cke_status::ALL.iter().map(|&status| text(cke_error_text(status as i32))).collect();
        texts.extend([-1, 13, i32::MAX].map(|status| text(cke_error_text(status))));
        assert!(texts[13..].iter().all(|text| text == "unknown status"));
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), cke_status::ALL.len() + 1);
    }
}
