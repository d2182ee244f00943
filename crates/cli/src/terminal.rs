//! The settings of the terminal, which the editor of lines changes while it reads one.

#[cfg(unix)]
pub(crate) use self::unix::Terminal;

#[cfg(unix)]
mod unix {
    use nix::sys::termios::{FlowArg, SetArg, Termios, tcflow, tcgetattr, tcsetattr};
    use nix::unistd::{getpgrp, tcgetpgrp};
    use std::io::{self, Write as _};

    /// Ends the mode in which a terminal marks what is pasted.
    const NO_PASTE_MARKS: &str = "\x1b[?2004l";

    /// How the terminal behind standard input was set.
    #[derive(Debug)]
    pub(crate) struct Terminal {
        settings: std::sync::Mutex<Termios>,
    }

    impl Terminal {
        /// As it is now; `None` if standard input is no terminal.
        pub(crate) fn of_stdin() -> Option<Terminal> {
            let settings = tcgetattr(io::stdin()).ok()?;
            Some(Terminal { settings: settings.into() })
        }

        /// Sets it so again, and begins a new line, unless the terminal is another process's: the system would stop this one.
        pub(crate) fn restore(&self) {
            if tcgetpgrp(io::stdin()).is_ok_and(|owner| owner != getpgrp()) {
                return;
            }
            if let Ok(settings) = self.settings.lock() {
                // The process is about to end: a failure is not reported.
                let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &settings);
            }
            // Output that a key has stopped would block. The system resumes what was stopped in the same way.
            let _ = tcflow(io::stdin(), FlowArg::TCOOFF).and_then(|()| tcflow(io::stdin(), FlowArg::TCOON));
            let _ = writeln!(io::stderr(), "{NO_PASTE_MARKS}");
        }
    }
}

#[cfg(not(unix))]
pub(crate) use self::elsewhere::Terminal;

#[cfg(not(unix))]
mod elsewhere {
    /// Terminals that need no care.
    #[derive(Debug)]
    pub(crate) struct Terminal;

    impl Terminal {
        /// `None`.
        pub(crate) fn of_stdin() -> Option<Terminal> {
            None
        }

        /// Does nothing.
        pub(crate) fn restore(&self) {}
    }
}
