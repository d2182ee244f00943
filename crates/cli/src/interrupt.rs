//! Ctrl-C.

use crate::error::{CliError, INTERRUPTED};
use crate::terminal::Terminal;
use cke_engine::cancel::Cancellation;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Knows whether the user wants the process to end.
///
/// A signal ends the process at once, except while a command watches for it: then the first signal only sets a flag, so that
/// the command can end in order, and the second one ends the process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    is_watched: AtomicBool,
    is_requested: AtomicBool,
    terminal: OnceLock<Terminal>,
}

impl Interrupt {
    /// Takes over SIGINT, SIGTERM and SIGHUP.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub(crate) fn install() -> Result<Interrupt, CliError> {
        let interrupt = Interrupt::default();
        let state = Arc::clone(&interrupt.state);
        let on_signal = move || {
            let is_first = !state.is_requested.swap(true, Ordering::Relaxed);
            if !(is_first && state.is_watched.load(Ordering::Relaxed)) {
                if let Some(terminal) = state.terminal.get() {
                    terminal.restore();
                }
                std::process::exit(i32::from(INTERRUPTED));
            }
        };
        ctrlc::set_handler(on_signal).map_err(|error| CliError::Failed(format!("cannot handle signals: {error}")))?;
        Ok(interrupt)
    }

    /// Remembers how the terminal is set now, and sets it so again if a signal ends the process while a line is edited.
    pub(crate) fn restore_terminal_at_end(&self) {
        if let Some(terminal) = Terminal::of_stdin() {
            // The first one is how it was before any line was edited.
            let _ = self.state.terminal.set(terminal);
        }
    }

    /// Cancels forward passes once there was a signal while somebody watched.
    pub(crate) fn cancellation(&self) -> Cancellation {
        let state = Arc::clone(&self.state);
        Cancellation::when(move || state.is_requested.load(Ordering::Relaxed))
    }

    /// Begins to watch: as long as the result lives, the caller looks at [`Watch::is_requested`] often.
    pub(crate) fn watch(&self) -> Watch<'_> {
        self.state.is_watched.store(true, Ordering::Relaxed);
        Watch { state: &self.state }
    }
}

/// Somebody watches for the signal.
#[derive(Debug)]
pub(crate) struct Watch<'i> {
    state: &'i State,
}

impl Watch<'_> {
    /// Whether there was a signal.
    pub(crate) fn is_requested(&self) -> bool {
        self.state.is_requested.load(Ordering::Relaxed)
    }

    /// Whether there was a signal, which is then forgotten: it was for what has been stopped, and the command goes on.
    pub(crate) fn take_request(&self) -> bool {
        self.state.is_requested.swap(false, Ordering::Relaxed)
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.state.is_watched.store(false, Ordering::Relaxed);
    }
}
