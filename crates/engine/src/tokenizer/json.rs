//! `tokenizer.json`: checked here, then handed to the `tokenizers` crate, whole or in parts.

use std::borrow::Cow;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use tokenizers::{AddedToken, DecoderWrapper, ModelWrapper, TokenizerBuilder};

use super::Built;
use super::bpe::ResolvedMerge;
use super::bpe_parts::{BpeParts, ModelSettings, Spelling};
use super::class::{
    self, Source, add_declared_tokens, add_special_tokens, outside_vocabulary, overruled_frame, rejected,
};
use super::class_name::{Class, Content};
use super::error::TokenizerFileError;
use super::frame::Frame;
use super::model::{ModelTokenizer, TextModel};
use super::overruled;
use super::packed;
use super::settings::{AddedTokenJson, Settings};
use super::special_tokens::SpecialNames;
use super::vocabulary::{Vocabulary, WrittenMerge, WrittenVocabulary};
use crate::formats::bounded_file::utf8;
use crate::formats::disguise::recognise;
use crate::formats::json_object::excerpt;
use crate::load_error::LoadError;
use crate::notice::Notice;

/// The kinds of part that tokenizers of language models are made of. The crate knows more; some of those panic on malformed
/// settings.
const NORMALIZERS: &[&str] = &[
    "Sequence",
    "BertNormalizer",
    "ByteLevel",
    "Lowercase",
    "NFC",
    "NFD",
    "NFKC",
    "NFKD",
    "Prepend",
    "Replace",
    "Strip",
    "StripAccents",
];
const PRE_TOKENIZERS: &[&str] = &[
    "Sequence",
    "BertPreTokenizer",
    "ByteLevel",
    "Digits",
    "Metaspace",
    "Punctuation",
    "Split",
    "Whitespace",
    "WhitespaceSplit",
];
const DECODERS: &[&str] = &["Sequence", "ByteFallback", "ByteLevel", "Fuse", "Replace", "Strip", "WordPiece"];

/// The version of the file's layout.
const VERSION: &str = "1.0";

/// Most added tokens outside the model's vocabulary that are named.
const OUTSIDE_NAMED: usize = 3;

/// The parts of the file that the crate would take on trust.
#[derive(Deserialize)]
pub(super) struct TokenizerJson {
    version: Option<String>,
    #[serde(default)]
    added_tokens: Vec<AddedTokenJson>,
    truncation: Option<Value>,
    pub(super) normalizer: Option<Value>,
    pub(super) pre_tokenizer: Option<Value>,
    post_processor: Option<Value>,
    pub(super) decoder: Option<Value>,
    pub(super) model: ModelJson,
}

#[derive(Deserialize)]
pub(super) struct ModelJson {
    /// Missing in the oldest files.
    #[serde(rename = "type")]
    kind: Option<String>,
    vocab: WrittenVocabulary,
    merges: Option<Vec<WrittenMerge>>,
    /// Both of them, if a packed file has them by themselves.
    #[serde(skip)]
    packed: Option<Cow<'static, [u8]>>,
    #[serde(flatten)]
    pub(super) settings: ModelSettings,
    max_input_chars_per_word: Option<u64>,
    dropout: Option<f64>,
}

/// Word pieces of longer words are not looked for, unless the file says otherwise.
const MAX_WORD: u64 = 100;

impl ModelJson {
    fn kind(&self) -> &str {
        let guess = if self.merges.is_some() { "BPE" } else { "WordPiece" };
        self.kind.as_deref().unwrap_or(guess)
    }

    pub(super) fn is_bpe(&self) -> bool {
        self.kind() == "BPE"
    }
}

/// Builds the tokenizer that `json` and the settings beside it describe, for a model with `model_vocab` embedding rows; `file`
/// is for messages. `packed` has vocabulary and merges in place of those of the JSON.
pub(super) fn read(
    json: &[u8],
    packed: Option<Cow<'static, [u8]>>,
    file: &Path,
    settings: &Settings,
    model_vocab: usize,
) -> Result<Built, LoadError> {
    // The crate panics on a malformed string in some places, so the text is checked first, and its parts parsed here.
    let text = utf8(json, file).map_err(|error| match recognise(json) {
        Some(found) => LoadError::OtherFormat { file: file.to_owned(), wanted: "JSON", found },
        None => error,
    })?;
    let mut written: TokenizerJson =
        serde_json::from_str(text).map_err(|source| LoadError::json(file, json, source))?;
    written.model.packed = packed;
    let problem = |problem| LoadError::tokenizer(file, problem);
    if let Some(version) = written.version.as_ref().filter(|version| *version != VERSION) {
        let reason = format!("wanted version \"{VERSION}\", found {version:?}");
        return Err(problem(TokenizerFileError::Rejected { reason }));
    }
    let is_bpe = match written.model.kind() {
        "BPE" => true,
        "WordPiece" => false,
        other => return Err(problem(TokenizerFileError::UnsupportedModel { found: other.to_owned() })),
    };
    check_part("normalizer", written.normalizer.as_ref(), NORMALIZERS).map_err(problem)?;
    check_part("pre_tokenizer", written.pre_tokenizer.as_ref(), PRE_TOKENIZERS).map_err(problem)?;
    check_part("decoder", written.decoder.as_ref(), DECODERS).map_err(problem)?;
    let direction = written.truncation.as_ref().and_then(|truncation| truncation.get("direction"));
    let cuts_beginning = direction.and_then(Value::as_str) == Some("Left");
    let mut notices = settings.unknown_keys();
    let content = Content { is_bpe, has_byte_level: has_byte_level(text) };
    let mut built = match Class::choose(settings, content, &mut notices) {
        Class::General => general(json, file, written, settings, model_vocab)?,
        Class::Bert => bert(file, written, settings, model_vocab)?,
        class => bpe(class, file, written, settings, model_vocab)?,
    };
    notices.append(&mut built.notices);
    Ok(Built { notices, cuts_beginning, ..built })
}

/// Whether a `tokenizer.json` has a part `ByteLevel`, by its text.
pub(super) fn has_byte_level(json: &str) -> bool {
    json.contains("\"ByteLevel\"")
}

/// The tokenizer as the file has it.
fn general(
    json: &[u8],
    file: &Path,
    written: TokenizerJson,
    settings: &Settings,
    model_vocab: usize,
) -> Result<Built, LoadError> {
    let problem = |problem| LoadError::tokenizer(file, problem);
    if written.model.dropout.is_some_and(|dropout| dropout != 0.0) {
        return Err(problem(TokenizerFileError::Dropout));
    }
    let is_bpe = written.model.is_bpe();
    let mut notices = overruled::settings(settings, &written)?;
    let parts = BpeParts {
        normalizer: written.normalizer,
        pre_tokenizer: written.pre_tokenizer,
        decoder: written.decoder,
        model: written.model.settings.clone(),
    };
    let prefix = parts.model.continuing_subword_prefix.as_deref().unwrap_or_default();
    let (vocabulary, merges) = check_model(&written.model, prefix, model_vocab).map_err(problem)?;
    let vocabulary_end = vocabulary.end();
    let frame = Frame::read(written.post_processor, model_vocab).map_err(problem)?;
    let (mut inner, spelling) = if is_bpe {
        let spelling = Spelling::of_bpe(parts.decoder.as_ref()).map_err(problem)?;
        let mut inner = parts.build(vocabulary, &merges, file)?;
        let added: Vec<AddedToken> = written.added_tokens.iter().map(|added| added.token.clone().into()).collect();
        inner.add_tokens(added).map_err(|error| rejected(file, &error))?;
        (inner, spelling)
    } else {
        drop((parts, vocabulary));
        let inner = word_pieces(json).map_err(|error| rejected(file, &error))?;
        let is_byte_level = matches!(inner.get_decoder(), Some(DecoderWrapper::ByteLevel(_)));
        (inner, if is_byte_level { Spelling::ByteLevel } else { Spelling::WordPiece })
    };
    notices.extend(check_added_tokens(&inner, &written.added_tokens, file, model_vocab)?);
    notices.extend(add_declared_tokens(&mut inner, (file, &written.added_tokens), settings, model_vocab)?);
    let special = SpecialNames::read(settings, Class::General)?;
    add_special_tokens(&mut inner, file, settings, &special)?;
    notices.extend(overruled_frame(&frame, settings, &special, &inner)?);
    Ok(Built { inner, frame, special, spelling, vocabulary_end, cuts_beginning: false, notices })
}

/// The tokenizer that a class makes of the file.
fn bpe(
    class: Class,
    file: &Path,
    written: TokenizerJson,
    settings: &Settings,
    model_vocab: usize,
) -> Result<Built, LoadError> {
    let problem = |problem| LoadError::tokenizer(file, problem);
    let found = Spelling::of_bpe(written.decoder.as_ref()).map_err(problem)?;
    let own = BpeParts::of_class(class, settings, &SpecialNames::read(settings, class)?)?;
    let is_byte_level = |spelling| spelling == Spelling::ByteLevel;
    if is_byte_level(found) != is_byte_level(Spelling::of_bpe(own.decoder.as_ref()).map_err(problem)?) {
        let decoder = written.decoder.as_ref().map_or_else(|| "null".to_owned(), excerpt);
        let class = class.names()[0];
        return Err(problem(TokenizerFileError::DecoderOfOtherClass { class, decoder }));
    }
    let mut notices = match class {
        Class::Gpt2 => overruled::gpt2(file, settings, &written)?,
        _ => overruled::bpe(file, class, &own, &written),
    };
    notices.extend(overruled_model(file, &written.model, ""));
    notices.extend(overruled::model(file, class, &own.model, &written.model.settings));
    let prefix = own.model.continuing_subword_prefix.as_deref().unwrap_or_default();
    let (vocabulary, merges) = check_model(&written.model, prefix, model_vocab).map_err(problem)?;
    let frame = Frame::read(written.post_processor, model_vocab).map_err(problem)?;
    let source = Source { file, vocabulary, added_tokens: &written.added_tokens };
    let mut built = class::bpe(class, source, &merges, Some(frame), settings, model_vocab)?;
    notices.append(&mut built.notices);
    Ok(Built { notices, ..built })
}

/// The tokenizer that BERT's class makes of the file.
fn bert(file: &Path, written: TokenizerJson, settings: &Settings, model_vocab: usize) -> Result<Built, LoadError> {
    let problem = |problem| LoadError::tokenizer(file, problem);
    let mut notices = overruled::bert(file, settings, &written)?;
    notices.extend(overruled_model(file, &written.model, class::CONTINUATION));
    let unknown = written.model.settings.unk_token.clone();
    let (vocabulary, _) = check_model(&written.model, class::CONTINUATION, model_vocab).map_err(problem)?;
    let written_frame = Frame::read(written.post_processor, model_vocab).map_err(problem)?;
    let source = Source { file, vocabulary, added_tokens: &written.added_tokens };
    let mut built = class::bert(source, settings, model_vocab)?;
    if written_frame != built.frame {
        let by =
            format!("`{} … {}` of BertTokenizer", built.special.name("cls_token"), built.special.name("sep_token"));
        notices.push(overruled::part(file, "post_processor", "of other tokens", by));
    }
    if unknown.is_some_and(|unknown| unknown != built.special.name("unk_token")) {
        let by = settings.named("unk_token", built.special.name("unk_token"));
        notices.push(overruled::part(file, "model.unk_token", "of another name", by));
    }
    notices.append(&mut built.notices);
    Ok(Built { notices, ..built })
}

/// The notices of the model's settings that a class does not take from the file. `prefix` is what continues a word for it.
fn overruled_model(file: &Path, model: &ModelJson, prefix: &str) -> Vec<Notice> {
    let mut notices = Vec::new();
    let mut add = |key, value: String, by: &str| notices.push(overruled::part(file, key, value, by.to_owned()));
    if let Some(found) = model.settings.continuing_subword_prefix.as_ref().filter(|found| *found != prefix) {
        add("model.continuing_subword_prefix", format!("{found:?}"), "that of the tokenizer class");
    }
    if let Some(found) = model.max_input_chars_per_word.filter(|&found| found != MAX_WORD) {
        add("model.max_input_chars_per_word", found.to_string(), "100 of the tokenizer class");
    }
    if let Some(found) = model.dropout.filter(|&found| found != 0.0) {
        add("model.dropout", found.to_string(), "none of the tokenizer class");
    }
    notices
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

/// Vocabulary and merges. `prefix` is what begins each token that continues a word in the tokenizer that is built of them.
pub(super) fn check_model(
    model: &ModelJson,
    prefix: &str,
    model_vocab: usize,
) -> Result<(Vocabulary, Vec<ResolvedMerge>), TokenizerFileError> {
    if let Some(packed) = &model.packed {
        return packed::read(packed, prefix, model_vocab);
    }
    let vocabulary = Vocabulary::new(&model.vocab.0, model_vocab)?;
    let merges = model.merges.iter().flatten().zip(1..);
    let merges: Result<Vec<_>, _> =
        merges.map(|(merge, number)| vocabulary.resolve(number, merge.parts(number)?, prefix)).collect();
    Ok((vocabulary, merges?))
}

/// The crate's reading of a tokenizer of word pieces.
fn word_pieces(json: &[u8]) -> tokenizers::Result<ModelTokenizer> {
    let read = tokenizers::Tokenizer::from_bytes(json)?;
    let ModelWrapper::WordPiece(model) = read.get_model() else { return Err("no model of word pieces".into()) };
    TokenizerBuilder::new()
        .with_model(TextModel::WordPiece(model.clone()))
        .with_normalizer(read.get_normalizer().cloned())
        .with_pre_tokenizer(read.get_pre_tokenizer().cloned())
        .with_decoder(read.get_decoder().cloned())
        .with_added_vocabulary(read.get_added_vocabulary().clone())
        .build()
}

/// The crate numbers added tokens by their order and only warns where the file says otherwise. Gives the notices of tokens
/// that the model has no embedding for.
fn check_added_tokens(
    tokenizer: &ModelTokenizer,
    written: &[AddedTokenJson],
    file: &Path,
    model_vocab: usize,
) -> Result<Vec<Notice>, LoadError> {
    let problem = |problem| LoadError::tokenizer(file, problem);
    let mut notices = Vec::new();
    for AddedTokenJson { id, token } in written {
        let (id, token) = (*id, token.content().to_owned());
        let Ok(wanted) = u32::try_from(id) else {
            return Err(problem(TokenizerFileError::IdOutsideVocabulary { token, id, vocabulary: model_vocab }));
        };
        let found = tokenizer.token_to_id(&token);
        if found != Some(wanted) {
            return Err(problem(TokenizerFileError::AddedTokenId { token, wanted, found }));
        }
        if wanted as usize >= model_vocab && notices.len() < OUTSIDE_NAMED {
            notices.push(outside_vocabulary(file, token, wanted, model_vocab));
        }
    }
    Ok(notices)
}
