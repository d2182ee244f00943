//! Where lines come from: a terminal, in which they are edited, or standard input.

use crate::error::CliError;
use crate::output::note;
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{Config, Editor};
use std::io::{self, BufRead as _, Read as _, StdinLock};
use std::time::{Duration, Instant};

/// Longest line of standard input.
const LIMIT: u64 = 16 << 20;

/// A second Ctrl-C within this time ends the program; a later one clears another line.
const IN_TURN: Duration = Duration::from_secs(2);

/// What a user writes.
#[derive(Debug)]
pub(super) enum Lines {
    Terminal(Box<Editor<(), MemHistory>>),
    Stdin(StdinLock<'static>),
}

impl Lines {
    /// Lines that are edited, with a history that lasts as long as the program.
    ///
    /// # Errors
    /// If the terminal cannot be used.
    pub(super) fn of_terminal() -> Result<Lines, CliError> {
        let editor = Editor::with_history(Config::default(), MemHistory::new()).map_err(failed)?;
        Ok(Lines::Terminal(Box::new(editor)))
    }

    /// The lines of standard input as they are.
    pub(super) fn of_stdin() -> Lines {
        Lines::Stdin(io::stdin().lock())
    }

    /// The next line, with those joined that end with a backslash. `None` at the end.
    ///
    /// # Errors
    /// If it cannot be read, is too long or not UTF-8.
    pub(super) fn next(&mut self) -> Result<Option<String>, CliError> {
        let joined = match self {
            Lines::Terminal(editor) => edited(editor),
            Lines::Stdin(stdin) => join(|_| stdin_line(stdin)),
        }?;
        if let (Lines::Terminal(editor), Some(line)) = (self, &joined)
            && !line.trim().is_empty()
        {
            editor.add_history_entry(line.as_str()).map_err(failed)?;
        }
        Ok(joined)
    }
}

/// A line with its continuation lines. Calls `read` with whether it reads a continuation.
fn join<E>(mut read: impl FnMut(bool) -> Result<Option<String>, E>) -> Result<Option<String>, E> {
    let Some(mut text) = read(false)? else { return Ok(None) };
    while text.ends_with('\\') {
        text.pop();
        let Some(next) = read(true)? else { break };
        text.push('\n');
        text.push_str(&next);
    }
    Ok(Some(text))
}

/// A line of the terminal. Ctrl-C begins it anew; a second one at once is the end, as Ctrl-D is.
fn edited(editor: &mut Editor<(), MemHistory>) -> Result<Option<String>, CliError> {
    let mut cleared: Option<Instant> = None;
    loop {
        match join(|goes_on| editor.readline(if goes_on { "… " } else { "> " }).map(Some)) {
            Ok(line) => return Ok(line),
            Err(ReadlineError::Eof) => return Ok(None),
            Err(ReadlineError::Interrupted) if cleared.is_some_and(|time| time.elapsed() < IN_TURN) => return Ok(None),
            Err(ReadlineError::Interrupted) => {
                cleared = Some(Instant::now());
                note("press Ctrl-C again, or Ctrl-D, to exit");
            }
            Err(ReadlineError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
                note("wanted a line in UTF-8, found other bytes: the line is ignored");
            }
            // The terminal has another size.
            Err(ReadlineError::Signal(_)) => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

fn failed(error: ReadlineError) -> CliError {
    CliError::Input { input: "terminal".to_owned(), source: io::Error::other(error) }
}

/// A line of standard input.
fn stdin_line(stdin: &mut StdinLock<'static>) -> Result<Option<String>, CliError> {
    let input = || "standard input".to_owned();
    let unfit = |wanted: String, found: String| CliError::Content { input: input(), wanted, found };
    let mut bytes = Vec::new();
    let read = stdin.take(LIMIT + 1).read_until(b'\n', &mut bytes);
    if read.map_err(|source| CliError::Input { input: input(), source })? == 0 {
        return Ok(None);
    }
    if bytes.len() as u64 > LIMIT {
        return Err(unfit(format!("lines of at most {LIMIT} bytes"), "a longer one".to_owned()));
    }
    let mut line = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        unfit("UTF-8 text".to_owned(), format!("other bytes at offset {at} of a line"))
    })?;
    let length = line.trim_end_matches(['\n', '\r']).len();
    line.truncate(length);
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_that_ends_with_a_backslash_goes_on() {
        let mut lines = ["a\\", "b\\", "c", "", "d\\"].into_iter();
        let mut next = || join(|_| Ok::<_, ()>(lines.next().map(str::to_owned))).unwrap();
        assert_eq!(next().as_deref(), Some("a\nb\nc"));
        assert_eq!(next().as_deref(), Some(""));
        assert_eq!(next().as_deref(), Some("d"));
        assert_eq!(next(), None);
    }
}
