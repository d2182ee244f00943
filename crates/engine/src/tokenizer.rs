//! Text to token ids and back: [`Tokenizer::encode`] and [`Tokenizer::decode`].
//!
//! [`Bundle::tokenizer`](crate::bundle::Bundle::tokenizer) makes a model's tokenizer; a text that appears token by token goes through
//! [`TextStream`](crate::text_stream::TextStream). [`gguf`] is for readers of GGUF files.

mod bpe;
mod bpe_parts;
mod chat_template;
mod class;
mod class_name;
mod error;
mod extra_tokens;
mod frame;
pub mod gguf;
mod json;
mod model;
mod overruled;
pub(crate) mod packed;
mod patterns;
mod pieces;
pub(crate) mod settings;
mod special_tokens;
mod token_bytes;
mod vocabulary;
mod vocabulary_files;

use std::borrow::Cow;
use std::path::Path;

use tokenizers::normalizers::{Lowercase, Sequence};
use tokenizers::{Model, NormalizerWrapper, PostProcessorWrapper};

pub use self::error::{TokenizeError, TokenizerFileError};
pub use self::special_tokens::{SpecialTexts, SpecialTokens};

use self::bpe_parts::Spelling;
use self::chat_template::ChatTemplates;
use self::class::Source;
use self::class_name::Class;
use self::frame::Frame;
use self::model::{ModelTokenizer, TextModel};
use self::pieces::Cuts;
use self::settings::Settings;
use self::special_tokens::SpecialNames;
use self::token_bytes::TokenBytes;
use crate::error::Error;
use crate::fallible::check_available;
use crate::formats::bounded_file::TOKENIZER_LIMIT;
use crate::load_error::LoadError;
use crate::model_files::ModelFiles;
use crate::notice::Notice;

/// A model's tokenizer: byte-level BPE (GPT-2, Llama 3, Qwen), BPE of SentencePiece's kind (Llama 2, Mistral, Gemma) or WordPiece
/// (BERT).
///
/// It is loaded for a vocabulary of a given size, the rows of the model's token embedding, and every id that it gives
/// is below that. Cutting and padding that its file asks for is switched off: how long a sequence may be is for the
/// caller to say.
///
/// Which of `tokenizer.json` and `tokenizer_config.json` decides follows `tokenizer_class` and the model's type, as in
/// transformers 5: for the classes of GPT-2, Qwen2, Llama, Gemma and BERT `tokenizer.json` has the vocabulary (and, but for BERT,
/// the tokens round a text), the class and the settings have the rest; for the general `PreTrainedTokenizerFast`, and for models
/// such as Mistral's and Phi-3, it has everything.
#[derive(Debug)]
pub struct Tokenizer {
    inner: ModelTokenizer,
    frame: Frame,
    spelling: Spelling,
    token_bytes: TokenBytes,
    special: SpecialTokens,
    special_texts: SpecialTexts,
    chat_templates: ChatTemplates,
    /// Ids of all tokens that are no part of a text, sorted.
    special_ids: Vec<u32>,
    /// Ids of those among them that the settings name, or the class has by itself.
    named_special_ids: Vec<u32>,
    /// Number of tokens of this tokenizer: its largest id plus one.
    vocab_size: usize,
    /// Number of ids that the model knows.
    model_vocab: usize,
    /// Whether a text that is too long loses its beginning.
    cuts_beginning: bool,
    cuts: Cuts,
    notices: Vec<Notice>,
}

/// A tokenizer of the crate with what it does not know.
#[derive(Debug)]
struct Built {
    inner: ModelTokenizer,
    frame: Frame,
    special: SpecialNames,
    spelling: Spelling,
    /// Largest id of the vocabulary plus one, without added tokens.
    vocabulary_end: usize,
    /// Whether its own file says that a text that is too long loses its beginning.
    cuts_beginning: bool,
    notices: Vec<Notice>,
}

/// The ids of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The ids.
    pub ids: Vec<u32>,
    /// Whether a part of the text was cut off.
    pub is_cut: bool,
}

/// The file that has a whole tokenizer.
pub(crate) const TOKENIZER_JSON: &str = "tokenizer.json";

/// Memory that the crate takes for each byte of a tokenizer's files, and for any: measured (18 to 25), and room for values that keep their order.
const BYTES_PER_FILE_BYTE: usize = 64;
const BYTES_FOR_ANY_FILE: usize = 2 << 20;

/// Memory that the crate takes at most for each byte of a text: measured (20 to 200).
const BYTES_PER_TEXT_BYTE: usize = 200;

impl Tokenizer {
    /// Reads the tokenizer of a model's files (a path is a directory): `tokenizer.json`, else `vocab.json` with `merges.txt`, else
    /// `vocab.txt`, and the settings beside it. `model_vocab` is the size of the model's vocabulary.
    ///
    /// # Errors
    ///
    /// Fails if none of these files exists, or one is malformed, contradicts itself, or has an id outside of the
    /// model's vocabulary.
    pub fn load(files: impl Into<ModelFiles>, model_vocab: usize) -> Result<Self, LoadError> {
        let files = &files.into();
        let mut settings = Settings::read(files)?;
        let chat_templates = std::mem::take(&mut settings.chat_templates);
        let file = files.path(TOKENIZER_JSON);
        let built = if files.has_or_links(TOKENIZER_JSON) {
            let json = files.read(TOKENIZER_JSON, TOKENIZER_LIMIT)?;
            let packed = files.read_own_entry(packed::ENTRY, TOKENIZER_LIMIT)?;
            check_memory(&file, json.len() + packed.as_ref().map_or(0, |packed| packed.len()))?;
            json::read(&json, packed, &file, &settings, model_vocab)?
        } else if files.has(vocabulary_files::BPE_VOCABULARY) && files.has(vocabulary_files::BPE_MERGES) {
            Self::from_vocabulary_and_merges(files, &settings, model_vocab)?
        } else if files.has(vocabulary_files::WORD_PIECES) {
            Self::from_word_pieces(files, &settings, model_vocab)?
        } else {
            return Err(LoadError::NoTokenizer { dir: files.dir().into_owned() });
        };
        let file = if files.has(TOKENIZER_JSON) { file } else { files.dir().into_owned() };
        let mut tokenizer = Self::new(built, &settings, &file, model_vocab)?;
        tokenizer.notices.extend(chat_templates.notice().into_iter().chain(files.gguf_tokenizer_notices()).cloned());
        Ok(Self { chat_templates, ..tokenizer })
    }

    /// Reads the content of a `tokenizer.json`, which decides alone; `name` stands for its path in messages.
    ///
    /// # Errors
    ///
    /// As [`Tokenizer::load`].
    pub fn from_bytes(tokenizer_json: &[u8], name: &str, model_vocab: usize) -> Result<Self, LoadError> {
        let (file, settings) = (Path::new(name), Settings::none()?);
        check_memory(file, tokenizer_json.len())?;
        let built = json::read(tokenizer_json, None, file, &settings, model_vocab)?;
        Self::new(built, &settings, file, model_vocab)
    }

    fn from_vocabulary_and_merges(
        files: &ModelFiles,
        settings: &Settings,
        model_vocab: usize,
    ) -> Result<Built, LoadError> {
        Class::Gpt2.check(settings, "vocab.json and merges.txt")?;
        let file = files.path(vocabulary_files::BPE_VOCABULARY);
        let sizes = [vocabulary_files::BPE_VOCABULARY, vocabulary_files::BPE_MERGES].map(|name| files.size(name));
        check_memory(&file, sizes.into_iter().flatten().fold(0, usize::saturating_add))?;
        let vocabulary = vocabulary_files::read_vocabulary(files, model_vocab)?;
        let merges = vocabulary_files::read_merges(files, &vocabulary)?;
        let source = Source { file: &file, vocabulary, added_tokens: &[] };
        let built = class::bpe(Class::Gpt2, source, &merges, None, settings, model_vocab)?;
        Ok(Built { notices: [settings.unknown_keys(), built.notices].concat(), ..built })
    }

    fn from_word_pieces(files: &ModelFiles, settings: &Settings, model_vocab: usize) -> Result<Built, LoadError> {
        Class::Bert.check(settings, "vocab.txt")?;
        let file = files.path(vocabulary_files::WORD_PIECES);
        check_memory(&file, files.size(vocabulary_files::WORD_PIECES).unwrap_or(0))?;
        let vocabulary = vocabulary_files::read_word_pieces(files, model_vocab)?;
        let built = class::bert(Source { file: &file, vocabulary, added_tokens: &[] }, settings, model_vocab)?;
        Ok(Built { notices: [settings.unknown_keys(), built.notices].concat(), ..built })
    }

    fn new(built: Built, settings: &Settings, file: &Path, model_vocab: usize) -> Result<Self, LoadError> {
        let Built { mut inner, frame, special, spelling, vocabulary_end, cuts_beginning, notices: all } = built;
        let mut notices: Vec<Notice> = Vec::with_capacity(all.len());
        all.into_iter().for_each(|notice| {
            if !notices.contains(&notice) {
                notices.push(notice);
            }
        });
        let cuts_beginning = settings.cuts_beginning()?.unwrap_or(cuts_beginning);
        let rejected = |error: tokenizers::Error| TokenizerFileError::Rejected { reason: error.to_string() };
        inner.with_truncation(None).map_err(|error| LoadError::tokenizer(file, rejected(error)))?;
        inner.with_padding(None);
        // The frame takes its place.
        inner.with_post_processor(None::<PostProcessorWrapper>);
        let added = inner.get_added_tokens_decoder();
        let token = |id: u32| match (added.get(&id), inner.get_model()) {
            (Some(added), _) => Some(Cow::Borrowed(added.content.as_str())),
            (None, TextModel::Bpe(bpe)) => bpe.tokens().get(id).map(Cow::Borrowed),
            (None, TextModel::WordPiece(pieces)) => pieces.id_to_token(id).map(Cow::Owned),
        };
        let vocab_size = added.keys().max().map_or(0, |&id| id as usize + 1).max(vocabulary_end);
        let token_bytes = TokenBytes::new((0..vocab_size as u32).map(token), spelling);
        let mut special_ids: Vec<u32> =
            added.into_iter().filter(|(_, token)| token.special).map(|(id, _)| id).collect();
        special_ids.sort_unstable();
        let named = special.all().cloned().chain(settings.extra_special()?);
        let named_special_ids = named.filter_map(|token| inner.token_to_id(&token.content)).collect();
        let special_texts = special.texts();
        let special = special.resolve(model_vocab, |name| inner.token_to_id(name));
        let cuts = Cuts::of(&inner);
        Ok(Self {
            inner,
            frame,
            spelling,
            token_bytes,
            special,
            special_texts,
            chat_templates: ChatTemplates::default(),
            special_ids,
            named_special_ids,
            vocab_size,
            model_vocab,
            cuts_beginning,
            cuts,
            notices,
        })
    }

    /// This tokenizer with every text in lower case first, but for special tokens written out in it.
    ///
    /// # Errors
    ///
    /// Fails if the `tokenizers` crate refuses the change.
    pub(crate) fn lowercasing(mut self) -> Result<Self, Error> {
        let old = self.inner.get_normalizer().cloned();
        let parts: Vec<NormalizerWrapper> = match old {
            Some(NormalizerWrapper::Sequence(sequence)) => sequence.as_ref().to_vec(),
            part => part.into_iter().collect(),
        };
        if !parts.iter().any(|part| matches!(part, NormalizerWrapper::Lowercase(_))) {
            let parts = [vec![NormalizerWrapper::Lowercase(Lowercase)], parts].concat();
            let failed = |error: tokenizers::Error| TokenizeError::Failed { reason: error.to_string() };
            self.inner.with_normalizer(Some(Sequence::new(parts))).map_err(failed)?;
        }
        Ok(self)
    }

    /// What the tokenizer's files say and is not followed.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// The ids of a text. With `special`, the tokens that the model wants round a text are added (`[CLS] … [SEP]` for
    /// BERT, nothing for GPT-2). A special token written out in the text is one id either way.
    ///
    /// # Errors
    ///
    /// Fails if the tokenizer's rules fail on the text.
    pub fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, TokenizeError> {
        self.encode_truncated(text, special, usize::MAX)
    }

    /// As [`Tokenizer::encode`], with the end of the text cut off so that there are at most `max_len` ids, the added
    /// special tokens included: BERT's `[SEP]` stays. If the tokenizer's files say so, the beginning is cut off instead.
    ///
    /// # Errors
    ///
    /// Fails if the tokenizer's rules fail on the text, or `max_len` has no room for the special tokens.
    pub fn encode_truncated(&self, text: &str, special: bool, max_len: usize) -> Result<Vec<u32>, TokenizeError> {
        self.encode_limited(text, special, max_len).map(|encoded| encoded.ids)
    }

    /// As [`Tokenizer::encode_truncated`], and says whether anything was cut off. A long text is not tokenized much further
    /// than `max_len` reaches, if the tokenizer allows it.
    ///
    /// # Errors
    ///
    /// As [`Tokenizer::encode_truncated`].
    pub fn encode_limited(&self, text: &str, special: bool, max_len: usize) -> Result<Encoded, TokenizeError> {
        let (before, after): (&[u32], &[u32]) =
            if special { (&self.frame.before, &self.frame.after) } else { (&[], &[]) };
        let added = before.len() + after.len();
        let room = max_len.checked_sub(added).ok_or(TokenizeError::NoRoom { special: added, max_len })?;
        let ids = self.ids_beyond(text, room)?;
        let is_cut = ids.len() > room;
        let kept =
            if self.cuts_beginning { &ids[ids.len() - ids.len().min(room)..] } else { &ids[..ids.len().min(room)] };
        kept.iter().try_for_each(|&id| self.check_id(id))?;
        Ok(Encoded { ids: [before, kept, after].concat(), is_cut })
    }

    /// The ids of a text as far as they are needed to know the first `room` of them and whether there are more; all ids if the
    /// last ones are needed.
    fn ids_beyond(&self, text: &str, room: usize) -> Result<Vec<u32>, TokenizeError> {
        let mut ids = Vec::new();
        for piece in pieces::pieces(text, self.cuts) {
            let new = self.ids_of(piece)?;
            ids.try_reserve(new.len())
                .map_err(|_| TokenizeError::OutOfMemory { bytes: new.len() * size_of::<u32>() })?;
            ids.extend(new);
            if ids.len() > room && !self.cuts_beginning {
                break;
            }
        }
        Ok(ids)
    }

    fn ids_of(&self, text: &str) -> Result<Vec<u32>, TokenizeError> {
        let bytes = text.len().saturating_mul(BYTES_PER_TEXT_BYTE);
        check_available(bytes).map_err(|_| TokenizeError::OutOfMemory { bytes })?;
        let encoding =
            self.inner.encode_fast(text, false).map_err(|error| TokenizeError::Failed { reason: error.to_string() })?;
        Ok(encoding.get_ids().to_vec())
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
    /// Fails if an id is outside of the model's vocabulary.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, TokenizeError> {
        ids.iter().try_for_each(|&id| self.check_id(id))?;
        self.inner.decode(ids, skip_special).map_err(|error| TokenizeError::Failed { reason: error.to_string() })
    }

    /// The exact bytes that a token of a BPE tokenizer adds to a text, which may be part of a character; see
    /// [`TextStream`](crate::text_stream::TextStream). For one that begins a text, see [`Tokenizer::strips_first_space`].
    /// (SentencePiece's decoder gives one U+FFFD for each byte token of a run that is no UTF-8.) A WordPiece token gives its text as the vocabulary has it.
    /// An id of the model without a token (embeddings are often padded) gives nothing.
    ///
    /// # Errors
    ///
    /// Fails if the id is outside of the model's vocabulary.
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

    /// The ids of all tokens that are no part of a text, in ascending order.
    pub fn special_ids(&self) -> &[u32] {
        &self.special_ids
    }

    /// Whether a special token is one that the settings name, or GPT-2's or BERT's class has by itself.
    pub(crate) fn is_named_special(&self, id: u32) -> bool {
        self.named_special_ids.contains(&id)
    }

    /// The tokens that have a role.
    pub fn special_tokens(&self) -> &SpecialTokens {
        &self.special
    }

    /// The texts of the tokens that the files name in a role.
    pub fn special_texts(&self) -> &SpecialTexts {
        &self.special_texts
    }

    /// The template that turns the messages of a chat into a text: that of `chat_template.jinja`, else the key `chat_template` of
    /// `tokenizer_config.json`; of several, the one named `default`.
    pub fn chat_template(&self) -> Option<&str> {
        self.chat_templates.usual()
    }

    /// The file that has [`Tokenizer::chat_template`], for messages.
    pub fn chat_template_file(&self) -> &Path {
        self.chat_templates.file()
    }

    /// The template for a chat with tools: the one named `tool_use`, else [`Tokenizer::chat_template`].
    pub fn tool_chat_template(&self) -> Option<&str> {
        self.chat_templates.for_tools()
    }

    /// Whether the text of ids loses the space that it begins with ([`Tokenizer::decode`] does so; [`Tokenizer::token_bytes`] does
    /// not, because a token does not know whether it is the first): SentencePiece's tokenizers with a space before each text.
    pub fn strips_first_space(&self) -> bool {
        self.spelling == Spelling::SentencePiece { strips_first_space: true }
    }

    /// `"byte-level BPE"`, `"SentencePiece BPE"` or `"WordPiece"`, the kinds that are read.
    pub fn kind(&self) -> &'static str {
        match self.spelling {
            Spelling::ByteLevel => "byte-level BPE",
            Spelling::SentencePiece { .. } => "SentencePiece BPE",
            Spelling::WordPiece => "WordPiece",
        }
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

/// Checks that there is memory for what the crate makes of a file of this size.
fn check_memory(file: &Path, bytes: usize) -> Result<(), LoadError> {
    let bytes = bytes.saturating_mul(BYTES_PER_FILE_BYTE).saturating_add(BYTES_FOR_ANY_FILE);
    check_available(bytes).map_err(|_| LoadError::tokenizer(file, TokenizerFileError::OutOfMemory { bytes }))
}
