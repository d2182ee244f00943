//! Tokenizers as the library's classes of GPT-2, BERT and the others build them: from a vocabulary and the settings beside it.

use std::collections::HashSet;
use std::path::Path;

use tokenizers::AddedToken;
use tokenizers::decoders::wordpiece::WordPiece as WordPieceDecoder;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;

use super::Built;
use super::bpe::ResolvedMerge;
use super::bpe_parts::{BpeParts, Spelling};
use super::class_name::Class;
use super::error::TokenizerFileError;
use super::frame::Frame;
use super::model::{ModelTokenizer, TextModel};
use super::settings::{AddedTokenJson, Settings};
use super::special_tokens::SpecialNames;
use super::vocabulary::Vocabulary;
use crate::fallible::check_available;
use crate::load_error::LoadError;
use crate::notice::Notice;

/// What begins a word piece that continues a word.
pub(super) const CONTINUATION: &str = "##";

/// Added tokens outside the model's vocabulary that are named.
const OUTSIDE_NAMED: usize = 3;

/// Memory that the crate takes at most for an added token, and for each byte of it.
pub(super) const BYTES_PER_ADDED_TOKEN: usize = 2 << 10;
const BYTES_PER_ADDED_BYTE: usize = 200;

/// A vocabulary, the file that has it, and what else of `tokenizer.json` counts for a class.
pub(super) struct Source<'a> {
    pub(super) file: &'a Path,
    pub(super) vocabulary: Vocabulary,
    pub(super) added_tokens: &'a [AddedTokenJson],
}

/// The BPE tokenizer of a class. `frame` is that of `tokenizer.json`; without such a file the settings say which tokens are put
/// round a text.
pub(super) fn bpe(
    class: Class,
    source: Source<'_>,
    merges: &[ResolvedMerge],
    frame: Option<Frame>,
    settings: &Settings,
    model_vocab: usize,
) -> Result<Built, LoadError> {
    let Source { file, vocabulary, added_tokens } = source;
    let vocabulary_end = vocabulary.end();
    let special = SpecialNames::read(settings, class)?;
    let parts = BpeParts::of_class(class, settings, &special)?;
    let spelling = Spelling::of_bpe(parts.decoder.as_ref()).map_err(|problem| LoadError::tokenizer(file, problem))?;
    let mut inner = parts.build(vocabulary, merges, file)?;
    let mut notices = add_declared_tokens(&mut inner, (file, added_tokens), settings, model_vocab)?;
    add_special_tokens(&mut inner, file, settings, &special)?;
    let frame = match frame {
        Some(frame) => {
            notices.extend(overruled_frame(&frame, settings, &special, &inner)?);
            frame
        }
        None => settings_frame(settings, &special, &inner, file, model_vocab)?,
    };
    Ok(Built { inner, frame, special, spelling, vocabulary_end, cuts_beginning: false, notices })
}

/// The word-piece tokenizer of BERT's class.
pub(super) fn bert(source: Source<'_>, settings: &Settings, model_vocab: usize) -> Result<Built, LoadError> {
    let Source { file, vocabulary, added_tokens } = source;
    let vocabulary_end = vocabulary.end();
    let special = SpecialNames::read(settings, Class::Bert)?;
    let unknown = special.name("unk_token");
    if vocabulary.tokens.id(unknown).is_none() {
        return Err(missing(file, unknown, "what the vocabulary lacks"));
    }
    let model = WordPiece::builder()
        .vocab(vocabulary.to_map())
        .unk_token(unknown.to_owned())
        .continuing_subword_prefix(CONTINUATION.to_owned())
        .build()
        .map_err(|error| rejected(file, &error))?;
    let mut inner = ModelTokenizer::new(TextModel::WordPiece(model));
    inner
        .with_normalizer(Some(bert_normalizer(settings)?))
        .map_err(|error| rejected(file, &error))?
        .with_pre_tokenizer(Some(BertPreTokenizer))
        .with_decoder(Some(WordPieceDecoder::new(CONTINUATION.to_owned(), true)));
    let notices = add_declared_tokens(&mut inner, (file, added_tokens), settings, model_vocab)?;
    let role = |key: &str, purpose| {
        let token = special.name(key);
        let id = inner.token_to_id(token).filter(|&id| (id as usize) < model_vocab);
        id.ok_or_else(|| missing(file, token, purpose))
    };
    let cls = role("cls_token", "the beginning of a sequence")?;
    let sep = role("sep_token", "the end of a sequence")?;
    add_special_tokens(&mut inner, file, settings, &special)?;
    Ok(Built {
        inner,
        frame: Frame { before: vec![cls], after: vec![sep] },
        special,
        spelling: Spelling::WordPiece,
        vocabulary_end,
        cuts_beginning: false,
        notices,
    })
}

/// The normalizer of BERT's class.
pub(super) fn bert_normalizer(settings: &Settings) -> Result<BertNormalizer, LoadError> {
    Ok(BertNormalizer::new(
        true,
        settings.flag("tokenize_chinese_chars", true)?,
        settings.config.flag("strip_accents")?,
        settings.flag("do_lower_case", true)?,
    ))
}

/// Adds the tokens that are found whole in a text and that the files declare with an id. One whose id the model does not have
/// can occur in a text, which is an error then; the first few of them are named.
pub(super) fn add_declared_tokens(
    inner: &mut ModelTokenizer,
    tokenizer_json: (&Path, &[AddedTokenJson]),
    settings: &Settings,
    model_vocab: usize,
) -> Result<Vec<Notice>, LoadError> {
    let (file, declared) = settings.declared(tokenizer_json)?;
    let mut notices = Vec::new();
    // All at once: the crate builds its automaton of them anew with each call, which took 40 s for 6000 tokens.
    let tokens: Vec<AddedToken> = declared.iter().map(|(_, token)| token.clone()).collect();
    inner.add_tokens(tokens).map_err(|error| rejected(&file, &error))?;
    for (id, AddedToken { content, .. }) in declared {
        let Ok(wanted) = u32::try_from(id) else {
            let problem = TokenizerFileError::IdOutsideVocabulary { token: content, id, vocabulary: model_vocab };
            return Err(LoadError::tokenizer(&file, problem));
        };
        let found = inner.token_to_id(&content);
        if found != Some(wanted) {
            let problem = TokenizerFileError::AddedTokenId { token: content, wanted, found };
            return Err(LoadError::tokenizer(&file, problem));
        }
        if wanted as usize >= model_vocab && notices.len() < OUTSIDE_NAMED {
            notices.push(outside_vocabulary(&file, content, wanted, model_vocab));
        }
    }
    Ok(notices)
}

/// The notice of an added token that the model has no embedding for.
pub(super) fn outside_vocabulary(file: &Path, token: String, id: u32, vocabulary: usize) -> Notice {
    Notice::UnusableId { file: file.to_owned(), key: token, id: id.into(), vocabulary }
}

/// Adds the special tokens that the settings name; those of the vocabulary keep their ids, and those that were added before
/// stay as they are.
pub(super) fn add_special_tokens(
    inner: &mut ModelTokenizer,
    file: &Path,
    settings: &Settings,
    special: &SpecialNames,
) -> Result<(), LoadError> {
    let present: HashSet<String> = inner.get_added_tokens_decoder().into_values().map(|token| token.content).collect();
    let mut seen = HashSet::new();
    let all = special.all().cloned().chain(settings.extra_special()?);
    let tokens: Vec<AddedToken> =
        all.filter(|token| !present.contains(&token.content) && seen.insert(identity(token))).collect();
    let bytes = tokens.iter().map(|token| BYTES_PER_ADDED_TOKEN + BYTES_PER_ADDED_BYTE * token.content.len()).sum();
    check_available(bytes).map_err(|_| LoadError::tokenizer(file, TokenizerFileError::OutOfMemory { bytes }))?;
    inner.add_special_tokens(tokens).map_err(|error| rejected(file, &error))?;
    inner.set_encode_special_tokens(settings.flag("split_special_tokens", false)?);
    Ok(())
}

/// Everything in which added tokens can differ; the crate compares their text alone.
fn identity(token: &AddedToken) -> (String, [bool; 5]) {
    let AddedToken { content, single_word, lstrip, rstrip, normalized, special } = token;
    (content.clone(), [*single_word, *lstrip, *rstrip, *normalized, *special])
}

/// What `add_bos_token` and `add_eos_token` put round a text.
fn settings_frame(
    settings: &Settings,
    special: &SpecialNames,
    inner: &ModelTokenizer,
    file: &Path,
    model_vocab: usize,
) -> Result<Frame, LoadError> {
    let side = |flag: &str, role: &str, purpose| -> Result<Vec<u32>, LoadError> {
        if !settings.flag(flag, false)? {
            return Ok(Vec::new());
        }
        let token = special.name(role);
        let id = inner.token_to_id(token).filter(|&id| (id as usize) < model_vocab);
        id.map(|id| vec![id]).ok_or_else(|| missing(file, token, purpose))
    };
    Ok(Frame {
        before: side("add_bos_token", "bos_token", "the beginning of a text")?,
        after: side("add_eos_token", "eos_token", "the end of a text")?,
    })
}

/// The notices that the frame of `tokenizer.json` comes before `add_bos_token` and `add_eos_token`.
pub(super) fn overruled_frame(
    frame: &Frame,
    settings: &Settings,
    special: &SpecialNames,
    inner: &ModelTokenizer,
) -> Result<Vec<Notice>, LoadError> {
    let mut notices = Vec::new();
    let sides =
        [("add_bos_token", "bos_token", frame.before.first()), ("add_eos_token", "eos_token", frame.after.last())];
    for (flag, role, found) in sides {
        let id = inner.token_to_id(special.name(role));
        let is_there = found.is_some_and(|&found| Some(found) == id);
        if settings.config.flag(flag)?.is_some_and(|wanted| wanted != is_there) {
            notices.push(settings.config.overruled(flag, "tokenizer.json `post_processor`"));
        }
    }
    Ok(notices)
}

fn missing(file: &Path, token: &str, purpose: &'static str) -> LoadError {
    LoadError::tokenizer(file, TokenizerFileError::MissingSpecial { token: token.to_owned(), purpose })
}

pub(super) fn rejected(file: &Path, error: &(impl std::fmt::Display + ?Sized)) -> LoadError {
    LoadError::tokenizer(file, TokenizerFileError::Rejected { reason: error.to_string() })
}
