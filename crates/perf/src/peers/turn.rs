//! What lets processes take turns: stopping them, and tying them to their parent.
//!
//! The threads of many libraries spin for a while after a call, some for 200 ms. Only a stopped process leaves its CPUs to
//! the next one.

#![allow(unsafe_code, reason = "system calls that have no safe form in std")]

use std::fs::File;
use std::io;
use std::process::Child;

/// Stops a process until [`resume`].
pub(super) fn pause(child: &mut Child) {
    signal(child, Signal::Stop);
}

/// Lets a process run again.
pub(super) fn resume(child: &mut Child) {
    signal(child, Signal::Continue);
}

enum Signal {
    Stop,
    Continue,
}

#[cfg(target_os = "linux")]
fn signal(child: &mut Child, signal: Signal) {
    // A process that has ended keeps its number until it was waited for, so no other one can be hit.
    if let (Ok(None), Ok(pid)) = (child.try_wait(), libc::pid_t::try_from(child.id())) {
        let signal = match signal {
            Signal::Stop => libc::SIGSTOP,
            Signal::Continue => libc::SIGCONT,
        };
        // SAFETY: a system call on a child of this process that was not waited for.
        unsafe { libc::kill(pid, signal) };
    }
}

#[cfg(not(target_os = "linux"))]
fn signal(_child: &mut Child, _signal: Signal) {}

/// Has this process killed when the thread that started it ends, since a stopped process would not notice.
pub(super) fn end_with_parent() {
    #[cfg(target_os = "linux")]
    // SAFETY: a system call that takes numbers.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
    }
}

/// Standard output for the caller alone; what is printed from now on goes to standard error.
///
/// # Errors
/// If the system refuses.
#[cfg(unix)]
pub(super) fn take_standard_output() -> io::Result<File> {
    use std::os::fd::AsFd;
    let taken = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    // SAFETY: both are the process's own standard streams, which nothing closes.
    if unsafe { libc::dup2(libc::STDERR_FILENO, libc::STDOUT_FILENO) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(taken)
}

/// Standard output, which the caller shares with whatever else is printed.
///
/// # Errors
/// Never fails.
#[cfg(not(unix))]
pub(super) fn take_standard_output() -> io::Result<io::Stdout> {
    Ok(io::stdout())
}
