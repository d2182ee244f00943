//! Writing a conversation to a file.

use crate::error::CliError;
use crate::output_file::OutputFile;
use cke_engine::chat::conversation::Conversation;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Writes a conversation to a file, in place of a conversation that was there.
///
/// # Errors
/// If another file lies there, or it cannot be written; what was there stays then.
pub(super) fn save(conversation: &Conversation, path: &Path) -> Result<(), CliError> {
    let holds_something = fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() > 0);
    if holds_something && !is_saved_conversation(path) {
        let path = path.display();
        return Err(CliError::Failed(format!("{path}: exists and is not a saved conversation: choose another name")));
    }
    OutputFile::new(path)?.write(&conversation.to_json())
}

/// Whether a file holds what is read from it as a conversation, and nothing else that would be lost.
fn is_saved_conversation(path: &Path) -> bool {
    let Ok(conversation) = Conversation::load(path) else { return false };
    let content = fs::read(path).ok().and_then(|content| serde_json::from_slice::<Value>(&content).ok());
    content.is_some_and(|content| serde_json::from_str::<Value>(&conversation.to_json()).is_ok_and(|it| it == content))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cke_engine::chat::Message;

    #[test]
    fn only_a_saved_conversation_is_replaced() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        let mut conversation = Conversation::new(None);
        save(&conversation, &path).expect("a new file");
        conversation.push(Message::user("a"));
        save(&conversation, &path).expect("a saved conversation");
        assert_eq!(Conversation::load(&path).expect("a conversation"), conversation);
        fs::write(&path, "").expect("a file");
        save(&conversation, &path).expect("an empty file");
        for other in ["import json\n", "{}", r#"{"model": "x", "messages": []}"#, r#"{"messages": []} x"#] {
            fs::write(&path, other).expect("a file");
            let error = save(&conversation, &path).expect_err("another file").to_string();
            assert!(error.contains("is not a saved conversation: choose another name"), "{error}");
            assert_eq!(fs::read_to_string(&path).expect("the file"), other);
        }
    }
}
