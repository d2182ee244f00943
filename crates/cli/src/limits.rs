//! How long a text may become.

use crate::error::CliError;
use cke_engine::generation_config::GenerationConfig;

/// What ends a text that does not end by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Most new tokens.
    pub(crate) max_tokens: usize,
    /// Most tokens of the text and what came before, if that counts.
    pub(crate) max_length: Option<usize>,
}

impl Limits {
    /// What a flag says, or the model, or `usual`. As in transformers, a number of new tokens comes before a length of the whole.
    pub(crate) fn new(flag: Option<usize>, model: &GenerationConfig, usual: usize) -> Limits {
        let max_tokens = flag.or(model.max_new_tokens);
        let max_length = model.max_length.filter(|_| max_tokens.is_none());
        let usual = if max_length.is_some() { usize::MAX } else { usual };
        Limits { max_tokens: max_tokens.unwrap_or(usual), max_length }
    }

    /// Most tokens of a text after a prompt, with the prompt.
    pub(crate) fn length(self, prompt: usize) -> usize {
        prompt.saturating_add(self.max_tokens).min(self.max_length.unwrap_or(usize::MAX))
    }
}

/// The context that a flag asks for, else `usual` or what the model has.
///
/// # Errors
/// If the flag asks for more than the model has.
pub(crate) fn context(flag: Option<usize>, usual: usize, model: &str, limit: usize) -> Result<usize, CliError> {
    match flag {
        Some(context) if context > limit => {
            Err(CliError::Misuse(format!("--ctx {context}: wanted at most {limit}, the context of {model}")))
        }
        flag => Ok(flag.unwrap_or(usual.min(limit))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_of_new_tokens_comes_before_a_length_of_the_whole() {
        let model = GenerationConfig { max_length: Some(50), ..GenerationConfig::default() };
        assert_eq!(Limits::new(None, &model, 128).length(20), 50);
        assert_eq!(Limits::new(Some(70), &model, 128).length(20), 90);
        let model = GenerationConfig { max_new_tokens: Some(5), ..model };
        assert_eq!(Limits::new(None, &model, 128), Limits { max_tokens: 5, max_length: None });
        assert_eq!(Limits::new(None, &GenerationConfig::default(), 128).length(20), 148);
    }
}
