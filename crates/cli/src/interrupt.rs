//! Ctrl-C.

use crate::error::CliError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Exit status of an interrupted process: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;

/// Knows whether the user wants the process to end.
///
/// The process ends at once until a command says that it watches; then the first signal only sets a flag, so that the command
/// can end in order, and the second one ends the process at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    is_watched: AtomicBool,
    is_requested: AtomicBool,
}

impl Interrupt {
    /// Takes over SIGINT, SIGTERM and SIGHUP.
    pub(crate) fn install() -> Result<Interrupt, CliError> {
        let interrupt = Interrupt::default();
        let state = Arc::clone(&interrupt.state);
        let on_signal = move || {
            let is_first = !state.is_requested.swap(true, Ordering::Relaxed);
            if !(is_first && state.is_watched.load(Ordering::Relaxed)) {
                std::process::exit(INTERRUPTED);
            }
        };
        ctrlc::set_handler(on_signal).map_err(|error| CliError::Failed(format!("signals: {error}")))?;
        Ok(interrupt)
    }

    /// From now on the command looks at [`Interrupt::check`] often.
    pub(crate) fn watch(&self) {
        self.state.is_watched.store(true, Ordering::Relaxed);
    }

    /// Whether there was a signal.
    pub(crate) fn is_requested(&self) -> bool {
        self.state.is_requested.load(Ordering::Relaxed)
    }

    /// An error where there was a signal.
    pub(crate) fn check(&self) -> Result<(), CliError> {
        if self.is_requested() { Err(CliError::Interrupted) } else { Ok(()) }
    }
}
