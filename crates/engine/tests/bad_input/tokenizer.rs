//! Tokenizers that contradict themselves or the model.

use cke_engine::load_error::LoadError;
use cke_engine::tokenizer::{TokenizeError, Tokenizer, TokenizerFileError};

use crate::Dir;

/// A `tokenizer.json` of byte-level BPE.
fn bpe_json(vocab: &str, merges: &str, added: &str) -> String {
    format!(
        r#"{{"version":"1.0","truncation":null,"padding":null,"added_tokens":{added},"normalizer":null,
        "pre_tokenizer":{{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}},
        "post_processor":null,
        "decoder":{{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}},
        "model":{{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,
        "end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"vocab":{vocab},"merges":{merges}}}}}"#
    )
}

#[track_caller]
fn tokenizer_error(json: &str, model_vocab: usize) -> TokenizerFileError {
    let error = Tokenizer::from_bytes(json.as_bytes(), "tokenizer.json", model_vocab).unwrap_err();
    assert!(error.to_string().starts_with("tokenizer.json: "), "{error}");
    match error {
        LoadError::Tokenizer { problem, .. } => problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn tokenizer_id_at_or_above_the_vocabulary_is_refused() {
    let json = bpe_json(r#"{"a":0,"b":1,"ab":2}"#, r#"["a b"]"#, "[]");
    let error = tokenizer_error(&json, 2);
    assert!(matches!(&error, TokenizerFileError::IdOutsideVocabulary { token, id: 2, vocabulary: 2 } if token == "ab"));
    Tokenizer::from_bytes(json.as_bytes(), "tokenizer.json", 3).unwrap();
    for id in ["4294967295", "4294967296", "18446744073709551615"] {
        let json = bpe_json(&format!(r#"{{"a":{id}}}"#), "[]", "[]");
        assert!(matches!(tokenizer_error(&json, usize::MAX), TokenizerFileError::IdOutsideVocabulary { .. }));
    }
}

#[test]
fn added_token_at_or_past_the_end_of_the_embeddings_is_an_error_of_a_text_alone() {
    let added = bpe_json(r#"{"a":0}"#, "[]", &added_token("<x>", 1));
    let tokenizer = Tokenizer::from_bytes(added.as_bytes(), "tokenizer.json", 1).unwrap();
    assert_eq!(tokenizer.encode("aa", true).unwrap(), [0, 0]);
    let error = tokenizer.encode("a<x>", true).unwrap_err();
    assert!(matches!(error, TokenizeError::UnknownId { id: 1, vocabulary: 1 }), "{error}");
    let notice = tokenizer.notices()[0].to_string();
    assert_eq!(notice, "tokenizer.json: `<x>` has id 1, outside the model's vocabulary of 1: it never matches");
}

fn added_token(content: &str, id: u32) -> String {
    format!(
        r#"[{{"id":{id},"content":"{content}","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}}]"#
    )
}

#[test]
fn tokenizer_duplicate_id_is_refused() {
    let error = tokenizer_error(&bpe_json(r#"{"a":0,"b":1,"c":1}"#, "[]", "[]"), 9);
    assert_eq!(error.to_string(), r#"token id 1: belongs to both "b" and "c""#);
    let error = tokenizer_error(&bpe_json(r#"{"a":0,"a":1}"#, "[]", "[]"), 9);
    assert_eq!(error.to_string(), r#"token "a": listed twice"#);
}

#[test]
fn tokenizer_added_token_with_a_wrong_id_is_refused() {
    for (token, id, found) in [("<x>", 0, Some(1)), ("a", 5, Some(0)), ("", 1, None)] {
        let error = tokenizer_error(&bpe_json(r#"{"a":0}"#, "[]", &added_token(token, id)), 9);
        assert!(matches!(error, TokenizerFileError::AddedTokenId { found: f, .. } if f == found), "{error}");
    }
}

#[test]
fn tokenizer_merge_of_unknown_parts_is_refused() {
    for (merges, missing) in [(r#"["a x"]"#, "x"), (r#"[["x","b"]]"#, "x"), (r#"["a b","b a"]"#, "ba")] {
        let error = tokenizer_error(&bpe_json(r#"{"a":0,"b":1,"ab":2}"#, merges, "[]"), 9);
        assert!(matches!(&error, TokenizerFileError::UnknownMerge { missing: m, .. } if m == missing), "{error}");
    }
    for merges in [r#"["ab"]"#, r#"["a b c"]"#, r#"[" b"]"#, r#"["a "]"#] {
        let error = tokenizer_error(&bpe_json(r#"{"a":0,"b":1,"ab":2}"#, merges, "[]"), 9);
        assert!(matches!(error, TokenizerFileError::MalformedMerge { number: 1, .. }), "{error}");
    }
}

#[test]
fn tokenizer_merge_shorter_than_the_continuation_prefix_is_refused() {
    let json = bpe_json(r#"{"a":0,"b":1,"ab":2}"#, r#"["a b"]"#, "[]");
    let json = json.replace(r#""continuing_subword_prefix":null"#, r###""continuing_subword_prefix":"##""###);
    assert!(matches!(tokenizer_error(&json, 9), TokenizerFileError::MergeWithoutPrefix { number: 1, .. }));
}

#[test]
fn tokenizer_of_an_unsupported_kind_is_refused() {
    let unigram = r#"{"model":{"type":"Unigram","unk_id":0,"vocab":[["a",-1.0]]}}"#;
    assert!(matches!(tokenizer_error(unigram, 9), TokenizerFileError::UnsupportedModel { .. }));
    let json = bpe_json(r#"{"a":0}"#, "[]", "[]");
    let byte_level = r#""decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}"#;
    assert!(
        matches!(tokenizer_error(&json.replace(byte_level, r#""decoder":null"#), 9), TokenizerFileError::NotByteLevel { found } if found == "none")
    );
    let precompiled = r#"{"type":"Precompiled","precompiled_charsmap":"AAAA"}"#;
    for (section, part, kind) in [
        ("normalizer", precompiled.to_owned(), "Precompiled"),
        ("normalizer", format!(r#"{{"type":"Sequence","normalizers":[{precompiled}]}}"#), "Precompiled"),
        ("normalizer", r#"{"type":"Sequence","normalizers":[1]}"#.to_owned(), "no type"),
    ] {
        let json = json.replace(&format!("\"{section}\":null"), &format!("\"{section}\":{part}"));
        let error = tokenizer_error(&json, 9);
        assert!(
            matches!(&error, TokenizerFileError::UnsupportedPart { section: s, found, .. } if *s == section && found == kind),
            "{error}"
        );
    }
}

#[test]
fn tokenizer_of_wrong_form_is_refused() {
    let deep = format!(r#"{{"model":{}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    for json in ["", "[]", "{}", r#"{"model":{}}"#, r#"{"model":{"type":"BPE","vocab":{"a":-1}}}"#, &deep] {
        let error = Tokenizer::from_bytes(json.as_bytes(), "tokenizer.json", 9).unwrap_err();
        assert!(matches!(error, LoadError::Json { .. } | LoadError::OtherFormat { .. }), "{json:.40}: {error}");
    }
    let json = bpe_json(r#"{"a":0}"#, "[]", "[]");
    // In the decoder, a malformed byte or escape would reach a part of the `tokenizers` crate that panics.
    for key in ["use_regex", "dropout", "model"] {
        let at = json.rfind(key).unwrap();
        let mut malformed = json.clone().into_bytes();
        malformed[at] = 0xFF;
        let error = Tokenizer::from_bytes(&malformed, "x", 9).unwrap_err();
        assert!(matches!(error, LoadError::NotUtf8 { at: found, .. } if found == at), "{error}");
        let surrogate = format!("{}\\ud800{}", &json[..at], &json[at..]);
        let error = Tokenizer::from_bytes(surrogate.as_bytes(), "x", 9).unwrap_err();
        assert!(matches!(error, LoadError::Json { .. }), "{error}");
    }
    let no_version = json.replace("1.0", "2.0");
    assert!(matches!(tokenizer_error(&no_version, 9), TokenizerFileError::Rejected { .. }));
}

#[test]
fn older_tokenizer_files_that_are_malformed_are_refused() {
    let vocab: &[u8] = br#"{"a":0,"b":1,"ab":2}"#;
    let load = |files: &[(&str, &[u8])]| Tokenizer::load(Dir::with(files).path(), 5).unwrap_err();
    let merges = |text: &[u8]| load(&[("vocab.json", vocab), ("merges.txt", text)]);

    let message = merges(b"#version: 0.2\na b\nb a\n").to_string();
    assert!(message.ends_with(r#"merges.txt: merge 3, "b" with "a": the vocabulary has no token "ba""#), "{message}");
    assert!(merges(b"a\n").to_string().contains("merges.txt: merge 1"));
    assert!(matches!(merges(b"a \xff\n"), LoadError::NotUtf8 { at: 2, .. }));

    let message = load(&[("vocab.txt", b"[UNK]\n[CLS]\n[SEP]\na\na\n")]).to_string();
    assert!(message.ends_with(r#"vocab.txt: token "a": listed twice"#), "{message}");
    let message = load(&[("vocab.txt", b"[UNK]\n[CLS]\na\n")]).to_string();
    assert!(message.contains("no token \"[SEP]\""), "{message}");
    let message = load(&[("vocab.txt", b"[UNK]\n[CLS]\n[SEP]\na\nb\nc\n")]).to_string();
    assert!(message.contains("an id below the model's vocabulary of 5, found 5"), "{message}");
    assert!(matches!(load(&[("vocab.txt", b"a\xff")]), LoadError::NotUtf8 { at: 1, .. }));
    assert!(matches!(load(&[("vocab.json", vocab)]), LoadError::NoTokenizer { .. }));
    let bad_setting: &[u8] = br#"{"do_lower_case":"yes"}"#;
    let files: [(&str, &[u8]); 2] = [("vocab.txt", b"[UNK]\n[CLS]\n[SEP]"), ("tokenizer_config.json", bad_setting)];
    assert!(load(&files).to_string().contains("`do_lower_case`: wanted true or false, found \"yes\""));
}

#[test]
fn token_id_outside_the_vocabulary_cannot_be_decoded() {
    let json = bpe_json(r#"{"a":0,"b":1}"#, "[]", "[]");
    let tokenizer = Tokenizer::from_bytes(json.as_bytes(), "x", 4).unwrap();
    assert_eq!(tokenizer.decode(&[0, 3, 1], false).unwrap(), "ab");
    assert_eq!(tokenizer.token_bytes(3).unwrap(), b"");
    assert!(matches!(tokenizer.decode(&[0, 4], false), Err(TokenizeError::UnknownId { id: 4, vocabulary: 4 })));
    assert!(matches!(tokenizer.token_bytes(u32::MAX), Err(TokenizeError::UnknownId { .. })));
}

#[test]
fn post_processor_that_cannot_be_applied_is_refused() {
    let json = bpe_json(r#"{"a":0,"b":1}"#, "[]", "[]");
    let with = |part: &str| json.replace(r#""post_processor":null"#, &format!("\"post_processor\":{part}"));
    for (part, reason) in [
        (r#"{"type":"BertProcessing","sep":["[SEP]",2],"cls":["[CLS]",1]}"#, "vocabulary of 2, found 2"),
        (r#"{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x"}}],"special_tokens":{}}"#, "no \"x\""),
        (r#"{"type":"TemplateProcessing","single":[{"Sequence":{"id":"B"}}],"special_tokens":{}}"#, "found \"B\""),
        (r#"{"cls":["a",0],"sep":["a",0]}"#, "missing field `type`"),
    ] {
        let error = tokenizer_error(&with(part), 2);
        assert!(matches!(error, TokenizerFileError::PostProcessor { .. }), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
    let bert = with(r#"{"type":"BertProcessing","sep":["b",1],"cls":["a",0]}"#);
    let tokenizer = Tokenizer::from_bytes(bert.as_bytes(), "x", 2).unwrap();
    assert_eq!(tokenizer.encode("b", true).unwrap(), [0, 1, 1]);
    assert!(matches!(tokenizer.encode_truncated("a", true, 1), Err(TokenizeError::NoRoom { special: 2, max_len: 1 })));
}
