//! What a GGUF file says of its tokenizer.

use super::value::Value;
use super::{GgufFile, LoadError};
use crate::tokenizer::gguf::GgufTokenizer;

impl GgufFile {
    /// The keys of the tokenizer; `None` if the file has none.
    ///
    /// # Errors
    /// Fails if a key is missing or has the wrong type, a list is not as long as the vocabulary, or an allocation
    /// fails.
    pub fn tokenizer(&self) -> Result<Option<GgufTokenizer>, LoadError> {
        let Some(model) = self.text(&full("model"))?.map(str::to_owned) else { return Ok(None) };
        let tokens = self.required(&full("tokens"), self.strings("tokens")?, "an array of STRING")?;
        Ok(Some(GgufTokenizer {
            model,
            pre: self.text(&full("pre"))?.map(str::to_owned),
            scores: self.for_each_token("scores", "FLOAT32", tokens.len(), as_f32)?,
            token_types: self.for_each_token("token_type", "INT32", tokens.len(), as_i32)?,
            tokens,
            merges: self.strings("merges")?.unwrap_or_default(),
            bos: self.token_id("bos_token_id")?,
            eos: self.token_id("eos_token_id")?,
            unk: self.token_id("unknown_token_id")?,
            pad: self.token_id("padding_token_id")?,
            eot: self.token_id("eot_token_id")?,
            add_bos: self.flag(&full("add_bos_token"))?,
            add_eos: self.flag(&full("add_eos_token"))?,
            add_space_prefix: self.flag(&full("add_space_prefix"))?,
            remove_extra_whitespaces: self.flag(&full("remove_extra_whitespaces"))?,
            chat_template: self.text("tokenizer.chat_template")?.map(str::to_owned),
        }))
    }

    /// Whether the file has a tokenizer, which may be malformed.
    pub(super) fn has_tokenizer(&self) -> bool {
        !matches!(self.value(&full("model")), Ok(None))
    }

    fn strings(&self, key: &str) -> Result<Option<Vec<String>>, LoadError> {
        self.list(&full(key), "an array of STRING", |value| match value {
            Value::Text(text) => Some(text.to_owned()),
            _ => None,
        })
    }

    /// A list with an element for each token.
    fn for_each_token<T>(
        &self,
        key: &str,
        wanted: &str,
        tokens: usize,
        element: impl Fn(Value<'_>) -> Option<T>,
    ) -> Result<Option<Vec<T>>, LoadError> {
        let (key, wanted) = (full(key), format!("an array of {tokens} {wanted}, one for each token"));
        let list = self.list(&key, &wanted, element)?;
        match list {
            Some(list) if list.len() != tokens => {
                Err(LoadError::config(self.path(), key, wanted, format!("{} of them", list.len())))
            }
            list => Ok(list),
        }
    }

    fn token_id(&self, key: &str) -> Result<Option<u32>, LoadError> {
        // Cannot truncate: the number is in the range.
        Ok(self.integer(&full(key), 0..=u64::from(u32::MAX))?.map(|id| id as u32))
    }
}

fn full(key: &str) -> String {
    format!("tokenizer.ggml.{key}")
}

fn as_f32(value: Value<'_>) -> Option<f32> {
    match value {
        Value::Float(_, number) => Some(number as f32),
        _ => None,
    }
}

fn as_i32(value: Value<'_>) -> Option<i32> {
    match value {
        Value::Integer(_, number) => i32::try_from(number).ok(),
        _ => None,
    }
}
