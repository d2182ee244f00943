//! Reading texts and lists of tokens, from files or standard input.

use crate::error::CliError;
use crate::output::note;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::Path;

/// Largest input: a text of it makes about 16 million tokens.
const LIMIT: u64 = 64 << 20;

/// Memory that a list of texts or ids takes at most for each byte of input: empty lines take most.
const BYTES_PER_BYTE: usize = 32;

/// Where an input comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source<'a> {
    /// Standard input.
    Stdin,
    /// A file, or a pipe with a name.
    File(&'a Path),
}

impl<'a> Source<'a> {
    /// The file at `path`, where `-` and no path at all mean standard input.
    pub(crate) fn new(path: Option<&'a Path>) -> Source<'a> {
        match path {
            Some(path) if path != Path::new("-") => Source::File(path),
            _ => Source::Stdin,
        }
    }

    /// What messages call it.
    pub(crate) fn name(self) -> String {
        match self {
            Source::Stdin => "standard input".to_owned(),
            Source::File(path) => path.display().to_string(),
        }
    }

    /// The whole text, without a byte order mark.
    ///
    /// # Errors
    /// If it cannot be read, is larger than 64 MiB or not UTF-8.
    pub(crate) fn text(self) -> Result<String, CliError> {
        let failed = |source| CliError::Input { input: self.name(), source };
        let bytes = match self {
            Source::Stdin => {
                let stdin = io::stdin().lock();
                if stdin.is_terminal() {
                    note("reading standard input; Ctrl-D at the start of a line ends it");
                }
                read_bounded(stdin)
            }
            Source::File(path) => File::open(path).and_then(read_bounded),
        };
        let bytes = bytes.map_err(failed)?;
        if bytes.len() as u64 > LIMIT {
            return Err(self.unfit(&format!("at most {LIMIT} bytes"), "more"));
        }
        check_memory(bytes.len()).map_err(failed)?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            self.unfit("UTF-8 text", &format!("other bytes at offset {at}"))
        })?;
        Ok(without_byte_order_mark(text))
    }

    /// The lines of a text. The last one need not end with a line break, and empty ones count.
    ///
    /// # Errors
    /// As [`Source::text`], or if there is no line.
    pub(crate) fn lines(self) -> Result<Vec<String>, CliError> {
        let lines: Vec<String> = self.text()?.lines().map(str::to_owned).collect();
        if lines.is_empty() { Err(self.unfit("at least one line", "none")) } else { Ok(lines) }
    }

    /// A list of texts: a JSON list of strings if the file's name ends in `.json`, otherwise its lines.
    ///
    /// # Errors
    /// As [`Source::lines`], or if a file named `*.json` holds something else.
    pub(crate) fn texts(self) -> Result<Vec<String>, CliError> {
        match self {
            Source::File(path) if path.extension().is_some_and(|extension| extension == "json") => {
                self.json_list("strings")
            }
            _ => self.lines(),
        }
    }

    /// A list of token ids, written in JSON.
    ///
    /// # Errors
    /// As [`Source::text`], or if it is anything else or empty.
    pub(crate) fn tokens(self) -> Result<Vec<u32>, CliError> {
        self.json_list("token ids")
    }

    fn json_list<T: serde::de::DeserializeOwned>(self, of: &str) -> Result<Vec<T>, CliError> {
        let wanted = format!("a JSON list of {of}");
        let list: Vec<T> =
            serde_json::from_str(&self.text()?).map_err(|error| self.unfit(&wanted, &malformed(&error)))?;
        if list.is_empty() { Err(self.unfit(&wanted, "an empty one")) } else { Ok(list) }
    }

    fn unfit(self, wanted: &str, found: &str) -> CliError {
        CliError::Content { input: self.name(), wanted: wanted.to_owned(), found: found.to_owned() }
    }
}

/// A text without the mark with which some editors begin files in UTF-8.
pub(crate) fn without_byte_order_mark(mut text: String) -> String {
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    text
}

/// What is wrong with a text that should be JSON.
fn malformed(error: &serde_json::Error) -> String {
    if error.is_data() { error.to_string() } else { format!("invalid JSON ({error})") }
}

/// Checks that there is memory for the lines or the list in this number of bytes: their allocation would abort the process.
fn check_memory(bytes: usize) -> io::Result<()> {
    let mut probe: Vec<u8> = Vec::new();
    probe.try_reserve_exact(bytes.saturating_mul(BYTES_PER_BYTE)).map_err(|_| io::ErrorKind::OutOfMemory.into())
}

/// Reads to the end, or a little past the limit.
fn read_bounded(input: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(LIMIT + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
