//! What stands beside the vocabulary of a language model: chat templates, and parts that its class does not take.

mod support;

use cke_engine::load_error::LoadError;
use cke_engine::tokenizer::{Tokenizer, TokenizerFileError};
use serde_json::{Value, json};
use support::golden_dir;

/// A directory with the golden vocabulary of a case.
fn dir(case: &str, parts: Value, settings: Value, model_type: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let whole = std::fs::read(golden_dir(case).join("whole.json")).unwrap();
    let mut whole: Value = serde_json::from_slice(&whole).unwrap();
    whole.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
    for (file, value) in [
        ("tokenizer.json", whole),
        ("tokenizer_config.json", settings),
        ("config.json", json!({"model_type": model_type})),
    ] {
        std::fs::write(dir.path().join(file), value.to_string()).unwrap();
    }
    dir
}

/// The notices without the directory.
fn notices(case: &str, parts: Value, settings: Value, model_type: &str) -> Vec<String> {
    let dir = dir(case, parts, settings, model_type);
    let tokenizer = Tokenizer::load(dir.path(), 1000).unwrap();
    let prefix = format!("{}/", dir.path().display());
    tokenizer.notices().iter().map(|notice| notice.to_string().replace(&prefix, "")).collect()
}

fn split(pattern: &str) -> Value {
    json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false})
}

fn byte_level(trim_offsets: bool) -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": trim_offsets, "use_regex": false})
}

const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

#[test]
fn chat_template_is_found_in_each_place() {
    let load = |template: Value, files: &[(&str, &str)]| {
        let dir = dir("language-pieces", json!({}), json!({"chat_template": template, "bos_token": "<s>"}), "mistral");
        std::fs::create_dir(dir.path().join("additional_chat_templates")).unwrap();
        files.iter().for_each(|(file, text)| std::fs::write(dir.path().join(file), text).unwrap());
        let tokenizer = Tokenizer::load(dir.path(), 1000)?;
        let texts = [tokenizer.chat_template(), tokenizer.tool_chat_template()].map(|text| text.map(str::to_owned));
        Ok::<_, LoadError>((texts, tokenizer.notices().len(), tokenizer.special_texts().bos.clone()))
    };
    let some = |text: &str| Some(text.to_owned());
    let bos = some("<s>");
    let (file, tools) = (("chat_template.jinja", "F"), ("additional_chat_templates/tool_use.jinja", "T"));
    assert_eq!(load(Value::Null, &[]).unwrap(), ([None, None], 0, bos.clone()));
    assert_eq!(load(json!("A"), &[]).unwrap(), ([some("A"), some("A")], 0, bos.clone()));
    let list = json!([{"name": "default", "template": "A"}, {"name": "tool_use", "template": "B"}]);
    assert_eq!(load(list.clone(), &[]).unwrap(), ([some("A"), some("B")], 0, bos.clone()));
    assert_eq!(load(json!([{"name": "rag", "template": "A"}]), &[]).unwrap(), ([None, None], 0, bos.clone()));
    assert_eq!(load(Value::Null, &[file]).unwrap(), ([some("F"), some("F")], 0, bos.clone()));
    // The file comes before the key, which is named if it says something else.
    assert_eq!(load(json!("F"), &[file]).unwrap(), ([some("F"), some("F")], 0, bos.clone()));
    assert_eq!(load(list, &[file, tools]).unwrap(), ([some("F"), some("T")], 1, bos));
    for wrong in [json!(1), json!([1]), json!([{"name": "default"}])] {
        let error = load(wrong, &[]).unwrap_err().to_string();
        assert!(
            error.contains("`chat_template`: wanted a text, or a list of objects with `name` and `template`"),
            "{error}"
        );
    }
}

#[test]
fn parts_that_a_class_has_by_itself_are_named_if_the_file_has_others() {
    let older = json!({"normalizer": {"type": "Prepend", "prepend": "\u{2581}"}, "pre_tokenizer": null});
    let llama = json!({"tokenizer_class": "LlamaTokenizer"});
    let found = notices("language-pieces", older.clone(), llama.clone(), "llama");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("tokenizer.json: `normalizer` {") && found[0].contains("\"Prepend\""), "{found:?}");
    assert!(found[0].ends_with("is not used: null of LlamaTokenizer comes first"), "{found:?}");
    assert!(found[1].starts_with("tokenizer.json: `pre_tokenizer` null is not used: {\""), "{found:?}");
    // For Mistral's models the file decides alone.
    assert_eq!(notices("language-pieces", older, llama, "mistral"), [""; 0]);

    let qwen = json!({"tokenizer_class": "Qwen2Tokenizer"});
    let own = json!({"normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split(QWEN2), byte_level(false)]}});
    assert_eq!(notices("language-byte-level", own.clone(), qwen.clone(), "qwen3"), [""; 0]);
    let mut other = own;
    other["normalizer"] = Value::Null;
    let found = notices("language-byte-level", other, qwen, "qwen3");
    assert_eq!(
        found,
        ["tokenizer.json: `normalizer` null is not used: {\"type\":\"NFC\"} of Qwen2Tokenizer comes first"]
    );
}

#[test]
fn correction_of_mistrals_regular_expression_is_named_if_it_is_not_made() {
    let parts = json!({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [split(QWEN2), byte_level(true)]}});
    let settings = json!({"fix_mistral_regex": true});
    let found = notices("language-byte-level", parts.clone(), settings, "mistral");
    assert!(found.len() == 1 && found[0].contains("`fix_mistral_regex` true is not followed"), "{found:?}");
    assert_eq!(notices("language-byte-level", parts, json!({"fix_mistral_regex": false}), "mistral"), [""; 0]);
}

#[test]
fn decoder_of_another_kind_than_that_of_the_class_is_refused() {
    let error = |case: &str, parts: Value, settings: Value| {
        let dir = dir(case, parts, settings, "gemma");
        match Tokenizer::load(dir.path(), 1000).unwrap_err() {
            LoadError::Tokenizer { problem, .. } => problem,
            other => panic!("{other}"),
        }
    };
    let found = error("language-byte-level", json!({}), json!({"tokenizer_class": "GemmaTokenizer"}));
    assert!(matches!(found, TokenizerFileError::DecoderOfOtherClass { class: "GemmaTokenizer", .. }), "{found}");
    let general = json!({"tokenizer_class": "PreTrainedTokenizerFast"});
    let fuse = json!({"decoder": {"type": "Sequence", "decoders": [{"type": "Fuse"}]}});
    let found = error("language-pieces", fuse, general.clone());
    assert!(matches!(found, TokenizerFileError::UnknownDecoder), "{found}");
    let ctc = json!({"decoder": {"type": "Sequence", "decoders": [{"type": "CTC"}]}});
    let found = error("language-pieces", ctc, general);
    assert!(matches!(found, TokenizerFileError::UnsupportedPart { section: "decoder", .. }), "{found}");
}

#[test]
fn malformed_parts_are_refused_without_a_panic() {
    let replace = |pattern: &str| json!({"type": "Replace", "pattern": {"Regex": pattern}, "content": ""});
    for parts in [
        json!({"pre_tokenizer": split("(")}),
        json!({"pre_tokenizer": {"type": "Metaspace", "replacement": "ab"}}),
        json!({"pre_tokenizer": {"type": "Metaspace", "replacement": "a", "prepend_scheme": "first", "add_prefix_space": false}}),
        json!({"normalizer": replace("(?<=")}),
        json!({"normalizer": {"type": "Prepend"}}),
    ] {
        let dir = dir("language-pieces", parts.clone(), json!({}), "mistral");
        let error = Tokenizer::load(dir.path(), 1000).unwrap_err();
        assert!(error.to_string().contains("not a tokenizer: "), "{parts}: {error}");
    }
    for parts in [
        json!({"normalizer": {"type": "Prepend", "prepend": ""}}),
        json!({"normalizer": replace("")}),
        json!({"pre_tokenizer": split("")}),
        json!({"pre_tokenizer": split("a*")}),
    ] {
        let dir = dir("language-pieces", parts, json!({}), "mistral");
        let tokenizer = Tokenizer::load(dir.path(), 1000).unwrap();
        for text in ["", "a", "aa b\u{e9}\u{4f60}", "\u{2581} "] {
            tokenizer.encode(text, true).unwrap();
        }
    }
}

#[test]
fn kind_and_first_space_follow_the_decoder() {
    let load = |case: &str, settings: Value, model_type: &str| {
        Tokenizer::load(dir(case, json!({}), settings, model_type).path(), 1000).unwrap()
    };
    let llama = load("language-pieces", json!({"tokenizer_class": "LlamaTokenizerFast"}), "llama");
    assert_eq!((llama.kind(), llama.strips_first_space()), ("SentencePiece BPE", true));
    let hello = llama.encode("hello", false).unwrap();
    let bytes: Vec<u8> = hello.iter().flat_map(|&id| llama.token_bytes(id).unwrap().to_vec()).collect();
    assert_eq!((bytes.as_slice(), llama.decode(&hello, true).unwrap().as_str()), (b" hello".as_slice(), "hello"));
    let gemma = load("language-pieces", json!({"tokenizer_class": "GemmaTokenizer"}), "gemma");
    assert_eq!((gemma.kind(), gemma.strips_first_space()), ("SentencePiece BPE", false));
    let qwen = load("language-byte-level", json!({}), "qwen2");
    assert_eq!((qwen.kind(), qwen.strips_first_space()), ("byte-level BPE", false));
    // Without a class's or a file's word there is no such token.
    assert_eq!((qwen.special_tokens().bos, qwen.special_texts().bos.as_deref()), (None, None));
    assert_eq!(qwen.special_texts().eos.as_deref(), Some("<|endoftext|>"));
}
