//! The model against that of the `tokenizers` crate.

use proptest::prelude::*;
use tokenizers::Model;
use tokenizers::models::bpe::{BPE, Vocab};

use super::*;

/// Characters of one to four bytes, those of byte tokens among them.
const LETTERS: [&str; 8] = ["a", "b", "c", "é", "\u{2581}", "🦀", "<", "0"];

/// A vocabulary that grew by merges, and texts.
#[derive(Debug, Clone)]
struct Case {
    vocabulary: Vec<String>,
    /// Places in the vocabulary.
    merges: Vec<(usize, usize)>,
    settings: ModelSettings,
    texts: Vec<String>,
}

fn case() -> impl Strategy<Value = Case> {
    let flags = any::<[bool; 7]>();
    let merges = prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..60);
    let texts = prop::collection::vec(prop::collection::vec(0..LETTERS.len(), 0..24), 1..12);
    (flags, 2..=LETTERS.len(), merges, texts).prop_map(|(flags, known, picks, texts)| {
        let [unknown, prefix, suffix, fuse_unk, byte_fallback, ignore_merges, bytes] = flags;
        let settings = ModelSettings {
            unk_token: unknown.then(|| "<unk>".to_owned()),
            continuing_subword_prefix: prefix.then(|| "##".to_owned()),
            end_of_word_suffix: suffix.then(|| "</w>".to_owned()),
            fuse_unk,
            byte_fallback,
            ignore_merges,
        };
        let mut vocabulary = vec!["<unk>".to_owned()];
        if bytes {
            vocabulary.extend((0..=255).map(|byte| format!("<0x{byte:02X}>")));
        }
        for letter in &LETTERS[..known] {
            vocabulary.extend(["", "##"].iter().flat_map(|p| ["", "</w>"].map(|s| format!("{p}{letter}{s}"))));
        }
        let (first, mut merges) = (vocabulary.len() - 4 * known, Vec::new());
        let prefix = settings.continuing_subword_prefix.clone().unwrap_or_default();
        for (left, right) in picks {
            let place = |pick: prop::sample::Index| first + pick.index(vocabulary.len() - first);
            let (left, right) = (place(left), place(right));
            let Some(rest) = vocabulary[right].strip_prefix(&prefix) else { continue };
            let union = format!("{}{rest}", vocabulary[left]);
            merges.push((left, right));
            if !vocabulary.contains(&union) {
                vocabulary.push(union);
            }
        }
        let texts = texts.iter().map(|text| text.iter().map(|&letter| LETTERS[letter]).collect()).collect();
        Case { vocabulary, merges, settings, texts }
    })
}

impl Case {
    /// Ids are spread, as a vocabulary's may be.
    fn pairs(&self) -> Vec<(String, u64)> {
        self.vocabulary.iter().cloned().zip((0..).map(|place| 3 * place + 1)).collect()
    }

    fn ours(&self) -> Bpe {
        let vocabulary = crate::tokenizer::vocabulary::Vocabulary::new(&self.pairs(), 1 << 16).unwrap();
        let prefix = self.settings.continuing_subword_prefix.as_deref().unwrap_or_default();
        let text = |place: usize| self.vocabulary[place].as_str();
        let merges: Vec<ResolvedMerge> = (1..)
            .zip(&self.merges)
            .map(|(number, &(left, right))| vocabulary.resolve(number, (text(left), text(right)), prefix).unwrap())
            .collect();
        Bpe::new(vocabulary.tokens, &merges, self.settings.clone())
    }

    fn oracle(&self) -> BPE {
        let vocabulary: Vocab = self.pairs().into_iter().map(|(token, id)| (token, id as u32)).collect();
        let text = |place: usize| self.vocabulary[place].clone();
        let merges = self.merges.iter().map(|&(left, right)| (text(left), text(right))).collect();
        let ModelSettings { unk_token, continuing_subword_prefix, end_of_word_suffix, .. } = self.settings.clone();
        let mut bpe = BPE::builder().vocab_and_merges(vocabulary, merges);
        if let Some(prefix) = continuing_subword_prefix {
            bpe = bpe.continuing_subword_prefix(prefix);
        }
        let mut bpe = bpe
            .fuse_unk(self.settings.fuse_unk)
            .byte_fallback(self.settings.byte_fallback)
            .ignore_merges(self.settings.ignore_merges)
            .build()
            .unwrap();
        (bpe.unk_token, bpe.end_of_word_suffix) = (unk_token, end_of_word_suffix);
        bpe
    }
}

proptest! {
    #[test]
    fn tokens_are_those_of_the_crate(case in case()) {
        let (ours, oracle) = (case.ours(), case.oracle());
        for text in &case.texts {
            let places = |tokens: Vec<Token>| tokens.into_iter().map(|token| (token.id, token.offsets)).collect::<Vec<_>>();
            prop_assert_eq!(
                places(ours.tokenize(text).unwrap()),
                places(oracle.tokenize(text).unwrap()),
                "{:?} with {:?}", text, case.settings
            );
        }
    }
}

#[test]
fn unknown_token_outside_the_vocabulary_is_an_error_where_it_is_needed() {
    let mut tokens = Tokens::with_capacity(1, 1);
    tokens.insert("a", 0).unwrap();
    let settings = ModelSettings { unk_token: Some("<unk>".to_owned()), ..ModelSettings::default() };
    let bpe = Bpe::new(tokens, &[], settings);
    assert_eq!(bpe.tokenize("aa").unwrap().len(), 2);
    assert!(bpe.tokenize("ab").unwrap_err().to_string().contains("\"<unk>\""));
}
