//! The prompts: where they come from, and their tokens.

use crate::error::CliError;
use crate::input::Source;
use crate::language_model::ModelInfo;
use crate::model::refuse_model_as_text;
use cke_engine::tokenizer::Encoded;
use std::path::PathBuf;

/// Where the prompts come from.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct PromptArgs {
    /// Text to continue [default: standard input, also named -]
    ///
    /// One line break at the end of standard input is dropped. For an empty text, the model starts from its start-of-text token.
    #[arg(value_name = "PROMPT", group = "source")]
    prompt: Option<String>,
    /// The same as PROMPT, for consistency with cke chat
    #[arg(short = 'p', long = "prompt", value_name = "TEXT", group = "source", allow_hyphen_values = true)]
    prompt_flag: Option<String>,
    /// File with a JSON list of token ids instead of a text
    ///
    /// - is standard input. A model without a tokenizer accepts only this, and its output is token ids.
    #[arg(long, value_name = "FILE", group = "source")]
    tokens_file: Option<PathBuf>,
    /// File with a prompt on each line, or a JSON list of strings
    ///
    /// A name that ends in .json means JSON. - is standard input. An empty line is an empty prompt.
    #[arg(long, value_name = "FILE", group = "source")]
    prompts_file: Option<PathBuf>,
}

/// What to continue.
#[derive(Debug, PartialEq)]
pub(super) enum Prompt {
    Text(String),
    Tokens(Vec<u32>),
}

impl PromptArgs {
    /// Whether the prompts are those of a file, however few.
    pub(super) fn is_list(&self) -> bool {
        self.prompts_file.is_some()
    }

    /// The prompts, at least one.
    ///
    /// # Errors
    /// If a file or standard input cannot be read or is not what it should be.
    pub(super) fn read(&self) -> Result<Vec<Prompt>, CliError> {
        if let Some(file) = &self.tokens_file {
            return Ok(vec![Prompt::Tokens(Source::new(Some(file)).tokens()?)]);
        }
        if let Some(file) = &self.prompts_file {
            return Ok(Source::new(Some(file)).texts()?.into_iter().map(Prompt::Text).collect());
        }
        let text = match self.prompt.as_deref().or(self.prompt_flag.as_deref()) {
            Some(text) if text != "-" => {
                refuse_model_as_text(text)?;
                text.to_owned()
            }
            _ => {
                let text = Source::Stdin.text()?;
                let line = text.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
                line.unwrap_or(&text).to_owned()
            }
        };
        Ok(vec![Prompt::Text(text)])
    }
}

impl Prompt {
    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Prompt::Text(text) => Some(text),
            Prompt::Tokens(_) => None,
        }
    }

    /// The prompt as text. Without a tokenizer: token ids, each followed by a space.
    ///
    /// # Errors
    /// If the tokenizer fails on the tokens.
    pub(super) fn display(&self, model: &ModelInfo) -> Result<String, CliError> {
        match (self, &model.tokenizer) {
            (Prompt::Text(text), _) => Ok(text.clone()),
            (Prompt::Tokens(tokens), Some(tokenizer)) => Ok(tokenizer.decode(tokens, true)?),
            (Prompt::Tokens(tokens), None) => Ok(tokens.iter().map(|token| format!("{token} ")).collect()),
        }
    }

    /// Its tokens, at least one; those of a text at most `max_len`.
    ///
    /// # Errors
    /// Fails if the model has no tokenizer, or no token to begin an empty text with.
    pub(super) fn tokens(&self, model: &ModelInfo, max_len: usize) -> Result<Encoded, CliError> {
        let encoded = match self {
            Prompt::Text(text) => model.encode(text, max_len)?,
            Prompt::Tokens(tokens) => Encoded { ids: tokens.clone(), is_cut: false },
        };
        if !encoded.ids.is_empty() {
            return Ok(encoded);
        }
        let special = model.tokenizer.as_ref().map(|tokenizer| *tokenizer.special_tokens()).unwrap_or_default();
        let start = model.generation.bos_token_id.or(special.bos).or(model.generation.eos_token_ids.first().copied());
        match start {
            Some(start) => Ok(Encoded { ids: vec![start], is_cut: false }),
            None => Err(CliError::Failed(format!(
                "{}: wanted a prompt, found an empty one, and the model has no start-of-text token",
                model.name
            ))),
        }
    }
}
