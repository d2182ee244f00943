//! Text to token ids and back.

mod error;
mod frame;
mod json;
mod legacy;
mod special_tokens;
mod token_bytes;
mod vocabulary;

use std::path::Path;

use tokenizers::PostProcessorWrapper;

pub use self::error::{TokenizeError, TokenizerFileError};
pub use self::special_tokens::SpecialTokens;

use self::frame::Frame;
use self::special_tokens::SpecialNames;
use self::token_bytes::TokenBytes;
use crate::formats::bounded_file::{TOKENIZER_LIMIT, read_bounded};
use crate::load_error::LoadError;

/// A model's tokenizer: byte-level BPE (GPT-2) or WordPiece (BERT).
///
/// It is loaded for a vocabulary of a given size, the rows of the model's token embedding, and every id that it gives
/// is below that. Cutting and padding that its file asks for is switched off: how long a sequence may be is for the
/// caller to say.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    frame: Frame,
    token_bytes: TokenBytes,
    special: SpecialTokens,
    /// Ids of all tokens that are no part of a text, sorted.
    special_ids: Vec<u32>,
    /// Number of tokens of this tokenizer: its largest id plus one.
    vocab_size: usize,
    /// Number of ids that the model knows.
    model_vocab: usize,
}

impl Tokenizer {
    /// Reads the tokenizer of a model directory: `tokenizer.json`, else `vocab.json` with `merges.txt`, else
    /// `vocab.txt`. `model_vocab` is the size of the model's vocabulary.
    ///
    /// # Errors
    ///
    /// There is none of these files, or one is malformed, contradicts itself, or has an id outside the model's
    /// vocabulary.
    pub fn load(dir: &Path, model_vocab: usize) -> Result<Self, LoadError> {
        let names = SpecialNames::read(dir, &SpecialNames::usual())?;
        let json = dir.join("tokenizer.json");
        let has = |name: &str| dir.join(name).exists();
        let built = if json.exists() {
            json::read(&read_bounded(&json, TOKENIZER_LIMIT)?, &json, model_vocab)?
        } else if has(legacy::BPE_VOCABULARY) && has(legacy::BPE_MERGES) {
            legacy::byte_level_bpe(dir, model_vocab)?
        } else if has(legacy::WORD_PIECES) {
            legacy::word_piece(dir, model_vocab)?
        } else {
            return Err(LoadError::NoTokenizer { dir: dir.to_owned() });
        };
        Self::new(built, &names, dir, model_vocab)
    }

    /// Reads the content of a `tokenizer.json`; `name` stands for its path in messages.
    ///
    /// # Errors
    ///
    /// As [`Tokenizer::load`].
    pub fn from_bytes(tokenizer_json: &[u8], name: &str, model_vocab: usize) -> Result<Self, LoadError> {
        let file = Path::new(name);
        let built = json::read(tokenizer_json, file, model_vocab)?;
        Self::new(built, &SpecialNames::usual(), file, model_vocab)
    }

    fn new(
        (mut inner, frame): (tokenizers::Tokenizer, Frame),
        names: &SpecialNames,
        file: &Path,
        model_vocab: usize,
    ) -> Result<Self, LoadError> {
        let rejected = |error: tokenizers::Error| TokenizerFileError::Rejected { reason: error.to_string() };
        inner.with_truncation(None).map_err(|error| LoadError::tokenizer(file, rejected(error)))?;
        inner.with_padding(None);
        // The frame takes its place.
        inner.with_post_processor(None::<PostProcessorWrapper>);
        let vocab_size = inner.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1);
        let tokens = (0..vocab_size as u32).map(|id| inner.id_to_token(id));
        let token_bytes = TokenBytes::new(tokens, json::is_byte_level(&inner));
        let added = inner.get_added_tokens_decoder();
        let mut special_ids: Vec<u32> =
            added.into_iter().filter(|(_, token)| token.special).map(|(id, _)| id).collect();
        special_ids.sort_unstable();
        let special = names.resolve(|name| inner.token_to_id(name));
        Ok(Self { inner, frame, token_bytes, special, special_ids, vocab_size, model_vocab })
    }

    /// The ids of a text. With `special`, the tokens that the model wants round a text are added (`[CLS] … [SEP]` for
    /// BERT, nothing for GPT-2). A special token written out in the text is one id either way.
    ///
    /// # Errors
    ///
    /// The tokenizer's rules fail on the text.
    pub fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, TokenizeError> {
        self.encode_truncated(text, special, usize::MAX)
    }

    /// As [`Tokenizer::encode`], with the end of the text cut off so that there are at most `max_len` ids, the added
    /// special tokens included: BERT's `[SEP]` stays.
    ///
    /// # Errors
    ///
    /// The tokenizer's rules fail on the text, or `max_len` has no room for the special tokens.
    pub fn encode_truncated(&self, text: &str, special: bool, max_len: usize) -> Result<Vec<u32>, TokenizeError> {
        let (before, after): (&[u32], &[u32]) =
            if special { (&self.frame.before, &self.frame.after) } else { (&[], &[]) };
        let added = before.len() + after.len();
        let room = max_len.checked_sub(added).ok_or(TokenizeError::NoRoom { special: added, max_len })?;
        let encoding =
            self.inner.encode_fast(text, false).map_err(|error| TokenizeError::Failed { reason: error.to_string() })?;
        let ids = encoding.get_ids();
        let ids = &ids[..ids.len().min(room)];
        ids.iter().try_for_each(|&id| self.check_id(id))?;
        Ok([before, ids, after].concat())
    }

    /// [`Tokenizer::encode_truncated`] for each text.
    ///
    /// # Errors
    ///
    /// As [`Tokenizer::encode_truncated`], for the first text that fails.
    pub fn encode_batch(
        &self,
        texts: &[impl AsRef<str>],
        special: bool,
        max_len: usize,
    ) -> Result<Vec<Vec<u32>>, TokenizeError> {
        texts.iter().map(|text| self.encode_truncated(text.as_ref(), special, max_len)).collect()
    }

    /// How many special tokens are added to each text.
    pub fn special_per_text(&self) -> usize {
        self.frame.len()
    }

    /// The text of `ids`; with `skip_special`, without the special tokens. Bytes that are no UTF-8 become U+FFFD.
    ///
    /// # Errors
    ///
    /// An id is outside the model's vocabulary.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, TokenizeError> {
        ids.iter().try_for_each(|&id| self.check_id(id))?;
        self.inner.decode(ids, skip_special).map_err(|error| TokenizeError::Failed { reason: error.to_string() })
    }

    /// The exact bytes that a token of a byte-level tokenizer adds to a text, which may be part of a character; see
    /// [`TextStream`](crate::text_stream::TextStream). A WordPiece token gives its text as the vocabulary has it.
    /// An id of the model without a token (embeddings are often padded) gives nothing.
    ///
    /// # Errors
    ///
    /// The id is outside the model's vocabulary.
    pub fn token_bytes(&self, id: u32) -> Result<&[u8], TokenizeError> {
        self.check_id(id)?;
        Ok(self.token_bytes.get(id))
    }

    /// The token as the vocabulary has it.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The id of a token as the vocabulary has it.
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// Whether a token is no part of a text, as an end of text is.
    pub fn is_special(&self, id: u32) -> bool {
        self.special_ids.binary_search(&id).is_ok()
    }

    /// The tokens that have a role.
    pub fn special_tokens(&self) -> &SpecialTokens {
        &self.special
    }

    /// `"byte-level BPE"` or `"WordPiece"`, the two kinds that are read.
    pub fn kind(&self) -> &'static str {
        if json::is_byte_level(&self.inner) { "byte-level BPE" } else { "WordPiece" }
    }

    /// Largest id of a token plus one. The model's vocabulary may be larger.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    fn check_id(&self, id: u32) -> Result<(), TokenizeError> {
        if (id as usize) < self.model_vocab {
            return Ok(());
        }
        Err(TokenizeError::UnknownId { id, vocabulary: self.model_vocab })
    }
}
