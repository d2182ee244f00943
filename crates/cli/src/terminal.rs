//! The settings of the terminal, which the editor of lines changes while it reads one.

#[cfg(unix)]
pub(crate) use self::unix::Terminal;

#[cfg(unix)]
mod unix {
    use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
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

        /// Sets it so again, and begins a new line.
        pub(crate) fn restore(&self) {
            if let Ok(settings) = self.settings.lock() {
                // The process is about to end: nobody is left to be told of a failure.
                let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &settings);
            }
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
