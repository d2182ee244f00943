//! Vocabulary and merges of a `tokenizer.json` beside the rest of it: what a packed file has, so that they are not parsed at each
//! start.
//!
//! Numbers have 32 bits, lowest byte first: how many tokens and how many merges there are; for each token its id and the bytes of its
//! text; for each merge the ids of left part, right part and union. The texts follow, without anything between them.

use super::bpe::ResolvedMerge;
use super::error::TokenizerFileError;
use super::json::{TokenizerJson, check_model, has_byte_level};
use super::vocabulary::Vocabulary;
use crate::config::MAX_VOCABULARY;
use serde_json::{Value, json};

/// The entry of a packed file.
pub(crate) const ENTRY: &str = "cke-vocabulary";

const NUMBER: usize = size_of::<u32>();

/// The two parts of a `tokenizer.json`.
pub(crate) struct Parts {
    /// It without vocabulary and merges.
    pub(crate) json: Vec<u8>,
    pub(crate) vocabulary: Vec<u8>,
}

/// Divides a `tokenizer.json` that can be loaded. `None` if it stays whole: if it is not BPE, or merges do not simply join two tokens.
pub(crate) fn divide(json: &[u8]) -> Option<Parts> {
    let written: TokenizerJson = serde_json::from_slice(json).ok()?;
    let prefix = written.model.settings.continuing_subword_prefix.as_deref().unwrap_or_default();
    if !written.model.is_bpe() || !prefix.is_empty() {
        return None;
    }
    let (vocabulary, merges) = check_model(&written.model, prefix, MAX_VOCABULARY).ok()?;
    let mut rest: Value = serde_json::from_slice(json).ok()?;
    let model = rest.get_mut("model")?.as_object_mut()?;
    model.insert("vocab".to_owned(), json!({}));
    model.insert("merges".to_owned(), json!([]));
    let rest = serde_json::to_string(&rest).ok()?;
    // A token of that name counts when the class is chosen, as it does for transformers.
    if has_byte_level(&rest) != has_byte_level(str::from_utf8(json).ok()?) {
        return None;
    }
    Some(Parts { json: rest.into_bytes(), vocabulary: to_bytes(&vocabulary, &merges)? })
}

fn to_bytes(vocabulary: &Vocabulary, merges: &[ResolvedMerge]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let counts = [vocabulary.tokens.len(), merges.len()].map(u32::try_from);
    for count in counts {
        bytes.extend(count.ok()?.to_le_bytes());
    }
    for (token, id) in vocabulary.tokens.iter() {
        bytes.extend([id, u32::try_from(token.len()).ok()?].map(u32::to_le_bytes).as_flattened());
    }
    for ResolvedMerge { left, right, union } in merges {
        bytes.extend([left, right, union].map(|id| id.to_le_bytes()).as_flattened());
    }
    vocabulary.tokens.iter().for_each(|(token, _)| bytes.extend_from_slice(token.as_bytes()));
    Some(bytes)
}

/// Vocabulary and merges from an entry's bytes, checked as those of a `tokenizer.json`.
pub(super) fn read(
    entry: &[u8],
    prefix: &str,
    model_vocab: usize,
) -> Result<(Vocabulary, Vec<ResolvedMerge>), TokenizerFileError> {
    let cut = || TokenizerFileError::PackedVocabulary { reason: format!("its {} bytes end too early", entry.len()) };
    let (counts, rest) = entry.split_first_chunk::<{ 2 * NUMBER }>().ok_or_else(cut)?;
    let [tokens, merges] = numbers(counts);
    let split = |bytes: &[u8], count: u32, size: usize| {
        let bytes_of_list = (count as usize).checked_mul(size).filter(|&wanted| wanted <= bytes.len());
        bytes_of_list.ok_or_else(cut)
    };
    let (tokens, rest) = rest.split_at(split(rest, tokens, 2 * NUMBER)?);
    let (merges, texts) = rest.split_at(split(rest, merges, 3 * NUMBER)?);
    let mut texts = std::str::from_utf8(texts)
        .map_err(|error| TokenizerFileError::PackedVocabulary { reason: format!("its texts are no UTF-8: {error}") })?;
    let mut pairs = Vec::with_capacity(tokens.len() / (2 * NUMBER));
    for [id, bytes] in tokens.as_chunks::<{ 2 * NUMBER }>().0.iter().map(numbers) {
        let (token, later) = texts.split_at_checked(bytes as usize).ok_or_else(cut)?;
        pairs.push((token, u64::from(id)));
        texts = later;
    }
    let vocabulary = Vocabulary::new(&pairs, model_vocab)?;
    let merges = merges.as_chunks::<{ 3 * NUMBER }>().0.iter().map(numbers).zip(1..);
    let merges: Result<Vec<_>, _> = merges
        .map(|([left, right, union], number)| vocabulary.check(number, ResolvedMerge { left, right, union }, prefix))
        .collect();
    Ok((vocabulary, merges?))
}

/// Bytes as numbers.
fn numbers<const N: usize, const BYTES: usize>(bytes: &[u8; BYTES]) -> [u32; N] {
    let (chunks, _) = bytes.as_chunks::<NUMBER>();
    std::array::from_fn(|i| u32::from_le_bytes(chunks[i]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::Tokenizer;
    use crate::tokenizer::json;
    use crate::tokenizer::settings::Settings;
    use std::path::Path;

    /// A byte-level tokenizer of a few tokens with a merge.
    fn written() -> Vec<u8> {
        let tokenizer = json!({
            "version": "1.0",
            "added_tokens": [{"id": 7, "content": "<end>", "special": true, "normalized": false}],
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
            "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
            "model": {
                "type": "BPE",
                "vocab": {"a": 4, "é": 2, "Ġ": 0, "aé": 5, "Ġaé": 3, "b": 1, "<end>": 7},
                "merges": [["a", "é"], "Ġ aé"],
            },
        });
        serde_json::to_vec(&tokenizer).unwrap()
    }

    fn load(parts: &Parts, model_vocab: usize) -> Result<Tokenizer, String> {
        let (file, settings) = (Path::new("tokenizer.json"), Settings::none().unwrap());
        let built = json::read(&parts.json, Some(parts.vocabulary.clone().into()), file, &settings, model_vocab);
        let tokenizer = built.and_then(|built| Tokenizer::new(built, &settings, file, model_vocab));
        tokenizer.map_err(|error| error.to_string())
    }

    #[test]
    fn divided_tokenizer_is_the_whole_one() {
        let whole = Tokenizer::from_bytes(&written(), "tokenizer.json", 8).unwrap();
        let divided = load(&divide(&written()).unwrap(), 8).unwrap();
        assert_eq!(divided.vocab_size(), whole.vocab_size());
        for id in 0..8 {
            assert_eq!(divided.token(id), whole.token(id));
            assert_eq!(divided.token_bytes(id).unwrap(), whole.token_bytes(id).unwrap());
        }
        for text in ["a", "aé", "b a<end>", "ba a b"] {
            assert_eq!(divided.encode(text, false).unwrap(), whole.encode(text, false).unwrap(), "{text:?}");
        }
    }

    #[test]
    fn json_keeps_everything_but_vocabulary_and_merges() {
        let mut whole: Value = serde_json::from_slice(&written()).unwrap();
        whole["model"]["vocab"] = json!({});
        whole["model"]["merges"] = json!([]);
        assert_eq!(divide(&written()).unwrap().json, serde_json::to_vec(&whole).unwrap());
    }

    #[test]
    fn tokenizers_that_are_more_than_pairs_stay_whole() {
        let written: Value = serde_json::from_slice(&written()).unwrap();
        let is_divided = |change: &dyn Fn(&mut Value)| {
            let mut changed = written.clone();
            change(&mut changed);
            divide(&serde_json::to_vec(&changed).unwrap()).is_some()
        };
        assert!(is_divided(&|_| ()));
        assert!(!is_divided(&|json| json["model"]["type"] = json!("WordPiece")));
        assert!(!is_divided(&|json| json["model"]["continuing_subword_prefix"] = json!("##")));
        assert!(!is_divided(&|json| {
            json["pre_tokenizer"] = Value::Null;
            json["decoder"] = Value::Null;
            json["model"]["vocab"]["ByteLevel"] = json!(6);
        }));
    }

    #[test]
    fn damaged_vocabulary_is_an_error() {
        let parts = divide(&written()).unwrap();
        let with = |vocabulary: &[u8]| {
            load(&Parts { json: parts.json.clone(), vocabulary: vocabulary.to_vec() }, 8).unwrap_err()
        };
        for length in 0..parts.vocabulary.len() {
            let message = with(&parts.vocabulary[..length]);
            assert!(message.contains("packed vocabulary"), "{length}: {message}");
        }
        let changed = |at: usize, byte: u8| {
            let mut vocabulary = parts.vocabulary.clone();
            vocabulary[at] = byte;
            with(&vocabulary)
        };
        let (tokens, merges) = (2 * NUMBER, 2 * NUMBER + 7 * 2 * NUMBER);
        assert!(changed(3, 255).contains("end too early"));
        assert!(changed(7, 255).contains("end too early"));
        assert!(changed(tokens, 8).contains("below the model's vocabulary of 8"));
        assert!(changed(tokens, 1).contains("belongs to both"));
        assert!(changed(tokens + NUMBER + 3, 255).contains("end too early"));
        assert!(changed(merges, 6).contains("token 6"));
        assert!(changed(merges, 1).contains("no token \"bé\""));
        assert!(changed(merges + 2 * NUMBER, 200).contains("token 200"));
        assert!(changed(parts.vocabulary.len() - 1, 255).contains("UTF-8"));
    }
}
