//! Byte-pair encoding over flat tables.
//!
//! A tokenizer is built each time a program starts. The model of the `tokenizers` crate takes several allocations for each token
//! and hashes each merge four times, so that building it took longer than everything else on the way to the first token. The tables
//! here are a few blocks of memory, and a packed file has what they are made of. Ids are those of the crate, which is the oracle of
//! the tests.

mod merges;
mod tokens;
mod word;

use tokenizers::Token;

use self::word::Word;
use super::bpe_parts::ModelSettings;

pub(super) use self::merges::{Merges, ResolvedMerge};
pub(super) use self::tokens::{Taken, Tokens};

/// A BPE model.
#[derive(Debug, Clone)]
pub(super) struct Bpe {
    tokens: Tokens,
    merges: Merges,
    settings: ModelSettings,
    /// The token of each byte, for a model that falls back to them.
    of_byte: Option<Box<[Option<u32>; 256]>>,
}

impl Bpe {
    /// The merges come in the order of their importance.
    pub(super) fn new(tokens: Tokens, merges: &[ResolvedMerge], settings: ModelSettings) -> Self {
        let of_byte = |byte: usize| tokens.id(&format!("<0x{byte:02X}>"));
        let of_byte = settings.byte_fallback.then(|| Box::new(std::array::from_fn(of_byte)));
        Self { merges: Merges::new(merges), tokens, settings, of_byte }
    }

    pub(super) fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// The tokens of a word, without their texts, which nothing reads.
    pub(super) fn tokenize(&self, word: &str) -> tokenizers::Result<Vec<Token>> {
        let token = |id, start, end| Token::new(id, String::new(), (start, end));
        if self.settings.ignore_merges
            && let Some(id) = self.tokens.id(word)
        {
            return Ok(vec![token(id, 0, word.len())]);
        }
        let mut symbols = self.symbols(word)?;
        symbols.merge(&self.merges);
        let mut start = 0;
        let place = |(id, bytes)| {
            start += bytes;
            token(id, start - bytes, start)
        };
        Ok(symbols.parts().map(place).collect())
    }

    /// A word as tokens of single characters.
    fn symbols(&self, word: &str) -> tokenizers::Result<Word> {
        let mut symbols = Word::with_capacity(word.len());
        // Bytes of unknown characters that have no token yet.
        let mut unknown: Option<usize> = None;
        let mut spelled = String::new();
        for (at, character) in word.char_indices() {
            let bytes = character.len_utf8();
            let text = self.spelled(&word[at..at + bytes], at == 0, at + bytes == word.len(), &mut spelled);
            if let Some(id) = self.tokens.id(text) {
                self.push_unknown(&mut symbols, unknown.take())?;
                symbols.push(id, bytes);
            } else if let Some(ids) = self.bytes_of(text) {
                ids.for_each(|id| symbols.push(id, 1));
            } else if self.settings.unk_token.is_some() {
                let before = if self.settings.fuse_unk { unknown.unwrap_or(0) } else { 0 };
                if !self.settings.fuse_unk {
                    self.push_unknown(&mut symbols, unknown)?;
                }
                unknown = Some(before + bytes);
            }
        }
        self.push_unknown(&mut symbols, unknown)?;
        Ok(symbols)
    }

    /// A character with what the model puts round those that continue and those that end a word.
    fn spelled<'a>(&'a self, text: &'a str, is_first: bool, is_last: bool, room: &'a mut String) -> &'a str {
        let part = |part: &'a Option<String>, is_wanted: bool| part.as_deref().filter(|_| is_wanted).unwrap_or("");
        let prefix = part(&self.settings.continuing_subword_prefix, !is_first);
        let suffix = part(&self.settings.end_of_word_suffix, is_last);
        if prefix.is_empty() && suffix.is_empty() {
            return text;
        }
        room.clear();
        [prefix, text, suffix].into_iter().for_each(|part| room.push_str(part));
        room
    }

    /// The tokens of the bytes of a text, if the model falls back to them and has them all.
    fn bytes_of<'a>(&'a self, text: &'a str) -> Option<impl Iterator<Item = u32> + 'a> {
        let of_byte = self.of_byte.as_deref()?;
        let ids = text.bytes().map(|byte| of_byte[usize::from(byte)]);
        ids.clone().all(|id| id.is_some()).then(|| ids.flatten())
    }

    fn push_unknown(&self, symbols: &mut Word, bytes: Option<usize>) -> tokenizers::Result<()> {
        let (Some(bytes), Some(token)) = (bytes, &self.settings.unk_token) else { return Ok(()) };
        let id =
            self.tokens.id(token).ok_or_else(|| format!("the vocabulary has no token {token:?} of `unk_token`"))?;
        symbols.push(id, bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
