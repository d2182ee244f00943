//! The C library's floating-point environment of the calling thread.

use std::ffi::c_int;

pub(crate) const INVALID: c_int = 0x01;
pub(crate) const DIVISION_BY_ZERO: c_int = 0x04;
pub(crate) const OVERFLOW: c_int = 0x08;
pub(crate) const UNDERFLOW: c_int = 0x10;
pub(crate) const INEXACT: c_int = 0x20;
pub(crate) const ALL: c_int = INVALID | DIVISION_BY_ZERO | OVERFLOW | UNDERFLOW | INEXACT;

pub(crate) const DOWNWARD: c_int = 0x400;
pub(crate) const UPWARD: c_int = 0x800;
pub(crate) const TOWARD_ZERO: c_int = 0xC00;

#[link(name = "m")]
unsafe extern "C" {
    fn feclearexcept(exceptions: c_int) -> c_int;
    fn fetestexcept(exceptions: c_int) -> c_int;
    fn feenableexcept(exceptions: c_int) -> c_int;
    fn fedisableexcept(exceptions: c_int) -> c_int;
    fn fesetround(mode: c_int) -> c_int;
}

/// The exceptions that `work` raises on this thread.
pub(crate) fn raised_by(work: impl FnOnce()) -> c_int {
    // SAFETY: changes and reads flags of this thread.
    unsafe { feclearexcept(ALL) };
    work();
    // SAFETY: as above.
    unsafe { fetestexcept(ALL) }
}

/// Runs `work` while these exceptions trap on this thread.
pub(crate) fn with_traps<R>(exceptions: c_int, work: impl FnOnce() -> R) -> R {
    // SAFETY: changes the mode of this thread, and back; a trap ends the process.
    unsafe {
        feclearexcept(ALL);
        feenableexcept(exceptions);
    }
    let result = work();
    // SAFETY: as above.
    unsafe { fedisableexcept(exceptions) };
    result
}

/// Runs `work` while this thread rounds in another way.
pub(crate) fn with_rounding<R>(mode: c_int, work: impl FnOnce() -> R) -> R {
    // SAFETY: changes the mode of this thread, and back.
    unsafe { fesetround(mode) };
    let result = work();
    // SAFETY: as above; 0 rounds to nearest.
    unsafe { fesetround(0) };
    result
}

/// Runs `work` while this thread takes denormals for zero and flushes them to it.
pub(crate) fn with_flush_to_zero<R>(work: impl FnOnce() -> R) -> R {
    const FLUSH: u32 = 1 << 15 | 1 << 6;
    let mut before = 0u32;
    // SAFETY: writes and reads four bytes; the mode is put back below.
    unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &mut before, options(nostack)) };
    let flushing = before | FLUSH;
    // SAFETY: as above.
    unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &flushing, options(nostack)) };
    let result = work();
    // SAFETY: as above.
    unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &before, options(nostack)) };
    result
}
