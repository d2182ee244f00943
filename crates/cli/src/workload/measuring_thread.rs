//! Where measurements run.

use crate::error::CliError;
use cke_perf::affinity;
use std::thread;

/// Runs `measure` on a thread of its own, which is bound to one CPU if it is to be the only one.
///
/// # Errors
/// Those of `measure`, or if the thread cannot be started.
pub(crate) fn on_measuring_thread<T: Send>(
    threads: usize,
    measure: impl FnOnce() -> Result<T, CliError> + Send,
) -> Result<T, CliError> {
    let bound = || {
        if threads == 1 {
            // A refusal leaves a valid, if noisier, measurement.
            affinity::last_allowed_cpu().map(affinity::pin_to);
        }
        measure()
    };
    thread::scope(|scope| {
        let spawned = thread::Builder::new().spawn_scoped(scope, bound);
        let measuring = spawned.map_err(|error| CliError::Failed(format!("no thread to measure on: {error}")))?;
        measuring.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
