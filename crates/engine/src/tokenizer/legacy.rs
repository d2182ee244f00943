//! The older layouts: `vocab.json` with `merges.txt` (GPT-2) and `vocab.txt` (BERT).

use std::path::{Path, PathBuf};

use tokenizers::decoders::wordpiece::WordPiece as WordPieceDecoder;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Tokenizer};

use super::error::TokenizerFileError;
use super::frame::Frame;
use super::special_tokens::SpecialNames;
use super::vocabulary::{Merge, Vocabulary, WrittenVocabulary};
use crate::formats::bounded_file::{TOKENIZER_LIMIT, read_bounded, utf8};
use crate::formats::json_object::JsonObject;
use crate::load_error::LoadError;

pub(super) const BPE_VOCABULARY: &str = "vocab.json";
pub(super) const BPE_MERGES: &str = "merges.txt";
pub(super) const WORD_PIECES: &str = "vocab.txt";

/// What begins a word piece that continues a word.
const CONTINUATION: &str = "##";

/// The byte-level BPE tokenizer of `vocab.json` and `merges.txt` in `dir`.
pub(super) fn byte_level_bpe(dir: &Path, model_vocab: usize) -> Result<(Tokenizer, Frame), LoadError> {
    let settings = settings(dir)?;
    if settings.flag("add_bos_token")? == Some(true) {
        return Err(settings.wrong("add_bos_token", "false (the true form is not supported)"));
    }
    let vocabulary = read_vocabulary(&dir.join(BPE_VOCABULARY), model_vocab)?;
    let merges = read_merges(&dir.join(BPE_MERGES), &vocabulary)?;
    let model = BPE::builder()
        .vocab_and_merges(vocabulary.ids.into_iter().collect::<Vocab>(), merges)
        .build()
        .map_err(|error| rejected(&dir.join(BPE_MERGES), &error))?;
    let mut tokenizer = Tokenizer::new(model);
    tokenizer
        .with_pre_tokenizer(Some(ByteLevel::new(settings.flag("add_prefix_space")?.unwrap_or(false), true, true)))
        .with_decoder(Some(ByteLevel::default()));
    add_tokens(&mut tokenizer, dir, &settings, model_vocab)?;
    Ok((tokenizer, Frame::default()))
}

/// The BERT tokenizer of `vocab.txt` in `dir`.
pub(super) fn word_piece(dir: &Path, model_vocab: usize) -> Result<(Tokenizer, Frame), LoadError> {
    let settings = settings(dir)?;
    let file = dir.join(WORD_PIECES);
    let names = SpecialNames::read(dir, &SpecialNames::usual())?;
    let vocabulary = read_word_pieces(&file, model_vocab)?;
    let role = |token: &str, purpose| {
        let missing = || TokenizerFileError::MissingSpecial { token: token.to_owned(), purpose };
        vocabulary.ids.get(token).copied().ok_or_else(|| LoadError::tokenizer(&file, missing()))
    };
    role(&names.unk, "what the vocabulary lacks")?;
    let cls = role(&names.cls, "the beginning of a sequence")?;
    let sep = role(&names.sep, "the end of a sequence")?;
    let model = WordPiece::builder()
        .vocab(vocabulary.ids.into_iter().collect::<Vocab>())
        .unk_token(names.unk.clone())
        .continuing_subword_prefix(CONTINUATION.to_owned())
        .build()
        .map_err(|error| rejected(&file, &error))?;
    let mut tokenizer = Tokenizer::new(model);
    tokenizer
        .with_normalizer(Some(bert_normalizer(&settings)?))
        .map_err(|error| rejected(&file, &error))?
        .with_pre_tokenizer(Some(BertPreTokenizer))
        .with_decoder(Some(WordPieceDecoder::new(CONTINUATION.to_owned(), true)));
    add_tokens(&mut tokenizer, dir, &settings, model_vocab)?;
    Ok((tokenizer, Frame { before: vec![cls], after: vec![sep] }))
}

/// `tokenizer_config.json`, or an empty object where there is none.
fn settings(dir: &Path) -> Result<JsonObject, LoadError> {
    let file = dir.join("tokenizer_config.json");
    JsonObject::read_if_present(&file)?.map_or_else(|| JsonObject::parse(b"{}", &file), Ok)
}

fn bert_normalizer(settings: &JsonObject) -> Result<BertNormalizer, LoadError> {
    Ok(BertNormalizer::new(
        true,
        settings.flag("tokenize_chinese_chars")?.unwrap_or(true),
        settings.flag("strip_accents")?,
        settings.flag("do_lower_case")?.unwrap_or(true),
    ))
}

fn read_vocabulary(file: &Path, model_vocab: usize) -> Result<Vocabulary, LoadError> {
    let json = read_bounded(file, TOKENIZER_LIMIT)?;
    let written: WrittenVocabulary =
        serde_json::from_slice(&json).map_err(|source| LoadError::Json { file: file.to_owned(), source })?;
    Vocabulary::new(written.0, model_vocab).map_err(|problem| LoadError::tokenizer(file, problem))
}

/// `merges.txt`: a version line, then one merge a line, the most important first.
fn read_merges(file: &Path, vocabulary: &Vocabulary) -> Result<Vec<(String, String)>, LoadError> {
    let bytes = read_bounded(file, TOKENIZER_LIMIT)?;
    let problem = |problem| LoadError::tokenizer(file, problem);
    let lines = utf8(&bytes, file)?.lines().enumerate();
    let is_version = |index: usize, line: &str| index == 0 && line.starts_with("#version");
    let lines = lines.filter(|(index, line)| !line.is_empty() && !is_version(*index, line));
    let mut merges = Vec::new();
    for (number, line) in lines.map(|(index, line)| (index + 1, line)) {
        let malformed = || TokenizerFileError::MalformedMerge { number, found: line.to_owned() };
        let merge = Merge::parse(line).ok_or_else(malformed).map_err(problem)?;
        vocabulary.check_merge(number, &merge, "").map_err(problem)?;
        merges.push((merge.left, merge.right));
    }
    Ok(merges)
}

/// `vocab.txt`: one token a line; its id is the line's number from 0.
fn read_word_pieces(file: &Path, model_vocab: usize) -> Result<Vocabulary, LoadError> {
    let bytes = read_bounded(file, TOKENIZER_LIMIT)?;
    let lines = utf8(&bytes, file)?.lines();
    let pairs = lines.zip(0..).map(|(token, id)| (token.to_owned(), id)).take(model_vocab.saturating_add(1)).collect();
    Vocabulary::new(pairs, model_vocab).map_err(|problem| LoadError::tokenizer(file, problem))
}

/// Adds the tokens that are found whole in a text: the special ones, and those of `added_tokens_decoder` in
/// `tokenizer_config.json` or of the older `added_tokens.json`.
fn add_tokens(
    tokenizer: &mut Tokenizer,
    dir: &Path,
    settings: &JsonObject,
    model_vocab: usize,
) -> Result<(), LoadError> {
    let (file, declared) = declared_tokens(dir, settings)?;
    for (id, token) in declared {
        let content = token.content.clone();
        let problem = if id as usize >= model_vocab {
            Some(TokenizerFileError::IdOutsideVocabulary { token: content, id: id.into(), vocabulary: model_vocab })
        } else {
            tokenizer.add_tokens([token]).map_err(|error| rejected(&file, &error))?;
            let found = tokenizer.token_to_id(&content);
            (found != Some(id)).then_some(TokenizerFileError::AddedTokenId { token: content, wanted: id, found })
        };
        if let Some(problem) = problem {
            return Err(LoadError::tokenizer(&file, problem));
        }
    }
    let names = SpecialNames::read(dir, &SpecialNames::usual())?;
    let known = names.all().into_iter().filter(|name| tokenizer.token_to_id(name).is_some());
    let special: Vec<AddedToken> = known.map(|name| AddedToken::from(name, true)).collect();
    tokenizer.add_special_tokens(special).map_err(|error| rejected(&file, &error))?;
    Ok(())
}

/// The tokens that a file declares beside the vocabulary, by id, and that file.
fn declared_tokens(dir: &Path, settings: &JsonObject) -> Result<(PathBuf, Vec<(u32, AddedToken)>), LoadError> {
    let mut tokens = Vec::new();
    let key = "added_tokens_decoder";
    let file = if let Some(value) = settings.get(key) {
        let wrong = || settings.wrong(key, "an object from ids to tokens");
        for (id, token) in value.as_object().ok_or_else(wrong)? {
            let token: AddedToken = serde_json::from_value(token.clone()).map_err(|_| wrong())?;
            tokens.push((id.parse().map_err(|_| wrong())?, token));
        }
        settings.file().to_owned()
    } else {
        let file = dir.join("added_tokens.json");
        if let Some(json) = JsonObject::read_if_present(&file)? {
            for (token, id) in json.entries() {
                let id = id.as_u64().and_then(|id| id.try_into().ok());
                let id = id.ok_or_else(|| json.wrong(token, "a token id"))?;
                tokens.push((id, AddedToken::from(token.clone(), false)));
            }
        }
        file
    };
    tokens.sort_by_key(|(id, _)| *id);
    Ok((file, tokens))
}

fn rejected(file: &Path, error: &(impl std::fmt::Display + ?Sized)) -> LoadError {
    LoadError::tokenizer(file, TokenizerFileError::Rejected { reason: error.to_string() })
}
