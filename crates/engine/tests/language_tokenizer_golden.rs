//! Tokenizers of language models against transformers' ids, under many parts of `tokenizer.json`, settings and model types.

mod support;

use cke_engine::text_stream::TextStream;
use cke_engine::tokenizer::Tokenizer;
use serde::Deserialize;
use serde_json::{Map, Value};
use support::golden_dir;

#[derive(Deserialize)]
struct Case {
    model_type: String,
    parts: Map<String, Value>,
    settings: Value,
    class: String,
    before: Vec<u32>,
    after: Vec<u32>,
    ids: Same<Vec<Vec<u32>>>,
    decoded: Same<Vec<Option<String>>>,
    bos: Option<String>,
    eos: Option<String>,
    unk: Option<String>,
    pad: Option<String>,
}

/// A value, or the number of an earlier case that has the same.
#[derive(Deserialize)]
#[serde(untagged)]
enum Same<T> {
    Case(usize),
    Own(T),
}

impl<T> Same<T> {
    fn of<'a>(&'a self, cases: &'a [Case], field: impl Fn(&'a Case) -> &'a Same<T>) -> &'a T {
        match self {
            Same::Own(value) => value,
            Same::Case(number) => field(&cases[*number]).of(cases, field),
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(name: &str, file: &str) -> T {
    serde_json::from_slice(&std::fs::read(golden_dir(name).join(file)).unwrap()).unwrap()
}

/// The model directory of a case.
fn load(name: &str, case: &Case) -> Tokenizer {
    let dir = tempfile::tempdir().unwrap();
    let mut json: Map<String, Value> = read(name, "whole.json");
    let mut parts = case.parts.clone();
    if let Some(Value::Object(model)) = parts.remove("model") {
        json["model"].as_object_mut().unwrap().extend(model);
    }
    json.extend(parts);
    let write = |file: &str, value: &Value| std::fs::write(dir.path().join(file), value.to_string()).unwrap();
    write("tokenizer.json", &Value::Object(json));
    write("tokenizer_config.json", &case.settings);
    write("config.json", &serde_json::json!({"model_type": case.model_type}));
    Tokenizer::load(dir.path(), 1000).unwrap()
}

fn assert_cases(name: &str, count: usize) {
    let (cases, texts): (Vec<Case>, Vec<String>) = (read(name, "golden.json"), read(name, "texts.json"));
    assert_eq!((cases.len(), texts.len()), (count, 56));
    for (number, case) in cases.iter().enumerate() {
        let tokenizer = load(name, case);
        let label = format!("{name} {number}, {} by {}", case.model_type, case.class);
        let ids = case.ids.of(&cases, |case| &case.ids);
        let decoded = case.decoded.of(&cases, |case| &case.decoded);
        for ((text, ids), decoded) in texts.iter().zip(ids).zip(decoded) {
            assert_eq!(&tokenizer.encode(text, false).unwrap(), ids, "{label}: {text:?}");
            let framed = [&case.before, ids, &case.after].map(Vec::as_slice).concat();
            assert_eq!(tokenizer.encode(text, true).unwrap(), framed, "{label}: {text:?}");
            let decoded = decoded.as_ref().unwrap_or(text);
            assert_eq!(&tokenizer.decode(ids, false).unwrap(), decoded, "{label}: {text:?}");
            assert_eq!(&streamed(&tokenizer, ids), decoded, "{label}: {text:?}");
        }
        let texts = tokenizer.special_texts();
        assert_eq!((&texts.bos, &texts.eos), (&case.bos, &case.eos), "{label}");
        assert_eq!((&texts.unk, &texts.pad), (&case.unk, &case.pad), "{label}");
    }
}

/// The text of ids, token by token.
fn streamed(tokenizer: &Tokenizer, ids: &[u32]) -> String {
    let mut stream = TextStream::new(Vec::new()).unwrap();
    let mut text: String = ids.iter().map(|&id| stream.push(tokenizer.token_bytes(id).unwrap()).to_owned()).collect();
    text.push_str(stream.finish());
    match text.strip_prefix(' ') {
        Some(rest) if tokenizer.strips_first_space() => rest.to_owned(),
        _ => text,
    }
}

#[test]
fn byte_level_tokenizers_of_each_class_give_the_ids_of_transformers() {
    assert_cases("language-byte-level", 18);
}

#[test]
fn tokenizers_of_sentencepieces_kind_give_the_ids_of_transformers() {
    assert_cases("language-pieces", 12);
}

/// Cases of each way to split a text.
const SPLITS: [usize; 7] = [0, 3, 7, 11, 12, 13, 16];

#[test]
fn long_text_in_pieces_has_the_tokens_of_the_whole() {
    let (cases, texts): (Vec<Case>, Vec<String>) =
        (read("language-byte-level", "golden.json"), read("language-byte-level", "texts.json"));
    let text = format!(" word{} ", texts.join(" x\n y  z"));
    for case in SPLITS.map(|number| &cases[number]) {
        let tokenizer = load("language-byte-level", case);
        let once = tokenizer.encode(&text, false).unwrap();
        let long = tokenizer.encode(&text.repeat(20), false).unwrap();
        assert_eq!(long, once.repeat(20), "{} by {}", case.model_type, case.class);
    }
}

#[test]
fn long_run_of_spaces_is_split_as_a_short_one_is() {
    let cases: Vec<Case> = read("language-byte-level", "golden.json");
    for case in SPLITS.map(|number| &cases[number]) {
        let tokenizer = load("language-byte-level", case);
        let ids = |spaces: usize| tokenizer.encode(&format!("a{}x b", " ".repeat(spaces)), false).unwrap();
        let (short, long) = (ids(17), ids(10_001));
        // The last space belongs to the word.
        assert_eq!(short[short.len() - 3..], long[long.len() - 3..], "{} by {}", case.model_type, case.class);
    }
}
