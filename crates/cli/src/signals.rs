//! The signals that end a process.

#![allow(unsafe_code, reason = "a system call that has no safe form in std")]

use std::io;

/// A signal that ends the process unless it is handled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// The terminal was closed.
    Hangup,
    /// Somebody else wants it to end.
    Terminate,
}

impl Signal {
    /// Exit status of a process that it ended: 128 and its number.
    pub(crate) fn exit_status(self) -> u8 {
        match self {
            Signal::Hangup => 129,
            Signal::Interrupt => 130,
            Signal::Terminate => 143,
        }
    }
}

/// Calls `on_signal` in a thread of its own with every signal from now on. A hangup that is ignored, as behind `nohup`, stays so.
///
/// # Errors
/// If the operating system refuses.
#[cfg(unix)]
pub(crate) fn handle(on_signal: impl Fn(Signal) + Send + 'static) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let hangup = (!is_ignored(SIGHUP)).then_some(SIGHUP);
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM].into_iter().chain(hangup))?;
    let listen = move || {
        for number in signals.forever() {
            on_signal(match number {
                SIGINT => Signal::Interrupt,
                SIGHUP => Signal::Hangup,
                _ => Signal::Terminate,
            });
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(listen).map(drop)
}

#[cfg(unix)]
fn is_ignored(number: libc::c_int) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: the new action is null, so nothing changes; the old one is ours, and of the type that the call fills in.
    let is_known = unsafe { libc::sigaction(number, std::ptr::null(), action.as_mut_ptr()) } == 0;
    // SAFETY: numbers and, on some systems, an optional function: all zeros are one of its values.
    is_known && unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN
}

/// Calls `on_signal` in a thread of its own with every signal from now on; these systems know only Ctrl-C.
///
/// # Errors
/// If the operating system refuses.
#[cfg(not(unix))]
pub(crate) fn handle(on_signal: impl Fn(Signal) + Send + 'static) -> io::Result<()> {
    ctrlc::set_handler(move || on_signal(Signal::Interrupt)).map_err(io::Error::other)
}
