//! What calls work with: a pool and reused memory.

use crate::handle::{create, destroy};
use crate::pool::{SharedPool, cke_pool, shared};
use crate::status::{Failure, cke_status};
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::Parallel;
use std::sync::{Mutex, TryLockError};

/// Threads and working memory for calls. Memory grows to the largest demand and is then reused: no allocation in the steady state.
///
/// One call at a time: a second one at the same time gets CKE_ERROR_BUSY. Give each calling thread a context of its own; they may
/// share a pool.
pub struct cke_context {
    pool: SharedPool,
    /// One for each thread of the pool.
    scratch: Mutex<Vec<Scratch>>,
}

impl cke_context {
    /// Runs `call` with the pool and one scratch for each of its threads, at least one.
    pub(crate) fn with(
        &self,
        call: impl FnOnce(&dyn Parallel, &mut [Scratch]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut scratch = match self.scratch.try_lock() {
            Ok(scratch) => scratch,
            // What a call left behind that panicked is memory with unspecified contents, as it always is.
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(Failure::Busy),
        };
        call(&*self.pool, &mut scratch)
    }
}

/// Makes a context. pool NULL means the calling thread alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cke_context_create(pool: *const cke_pool, out: *mut *mut cke_context) -> cke_status {
    // SAFETY: promised by the caller.
    unsafe {
        create(out, || {
            let pool = shared(pool);
            let scratch = (0..pool.threads().max(1)).map(|_| Scratch::new()).collect();
            Ok(cke_context { pool, scratch: Mutex::new(scratch) })
        })
    }
}

/// Destroys a context. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cke_context_destroy(context: *mut cke_context) {
    // SAFETY: promised by the caller.
    unsafe { destroy(context) }
}
