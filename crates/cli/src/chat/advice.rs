//! What to do if the context is full.

use cke_engine::chat::session::ChatSession;

/// What there is to choose from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Advice {
    /// Whether a person talks with the model: the conversation ends with the program unless it is saved.
    pub(super) is_interactive: bool,
    pub(super) drops_oldest: bool,
    /// Positions that the model has.
    pub(super) model_context: usize,
}

impl Advice {
    /// For a question that does not fit; it is no part of the conversation.
    pub(super) fn for_question(&self, session: &ChatSession<'_>) -> String {
        let is_alone = self.drops_oldest || session.conversation().history().is_empty();
        let shorter = match session.conversation().system() {
            Some(_) => "shorten the question or the system prompt",
            None => "shorten the question",
        };
        self.sentence(is_alone, shorter, session.context() < self.model_context)
    }

    /// For an answer that was cut; it is part of the conversation.
    pub(super) fn for_answer(&self, session: &ChatSession<'_>) -> String {
        let is_alone = self.drops_oldest || session.conversation().history().len() <= 2;
        self.sentence(is_alone, "ask for a shorter answer", session.context() < self.model_context)
    }

    /// `is_alone`: nothing else can be forgotten. `can_grow`: the model has a larger context.
    fn sentence(&self, is_alone: bool, shorter: &str, can_grow: bool) -> String {
        match (is_alone, can_grow, self.is_interactive) {
            (true, false, _) => shorter.to_owned(),
            (true, true, false) => format!("{shorter}, or choose a larger --ctx"),
            (true, true, true) => format!("{shorter}, or start again with a larger --ctx"),
            (false, false, true) => {
                "/clear the conversation, or /save it, start again with --drop-oldest, and /load it".to_owned()
            }
            (false, true, true) => {
                "/clear the conversation, or /save it, start again with a larger --ctx or --drop-oldest, and /load it"
                    .to_owned()
            }
            (false, false, false) => "/clear the conversation, or use --drop-oldest".to_owned(),
            (false, true, false) => "choose a larger --ctx, /clear the conversation, or use --drop-oldest".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_names_only_what_helps() {
        let advice = |is_interactive| Advice { is_interactive, drops_oldest: false, model_context: 400 };
        for (is_alone, can_grow, is_interactive, named) in [
            (true, true, false, &["--ctx"][..]),
            (true, false, false, &[]),
            (true, true, true, &["--ctx"]),
            (false, true, false, &["--ctx", "/clear", "--drop-oldest"]),
            (false, false, false, &["/clear", "--drop-oldest"]),
            (false, true, true, &["--ctx", "/clear", "--drop-oldest", "/save", "/load"]),
            (false, false, true, &["/clear", "--drop-oldest", "/save", "/load"]),
        ] {
            let sentence = advice(is_interactive).sentence(is_alone, "be brief", can_grow);
            for word in ["--ctx", "/clear", "--drop-oldest", "/save", "/load"] {
                assert_eq!(sentence.contains(word), named.contains(&word), "{word}: {sentence}");
            }
        }
    }
}
