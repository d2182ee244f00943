//! Starting a worker, so that a lack of memory is an error.
//!
//! Between the system call that makes a thread and the closure that it runs, the standard library and libc allocate on the new thread
//! and abort or deadlock if they fail. So the memory is checked first, and nothing else is allocated here until the closure runs.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// Stack of a worker: the standard library's default.
const STACK: usize = 2 << 20;

/// What a thread maps besides its stack before it runs: guard pages, a signal stack, thread-local storage, growth of the heap.
const BESIDES_STACK: usize = 256 << 10;

/// A thread that does not run by then is taken for one that never will.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts a thread and returns once it runs `work`.
///
/// # Errors
/// Fails if the operating system refuses the thread or the memory that it needs, or the thread does not run within 10 seconds.
pub(super) fn start(name: String, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    check_address_space(STACK + BESIDES_STACK)?;
    let (running, wait) = sync_channel(1);
    let thread = Builder::new().name(name).stack_size(STACK).spawn(move || {
        // Nobody waits any more if the thread took too long.
        if running.send(()).is_ok() {
            work();
        }
    })?;
    match wait.recv_timeout(PATIENCE) {
        Ok(()) => Ok(thread),
        Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("it ended before it ran")),
        Err(RecvTimeoutError::Timeout) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Checks that `bytes` more of address space can be mapped now.
#[cfg(unix)]
fn check_address_space(bytes: usize) -> io::Result<()> {
    // SAFETY: a mapping at an address of the system's choice, which nothing uses before it is unmapped with the same length.
    unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let probe = libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
        if probe == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        libc::munmap(probe, bytes);
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_address_space(_bytes: usize) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn started_thread_does_its_work() {
        let done = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&done);
        start("worker".into(), move || seen.store(true, Ordering::Relaxed)).unwrap().join().unwrap();
        assert!(done.load(Ordering::Relaxed));
    }

    #[test]
    #[cfg(unix)]
    fn address_space_that_no_machine_has_is_an_error() {
        assert!(check_address_space(isize::MAX as usize).is_err());
        assert!(check_address_space(1 << 20).is_ok());
    }
}
