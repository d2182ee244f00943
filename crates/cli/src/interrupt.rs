//! Ctrl-C, and the other signals that end a process.

use crate::error::CliError;
use crate::signals::{self, Signal};
use crate::terminal::Terminal;
use cke_engine::cancel::Cancellation;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

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
    /// One of the numbers below, changed by comparing: a watch cannot begin while the process ends.
    phase: AtomicU8,
    /// A signal other than Ctrl-C, if there was one.
    termination: OnceLock<Signal>,
    terminal: OnceLock<Terminal>,
    /// A file that is not to be left half written.
    draft: Mutex<Option<PathBuf>>,
}

/// After SIGTERM and SIGHUP, the time in which a command that watches has to end: its output may be stuck.
const GRACE: Duration = Duration::from_secs(5);

/// No command watches, and there was no signal.
const IDLE: u8 = 0;
/// A command watches.
const WATCHED: u8 = 1;
/// There was a signal while a command watched.
const REQUESTED: u8 = 2;
/// The process ends.
const ENDING: u8 = 3;

impl State {
    /// Changes the phase if it is `from`.
    ///
    /// # Errors
    /// The phase, if it is another.
    fn change(&self, from: u8, to: u8) -> Result<u8, u8> {
        self.phase.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst)
    }

    fn is_requested(&self) -> bool {
        self.phase.load(Ordering::SeqCst) >= REQUESTED
    }

    fn receive(self: &Arc<Self>, signal: Signal) {
        if signal != Signal::Interrupt {
            // The first one counts.
            let _ = self.termination.set(signal);
        }
        if self.change(WATCHED, REQUESTED).is_err() {
            self.end();
        }
        if signal != Signal::Interrupt {
            let state = Arc::clone(self);
            let end_later = move || {
                std::thread::sleep(GRACE);
                state.end();
            };
            // If no thread can be started, a second signal ends the process.
            let _ = std::thread::Builder::new().spawn(end_later);
        }
    }

    /// Ends the process.
    fn end(&self) -> ! {
        self.phase.store(ENDING, Ordering::SeqCst);
        if let Some(terminal) = self.terminal.get() {
            terminal.restore();
        }
        if let Some(draft) = self.draft().take() {
            // The process is about to end: a failure is not reported.
            let _ = fs::remove_file(draft);
        }
        std::process::exit(i32::from(self.signal().exit_status()))
    }

    fn draft(&self) -> MutexGuard<'_, Option<PathBuf>> {
        self.draft.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the process ends by, if it does.
    fn signal(&self) -> Signal {
        self.termination.get().copied().unwrap_or(Signal::Interrupt)
    }
}

impl Interrupt {
    /// Handles signals from now on.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub(crate) fn install() -> Result<Interrupt, CliError> {
        let interrupt = Interrupt::default();
        let state = Arc::clone(&interrupt.state);
        signals::handle(move |signal| state.receive(signal))
            .map_err(|error| CliError::Failed(format!("cannot handle signals: {error}")))?;
        Ok(interrupt)
    }

    /// Remembers how the terminal is set now, and sets it so again if a signal ends the process while a line is edited.
    pub(crate) fn restore_terminal_at_end(&self) {
        if let Some(terminal) = Terminal::of_stdin() {
            // The first one is how it was before any line was edited.
            let _ = self.state.terminal.set(terminal);
        }
    }

    /// Removes a file if a signal ends the process while the result lives.
    pub(crate) fn remove_at_end(&self, draft: Option<&Path>) -> Draft<'_> {
        *self.state.draft() = draft.map(Path::to_owned);
        Draft { state: &self.state }
    }

    /// Cancels forward passes once there was a signal while somebody watched.
    pub(crate) fn cancellation(&self) -> Cancellation {
        let state = Arc::clone(&self.state);
        Cancellation::when(move || state.is_requested())
    }

    /// Begins to watch: as long as the result lives, the caller looks at [`Watch::is_requested`] often.
    pub(crate) fn watch(&self) -> Watch<'_> {
        // The handler ends the process without waiting for what begins now.
        while self.state.change(IDLE, WATCHED) == Err(ENDING) {
            std::thread::park();
        }
        Watch { state: &self.state }
    }

    /// Whether there was a signal other than Ctrl-C, which never is for a part of the work only.
    pub(crate) fn is_termination(&self) -> bool {
        self.state.termination.get().is_some()
    }

    /// That a signal stopped the work.
    pub(crate) fn error(&self) -> CliError {
        CliError::Interrupted(self.state.signal())
    }
}

/// A file is removed if the process ends.
#[derive(Debug)]
pub(crate) struct Draft<'i> {
    state: &'i State,
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        *self.state.draft() = None;
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
        self.state.is_requested()
    }

    /// Stops to watch, and forgets a Ctrl-C: it was for what has been stopped, and the command goes on.
    pub(crate) fn forget_interrupt(self) {
        if self.state.termination.get().is_none() {
            let _ = self.state.change(REQUESTED, IDLE);
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let _ = self.state.change(WATCHED, IDLE);
    }
}
