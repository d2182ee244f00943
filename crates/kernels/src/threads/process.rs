//! Which process a pool belongs to: a forked child has a copy of the pool's memory, and none of its threads.

use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many forks lie between the first process that made a pool and this one.
static FORKS: AtomicUsize = AtomicUsize::new(0);

#[cfg(unix)]
extern "C" fn count_fork() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// The process that this was made in.
pub(super) struct Process(usize);

impl Process {
    pub(super) fn this() -> Process {
        static COUNTING: Once = Once::new();
        COUNTING.call_once(|| {
            // SAFETY: the handler adds to one atomic, and lives as long as the library. If it cannot be registered for lack of memory,
            // forked children go unnoticed.
            #[cfg(unix)]
            unsafe {
                libc::pthread_atfork(None, None, Some(count_fork));
            }
        });
        Process(FORKS.load(Ordering::Relaxed))
    }

    pub(super) fn is_this(&self) -> bool {
        self.0 == FORKS.load(Ordering::Relaxed)
    }
}
