//! The older layouts of a vocabulary: `vocab.json` with `merges.txt` (GPT-2) and `vocab.txt` (BERT).

use std::path::Path;

use super::bpe::ResolvedMerge;
use super::error::TokenizerFileError;
use super::vocabulary::{Vocabulary, WrittenVocabulary, parts_of_merge};
use crate::formats::bounded_file::{TOKENIZER_LIMIT, utf8};
use crate::formats::disguise::recognise_other;
use crate::load_error::LoadError;
use crate::model_files::ModelFiles;

pub(super) const BPE_VOCABULARY: &str = "vocab.json";
pub(super) const BPE_MERGES: &str = "merges.txt";
pub(super) const WORD_PIECES: &str = "vocab.txt";

/// `vocab.json`: an object from tokens to ids.
pub(super) fn read_vocabulary(files: &ModelFiles, model_vocab: usize) -> Result<Vocabulary, LoadError> {
    let (file, json) = (&files.path(BPE_VOCABULARY), files.read(BPE_VOCABULARY, TOKENIZER_LIMIT)?);
    let written: WrittenVocabulary =
        serde_json::from_slice(&json).map_err(|source| LoadError::json(file, &json, source))?;
    Vocabulary::new(&written.0, model_vocab).map_err(|problem| LoadError::tokenizer(file, problem))
}

/// `merges.txt`: a version line, then one merge a line, the most important first.
pub(super) fn read_merges(files: &ModelFiles, vocabulary: &Vocabulary) -> Result<Vec<ResolvedMerge>, LoadError> {
    let (file, bytes) = (&files.path(BPE_MERGES), files.read(BPE_MERGES, TOKENIZER_LIMIT)?);
    let problem = |problem| LoadError::tokenizer(file, problem);
    let lines = text_of(&bytes, file, "merges, one a line")?.lines().enumerate();
    let is_version = |index: usize, line: &str| index == 0 && line.starts_with("#version");
    let lines = lines.filter(|(index, line)| !line.is_empty() && !is_version(*index, line));
    let mut merges = Vec::new();
    for (number, line) in lines.map(|(index, line)| (index + 1, line)) {
        let malformed = || TokenizerFileError::MalformedMerge { number, found: line.to_owned() };
        let parts = parts_of_merge(line).ok_or_else(malformed).map_err(problem)?;
        merges.push(vocabulary.resolve(number, parts, "").map_err(problem)?);
    }
    Ok(merges)
}

/// `vocab.txt`: one token a line; its id is the line's number from 0.
pub(super) fn read_word_pieces(files: &ModelFiles, model_vocab: usize) -> Result<Vocabulary, LoadError> {
    let (file, bytes) = (&files.path(WORD_PIECES), files.read(WORD_PIECES, TOKENIZER_LIMIT)?);
    let lines = text_of(&bytes, file, "tokens, one a line")?.lines();
    let pairs: Vec<(&str, u64)> = lines.zip(0..).take(model_vocab.saturating_add(1)).collect();
    Vocabulary::new(&pairs, model_vocab).map_err(|problem| LoadError::tokenizer(file, problem))
}

/// The text of a file, if it is not something that stands in its place: any lines would do as tokens.
fn text_of<'a>(bytes: &'a [u8], file: &Path, wanted: &'static str) -> Result<&'a str, LoadError> {
    match recognise_other(bytes) {
        Some(found) => Err(LoadError::OtherFormat { file: file.to_owned(), wanted, found }),
        None => utf8(bytes, file),
    }
}
