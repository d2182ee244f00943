//! A continuation as it grows: its tokens become text.

use crate::error::CliError;
use cke_engine::text_stream::TextStream;
use cke_engine::tokenizer::Tokenizer;
use std::fmt::Write as _;

/// The text that follows one prompt. Without a tokenizer it is the ids with spaces between them.
#[derive(Debug)]
pub(super) struct Continuation<'t> {
    tokenizer: Option<&'t Tokenizer>,
    stream: TextStream,
    text: String,
    /// How much of `text` was taken by [`Continuation::news`].
    taken: usize,
}

impl<'t> Continuation<'t> {
    /// An empty text that ends before the first of `stops`.
    ///
    /// # Errors
    /// If a stop string is empty.
    pub(super) fn new(tokenizer: Option<&'t Tokenizer>, stops: &[String]) -> Result<Continuation<'t>, CliError> {
        Ok(Continuation { tokenizer, stream: TextStream::new(stops.to_owned())?, text: String::new(), taken: 0 })
    }

    /// Adds a token. Special tokens have no text.
    ///
    /// # Errors
    /// If the tokenizer does not know the token.
    pub(super) fn push(&mut self, token: u32) -> Result<(), CliError> {
        match self.tokenizer {
            Some(tokenizer) if tokenizer.is_special(token) => {}
            Some(tokenizer) => self.text.push_str(self.stream.push(tokenizer.token_bytes(token)?)),
            None => {
                let space = if self.text.is_empty() { "" } else { " " };
                let _ = write!(self.text, "{space}{token}"); // a String takes all text
            }
        }
        Ok(())
    }

    /// Adds what was held back because it could have become something else.
    pub(super) fn finish(&mut self) {
        self.text.push_str(self.stream.finish());
    }

    /// Whether a stop string was found.
    pub(super) fn is_stopped(&self) -> bool {
        self.stream.stopped()
    }

    /// All of it so far.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What came since the last call.
    pub(super) fn news(&mut self) -> &str {
        let start = std::mem::replace(&mut self.taken, self.text.len());
        &self.text[start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn continuation_without_tokenizer_is_the_ids() {
        let mut continuation = Continuation::new(None, &[]).unwrap();
        continuation.push(7).unwrap();
        assert_eq!(continuation.news(), "7");
        continuation.push(42).unwrap();
        continuation.finish();
        assert_eq!(continuation.news(), " 42");
        assert_eq!(continuation.text(), "7 42");
    }
}
