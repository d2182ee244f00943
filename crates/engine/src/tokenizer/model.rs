//! The models of tokenizers, as the `tokenizers` crate runs them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::BpeTrainer;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::{
    DecoderWrapper, Model, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, Token, TokenizerImpl,
};

use super::bpe::Bpe;

/// A tokenizer of the crate with one of these models.
pub(super) type ModelTokenizer =
    TokenizerImpl<TextModel, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>;

/// What makes tokens of words.
#[derive(Debug, Clone)]
pub(super) enum TextModel {
    Bpe(Bpe),
    WordPiece(WordPiece),
}

impl Model for TextModel {
    type Trainer = TrainerWrapper;

    fn tokenize(&self, word: &str) -> tokenizers::Result<Vec<Token>> {
        match self {
            TextModel::Bpe(bpe) => bpe.tokenize(word),
            TextModel::WordPiece(pieces) => pieces.tokenize(word),
        }
    }

    fn token_to_id(&self, token: &str) -> Option<u32> {
        match self {
            TextModel::Bpe(bpe) => bpe.tokens().id(token),
            TextModel::WordPiece(pieces) => pieces.token_to_id(token),
        }
    }

    fn id_to_token(&self, id: u32) -> Option<String> {
        match self {
            TextModel::Bpe(bpe) => bpe.tokens().get(id).map(str::to_owned),
            TextModel::WordPiece(pieces) => pieces.id_to_token(id),
        }
    }

    fn get_vocab(&self) -> HashMap<String, u32> {
        match self {
            TextModel::Bpe(bpe) => bpe.tokens().iter().map(|(token, id)| (token.to_owned(), id)).collect(),
            TextModel::WordPiece(pieces) => pieces.get_vocab(),
        }
    }

    fn get_vocab_size(&self) -> usize {
        match self {
            TextModel::Bpe(bpe) => bpe.tokens().len(),
            TextModel::WordPiece(pieces) => pieces.get_vocab_size(),
        }
    }

    /// Models are read only.
    fn save(&self, _folder: &Path, _name: Option<&str>) -> tokenizers::Result<Vec<PathBuf>> {
        Err("a model of this library is not saved".into())
    }

    /// Nothing here trains; the trait has no way to say so.
    fn get_trainer(&self) -> TrainerWrapper {
        TrainerWrapper::BpeTrainer(BpeTrainer::default())
    }
}
