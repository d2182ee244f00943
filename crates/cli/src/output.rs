//! Standard output, whose reader may go away, and standard error, which may be closed.

use crate::error::CliError;
use crate::fitted_tables::fitted;
use console::Term;
use serde::Serialize;
use std::io::{self, BufWriter, StdoutLock, Write as _};

/// Longest line of a message, in characters: names in files may have any length.
const LONGEST_LINE: usize = 2000;
/// What is kept of the end of a longer one, which often says what to do.
const KEPT_OF_END: usize = 500;

/// Whether a character could change how others appear in a terminal: control characters, and those that turn, hide or break lines.
fn is_deceptive(character: char) -> bool {
    let turns_or_hides = matches!(character, '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    character.is_control() || turns_or_hides
}

/// A text of several lines, in which names of files and models may hold anything.
fn printable(text: &str) -> String {
    text.replace(|character| character != '\n' && is_deceptive(character), " ")
}

/// A text as one line of a message. Names of files, values and messages of other libraries may hold line breaks and control
/// characters, which become spaces, and be of any length: the middle is left out.
pub(crate) fn one_line(text: &str) -> String {
    let line = text.replace(is_deceptive, " ");
    let length = line.chars().count();
    if length <= LONGEST_LINE {
        return line;
    }
    let from = |start: usize| line.char_indices().nth(start).map_or(line.len(), |(at, _)| at);
    format!("{} … {}", &line[..from(LONGEST_LINE - KEPT_OF_END)], &line[from(length - KEPT_OF_END)..])
}

/// Standard output, buffered. What is written appears at [`Output::flush`].
#[derive(Debug)]
pub(crate) struct Output {
    stdout: BufWriter<StdoutLock<'static>>,
}

fn failed(error: io::Error) -> CliError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => CliError::ClosedOutput,
        _ => CliError::Output(error),
    }
}

impl Output {
    /// Standard output, for this thread alone.
    pub(crate) fn new() -> Output {
        Output { stdout: BufWriter::new(io::stdout().lock()) }
    }

    /// Writes a text.
    ///
    /// # Errors
    /// Returns [`CliError::ClosedOutput`] if the reader closed it, else [`CliError::Output`].
    pub(crate) fn write(&mut self, text: &str) -> Result<(), CliError> {
        self.stdout.write_all(text.as_bytes()).map_err(failed)
    }

    /// Writes a text with tables. In a terminal these are made to fit its width.
    ///
    /// # Errors
    /// As [`Output::write`].
    pub(crate) fn tables(&mut self, text: &str) -> Result<(), CliError> {
        match Term::stdout().size_checked() {
            Some((_, columns)) => self.write(&fitted(&printable(text), columns.into())),
            None => self.write(&printable(text)),
        }
    }

    /// Writes a text and ends the line.
    ///
    /// # Errors
    /// As [`Output::write`].
    pub(crate) fn line(&mut self, text: &str) -> Result<(), CliError> {
        self.write(text)?;
        self.write("\n")
    }

    /// Writes a value as one line of JSON.
    ///
    /// # Errors
    /// As [`Output::write`].
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        self.json_part(value)?;
        self.write("\n")
    }

    /// Writes a value as JSON, without a line break.
    ///
    /// # Errors
    /// As [`Output::write`].
    pub(crate) fn json_part(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        serde_json::to_writer(&mut self.stdout, value).map_err(|error| failed(error.into()))
    }

    /// Sends on what was written. A command must end with it: errors of a later, implicit flush are lost.
    ///
    /// # Errors
    /// As [`Output::write`].
    pub(crate) fn flush(&mut self) -> Result<(), CliError> {
        self.stdout.flush().map_err(failed)
    }
}

/// A line on standard error, for the user and not part of the result.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{}", printable(text));
}
