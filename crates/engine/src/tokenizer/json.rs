//! `tokenizer.json`: checked here, then handed to the `tokenizers` crate.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use tokenizers::DecoderWrapper;

use super::error::TokenizerFileError;
use super::frame::Frame;
use super::vocabulary::{Vocabulary, WrittenMerge, WrittenVocabulary};
use crate::formats::bounded_file::utf8;
use crate::load_error::LoadError;

/// The kinds of part that GPT-2's and BERT's tokenizers are made of. The crate knows more; some of those panic on
/// malformed settings.
const NORMALIZERS: &[&str] = &[
    "Sequence",
    "BertNormalizer",
    "ByteLevel",
    "Lowercase",
    "NFC",
    "NFD",
    "NFKC",
    "NFKD",
    "Replace",
    "Strip",
    "StripAccents",
];
const PRE_TOKENIZERS: &[&str] =
    &["Sequence", "BertPreTokenizer", "ByteLevel", "Digits", "Punctuation", "Split", "Whitespace", "WhitespaceSplit"];
const DECODERS: &[&str] = &["ByteLevel", "WordPiece"];

/// The parts of the file that the crate would take on trust.
#[derive(Deserialize)]
struct TokenizerJson {
    #[serde(default)]
    added_tokens: Vec<AddedTokenJson>,
    normalizer: Option<Value>,
    pre_tokenizer: Option<Value>,
    post_processor: Option<Value>,
    decoder: Option<Value>,
    model: ModelJson,
}

#[derive(Deserialize)]
struct AddedTokenJson {
    id: u64,
    content: String,
}

#[derive(Deserialize)]
struct ModelJson {
    /// Missing in the oldest files.
    #[serde(rename = "type")]
    kind: Option<String>,
    vocab: WrittenVocabulary,
    merges: Option<Vec<WrittenMerge>>,
    continuing_subword_prefix: Option<String>,
}

impl ModelJson {
    fn kind(&self) -> &str {
        let guess = if self.merges.is_some() { "BPE" } else { "WordPiece" };
        self.kind.as_deref().unwrap_or(guess)
    }
}

/// Builds the tokenizer that `json` describes, and the special tokens round a text, for a model with `model_vocab` embedding rows; `file` is for messages.
pub(super) fn read(json: &[u8], file: &Path, model_vocab: usize) -> Result<(tokenizers::Tokenizer, Frame), LoadError> {
    // The crate panics on a malformed string in some places, so the text is checked first, and its parts parsed here.
    let written: TokenizerJson =
        serde_json::from_str(utf8(json, file)?).map_err(|source| LoadError::Json { file: file.to_owned(), source })?;
    build(json, written, model_vocab).map_err(|problem| LoadError::tokenizer(file, problem))
}

fn build(
    json: &[u8],
    written: TokenizerJson,
    model_vocab: usize,
) -> Result<(tokenizers::Tokenizer, Frame), TokenizerFileError> {
    let is_bpe = match written.model.kind() {
        "BPE" => true,
        "WordPiece" => false,
        other => return Err(TokenizerFileError::UnsupportedModel { found: other.to_owned() }),
    };
    check_part("normalizer", written.normalizer.as_ref(), NORMALIZERS)?;
    check_part("pre_tokenizer", written.pre_tokenizer.as_ref(), PRE_TOKENIZERS)?;
    check_part("decoder", written.decoder.as_ref(), DECODERS)?;
    check_model(written.model, model_vocab)?;
    let frame = Frame::read(written.post_processor, model_vocab)?;
    let tokenizer = tokenizers::Tokenizer::from_bytes(json)
        .map_err(|error| TokenizerFileError::Rejected { reason: error.to_string() })?;
    if is_bpe && !is_byte_level(&tokenizer) {
        let found = tokenizer.get_decoder().map_or_else(|| "none".to_owned(), decoder_name);
        return Err(TokenizerFileError::NotByteLevel { found });
    }
    check_added_tokens(&tokenizer, written.added_tokens, model_vocab)?;
    Ok((tokenizer, frame))
}

/// Checks that a part, and each part of a `Sequence`, is of a kind in `known`.
fn check_part(
    section: &'static str,
    part: Option<&Value>,
    known: &'static [&'static str],
) -> Result<(), TokenizerFileError> {
    let Some(part) = part else { return Ok(()) };
    let kind = part.get("type").and_then(Value::as_str);
    if !kind.is_some_and(|kind| known.contains(&kind)) {
        let found = kind.unwrap_or("no type").to_owned();
        return Err(TokenizerFileError::UnsupportedPart { section, known, found });
    }
    let members = part.as_object().into_iter().flat_map(|object| object.values()).filter_map(Value::as_array);
    match kind {
        Some("Sequence") => members.flatten().try_for_each(|member| check_part(section, Some(member), known)),
        _ => Ok(()),
    }
}

fn check_model(model: ModelJson, model_vocab: usize) -> Result<(), TokenizerFileError> {
    let vocabulary = Vocabulary::new(model.vocab.0, model_vocab)?;
    let prefix = model.continuing_subword_prefix.unwrap_or_default();
    for (index, merge) in model.merges.unwrap_or_default().into_iter().enumerate() {
        vocabulary.check_merge(index + 1, &merge.parse(index + 1)?, &prefix)?;
    }
    Ok(())
}

/// The crate numbers added tokens by their order and only warns where the file says otherwise.
fn check_added_tokens(
    tokenizer: &tokenizers::Tokenizer,
    written: Vec<AddedTokenJson>,
    model_vocab: usize,
) -> Result<(), TokenizerFileError> {
    for AddedTokenJson { id, content: token } in written {
        let Some(wanted) = u32::try_from(id).ok().filter(|&id| (id as usize) < model_vocab) else {
            return Err(TokenizerFileError::IdOutsideVocabulary { token, id, vocabulary: model_vocab });
        };
        let found = tokenizer.token_to_id(&token);
        if found != Some(wanted) {
            return Err(TokenizerFileError::AddedTokenId { token, wanted, found });
        }
    }
    Ok(())
}

/// Whether tokens spell bytes in GPT-2's alphabet.
pub(super) fn is_byte_level(tokenizer: &tokenizers::Tokenizer) -> bool {
    matches!(tokenizer.get_decoder(), Some(DecoderWrapper::ByteLevel(_)))
}

/// A decoder's name as the file writes it.
fn decoder_name(decoder: &DecoderWrapper) -> String {
    let json = serde_json::to_value(decoder).unwrap_or_default();
    json.get("type").and_then(|kind| kind.as_str()).unwrap_or("unknown").to_owned()
}
