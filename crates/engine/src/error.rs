//! What can go wrong while a model runs.

use crate::chat::template::TemplateError;
use crate::load_error::LoadError;
use crate::sampler::SamplerError;
use crate::text_stream::EmptyStop;
use crate::tokenizer::TokenizeError;
use std::io;

/// Why the engine could not do what it was asked.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The model's files cannot be used.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A kernel refused its operands, or memory or threads could not be had.
    #[error(transparent)]
    Kernel(#[from] cke_kernels::Error),
    /// `CKE_ISA` or `CKE_REQUIRE_ISA` cannot be honoured.
    #[error(transparent)]
    Cpu(#[from] cke_kernels::cpu::CpuError),
    /// A text cannot become tokens, or tokens text.
    #[error(transparent)]
    Tokenize(#[from] TokenizeError),
    /// Sampling settings or logits that make no distribution.
    #[error(transparent)]
    Sampler(#[from] SamplerError),
    /// A conversation cannot become text.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// An empty stop string.
    #[error(transparent)]
    Stop(#[from] EmptyStop),
    /// A conversation that leaves no room for an answer.
    #[error(
        "the conversation has {}{tokens} tokens with the new question; the context has {context} and must have room for an answer",
        if *is_cut { "more than " } else { "" }
    )]
    ConversationTooLong {
        /// Tokens of the conversation as its template writes it, as far as they were counted.
        tokens: usize,
        /// Whether there are more.
        is_cut: bool,
        /// Positions of the cache.
        context: usize,
    },
    /// A conversation whose last message is no question.
    #[error("wanted a question to answer, found none: ask one first")]
    NoQuestion,
    /// A conversation of which the chat template makes nothing.
    #[error("the chat template makes an empty text of the conversation, wanted at least one token")]
    EmptyConversation,
    /// A token that the model does not know.
    #[error("token {id} at position {position}: wanted an id below the vocabulary's size {vocabulary}")]
    UnknownToken {
        /// The id.
        id: u32,
        /// Where it stands in its sequence.
        position: usize,
        /// Number of tokens of the model.
        vocabulary: usize,
    },
    /// A token type that the model does not know.
    #[error("token type {id} at position {position}: wanted one below {types}")]
    UnknownTokenType {
        /// The token type.
        id: u32,
        /// Where it stands in its sequence.
        position: usize,
        /// Number of token types of the model.
        types: usize,
    },
    /// What is wrong with one of several sequences or texts.
    #[error("sequence {sequence}: {source}")]
    InSequence {
        /// Which one, counted from 0.
        sequence: usize,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// More positions than the model was trained for.
    #[error("the sequence needs {wanted} positions, the model's context has {limit}{hint}")]
    Context {
        /// Positions needed.
        wanted: usize,
        /// Positions of the model.
        limit: usize,
        /// What could be done about it; may be empty.
        hint: &'static str,
    },
    /// A prompt that leaves no room below the length that was set.
    #[error(
        "the prompt has {prompt_len} tokens, `max_length` allows {max_length} together with those generated: shorten the prompt or \
         set the number of new tokens instead"
    )]
    MaxLength {
        /// Tokens of the prompt.
        prompt_len: usize,
        /// Tokens of the prompt and of what is generated.
        max_length: usize,
    },
    /// A packed file cannot be written.
    #[error("cannot write the packed file: {0}")]
    Write(#[from] io::Error),
    /// Weights whose packed form is not the same for every CPU.
    #[error(
        "the memory layout of {format} weights differs between CPUs, so a packed file cannot hold them: choose another `--dtype`, \
         such as int8"
    )]
    NotPortable {
        /// Their format.
        format: &'static str,
    },
    /// A forward pass that was ended before it was done.
    #[error("cancelled")]
    Cancelled,
    /// Nothing to work on.
    #[error("wanted at least {wanted} tokens, found {found}")]
    TooFewTokens {
        /// The least that makes sense.
        wanted: usize,
        /// What there was.
        found: usize,
    },
    /// A prompt that the model does not have.
    #[error("prompt {name:?}: wanted one of {known}")]
    UnknownPrompt {
        /// The name asked for.
        name: String,
        /// The names of the model's prompts.
        known: String,
    },
    /// A model of one kind where another is needed.
    #[error("{file} holds a {found} model, this needs a {wanted} model")]
    WrongArchitecture {
        /// The model.
        file: String,
        /// What is needed.
        wanted: &'static str,
        /// What it is.
        found: &'static str,
    },
}

cke_kernels::debug_as_display!(Error);

impl Error {
    /// The same of one sequence among several.
    pub(crate) fn in_sequence(self, sequence: usize) -> Error {
        Error::InSequence { sequence, source: Box::new(self) }
    }
}
