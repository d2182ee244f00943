//! How an answer looks while it grows.

use crate::error::CliError;
use crate::output::Output;
use cke_engine::chat::thinking::{Part, Piece};
use std::io::{self, IsTerminal as _};

const DIM: &str = "\x1b[2m";
const NOT_DIM: &str = "\x1b[22m";

/// Where answers are written, and so what they look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Not at all before they are complete.
    Json,
    /// Without thinking.
    Plain,
    /// With the thinking between tags.
    Tagged,
    /// With the thinking dimmed.
    Dimmed,
}

impl Style {
    /// The style for standard output as it is.
    pub(super) fn of_stdout() -> Style {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        match io::stdout().is_terminal() {
            false => Style::Plain,
            true if is_set("NO_COLOR") || is_dumb => Style::Tagged,
            true => Style::Dimmed,
        }
    }

    /// Whether a person reads along.
    pub(super) fn is_terminal(self) -> bool {
        matches!(self, Style::Tagged | Style::Dimmed)
    }
}

/// An answer on its way to standard output.
#[derive(Debug)]
pub(super) struct Display {
    style: Style,
    /// What was written last.
    part: Option<Part>,
    /// Line breaks that it ended with.
    breaks: usize,
    /// What is written before the first piece.
    opening: &'static str,
}

impl Display {
    /// Nothing of an answer. One that follows another is apart from it: for a person, the other ended with an empty line.
    pub(super) fn new(style: Style, follows: bool) -> Display {
        let opening = if follows && style == Style::Plain { "\n" } else { "" };
        Display { style, part: None, breaks: 0, opening }
    }

    /// Writes pieces of the answer, which appear at once.
    ///
    /// # Errors
    /// If they cannot be written.
    pub(super) fn show(&mut self, pieces: &[Piece], output: &mut Output) -> Result<(), CliError> {
        let text: String = pieces.iter().map(|piece| self.text(piece)).collect();
        if text.is_empty() {
            return Ok(());
        }
        output.write(std::mem::take(&mut self.opening))?;
        output.write(&text)?;
        output.flush()
    }

    /// Whether anything was written.
    pub(super) fn has_begun(&self) -> bool {
        self.part.is_some()
    }

    /// Ends the answer with a line break, and with an empty line for a person.
    ///
    /// # Errors
    /// If that cannot be written.
    pub(super) fn end(mut self, output: &mut Output) -> Result<(), CliError> {
        if self.style == Style::Json {
            return Ok(());
        }
        let mut text = self.leave_thinking();
        let breaks = if self.style.is_terminal() { 2 } else { 1 };
        text.push_str(&"\n".repeat(breaks - self.breaks.min(breaks)));
        output.write(self.opening)?;
        output.write(&text)?;
        output.flush()
    }

    /// What is written for a piece.
    fn text(&mut self, piece: &Piece) -> String {
        match (self.style, piece.part) {
            (Style::Json, _) | (Style::Plain, Part::Thinking) => return String::new(),
            _ => {}
        }
        let mut text = String::new();
        if piece.part == Part::Thinking && self.part.is_none() && self.style == Style::Tagged {
            text.push_str("<think>\n");
        }
        if piece.part == Part::Answer && self.part == Some(Part::Thinking) {
            text = self.leave_thinking();
            text.push_str(&"\n".repeat(2 - self.breaks.min(2)));
        }
        self.part = Some(piece.part);
        // Dimmed piece by piece, so that the terminal is as it was whenever the program ends.
        if piece.part == Part::Thinking && self.style == Style::Dimmed {
            text.extend([DIM, &piece.text, NOT_DIM]);
        } else {
            text.push_str(&piece.text);
        }
        let ending = piece.text.len() - piece.text.trim_end_matches('\n').len();
        self.breaks = if ending == piece.text.len() { self.breaks + ending } else { ending };
        text
    }

    /// What ends the thinking, if the text is in it.
    fn leave_thinking(&mut self) -> String {
        if self.part != Some(Part::Thinking) || self.style != Style::Tagged {
            return String::new();
        }
        let line = if self.breaks == 0 { "\n" } else { "" };
        (self.part, self.breaks) = (None, 0);
        format!("{line}</think>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(style: Style, pieces: &[(Part, &str)]) -> String {
        let mut display = Display::new(style, false);
        pieces.iter().map(|(part, text)| display.text(&Piece { part: *part, text: (*text).to_owned() })).collect()
    }

    #[test]
    fn thinking_is_dimmed_tagged_or_left_out() {
        let pieces = [(Part::Thinking, "a"), (Part::Thinking, "b\n"), (Part::Answer, "c"), (Part::Answer, "\n")];
        assert_eq!(shown(Style::Json, &pieces), "");
        assert_eq!(shown(Style::Plain, &pieces), "c\n");
        assert_eq!(shown(Style::Tagged, &pieces), "<think>\nab\n</think>\n\nc\n");
        assert_eq!(shown(Style::Dimmed, &pieces), "\x1b[2ma\x1b[22m\x1b[2mb\n\x1b[22m\nc\n");
        assert_eq!(shown(Style::Dimmed, &pieces[2..]), "c\n");
    }
}
