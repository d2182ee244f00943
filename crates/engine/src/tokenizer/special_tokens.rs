//! Tokens with a role: where a text begins and ends, what fills it up.

use tokenizers::AddedToken;

use super::class_name::Class;
use super::settings::{ROLES, Role, Settings};
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

/// The texts of the tokens that the files, or the class that they name, have in a role; `None` if there is no such token. They are
/// what a chat template calls `bos_token` and so on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpecialTexts {
    /// Begins a text.
    pub bos: Option<String>,
    /// Ends a text.
    pub eos: Option<String>,
    /// Stands for what the vocabulary lacks.
    pub unk: Option<String>,
    /// Begins a sequence that is classified or embedded.
    pub cls: Option<String>,
    /// Ends or separates such sequences.
    pub sep: Option<String>,
    /// Fills short sequences.
    pub pad: Option<String>,
    /// Hides a token to be guessed.
    pub mask: Option<String>,
}

/// The roles without which BERT's class has no frame, or nothing for what its vocabulary lacks.
const BERT_NEEDS: [&str; 3] = ["cls_token", "sep_token", "unk_token"];

/// The special tokens by role.
#[derive(Debug)]
pub(super) struct SpecialNames {
    /// In the order of [`ROLES`].
    tokens: [Option<AddedToken>; ROLES.len()],
    /// Whether the token that GPT-2 and BERT have in it takes a role without one.
    has_usual: [bool; ROLES.len()],
}

impl SpecialNames {
    /// The tokens that the settings name, else those that the class is born with.
    pub(super) fn read(settings: &Settings, class: Class) -> Result<Self, LoadError> {
        let mut tokens: [Option<AddedToken>; ROLES.len()] = Default::default();
        let mut has_usual = [false; ROLES.len()];
        for ((key, token), has_usual) in ROLES.into_iter().zip(&mut tokens).zip(&mut has_usual) {
            *token = match settings.role(key)? {
                Role::Token(token) => Some(token),
                Role::Unsaid => {
                    *has_usual = matches!(class, Class::Gpt2 | Class::Bert | Class::General);
                    default(key, class).map(|name| AddedToken::from(name, true))
                }
                Role::Nothing(file) if class == Class::Bert && BERT_NEEDS.contains(&key) => {
                    return Err(file.wrong(key, "a token, which BertTokenizer needs"));
                }
                Role::Nothing(_) => None,
            };
        }
        Ok(Self { tokens, has_usual })
    }

    /// The name of the token with a role; empty if there is none.
    pub(super) fn name(&self, key: &str) -> &str {
        self.entry(key).map_or("", |(name, _)| name)
    }

    /// The name of the token with a role, empty if there is none, and whether the usual one takes it then.
    fn entry(&self, key: &str) -> Option<(&str, bool)> {
        let place = ROLES.iter().position(|role| *role == key)?;
        let name = self.tokens[place].as_ref().map_or("", |token| token.content.as_str());
        Some((name, self.has_usual[place]))
    }

    /// The names of all of them.
    pub(super) fn texts(&self) -> SpecialTexts {
        let text = |key: &str| Some(self.name(key)).filter(|name| !name.is_empty()).map(str::to_owned);
        SpecialTexts {
            bos: text("bos_token"),
            eos: text("eos_token"),
            unk: text("unk_token"),
            cls: text("cls_token"),
            sep: text("sep_token"),
            pad: text("pad_token"),
            mask: text("mask_token"),
        }
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &AddedToken> {
        self.tokens.iter().flatten()
    }

    /// The ids of those that are tokens below `model_vocab`. A role of which no file says anything falls to the
    /// token that GPT-2 and BERT have in it, unless the class is another one.
    pub(super) fn resolve(&self, model_vocab: usize, id_of: impl Fn(&str) -> Option<u32>) -> SpecialTokens {
        let id = |key: &str| {
            let name = match self.entry(key)? {
                ("", true) => usual(key),
                (own, _) => own,
            };
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
        (Class::Qwen2, "eos_token" | "unk_token" | "pad_token") => Some(TEXT_END),
        (Class::Llama | Class::Gemma, "unk_token") => Some("<unk>"),
        (Class::Llama, "bos_token") => Some("<s>"),
        (Class::Llama, "eos_token") => Some("</s>"),
        (Class::Gemma, "bos_token") => Some("<bos>"),
        (Class::Gemma, "eos_token") => Some("<eos>"),
        (Class::Gemma, "pad_token") => Some("<pad>"),
        (Class::Gemma, "mask_token") => Some("<mask>"),
        (Class::Bert, "unk_token" | "cls_token" | "sep_token" | "pad_token" | "mask_token") => Some(usual(key)),
        _ => None,
    }
}
