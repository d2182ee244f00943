//! The threads of the process: one pool, made when the first large product asks for it, and lent to one caller at a time.
//!
//! A caller that finds it lent computes on its own thread: many callers at once keep the machine busy. The result has the same bits
//! either way.

use crate::limits;
use crate::messages::say_once;
use cke_kernels::Error;
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::{Parallel, Serial, ThreadPool};
use std::ptr::null_mut;
use std::slice;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};

/// Products of less work stay on the caller's thread. They take less than some 5 µs there: little more than it costs to wake a
/// worker that sleeps, and many times what it costs to hand over to one that does not. A program that computes nothing larger never
/// starts a thread.
const WORK_FOR_THREADS: usize = 500_000;

/// Calls `multiply` with threads, and with as many scratch buffers: those of the pool if this number of multiply-adds is worth them and
/// no other caller has them, and otherwise the caller's own thread.
#[inline]
pub(crate) fn run(work: usize, multiply: impl FnOnce(&dyn Parallel, &mut [Scratch])) {
    if work >= WORK_FOR_THREADS {
        let threads = limits::count();
        if threads > 1
            && let Some(mut borrowed) = borrow(threads)
            && let Some(workers) = borrowed.as_mut()
        {
            return multiply(&workers.pool, &mut workers.scratch);
        }
    }
    Scratch::of_thread(|scratch| multiply(&Serial, slice::from_mut(scratch)));
}

/// The pool, with a buffer for each of its threads.
struct Workers {
    pool: ThreadPool,
    scratch: Vec<Scratch>,
}

impl Workers {
    fn new(threads: usize) -> Result<Workers, Error> {
        Ok(Workers { pool: ThreadPool::new(threads)?, scratch: (0..threads).map(|_| Scratch::new()).collect() })
    }
}

/// The workers, `threads` of them, unless another caller has them or they cannot be started.
fn borrow(threads: usize) -> Option<MutexGuard<'static, Option<Workers>>> {
    let mut workers = match slot().try_lock() {
        Ok(workers) => workers,
        // A panic inside a job leaves the pool whole.
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return None,
    };
    if workers.as_ref().is_none_or(|workers| workers.pool.threads() != threads) {
        *workers = None; // the old ones end before the new ones start
        match Workers::new(threads) {
            Ok(fresh) => *workers = Some(fresh),
            Err(error) => {
                static SAID: AtomicBool = AtomicBool::new(false);
                say_once(&SAID, &format!("{error}; continuing with one thread"));
                limits::set_count(1);
                return None;
            }
        }
    }
    Some(workers)
}

type Slot = Mutex<Option<Workers>>;

/// Null before the first use, and again in a forked child.
static SLOT: AtomicPtr<Slot> = AtomicPtr::new(null_mut());

/// A forked child has none of the parent's workers, and a lock that another thread held stays locked there. So the child
/// forgets the whole slot (its memory is never freed) and makes a new one when it wants one.
extern "C" fn forget_after_fork() {
    SLOT.store(null_mut(), Ordering::Release);
}

fn slot() -> &'static Slot {
    static FORK_HANDLED: AtomicBool = AtomicBool::new(false);
    let known = SLOT.load(Ordering::Acquire);
    if !known.is_null() {
        // SAFETY: made by `Box::leak` below, so it is never freed.
        return unsafe { &*known };
    }
    // Before any pool can exist. Two threads that both get here register it twice, which does no harm.
    if !FORK_HANDLED.load(Ordering::Acquire) {
        // SAFETY: the handler stores one atomic and is never unloaded.
        unsafe { libc::pthread_atfork(None, None, Some(forget_after_fork)) };
        FORK_HANDLED.store(true, Ordering::Release);
    }
    let fresh = Box::into_raw(Box::new(Slot::new(None)));
    match SLOT.compare_exchange(null_mut(), fresh, Ordering::AcqRel, Ordering::Acquire) {
        // SAFETY: leaked above.
        Ok(_) => unsafe { &*fresh },
        Err(other) => {
            // SAFETY: no other thread has seen ours; theirs is never freed.
            unsafe {
                drop(Box::from_raw(fresh));
                &*other
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_while_the_pool_is_borrowed_is_alone() {
        let threads = |work| {
            let mut found = (0, 0);
            run(work, |pool, scratch| found = (pool.threads(), scratch.len()));
            found
        };
        limits::set_count(2);
        run(1 << 40, |pool, _| assert_eq!((pool.threads(), threads(1 << 40)), (2, (1, 1))));
        assert_eq!(threads(1 << 40), (2, 2));
        assert_eq!(threads(1000), (1, 1));
        limits::set_count(3);
        assert_eq!(threads(1 << 40), (3, 3), "a new count gives new workers");
    }
}
