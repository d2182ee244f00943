//! The routines, and how often each was called: with `CKE_BLAS_VERBOSE=1` a line on stderr says so when the process ends.
//!
//! It tells whether a preload took effect.

use crate::messages::say;
use std::ffi::{CStr, c_int};
use std::fmt::Write;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// A routine of the BLAS, whichever of its names was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Routine {
    Sgemm,
    Dgemm,
    Sgemv,
    Dgemv,
    SgemmBatchStrided,
    DgemmBatchStrided,
}

impl Routine {
    const ALL: [Routine; 6] = [
        Routine::Sgemm,
        Routine::Dgemm,
        Routine::Sgemv,
        Routine::Dgemv,
        Routine::SgemmBatchStrided,
        Routine::DgemmBatchStrided,
    ];

    /// The name in CBLAS.
    pub(crate) fn cblas_name(self) -> &'static CStr {
        match self {
            Routine::Sgemm => c"cblas_sgemm",
            Routine::Dgemm => c"cblas_dgemm",
            Routine::Sgemv => c"cblas_sgemv",
            Routine::Dgemv => c"cblas_dgemv",
            Routine::SgemmBatchStrided => c"cblas_sgemm_batch_strided",
            Routine::DgemmBatchStrided => c"cblas_dgemm_batch_strided",
        }
    }

    /// The name in Fortran's convention: capitals, at least six characters.
    pub(crate) fn fortran_name(self) -> &'static CStr {
        match self {
            Routine::Sgemm => c"SGEMM ",
            Routine::Dgemm => c"DGEMM ",
            Routine::Sgemv => c"SGEMV ",
            Routine::Dgemv => c"DGEMV ",
            Routine::SgemmBatchStrided => c"SGEMM_BATCH_STRIDED",
            Routine::DgemmBatchStrided => c"DGEMM_BATCH_STRIDED",
        }
    }

    /// Pairs of CBLAS arguments that change places when a row-major call becomes a column-major one: m and n, lda and ldb.
    pub(crate) fn mirrored_arguments(self) -> &'static [[c_int; 2]] {
        match self {
            Routine::Sgemm | Routine::Dgemm => &[[4, 5], [9, 11]],
            Routine::Sgemv | Routine::Dgemv => &[[3, 4]],
            Routine::SgemmBatchStrided | Routine::DgemmBatchStrided => &[],
        }
    }

    fn plain_name(self) -> &'static str {
        let name = self.cblas_name().to_str().unwrap_or_default();
        name.strip_prefix("cblas_").unwrap_or(name)
    }
}

static COUNTS: [AtomicU64; Routine::ALL.len()] = [const { AtomicU64::new(0) }; Routine::ALL.len()];

/// Whether calls are counted: not known before the first call.
static MODE: AtomicU8 = AtomicU8::new(UNKNOWN);
const UNKNOWN: u8 = 0;
const OFF: u8 = 1;
const ON: u8 = 2;

/// Counts one call. Costs one load and one comparison if counting is off.
pub(crate) fn count(routine: Routine) {
    if MODE.load(Ordering::Relaxed) != OFF {
        count_if_wanted(routine);
    }
}

#[cold]
fn count_if_wanted(routine: Routine) {
    if MODE.load(Ordering::Relaxed) == UNKNOWN {
        read_environment();
    }
    if MODE.load(Ordering::Relaxed) == ON {
        COUNTS[routine as usize].fetch_add(1, Ordering::Relaxed);
    }
}

fn read_environment() {
    let wanted = std::env::var_os("CKE_BLAS_VERBOSE").is_some_and(|value| !value.is_empty() && value != "0");
    let mode = if wanted { ON } else { OFF };
    let is_first = MODE.compare_exchange(UNKNOWN, mode, Ordering::Relaxed, Ordering::Relaxed).is_ok();
    if wanted && is_first {
        // SAFETY: `say_counts` lives as long as the process: the library is never unloaded.
        unsafe { libc::atexit(say_counts) };
    }
}

extern "C" fn say_counts() {
    let mut line = String::from("calls:");
    for routine in Routine::ALL {
        let calls = COUNTS[routine as usize].load(Ordering::Relaxed);
        let _ = write!(line, " {} {calls}", routine.plain_name()); // a String takes everything
    }
    say(&line);
}
