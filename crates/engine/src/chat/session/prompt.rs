//! What the model reads before an answer: the conversation as its template writes it, as far as the context has room for it.

use super::ChatSession;
use crate::chat::template::RenderOptions;
use crate::chat::{Message, USER};
use crate::error::Error;
use crate::tokenizer::Encoded;

/// Tokens of a conversation that are counted, however short the context is.
const COUNTED_TOKENS: usize = 1 << 14;

/// A conversation that is to be answered.
#[derive(Debug)]
pub(super) struct Prompt {
    pub(super) text: String,
    pub(super) tokens: Vec<u32>,
    /// Oldest turns that are not in it.
    pub(super) dropped: usize,
}

impl ChatSession<'_> {
    /// The conversation, with room for an answer.
    ///
    /// If the oldest turns may be left out, there is too little room as soon as less than a quarter of the context, or what an answer
    /// may take, is free. Then turns go until half of the context is free: each time that one goes, all others must be read again.
    /// The last question stays, and one free position is enough for it.
    ///
    /// # Errors
    /// Fails if there is no room, or the template refuses the conversation.
    pub(super) fn prompt(&self) -> Result<Prompt, Error> {
        let context = self.options.context;
        let room = self.options.max_tokens.clamp(1, (context / 4).max(1));
        let (mut prompt, mut is_cut) = self.render(self.dropped)?;
        let fits = |prompt: &Prompt, is_cut: bool, free: usize| !is_cut && prompt.tokens.len() + free <= context;
        if self.options.drops_oldest && !fits(&prompt, is_cut, room) {
            for dropped in self.dropped + 1..self.turn_starts().count() {
                (prompt, is_cut) = self.render(dropped)?;
                if fits(&prompt, is_cut, context / 2) {
                    break;
                }
            }
        }
        let tokens = prompt.tokens.len();
        if !fits(&prompt, is_cut, 1) {
            return Err(Error::ConversationTooLong { tokens, is_cut, context });
        }
        match self.options.max_length.filter(|&max| max <= tokens) {
            Some(max_length) => Err(Error::MaxLength { prompt_len: tokens, max_length }),
            None => Ok(prompt),
        }
    }

    /// Where the turns begin in the history.
    fn turn_starts(&self) -> impl Iterator<Item = usize> {
        let history = self.conversation.history().iter().enumerate();
        history.filter(|(_, message)| message.role == USER).map(|(start, _)| start)
    }

    /// The conversation without its oldest turns, and whether more tokens than are given would follow.
    fn render(&self, dropped: usize) -> Result<(Prompt, bool), Error> {
        let messages = self.conversation.messages();
        let history = self.conversation.history();
        let system = messages.len() - history.len();
        let start = if dropped == 0 { 0 } else { self.turn_starts().nth(dropped).unwrap_or(0) };
        let kept: Vec<Message>;
        let messages = match start {
            0 => messages,
            start => {
                kept = [&messages[..system], &history[start..]].concat();
                &kept
            }
        };
        let options = RenderOptions {
            add_generation_prompt: true,
            thinking: self.options.thinking,
            now: self.options.now,
            ..RenderOptions::default()
        };
        let text = self.parts.template.render(messages, &options)?;
        let most = self.options.context.max(COUNTED_TOKENS);
        // The template writes the tokens that begin a text itself.
        let Encoded { ids, is_cut } = self.parts.tokenizer.encode_limited(&text, false, most)?;
        if ids.is_empty() {
            return Err(Error::EmptyConversation);
        }
        Ok((Prompt { text, tokens: ids, dropped }, is_cut))
    }
}
