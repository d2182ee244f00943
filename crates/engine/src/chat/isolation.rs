//! Work on a stranger's template, on a thread with a stack that is large enough for it and for a time that has an end.

use std::any::Any;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// Stack of the thread: for syntax trees and values as deep as the limits allow, in programs that are not optimized. Only what is
/// used of it takes memory.
const STACK_BYTES: usize = 64 << 20;

/// Why there is no result.
#[derive(Debug)]
pub(super) enum Interrupted {
    /// The thread could not be started.
    NoThread(io::Error),
    /// It took too long. The thread cannot be stopped: it goes on without effect until it is done or the process ends.
    TooLong,
    /// It panicked.
    Panicked(String),
}

/// The result of `work`, which has `limit` time for it.
///
/// # Errors
/// As [`Interrupted`] says.
pub(super) fn run<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Interrupted> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let thread = thread::Builder::new()
        .name("chat-template".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || drop(sender.send(work())))
        .map_err(Interrupted::NoThread)?;
    match receiver.recv_timeout(limit) {
        Ok(result) => Ok(result),
        Err(RecvTimeoutError::Timeout) => Err(Interrupted::TooLong),
        Err(RecvTimeoutError::Disconnected) => {
            let cause = thread.join().err();
            Err(Interrupted::Panicked(cause.map_or_else(String::new, |cause| message(&*cause))))
        }
    }
}

fn message(cause: &(dyn Any + Send)) -> String {
    let text = cause.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| cause.downcast_ref::<String>().cloned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_ends_gives_its_result_and_other_work_an_error() {
        assert_eq!(run(Duration::from_secs(60), || 3).unwrap(), 3);
        let slow = run(Duration::from_millis(1), || thread::sleep(Duration::from_secs(1)));
        assert!(matches!(slow, Err(Interrupted::TooLong)));
        let panic = run(Duration::from_secs(60), || std::panic::resume_unwind(Box::new("a bug")));
        assert!(matches!(panic, Err(Interrupted::Panicked(text)) if text == "a bug"));
    }
}
