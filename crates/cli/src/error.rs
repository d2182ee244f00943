//! What ends a command, and with which exit status.

use crate::input::Source;
use crate::output::{note, one_line};
use crate::signals::Signal;
use cke_engine::error::Error;
use cke_engine::load_error::LoadError;
use cke_engine::sampler::SamplerError;
use cke_engine::text_stream::EmptyStop;
use cke_engine::tokenizer::TokenizeError;
use cke_report::results::ResultsError;
use std::io;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The engine refused or failed.
    #[error(transparent)]
    Engine(Error),
    /// A model of another kind than the command takes.
    #[error("{source}; {hint}")]
    OtherModel { source: Box<Error>, hint: &'static str },
    /// A model computed what is no number.
    #[error("{model}: {source}: its weights hold such values or lead to them")]
    NotANumber { model: String, source: Box<Error> },
    /// A file or standard input cannot be read.
    #[error("{input}: cannot be read: {source}")]
    Input { input: String, source: io::Error },
    /// The content of a file or of standard input is not what it should be.
    #[error("{input}: wanted {wanted}, found {found}")]
    Content { input: String, wanted: String, found: String },
    /// A text, and nothing to turn it into tokens.
    #[error(
        "{model}: wanted a tokenizer (tokenizer.json, vocab.json with merges.txt, or vocab.txt; in a GGUF file, keys tokenizer.ggml.*), found none: {hint}"
    )]
    NoTokenizer { model: String, hint: &'static str },
    /// A prompt that leaves no room for new tokens.
    #[error(
        "prompt{which} has {tokens} tokens; the model's context has {context} and must have room for at least one new token: \
         shorten the prompt or use --sliding-window"
    )]
    PromptTooLong {
        /// Empty, or a space and its number.
        which: String,
        /// How many, or more than how many.
        tokens: String,
        context: usize,
    },
    /// Flags or arguments that make no sense together; those that make none alone are refused by clap.
    #[error("{0}")]
    Misuse(String),
    /// Anything else that went wrong.
    #[error("{0}")]
    Failed(String),
    /// Standard output cannot be written to.
    #[error("standard output: {0}")]
    Output(io::Error),
    /// The reader of standard output closed it, so the rest is not written.
    #[error("standard output was closed")]
    ClosedOutput,
    /// A signal stopped the work.
    #[error("interrupted")]
    Interrupted(Signal),
}

impl CliError {
    /// The same with the model's name if the model computed what is no number.
    pub(crate) fn naming(self, model: &str) -> CliError {
        match self {
            CliError::Engine(source) if is_not_a_number(&source) => {
                CliError::NotANumber { model: model.to_owned(), source: Box::new(source) }
            }
            other => other,
        }
    }

    /// That of results in a file.
    pub(crate) fn of_results(error: ResultsError, source: Source<'_>) -> CliError {
        match error {
            ResultsError::Choice(message) => CliError::Misuse(message),
            ResultsError::Content { wanted, found } => {
                CliError::Content { input: source.name(), wanted: wanted.to_owned(), found }
            }
        }
    }

    /// The process's exit status.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            CliError::ClosedOutput => 0,
            CliError::Misuse(_) => 2,
            CliError::Interrupted(signal) => signal.exit_status(),
            _ => 1,
        }
    }

    /// Says on standard error what went wrong, in one line, if anything did.
    pub(crate) fn report(&self) {
        if matches!(self, CliError::ClosedOutput | CliError::Interrupted(_)) {
            return;
        }
        note(&format!("error: {}", one_line(&self.to_string())));
    }
}

fn is_not_a_number(error: &Error) -> bool {
    match error {
        Error::InSequence { source, .. } => is_not_a_number(source),
        Error::Sampler(SamplerError::NotANumber { .. }) => true,
        _ => false,
    }
}

impl From<Error> for CliError {
    fn from(error: Error) -> CliError {
        match error {
            Error::WrongArchitecture { found: "bert", .. } => {
                CliError::OtherModel { source: Box::new(error), hint: "`cke embed` turns texts into vectors with it" }
            }
            Error::WrongArchitecture { wanted: "BERT", .. } => {
                CliError::OtherModel { source: Box::new(error), hint: "`cke generate` continues texts with it" }
            }
            error => CliError::Engine(error),
        }
    }
}

impl From<LoadError> for CliError {
    fn from(error: LoadError) -> CliError {
        Error::from(error).into()
    }
}

impl From<TokenizeError> for CliError {
    fn from(error: TokenizeError) -> CliError {
        CliError::Engine(error.into())
    }
}

impl From<cke_kernels::Error> for CliError {
    fn from(error: cke_kernels::Error) -> CliError {
        CliError::Engine(error.into())
    }
}

impl From<EmptyStop> for CliError {
    fn from(error: EmptyStop) -> CliError {
        CliError::Misuse(error.to_string())
    }
}
