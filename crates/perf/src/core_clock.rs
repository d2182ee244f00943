//! The clock that a core really runs at, measured.
//!
//! A chain of integer additions, each of which needs the result of the one before, takes one cycle per addition on every
//! current core, so that additions per second are cycles per second. The system's own figure is often the nominal one,
//! always so under a hypervisor.

#![allow(unsafe_code, reason = "a chain of additions that no compiler may shorten, in assembly")]

use std::time::Duration;

use serde::Serialize;

use crate::throughput::{Effort, MeasureError, best_rate};

/// A measured clock.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CoreClock {
    /// GHz, on average over the threads.
    pub ghz: f64,
    /// The number of threads that ran at once.
    pub threads: usize,
}

/// Rounds of the measurement; the first also give the core time to raise its clock.
const EFFORT: Effort = Effort { rounds: 20, window: Duration::from_millis(2) };
/// Additions in one pass of the loop, whose counting runs beside them.
const CHAIN: u64 = 32;
/// Passes between two looks at the clock: about 20 µs.
const PASSES: u64 = 2000;

/// Measures the clock of `threads` cores that are busy at once: the best of 20 rounds of 2 ms.
///
/// # Errors
///
/// Returns [`MeasureError::Unsupported`] on an architecture without the chain; also the errors of [`best_rate`].
pub fn measure_core_clock(threads: usize) -> Result<CoreClock, MeasureError> {
    if !cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
        return Err(MeasureError::Unsupported { wanted: "x86-64 or AArch64" });
    }
    let chunk = || {
        dependent_additions();
        CHAIN * PASSES
    };
    let rate = best_rate(vec![chunk; threads], EFFORT)?;
    Ok(CoreClock { ghz: rate / threads as f64 / 1e9, threads })
}

/// Runs `CHAIN · PASSES` additions one after the other. Both operands are registers: recent cores fold the addition of a
/// small constant into the next instruction, which would look like a faster clock.
fn dependent_additions() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: only the three registers named are changed; no memory is touched.
    unsafe {
        std::arch::asm!(
            "2:",
            ".rept {chain}",
            "add {sum}, {step}",
            ".endr",
            "dec {passes}",
            "jnz 2b",
            chain = const CHAIN,
            sum = inout(reg) 0u64 => _,
            step = in(reg) 1u64,
            passes = inout(reg) PASSES => _,
            options(nomem, nostack),
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: only the three registers named are changed; no memory is touched.
    unsafe {
        std::arch::asm!(
            "2:",
            ".rept {chain}",
            "add {sum}, {sum}, {step}",
            ".endr",
            "subs {passes}, {passes}, #1",
            "b.ne 2b",
            chain = const CHAIN,
            sum = inout(reg) 0u64 => _,
            step = in(reg) 1u64,
            passes = inout(reg) PASSES => _,
            options(nomem, nostack),
        );
    }
}

#[cfg(all(test, any(target_arch = "x86_64", target_arch = "aarch64")))]
mod tests {
    use super::*;

    #[test]
    fn measure_core_clock_is_that_of_a_computer() {
        let clock = measure_core_clock(1).expect("a supported architecture");
        assert!((0.05..20.0).contains(&clock.ghz), "{clock:?}");
        assert_eq!(clock.threads, 1);
    }

    #[test]
    fn measure_core_clock_no_threads_is_refused() {
        assert!(matches!(measure_core_clock(0), Err(MeasureError::Threads { found: 0 })));
    }
}
