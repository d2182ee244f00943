//! Text that is shown while it is generated.

/// A stop string that every text begins with.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stop string {index}: wanted at least one character, found none")]
pub struct EmptyStop {
    /// Its place in the list, from 0.
    pub index: usize,
}

cke_kernels::debug_as_display!(EmptyStop);

/// Turns the bytes of tokens, fed one token at a time, into text that can be shown at once.
///
/// - No output ends inside a character: bytes of one that is not complete are held back. Bytes that can be part of no
///   character become U+FFFD, by the rule of [`String::from_utf8_lossy`], so the outputs put together are the lossy
///   text of all bytes.
/// - With stop strings, text is held back while it could be the beginning of one, and ends before the first that is
///   complete. (Of those complete at the same character, the longest counts.) How the text falls into tokens makes no
///   difference.
///
/// Nothing is allocated once the buffers have grown to the longest token and stop string.
///
/// ```
/// use cke_engine::text_stream::TextStream;
///
/// let mut stream = TextStream::new(vec!["\n\n".to_owned()])?;
/// assert_eq!(stream.push(b"na\xC3"), "na");
/// assert_eq!(stream.push(b"\xAFve\n"), "ïve");
/// assert_eq!(stream.push(b"\nmore"), "");
/// assert!(stream.stopped());
/// # Ok::<(), cke_engine::text_stream::EmptyStop>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct TextStream {
    stops: Vec<String>,
    /// Bytes of a character that is not complete, at most three, and room for the next token.
    bytes: Vec<u8>,
    /// Decoded text that may be the beginning of a stop string.
    held: String,
    /// What the last call returned.
    output: String,
    stopped: bool,
}

impl TextStream {
    /// A stream that ends before the first of `stops`, which may be none.
    ///
    /// # Errors
    ///
    /// Fails if a stop string is empty.
    pub fn new(stops: Vec<String>) -> Result<Self, EmptyStop> {
        match stops.iter().position(String::is_empty) {
            Some(index) => Err(EmptyStop { index }),
            None => Ok(Self { stops, ..Self::default() }),
        }
    }

    /// Takes the bytes of the next token and gives the text that has become certain; nothing once a stop string was
    /// found.
    pub fn push(&mut self, token_bytes: &[u8]) -> &str {
        self.output.clear();
        if !self.stopped {
            self.bytes.extend_from_slice(token_bytes);
            self.decode_complete();
            self.settle();
        }
        &self.output
    }

    /// Ends the text and gives what was held back; an incomplete character becomes U+FFFD.
    pub fn finish(&mut self) -> &str {
        self.output.clear();
        if !self.stopped {
            if !self.bytes.is_empty() {
                self.bytes.clear();
                self.held.push(char::REPLACEMENT_CHARACTER);
                self.settle();
            }
            if !self.stopped {
                self.output.push_str(&self.held);
                self.held.clear();
            }
        }
        &self.output
    }

    /// Whether a stop string was found.
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// Begins a new text with the same stop strings.
    pub fn reset(&mut self) {
        self.bytes.clear();
        self.held.clear();
        self.output.clear();
        self.stopped = false;
    }

    /// Moves all but an incomplete last character from `bytes` to `held`.
    fn decode_complete(&mut self) {
        let mut incomplete = 0;
        let mut chunks = self.bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            self.held.push_str(chunk.valid());
            let invalid = chunk.invalid();
            if chunks.peek().is_none() && may_grow(invalid) {
                incomplete = invalid.len();
            } else if !invalid.is_empty() {
                self.held.push(char::REPLACEMENT_CHARACTER);
            }
        }
        let complete = self.bytes.len() - incomplete;
        self.bytes.drain(..complete);
    }

    /// Moves from `held` to `output` what can no longer be part of a stop string, and cuts at one that is complete.
    fn settle(&mut self) {
        if let Some(start) = self.first_stop() {
            self.output.push_str(&self.held[..start]);
            self.held.clear();
            self.bytes.clear();
            self.stopped = true;
            return;
        }
        let certain = self.held.len() - self.undecided();
        self.output.push_str(&self.held[..certain]);
        self.held.drain(..certain);
    }

    /// Where the stop string begins in `held` that is complete first.
    fn first_stop(&self) -> Option<usize> {
        let found = self.stops.iter().filter_map(|stop| self.held.find(stop).map(|start| (start + stop.len(), start)));
        found.min().map(|(_, start)| start)
    }

    /// Length of the longest end of `held` with which a stop string begins.
    fn undecided(&self) -> usize {
        let longest = |stop: &String| {
            let lengths = (1..stop.len().min(self.held.len() + 1)).rev();
            lengths.into_iter().find(|&n| self.held.as_bytes().ends_with(&stop.as_bytes()[..n])).unwrap_or(0)
        };
        self.stops.iter().map(longest).max().unwrap_or(0)
    }
}

/// Whether bytes that end a text and are not UTF-8 are the beginning of a character.
fn may_grow(invalid: &[u8]) -> bool {
    std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none())
}
