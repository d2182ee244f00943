//! An answer, and how its text grows.

use std::time::Duration;

use crate::chat::thinking::{Part, Piece, ThinkingSplitter};
use crate::error::Error;
use crate::generate::Finish;
use crate::text_stream::TextStream;
use crate::tokenizer::Tokenizer;

/// What the model said to a question, and how long that took.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// What it thought before, without the white space at both ends; empty if it did not.
    pub thinking: String,
    /// The answer itself.
    pub text: String,
    /// All tokens, without the one that ended it.
    pub tokens: Vec<u32>,
    /// Why it ended; `None` if the listener ended it.
    pub finish: Option<Finish>,
    /// Tokens of the conversation before it.
    pub prompt_tokens: usize,
    /// Tokens among them that the cache held.
    pub reused_tokens: usize,
    /// Oldest turns that were read for the answer before and are left out from now on.
    pub newly_dropped_turns: usize,
    /// The seed of its random sequence.
    pub seed: u64,
    /// Time to read the conversation.
    pub prompt_time: Duration,
    /// Tokens that the model read one at a time: all but the last.
    pub decoded_tokens: usize,
    /// Time to pick all tokens and to read these.
    pub decode_time: Duration,
}

impl Answer {
    /// Whether it was stopped before its first token, so that it is no part of the conversation.
    pub fn is_empty(&self) -> bool {
        self.finish.is_none() && self.tokens.is_empty()
    }
}

/// The text of an answer as its tokens come.
#[derive(Debug)]
pub(super) struct AnswerText {
    stream: TextStream,
    splitter: ThinkingSplitter,
    /// Whether SentencePiece's space before the first word has yet to be taken away.
    strips_space: bool,
    thinking: String,
    answer: String,
    /// What the last token added.
    news: Vec<Piece>,
}

impl AnswerText {
    /// The text of an answer that has not begun. `is_thinking`: the prompt opened the thinking.
    ///
    /// # Errors
    /// If a stop string is empty.
    pub(super) fn new(stops: &[String], is_thinking: bool, tokenizer: &Tokenizer) -> Result<AnswerText, Error> {
        Ok(AnswerText {
            stream: TextStream::new(stops.to_owned())?,
            splitter: ThinkingSplitter::new(is_thinking),
            strips_space: tokenizer.strips_first_space(),
            thinking: String::new(),
            answer: String::new(),
            news: Vec::new(),
        })
    }

    /// Adds a token and gives the text that has become certain. Special tokens have no text.
    ///
    /// # Errors
    /// If the tokenizer does not know the token.
    pub(super) fn push(&mut self, token: u32, tokenizer: &Tokenizer) -> Result<&[Piece], Error> {
        self.news.clear();
        if !tokenizer.is_special(token) {
            let mut text = self.stream.push(tokenizer.token_bytes(token)?);
            if !text.is_empty() && std::mem::take(&mut self.strips_space) {
                text = text.strip_prefix(' ').unwrap_or(text);
            }
            let pieces = self.splitter.push(text);
            pieces.into_iter().for_each(|piece| self.add(piece));
        }
        Ok(&self.news)
    }

    /// Gives what was held back because it could have become something else.
    pub(super) fn finish(&mut self) -> &[Piece] {
        self.news.clear();
        let mut pieces = self.splitter.push(self.stream.finish());
        pieces.extend(self.splitter.clone().finish());
        pieces.into_iter().for_each(|piece| self.add(piece));
        &self.news
    }

    /// Whether a stop string was found.
    pub(super) fn is_stopped(&self) -> bool {
        self.stream.stopped()
    }

    /// Thinking and answer.
    pub(super) fn into_parts(self) -> (String, String) {
        (self.thinking.trim_end().to_owned(), self.answer)
    }

    /// Adds a piece, without the white space that thinking and an answer after it begin with.
    fn add(&mut self, mut piece: Piece) {
        let text = match piece.part {
            Part::Thinking => &mut self.thinking,
            Part::Answer => &mut self.answer,
        };
        if text.is_empty() && self.splitter.has_thought() {
            piece.text.drain(..piece.text.len() - piece.text.trim_start().len());
        }
        if !piece.text.is_empty() {
            text.push_str(&piece.text);
            self.news.push(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Bundle;
    use cke_testkit::tiny_models::Llama;

    /// Thinking and answer of a text whose tokens are its bytes, and what was shown of them.
    fn written(text: &str, is_thinking: bool, stops: &[String]) -> [String; 4] {
        let model = Llama::default().write().unwrap();
        let tokenizer = Bundle::open(model.path()).unwrap().tokenizer().unwrap();
        let mut writing = AnswerText::new(stops, is_thinking, &tokenizer).unwrap();
        let mut shown: Vec<Piece> = Vec::new();
        for byte in text.bytes().chain([0]).map(u32::from) {
            let token = if byte == 0 { Llama::TURN_END as u32 } else { byte };
            shown.extend_from_slice(writing.push(token, &tokenizer).unwrap());
        }
        shown.extend_from_slice(writing.finish());
        let of = |part| shown.iter().filter(|piece| piece.part == part).map(|piece| piece.text.as_str()).collect();
        let shown = [of(Part::Thinking), of(Part::Answer)];
        let (thinking, answer) = writing.into_parts();
        let [shown_thinking, shown_answer] = shown;
        [thinking, answer, shown_thinking, shown_answer]
    }

    #[test]
    fn white_space_around_thinking_is_left_out() {
        assert_eq!(
            written("\n<think>\n a\n</think>\n\n b <think>\n", false, &[]),
            ["a", "b <think>\n", "a\n", "b <think>\n"]
        );
        assert_eq!(written("<think></think>\n\né", false, &[]), ["", "é", "", "é"]);
        assert_eq!(written("never ends </thi", true, &[])[..2], ["never ends </thi", ""]);
    }

    #[test]
    fn answer_without_thinking_is_as_it_was_said() {
        assert_eq!(written("  a\n\n", false, &[]), ["", "  a\n\n", "", "  a\n\n"]);
        assert_eq!(written("a <b> END c", false, &["END".to_owned()])[1], "a <b> ");
    }
}
