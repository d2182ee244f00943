//! Streamed text, parted into thinking and answer.

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// What a piece of text belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What the model writes between `<think>` and `</think>`.
    Thinking,
    /// Everything else.
    Answer,
}

/// A piece of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// What it belongs to.
    pub part: Part,
    /// Never empty.
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing but white space came yet: a tag may open the thinking.
    Start,
    Thinking,
    Answer,
}

/// Says of text that comes piece by piece what is thinking. The tags are in none of the pieces; all else is, unchanged.
///
/// Thinking comes first or not at all: `<think>` counts only if nothing but white space came before it, and only once, so that an
/// answer may write about the tags. Text is held back while it could be the beginning of a tag.
///
/// ```
/// use cke_engine::chat::thinking::{Part, ThinkingSplitter};
///
/// let mut splitter = ThinkingSplitter::new(false);
/// assert_eq!(splitter.push("<thi"), []);
/// let pieces = splitter.push("nk>So.</think>Yes");
/// let pieces: Vec<_> = pieces.iter().map(|piece| (piece.part, piece.text.as_str())).collect();
/// assert_eq!(pieces, [(Part::Thinking, "So."), (Part::Answer, "Yes")]);
/// ```
#[derive(Debug, Clone)]
pub struct ThinkingSplitter {
    place: Place,
    has_thought: bool,
    /// What may be white space before a tag, or the beginning of one.
    held: String,
}

impl ThinkingSplitter {
    /// A splitter for one answer. `inside`: the prompt opened the thinking already ([`prompt_opens_thinking`]).
    pub fn new(inside: bool) -> Self {
        let place = if inside { Place::Thinking } else { Place::Start };
        Self { place, has_thought: inside, held: String::new() }
    }

    /// Takes more text and gives what is certain.
    pub fn push(&mut self, text: &str) -> Vec<Piece> {
        self.held.push_str(text);
        let mut pieces = Vec::new();
        if self.place == Place::Start {
            self.leave_start();
        }
        if self.place == Place::Thinking {
            let end = self.held.find(CLOSE);
            let certain = end.unwrap_or_else(|| self.held.len() - undecided(&self.held, CLOSE));
            self.release(Part::Thinking, certain, &mut pieces);
            if end.is_some() {
                self.held.drain(..CLOSE.len());
                self.place = Place::Answer;
            }
        }
        if self.place == Place::Answer {
            self.release(Part::Answer, self.held.len(), &mut pieces);
        }
        pieces
    }

    /// Ends the text and gives what was held back.
    pub fn finish(mut self) -> Option<Piece> {
        let part = if self.place == Place::Thinking { Part::Thinking } else { Part::Answer };
        let mut pieces = Vec::new();
        self.release(part, self.held.len(), &mut pieces);
        pieces.pop()
    }

    /// Whether the text is inside the thinking.
    pub fn is_thinking(&self) -> bool {
        self.place == Place::Thinking
    }

    /// Whether the thinking was opened, whatever has come since.
    pub fn has_thought(&self) -> bool {
        self.has_thought
    }

    /// Decides what the text begins with, if that is certain. White space before the tag belongs to the thinking.
    fn leave_start(&mut self) {
        let begin = self.held.len() - self.held.trim_start().len();
        let text = &self.held[begin..];
        if text.starts_with(OPEN) {
            self.held.drain(begin..begin + OPEN.len());
            (self.place, self.has_thought) = (Place::Thinking, true);
        } else if !OPEN.starts_with(text) {
            self.place = Place::Answer;
        }
    }

    /// Moves the first bytes of what is held to the pieces.
    fn release(&mut self, part: Part, bytes: usize, pieces: &mut Vec<Piece>) {
        if bytes > 0 {
            pieces.push(Piece { part, text: self.held.drain(..bytes).collect() });
        }
    }
}

/// Whether a prompt ends inside the thinking, as templates have it that begin every answer with `<think>`.
pub fn prompt_opens_thinking(prompt: &str) -> bool {
    prompt.trim_end().ends_with(OPEN)
}

/// Length of the longest end of `text` with which `tag` begins.
fn undecided(text: &str, tag: &str) -> usize {
    let ends = (1..tag.len().min(text.len() + 1)).rev();
    ends.into_iter().find(|&length| text.ends_with(&tag[..length])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Thinking and answer of a text that comes in pieces.
    fn split(inside: bool, pieces: &[&str]) -> (String, String) {
        let mut splitter = ThinkingSplitter::new(inside);
        let mut found: Vec<Piece> = pieces.iter().flat_map(|piece| splitter.push(piece)).collect();
        found.extend(splitter.finish());
        assert!(found.iter().all(|piece| !piece.text.is_empty()));
        let of = |part| found.iter().filter(|piece| piece.part == part).map(|piece| piece.text.as_str()).collect();
        (of(Part::Thinking), of(Part::Answer))
    }

    #[test]
    fn text_cut_anywhere_has_the_same_parts() {
        let cases = [
            (false, "<think>a</think>b", "a", "b"),
            (false, " \n<think>\na < b </ c\n</think>\n\nd", " \n\na < b </ c\n", "\n\nd"),
            (false, "no tags", "", "no tags"),
            (false, "<thin air", "", "<thin air"),
            (false, "<think>never closed </thin", "never closed </thin", ""),
            (false, "a <think>b</think>", "", "a <think>b</think>"),
            (false, "<think></think><think>c</think>", "", "<think>c</think>"),
            (false, "  ", "", "  "),
            (false, "", "", ""),
            (false, "<think", "", "<think"),
            (true, "a <<</think>b </think>", "a <<", "b </think>"),
            (true, "é</think>ü", "é", "ü"),
            (true, "<think>a</think>b", "<think>a", "b"),
        ];
        for (inside, text, thinking, answer) in cases {
            let wanted = (thinking.to_owned(), answer.to_owned());
            assert_eq!(split(inside, &[text]), wanted, "{text:?}");
            let chars: Vec<String> = text.chars().map(String::from).collect();
            assert_eq!(split(inside, &chars.iter().map(String::as_str).collect::<Vec<_>>()), wanted, "{text:?}");
            for (cut, _) in text.char_indices() {
                assert_eq!(split(inside, &[&text[..cut], &text[cut..]]), wanted, "{text:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn text_is_given_as_soon_as_it_is_certain() {
        let mut splitter = ThinkingSplitter::new(true);
        assert!(splitter.is_thinking());
        let piece = |part, text: &str| Piece { part, text: text.to_owned() };
        assert_eq!(splitter.push("a <"), [piece(Part::Thinking, "a ")]);
        assert_eq!(splitter.push("b"), [piece(Part::Thinking, "<b")]);
        assert_eq!(splitter.push("</think>"), []);
        assert!(!splitter.is_thinking() && splitter.has_thought());
        assert_eq!(splitter.push("c <think>"), [piece(Part::Answer, "c <think>")]);
        assert_eq!(splitter.finish(), None);
    }

    #[test]
    fn prompt_that_ends_with_an_open_tag_opens_the_thinking() {
        assert!(prompt_opens_thinking("<|assistant|><think>\n"));
        assert!(!prompt_opens_thinking("<|assistant|><think>\n\n</think>\n\n"));
        assert!(!prompt_opens_thinking("<|assistant|>"));
    }
}
