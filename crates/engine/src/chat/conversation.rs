//! System prompt and history of a conversation.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{ASSISTANT, Message, SYSTEM};
use crate::formats::bounded_file::read_bounded;
use crate::load_error::LoadError;

/// Largest file of a conversation.
const FILE_LIMIT: u64 = 64 << 20;

/// A conversation: at most one system prompt, and the messages after it.
///
/// ```
/// use cke_engine::chat::Message;
/// use cke_engine::chat::conversation::Conversation;
///
/// let mut conversation = Conversation::new(Some("Be brief.".to_owned()));
/// conversation.push(Message::user("2 + 2?"));
/// conversation.push(Message::assistant("5"));
/// conversation.drop_answer();
/// assert_eq!(conversation.messages().len(), 2);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conversation {
    /// The first is the system prompt, if there is one.
    messages: Vec<Message>,
}

/// The file of a conversation.
#[derive(Serialize, Deserialize)]
struct Saved {
    messages: Vec<Message>,
}

impl Conversation {
    /// A conversation in which nothing has been said.
    pub fn new(system: Option<String>) -> Self {
        Self { messages: system.map(|prompt| Message::new(SYSTEM, prompt)).into_iter().collect() }
    }

    /// The system prompt.
    pub fn system(&self) -> Option<&str> {
        self.messages.first().filter(|first| first.role == SYSTEM).map(|first| first.content.as_str())
    }

    /// Gives the conversation another system prompt, or takes it away; the history stays.
    pub fn set_system(&mut self, system: Option<String>) {
        let history = usize::from(self.system().is_some());
        self.messages.splice(..history, system.map(|prompt| Message::new(SYSTEM, prompt)));
    }

    /// The messages after the system prompt.
    pub fn history(&self) -> &[Message] {
        &self.messages[usize::from(self.system().is_some())..]
    }

    /// All messages, the system prompt first: what a template renders for the next turn.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Adds a message.
    pub fn push(&mut self, message: Message) {
        self.messages.push(message);
    }

    /// Takes the last answer away, so that the question before it can be answered anew. `None`, and nothing is done, if the last
    /// message is no answer.
    pub fn drop_answer(&mut self) -> Option<Message> {
        self.messages.pop_if(|last| last.role == ASSISTANT)
    }

    /// Takes the last message away; the system prompt stays.
    pub fn drop_last(&mut self) -> Option<Message> {
        if self.history().is_empty() { None } else { self.messages.pop() }
    }

    /// Takes away everything but the system prompt.
    pub fn clear(&mut self) {
        self.messages.truncate(usize::from(self.system().is_some()));
    }

    /// The conversation as a file has it: `{"messages": [{"role": "user", "content": "…"}, …]}`, as many programs write it.
    pub fn to_json(&self) -> String {
        let saved = Saved { messages: self.messages.clone() };
        serde_json::to_string_pretty(&saved).expect("texts are JSON") + "\n"
    }

    /// Reads a file with what [`Conversation::to_json`] gives. Other keys are passed over.
    ///
    /// # Errors
    /// Fails if the file cannot be read, is larger than 64 MiB, or does not have this form.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        Self::from_json(&read_bounded(path, FILE_LIMIT)?, path)
    }

    /// Reads the content of a file; `file` is for messages.
    ///
    /// # Errors
    /// As [`Conversation::load`].
    pub fn from_json(json: &[u8], file: &Path) -> Result<Self, LoadError> {
        LoadError::check_memory(file, json.len())?;
        match serde_json::from_slice(json) {
            Ok(Saved { messages }) => Ok(Self { messages }),
            Err(source) => Err(match LoadError::json(file, json, source) {
                LoadError::Json { file, source } => LoadError::NoConversation { file, source },
                other => other,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Conversation {
        let mut conversation = Conversation::new(Some("Be brief.".to_owned()));
        conversation.push(Message::user("a\n\"é\""));
        conversation.push(Message::assistant(""));
        conversation
    }

    fn read(json: &str) -> Result<Conversation, String> {
        Conversation::from_json(json.as_bytes(), Path::new("c.json")).map_err(|error| error.to_string())
    }

    #[test]
    fn answer_is_dropped_once_and_questions_stay() {
        let mut conversation = sample();
        assert_eq!(conversation.drop_answer(), Some(Message::assistant("")));
        assert_eq!(conversation.drop_answer(), None);
        assert_eq!(conversation.history(), [Message::user("a\n\"é\"")]);
        assert_eq!(conversation.drop_last(), Some(Message::user("a\n\"é\"")));
        assert_eq!(conversation.drop_last(), None);
        conversation.clear();
        assert_eq!((conversation.messages().len(), conversation.system()), (1, Some("Be brief.")));
        assert_eq!(Conversation::default().drop_answer(), None);
    }

    #[test]
    fn system_prompt_is_replaced_added_and_taken_away() {
        let mut conversation = sample();
        conversation.set_system(Some("Be long.".to_owned()));
        assert_eq!((conversation.system(), conversation.history().len()), (Some("Be long."), 2));
        conversation.set_system(None);
        assert_eq!((conversation.system(), conversation.history().len()), (None, 2));
        conversation.set_system(Some(String::new()));
        assert_eq!((conversation.system(), conversation.messages().len()), (Some(""), 3));
    }

    #[test]
    fn saved_conversation_is_read_back() {
        for conversation in [sample(), Conversation::default()] {
            assert_eq!(read(&conversation.to_json()), Ok(conversation));
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.json");
        std::fs::write(&path, sample().to_json()).unwrap();
        assert_eq!(Conversation::load(&path).unwrap(), sample());
        let extra = r#"{"model": "x", "messages": [{"role": "user", "content": "a", "time": 1}]}"#;
        assert_eq!(read(extra).unwrap().messages(), [Message::user("a")]);
    }

    #[test]
    fn malformed_file_is_an_error_that_names_it() {
        for (json, wanted) in [
            ("", "empty"),
            ("[]", "invalid length 0"),
            ("{}", "missing field `messages`"),
            (r#"{"messages": {}}"#, "invalid type"),
            (r#"{"messages": [{"role": "user"}]}"#, "missing field `content`"),
            (r#"{"messages": [{"role": "user", "content": 1}]}"#, "invalid type: integer"),
            (r#"{"messages": [{"role": "user", "content": "a"}"#, "EOF"),
            (r#"{"messages": []} x"#, "trailing"),
        ] {
            let message = read(json).unwrap_err();
            assert!(message.starts_with("c.json: ") && message.contains(wanted), "{json}: {message}");
        }
        assert!(read(&format!("{{\"x\": {}1", "[".repeat(100_000))).is_err());
        assert!(Conversation::from_json(b"{\"messages\": [{\"role\": \"\xff\"", Path::new("c.json")).is_err());
        assert!(Conversation::load(Path::new("/nowhere/c.json")).is_err());
    }
}
