//! Tokens with a role: where a text begins and ends, what fills it up.

use tokenizers::AddedToken;

use super::settings::{Class, ROLES, Role, Settings};
use crate::load_error::LoadError;

/// The ids of the tokens that have a role; `None` if the tokenizer has none in that role, or the model no output for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpecialTokens {
    /// Begins a text.
    pub bos: Option<u32>,
    /// Ends a text.
    pub eos: Option<u32>,
    /// Stands for what the vocabulary lacks.
    pub unk: Option<u32>,
    /// Begins a sequence that is classified or embedded.
    pub cls: Option<u32>,
    /// Ends or separates such sequences.
    pub sep: Option<u32>,
    /// Fills short sequences.
    pub pad: Option<u32>,
    /// Hides a token to be guessed.
    pub mask: Option<u32>,
}

/// The roles without which BERT's class has no frame, or nothing for what its vocabulary lacks.
const BERT_NEEDS: [&str; 3] = ["cls_token", "sep_token", "unk_token"];

/// The special tokens by role.
#[derive(Debug)]
pub(super) struct SpecialNames {
    /// In the order of [`ROLES`].
    tokens: [Option<AddedToken>; ROLES.len()],
}

impl SpecialNames {
    /// The tokens that the settings name, else those that the class is born with.
    pub(super) fn read(settings: &Settings, class: Class) -> Result<Self, LoadError> {
        let mut tokens: [Option<AddedToken>; ROLES.len()] = Default::default();
        for (key, token) in ROLES.into_iter().zip(&mut tokens) {
            *token = match settings.role(key)? {
                Role::Token(token) => Some(token),
                Role::Unsaid => default(key, class).map(|name| AddedToken::from(name, true)),
                Role::Nothing(file) if class == Class::Bert && BERT_NEEDS.contains(&key) => {
                    return Err(file.wrong(key, "a token, which BertTokenizer needs"));
                }
                Role::Nothing(_) => None,
            };
        }
        Ok(Self { tokens })
    }

    /// The name of the token with a role; empty if there is none.
    pub(super) fn name(&self, key: &str) -> &str {
        let place = ROLES.iter().position(|role| *role == key);
        place.and_then(|place| self.tokens[place].as_ref()).map_or("", |token| token.content.as_str())
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &AddedToken> {
        self.tokens.iter().flatten()
    }

    /// The ids of those that are tokens below `model_vocab`. A role that no file names falls to the token that GPT-2 and BERT
    /// have in it.
    pub(super) fn resolve(&self, model_vocab: usize, id_of: impl Fn(&str) -> Option<u32>) -> SpecialTokens {
        let id = |key: &str| {
            let own = self.name(key);
            let name = if own.is_empty() { usual(key) } else { own };
            id_of(name).filter(|&id| (id as usize) < model_vocab)
        };
        SpecialTokens {
            bos: id("bos_token"),
            eos: id("eos_token"),
            unk: id("unk_token"),
            cls: id("cls_token"),
            sep: id("sep_token"),
            pad: id("pad_token"),
            mask: id("mask_token"),
        }
    }
}

const TEXT_END: &str = "<|endoftext|>";

/// The token that GPT-2 or BERT has in a role.
fn usual(key: &str) -> &'static str {
    match key {
        "bos_token" | "eos_token" => TEXT_END,
        "unk_token" => "[UNK]",
        "cls_token" => "[CLS]",
        "sep_token" => "[SEP]",
        "pad_token" => "[PAD]",
        _ => "[MASK]",
    }
}

/// The token that a class has in a role if nothing else is said.
fn default(key: &str, class: Class) -> Option<&'static str> {
    match (class, key) {
        (Class::Gpt2, "bos_token" | "eos_token" | "unk_token") => Some(TEXT_END),
        (Class::Bert, "unk_token" | "cls_token" | "sep_token" | "pad_token" | "mask_token") => Some(usual(key)),
        _ => None,
    }
}
