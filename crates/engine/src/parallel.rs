//! Work on the parts of a slice, by all threads, that may fail.

use cke_kernels::threads::{Parallel, for_each_chunk};
use std::sync::OnceLock;

/// Calls `work(index, chunk)` for each chunk of `len` elements (the last may be shorter), spread over the pool; the first error of all,
/// where there is one.
///
/// # Panics
/// If `len` is 0.
pub(crate) fn try_for_each_chunk<T: Send, E: Send + Sync>(
    pool: &dyn Parallel,
    data: &mut [T],
    len: usize,
    work: impl Fn(usize, &mut [T]) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let failure = OnceLock::new();
    for_each_chunk(pool, data, len, |index, chunk| {
        if let Err(error) = work(index, chunk) {
            // Only the first is kept.
            let _ = failure.set(error);
        }
    });
    failure.into_inner().map_or(Ok(()), Err)
}
