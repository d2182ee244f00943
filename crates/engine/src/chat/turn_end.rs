//! What a template puts after an answer, and which tokens end one.

use super::Message;
use super::template::{ChatTemplate, RenderOptions, TemplateError};

/// Stands for the answer. No template has a reason to change it.
const MARK: &str = "MARKOFTHEANSWER";

/// What follows an answer in a template's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnEnd {
    text: String,
}

impl TurnEnd {
    /// Renders a question with an answer and sees what comes after it. Nothing does if the template leaves out the answer.
    ///
    /// # Errors
    /// Fails if the template cannot render a question and an answer.
    pub fn of(template: &ChatTemplate) -> Result<Self, TemplateError> {
        let messages = [Message::user("Question?"), Message::assistant(MARK)];
        let text = template.render(&messages, &RenderOptions::default())?;
        let text = text.rsplit_once(MARK).map_or("", |(_, after)| after).to_owned();
        Ok(Self { text })
    }

    /// All that follows, such as `<|im_end|>` and a line end.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The special token with which it begins, white space aside: the longest of those that match.
    ///
    /// `None` if something else follows, in which case the text may serve as a stop string.
    pub fn special_token<'a>(&self, specials: impl IntoIterator<Item = (&'a str, u32)>) -> Option<u32> {
        let text = self.text.trim_start();
        let begins = specials.into_iter().filter(|(special, _)| !special.is_empty() && text.starts_with(special));
        begins.max_by_key(|(special, _)| special.len()).map(|(_, id)| id)
    }

    /// The tokens that end an answer, in order: those that end any text (`eos_token_ids`) and the one that the template puts there.
    pub fn stop_tokens<'a>(
        &self,
        eos_token_ids: &[u32],
        specials: impl IntoIterator<Item = (&'a str, u32)>,
    ) -> Vec<u32> {
        let mut stops = eos_token_ids.to_vec();
        stops.extend(self.special_token(specials));
        stops.sort_unstable();
        stops.dedup();
        stops
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::template::TemplateTokens;
    use std::path::Path;

    const SPECIALS: [(&str, u32); 4] = [("<|end|>", 7), ("<|end|>x", 8), ("</s>", 2), ("", 1)];

    fn end_of(text: &str) -> TurnEnd {
        let tokens = TemplateTokens { eos_token: Some("</s>".to_owned()), ..TemplateTokens::default() };
        TurnEnd::of(&ChatTemplate::new(text, tokens, Path::new("t")).unwrap()).unwrap()
    }

    #[test]
    fn special_token_after_the_answer_is_found_behind_white_space() {
        let end = end_of("{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>\n{% endfor %}{{ eos_token }}");
        assert_eq!((end.text(), end.special_token(SPECIALS)), ("<|end|>\n</s>", Some(7)));
        assert_eq!(end.stop_tokens(&[9, 2, 7], SPECIALS), [2, 7, 9]);
        let end =
            end_of("{% for m in messages %}[{{ m.content }}] {{ m.content.strip() }} {{ eos_token }}{% endfor %}");
        assert_eq!((end.text(), end.special_token(SPECIALS)), (" </s>", Some(2)));
        assert_eq!(end_of("{{ messages[1].content }}<|end|>xy").special_token(SPECIALS), Some(8));
    }

    #[test]
    fn template_without_a_special_token_after_the_answer_has_none() {
        let end = end_of("{% for m in messages %}{{ m.role }}: {{ m.content }}\n\n{% endfor %}");
        assert_eq!((end.text(), end.special_token(SPECIALS)), ("\n\n", None));
        assert_eq!(end.stop_tokens(&[3], SPECIALS), [3]);
        assert_eq!(end_of("{{ messages[0].content }}").text(), "");
        assert_eq!(end_of("{{ messages[1].content }} and </s>").special_token(SPECIALS), None);
    }
}
