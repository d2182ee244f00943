//! Where lines come from: a terminal, in which they are edited, or standard input.

use crate::error::CliError;
use crate::input::without_byte_order_mark;
use crate::output::note;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{Config, Context, Editor, Helper};
use std::cell::Cell;
use std::io::{self, BufRead as _, Read as _, StdinLock};
use std::time::{Duration, Instant};

/// Longest line of standard input.
const LIMIT: u64 = 16 << 20;

/// A second Ctrl-C on an empty line within this time ends the program.
const IN_TURN: Duration = Duration::from_secs(2);

/// What a user writes.
#[derive(Debug)]
pub(super) enum Lines {
    Terminal(Box<Editor<Text, MemHistory>>),
    Stdin(StdinLock<'static>),
}

impl Lines {
    /// Lines that are edited, with a history that lasts as long as the program.
    ///
    /// # Errors
    /// If the terminal cannot be used.
    pub(super) fn of_terminal() -> Result<Lines, CliError> {
        let mut editor = Editor::with_history(Config::default(), MemHistory::new()).map_err(failed)?;
        editor.set_helper(Some(Text::default()));
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

/// A line of the terminal. Ctrl-C clears what was typed; twice in turn with nothing typed it is the end, as Ctrl-D is.
fn edited(editor: &mut Editor<Text, MemHistory>) -> Result<Option<String>, CliError> {
    let mut pressed: Option<Instant> = None;
    loop {
        let line = join(|goes_on| {
            if let Some(text) = editor.helper() {
                text.begin(goes_on);
            }
            editor.readline(if goes_on { "… " } else { "> " }).map(Some)
        });
        match line {
            Ok(line) => return Ok(line),
            Err(ReadlineError::Eof) => return Ok(None),
            Err(ReadlineError::Interrupted) if editor.helper().is_some_and(|text| text.is_there.get()) => {
                pressed = None;
            }
            Err(ReadlineError::Interrupted) if pressed.is_some_and(|time| time.elapsed() < IN_TURN) => return Ok(None),
            Err(ReadlineError::Interrupted) => {
                pressed = Some(Instant::now());
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

/// Sees the line while it is edited: an error of the editor does not say what had been typed.
#[derive(Debug, Default)]
pub(super) struct Text {
    /// Whether the line continues another.
    goes_on: Cell<bool>,
    /// Whether anything has been typed, in this line or before it.
    is_there: Cell<bool>,
}

impl Text {
    fn begin(&self, goes_on: bool) {
        self.goes_on.set(goes_on);
        self.is_there.set(goes_on);
    }
}

impl Hinter for Text {
    type Hint = String;

    /// Called after each change of the line.
    fn hint(&self, line: &str, _: usize, _: &Context<'_>) -> Option<String> {
        self.is_there.set(self.goes_on.get() || !line.is_empty());
        None
    }
}

impl Completer for Text {
    type Candidate = String;
}

impl Highlighter for Text {}

impl Validator for Text {}

impl Helper for Text {}

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
    Ok(Some(without_byte_order_mark(line)))
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
