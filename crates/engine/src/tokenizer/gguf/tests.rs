//! A GGUF file's tokenizer against the model directory that it was made from: the ids are those of transformers.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::tokenizer::Tokenizer;

/// A case of the golden files that a GGUF file says as well.
#[derive(Deserialize)]
struct Case {
    parts: Value,
    gguf: Option<Keys>,
    before: Vec<u32>,
    after: Vec<u32>,
    ids: Value,
}

/// The keys of a GGUF file beside the vocabulary, with the texts of tokens in place of their ids.
#[derive(Deserialize)]
struct Keys {
    pre: Option<String>,
    add_bos: Option<bool>,
    add_eos: Option<bool>,
    add_space_prefix: Option<bool>,
    bos: Option<String>,
    eos: Option<String>,
    unk: Option<String>,
    pad: Option<String>,
}

fn read<T: serde::de::DeserializeOwned>(name: &str, file: &str) -> T {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    serde_json::from_slice(&std::fs::read(dir.join(file)).unwrap()).unwrap()
}

/// What llama.cpp's converter would write of the golden vocabulary.
fn converted(name: &str, keys: &Keys) -> GgufTokenizer {
    let whole: Value = read(name, "whole.json");
    let is_byte_level = name == "language-byte-level";
    let mut entries: Vec<(u32, String, i32)> = Vec::new();
    for (token, id) in whole["model"]["vocab"].as_object().unwrap() {
        let is_byte = !is_byte_level && byte_piece(token).is_some();
        entries.push((id.as_u64().unwrap() as u32, token.clone(), if is_byte { 6 } else { 1 }));
    }
    for added in whole["added_tokens"].as_array().unwrap() {
        let (id, token) = (added["id"].as_u64().unwrap() as u32, added["content"].as_str().unwrap().to_owned());
        let kind = match added["special"] == true {
            true if token == "<unk>" => 2,
            true => 3,
            false => 4,
        };
        entries.retain(|(other, ..)| *other != id);
        entries.push((id, token, kind));
    }
    entries.sort_unstable();
    let end = entries.len() as u32;
    // The rows of the embedding are more than the tokens.
    entries.extend((end..end + 2).map(|id| (id, format!("[PAD{id}]"), 5)));
    let id = |token: &Option<String>| {
        token.as_ref().map(|token| entries.iter().find(|(_, other, _)| other == token).unwrap().0)
    };
    let mut scores: Vec<f32> = if is_byte_level { Vec::new() } else { read(name, "scores.json") };
    scores.resize(entries.len(), -1000.0);
    let merges = whole["model"]["merges"].as_array().unwrap().iter();
    let merges = merges.map(|pair| format!("{} {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()));
    GgufTokenizer {
        model: if is_byte_level { "gpt2" } else { "llama" }.to_owned(),
        pre: keys.pre.clone(),
        tokens: entries.iter().map(|(_, token, _)| token.clone()).collect(),
        scores: (!is_byte_level).then_some(scores),
        token_types: Some(entries.iter().map(|(.., kind)| *kind).collect()),
        merges: if is_byte_level { merges.collect() } else { Vec::new() },
        bos: id(&keys.bos),
        eos: id(&keys.eos),
        unk: id(&keys.unk),
        pad: id(&keys.pad),
        add_bos: keys.add_bos,
        add_eos: keys.add_eos,
        add_space_prefix: keys.add_space_prefix,
        chat_template: Some("{{ bos_token }}".to_owned()),
        ..GgufTokenizer::default()
    }
}

/// The directory that a GGUF file stands for.
fn load(gguf: &GgufTokenizer) -> Result<Tokenizer, LoadError> {
    let (file, dir) = (Path::new("m.gguf"), tempfile::tempdir().unwrap());
    std::fs::write(dir.path().join("tokenizer.json"), tokenizer_json(gguf, file)?).unwrap();
    std::fs::write(dir.path().join("tokenizer_config.json"), tokenizer_config_json(gguf, file)?.content).unwrap();
    // A type for which the library would take a class of its own.
    std::fs::write(dir.path().join("config.json"), json!({"model_type": "qwen2"}).to_string()).unwrap();
    Tokenizer::load(dir.path(), gguf.tokens.len())
}

fn assert_cases(name: &str, count: usize) {
    let (cases, texts): (Vec<Case>, Vec<String>) = (read(name, "golden.json"), read(name, "texts.json"));
    let mut compared = 0;
    for (number, case) in cases.iter().enumerate() {
        let Some(keys) = &case.gguf else { continue };
        let tokenizer = load(&converted(name, keys)).unwrap();
        assert_eq!(tokenizer.notices(), [], "{name} {number}");
        let ids = case.ids.as_u64().map_or(&case.ids, |first| &cases[first as usize].ids);
        for (text, ids) in texts.iter().zip(ids.as_array().unwrap()) {
            let ids: Vec<u32> = Vec::deserialize(ids).unwrap();
            assert_eq!(tokenizer.encode(text, false).unwrap(), ids, "{name} {number} {}: {text:?}", case.parts);
            let framed = [&*case.before, &ids, &*case.after].concat();
            assert_eq!(tokenizer.encode(text, true).unwrap(), framed, "{name} {number}: {text:?}");
        }
        let texts = tokenizer.special_texts();
        assert_eq!((&texts.bos, &texts.eos, &texts.pad), (&keys.bos, &keys.eos, &keys.pad), "{name} {number}");
        assert_eq!(tokenizer.chat_template(), Some("{{ bos_token }}"));
        // A place without a token of the model's own.
        assert_eq!(tokenizer.token_bytes(tokenizer.vocab_size() as u32).unwrap(), b"");
        compared += 1;
    }
    assert_eq!(compared, count);
}

#[test]
fn byte_level_vocabulary_gives_the_ids_of_its_model_directory() {
    assert_cases("language-byte-level", 12);
}

#[test]
fn vocabulary_with_scores_gives_the_ids_of_its_model_directory() {
    assert_cases("language-pieces", 4);
}

/// Three letters and their union.
fn small(model: &str) -> GgufTokenizer {
    let tokens = ["<s>", "a", "b", "ab", "<0x0A>"].map(str::to_owned).to_vec();
    GgufTokenizer {
        model: model.to_owned(),
        pre: (model == "gpt2").then(|| "gpt-2".to_owned()),
        scores: Some(vec![0.0, -1.0, -2.0, 0.0, 0.0]),
        token_types: Some(vec![3, 1, 1, 1, if model == "gpt2" { 1 } else { 6 }]),
        merges: if model == "gpt2" { vec!["a b".to_owned()] } else { Vec::new() },
        tokens,
        unk: Some(0),
        ..GgufTokenizer::default()
    }
}

#[test]
fn small_tokenizers_are_read() {
    for model in ["gpt2", "llama"] {
        let tokenizer = load(&small(model)).unwrap();
        assert_eq!(tokenizer.encode("ab<s>", false).unwrap().last_chunk(), Some(&[3, 0]), "{model}");
    }
}

#[test]
fn values_that_do_not_match_are_refused_by_key() {
    type Change = fn(&mut GgufTokenizer);
    let cases: [(&str, Change, &str); 15] = [
        ("gpt2", |t| t.model = "t5".into(), "`tokenizer.ggml.model`: wanted `gpt2` or `llama`, found `t5`"),
        ("gpt2", |t| t.pre = Some("own".into()), "`tokenizer.ggml.pre`: wanted one of gpt-2, phi-2, mpt"),
        ("gpt2", |t| t.merges.clear(), "`tokenizer.ggml.merges`: wanted a list, which `gpt2` needs, found none"),
        ("gpt2", |t| t.merges.push("a".into()), "merge 2: wanted two tokens with one space between them, found \"a\""),
        ("gpt2", |t| t.merges.push("a x".into()), "merge 2, \"a\" with \"x\": the vocabulary has no token \"x\""),
        ("gpt2", |t| t.tokens[2] = "a".into(), "token \"a\": listed twice"),
        (
            "gpt2",
            |t| t.bos = Some(5),
            "`tokenizer.ggml.bos_token_id`: wanted an id below the 5 of the vocabulary, found 5",
        ),
        ("gpt2", |t| t.eot = Some(u32::MAX), "`tokenizer.ggml.eot_token_id`: wanted an id below"),
        (
            "gpt2",
            |t| t.token_types = Some(vec![1; 4]),
            "`tokenizer.ggml.token_type`: wanted one entry for each of the 5 tokens, found 4",
        ),
        ("gpt2", |t| t.token_types = Some(vec![0; 5]), "wanted a type from 1 to 6 for token \"<s>\", found 0"),
        (
            "llama",
            |t| t.scores = Some(vec![0.0; 6]),
            "`tokenizer.ggml.scores`: wanted one entry for each of the 5 tokens, found 6",
        ),
        ("llama", |t| t.scores = Some(vec![f32::NAN; 5]), "wanted a number for token \"<s>\", found NaN"),
        ("llama", |t| t.scores = None, "`tokenizer.ggml.scores`: wanted a score for each token, which `llama` needs"),
        (
            "llama",
            |t| t.token_types = Some(vec![6; 5]),
            "wanted a byte such as `<0x0A>` for a token of type 6, found \"<s>\"",
        ),
        ("llama", |t| t.remove_extra_whitespaces = Some(true), "found true (not supported)"),
    ];
    for (model, change, wanted) in cases {
        let mut tokenizer = small(model);
        change(&mut tokenizer);
        let error = load(&tokenizer).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
    let mut without_unknown = small("llama");
    without_unknown.unk = None;
    let error = load(&without_unknown).unwrap_err().to_string();
    assert!(error.starts_with("m.gguf: `tokenizer.ggml.unknown_token_id`"), "{error}");
}

#[test]
fn merges_of_long_tokens_are_bounded() {
    let mut tokenizer = small("llama");
    tokenizer.tokens = (1..2000).map(|len| "a".repeat(len)).collect();
    (tokenizer.scores, tokenizer.token_types) = (Some(vec![0.0; 1999]), None);
    let error = tokenizer_json(&tokenizer, Path::new("m.gguf")).unwrap_err().to_string();
    assert!(error.contains("squares add up to at most"), "{error}");
}

#[test]
fn greater_score_is_merged_first_and_ties_go_by_id() {
    let tokens = ["<unk>", "a", "b", "c", "bc", "ab", "abc"].map(str::to_owned).to_vec();
    let tokenizer = |scores: [f32; 7]| GgufTokenizer {
        model: "llama".to_owned(),
        tokens: tokens.clone(),
        scores: Some(scores.to_vec()),
        unk: Some(0),
        add_space_prefix: Some(false),
        ..GgufTokenizer::default()
    };
    let merges = |scores: [f32; 7]| -> Value {
        let json = tokenizer_json(&tokenizer(scores), Path::new("m.gguf")).unwrap();
        serde_json::from_slice::<Value>(&json).unwrap()["model"]["merges"].clone()
    };
    let by_score = json!([["a", "b"], ["b", "c"], ["ab", "c"], ["a", "bc"]]);
    assert_eq!(merges([0.0, -7.0, -7.0, -7.0, -2.0, -1.0, -3.0]), by_score);
    let by_id = json!([["b", "c"], ["a", "b"], ["ab", "c"], ["a", "bc"]]);
    assert_eq!(merges([-1000.0; 7]), by_id);
    assert_eq!(merges([0.0, 0.0, 0.0, 0.0, 0.0, -0.0, 0.0]), by_id);
}

#[test]
fn what_is_not_said_is_noticed() {
    let file = Path::new("m.gguf");
    assert_eq!(notices(&small("gpt2"), file), []);
    let silent = GgufTokenizer { pre: None, add_bos: Some(true), ..small("gpt2") };
    let found: Vec<String> = notices(&silent, file).iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 2);
    assert!(found[0].starts_with("m.gguf: `tokenizer.ggml.pre` (no such key) is not followed: "), "{found:?}");
    assert!(found[1].contains("`tokenizer.ggml.add_bos_token` true"), "{found:?}");
    assert_eq!(notices(&GgufTokenizer { add_bos: Some(true), bos: Some(0), ..small("llama") }, file), []);
}
