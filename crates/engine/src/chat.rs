//! Conversations: from messages to the text that a model was trained on, and what is reused between two turns.
//!
//! | module | what it has |
//! |---|---|
//! | [`template`] | a model's chat template, rendered as transformers renders it |
//! | [`conversation`] | system prompt and history of a conversation, and its file |
//! | [`turn_end`] | what a template puts after an answer, and which tokens end one |
//! | [`prefix`] | the tokens of a KV cache that the next turn can use again |
//! | [`thinking`] | streamed text, parted into thinking and answer |
//! | [`session`] | a chat with a model, turn after turn |
//!
//! Nothing but [`session`] knows a model: text and token lists go in, text and numbers come out.

pub mod clock;
pub mod conversation;
mod environment;
mod isolation;
mod methods;
mod plain_data;
pub mod prefix;
pub mod session;
pub mod template;
mod template_source;
pub mod thinking;
pub mod turn_end;

use serde::{Deserialize, Serialize};

/// The role of the instructions that come before a conversation.
pub const SYSTEM: &str = "system";
/// The role of the person who asks.
pub const USER: &str = "user";
/// The role of the model.
pub const ASSISTANT: &str = "assistant";

/// One message of a conversation. The role is the template's matter: most know `system`, `user` and `assistant`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The speaker: [`SYSTEM`], [`USER`], [`ASSISTANT`], or another role that the template knows.
    pub role: String,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A message of any role.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into() }
    }

    /// A message of the role `user`.
    pub fn user(content: impl Into<String>) -> Self {
        Self::new(USER, content)
    }

    /// A message of the role `assistant`.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::new(ASSISTANT, content)
    }
}
