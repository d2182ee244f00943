//! What a model's files say, against transformers and sentence-transformers: `tests/golden/README.md` says where the numbers
//! come from.

mod support;

use cke_engine::bundle::Bundle;
use cke_engine::embed::{EmbedOptions, Embedder, Prompt};
use cke_engine::generate::{Finish, GenerateOptions, Tokens};
use cke_engine::runtime::Runtime;
use cke_engine::tokenizer::Tokenizer;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use support::{assert_near, golden_dir};

fn cases<T: DeserializeOwned>(name: &str) -> Vec<T> {
    serde_json::from_slice(&std::fs::read(golden_dir(name).join("golden.json")).unwrap()).unwrap()
}

fn read_object(file: &Path) -> Map<String, Value> {
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

fn write(file: &Path, value: &Value) {
    std::fs::write(file, value.to_string()).unwrap();
}

/// A directory with the files of a golden case that a model has, and its subdirectories.
fn copy(case: &str) -> tempfile::TempDir {
    fn copy_dir(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let target = to.join(entry.file_name());
            match entry.file_type().unwrap().is_dir() {
                true => copy_dir(&entry.path(), &target),
                false => drop(std::fs::copy(entry.path(), target).unwrap()),
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    copy_dir(&golden_dir(case), dir.path());
    dir
}

#[derive(Deserialize)]
struct Generation {
    generation_config: Option<Value>,
    config: Map<String, Value>,
    prompt: Vec<u32>,
    tokens: Vec<u32>,
}

/// Tokens that the golden file has at most if its settings do not say how many.
const NEW_TOKENS: usize = 14;

#[test]
fn generation_config_is_followed_token_by_token() {
    let runtime = Runtime::new(Some(1)).unwrap();
    let dir = copy("gpt2-odd");
    let plain = read_object(&dir.path().join("config.json"));
    let model = Bundle::open(dir.path()).unwrap().into_causal_model(&runtime, &|_| ()).unwrap();
    let cases = cases::<Generation>("settings-generation");
    assert_eq!(cases.len(), 56);
    for Generation { generation_config, config, prompt, tokens } in cases {
        let file = dir.path().join("generation_config.json");
        match &generation_config {
            Some(wishes) => write(&file, wishes),
            None => drop(std::fs::remove_file(&file)),
        }
        let mut changed = plain.clone();
        changed.extend(config.clone());
        write(&dir.path().join("config.json"), &Value::Object(changed));
        let bundle = Bundle::open(dir.path()).unwrap();
        let wishes = bundle.generation();
        let mut options = GenerateOptions::from(wishes);
        if wishes.max_new_tokens.or(wishes.max_length).is_none() {
            options.max_tokens = NEW_TOKENS;
        }
        let mut found = Tokens::new(&*model, &runtime, prompt, options).unwrap();
        let mut text: Vec<u32> = found.by_ref().collect::<Result<_, _>>().unwrap();
        // The end token is part of the library's result.
        if found.finish() == Some(Finish::EndToken) {
            let end = tokens.last().copied().unwrap();
            assert!(wishes.eos_token_ids.contains(&end), "{generation_config:?} {config:?}");
            text.push(end);
        }
        assert_eq!(text, tokens, "{generation_config:?} {config:?}");
    }
}

#[test]
fn number_of_new_tokens_takes_the_place_of_the_length_even_if_it_is_0() {
    let runtime = Runtime::new(Some(1)).unwrap();
    let dir = copy("gpt2-odd");
    for new in [0, 1] {
        let wishes = json!({"do_sample": false, "eos_token_id": 9, "min_length": 12, "min_new_tokens": new, "max_new_tokens": 14});
        write(&dir.path().join("generation_config.json"), &wishes);
        let bundle = Bundle::open(dir.path()).unwrap();
        let options = GenerateOptions::from(bundle.generation());
        let model = bundle.into_causal_model(&runtime, &|_| ()).unwrap();
        let mut found = Tokens::new(&*model, &runtime, vec![17, 4, 4, 99, 17, 4], options).unwrap();
        // Then comes the end token, 9.
        assert_eq!(found.by_ref().collect::<Result<Vec<u32>, _>>().unwrap(), [166, 150], "{wishes}");
        assert_eq!(found.finish(), Some(Finish::EndToken));
    }
}

#[derive(Deserialize)]
struct Ids {
    kind: String,
    /// Parts of `tokenizer.json` that are replaced; `None` leaves the older files alone.
    parts: Option<Map<String, Value>>,
    settings: Value,
    ids: Vec<Vec<u32>>,
}

const TOKENIZER_TEXTS: [&str; 5] =
    ["", "Hello World 1234", " hello", "CAFÉ café 你好 don't", "a<|endoftext|> b [MASK] c"];

#[test]
fn tokenizer_files_together_give_the_ids_of_transformers() {
    let cases = cases::<Ids>("settings-tokenizers");
    assert_eq!(cases.len(), 54);
    for Ids { kind, parts, settings, ids } in cases {
        let dir = tempfile::tempdir().unwrap();
        let (whole, older) = match kind.as_str() {
            "bpe" => (golden_dir("settings-tokenizers").join("bpe.json"), golden_dir("tokenizer-bpe")),
            _ => (golden_dir("st-mean").join("tokenizer.json"), golden_dir("st-mean")),
        };
        match &parts {
            Some(parts) => {
                let mut json = read_object(&whole);
                json.extend(parts.clone());
                write(&dir.path().join("tokenizer.json"), &Value::Object(json));
            }
            None => {
                for name in
                    ["vocab.json", "merges.txt", "vocab.txt"].into_iter().filter(|name| older.join(name).exists())
                {
                    std::fs::copy(older.join(name), dir.path().join(name)).unwrap();
                }
            }
        }
        write(&dir.path().join("tokenizer_config.json"), &settings);
        let tokenizer = Tokenizer::load(dir.path(), 420).unwrap();
        let long = "x".repeat(120);
        for (text, wanted) in TOKENIZER_TEXTS.into_iter().chain([long.as_str()]).zip(ids) {
            assert_eq!(tokenizer.encode(text, true).unwrap(), wanted, "{kind} {parts:?} {settings}: {text:?}");
        }
    }
}

/// The notices of a tokenizer of GPT-2 or BERT, with the names of files alone.
fn tokenizer_notices(kind: &str, parts: Value, settings: Value) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let whole = match kind {
        "bpe" => golden_dir("settings-tokenizers").join("bpe.json"),
        _ => golden_dir("st-mean").join("tokenizer.json"),
    };
    let mut json = read_object(&whole);
    json.extend(parts.as_object().unwrap().clone());
    write(&dir.path().join("tokenizer.json"), &Value::Object(json));
    write(&dir.path().join("tokenizer_config.json"), &settings);
    let tokenizer = Tokenizer::load(dir.path(), 420).unwrap();
    let prefix = format!("{}/", dir.path().display());
    tokenizer.notices().iter().map(|notice| notice.to_string().replace(&prefix, "")).collect()
}

#[test]
fn tokenizer_files_that_differ_are_named_with_both_values() {
    let normalizer = |lowercase: bool| {
        json!({"normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
               "strip_accents": null, "lowercase": lowercase}})
    };
    let none: [&str; 0] = [];
    assert_eq!(tokenizer_notices("bert", normalizer(true), json!({})), none);
    assert_eq!(tokenizer_notices("bert", normalizer(false), json!({"do_lower_case": false})), none);
    let found = tokenizer_notices("bert", normalizer(false), json!({"do_lower_case": true}));
    let lowercase = "tokenizer.json: `normalizer.lowercase` false is not used: tokenizer_config.json `do_lower_case` true comes first";
    assert_eq!(found[0], lowercase);
    let general = json!({"do_lower_case": true, "tokenizer_class": "PreTrainedTokenizerFast"});
    assert_eq!(
        tokenizer_notices("bert", normalizer(false), general),
        [
            "tokenizer_config.json: `do_lower_case` true is not used: tokenizer.json `normalizer.lowercase` false comes first"
        ]
    );
    let found = tokenizer_notices("bpe", json!({}), json!({"add_prefix_space": true, "add_bos_token": true}));
    assert_eq!(
        found,
        [
            "tokenizer.json: `pre_tokenizer.add_prefix_space` false is not used: tokenizer_config.json `add_prefix_space` true \
             comes first",
            "tokenizer_config.json: `add_bos_token` true is not used: tokenizer.json `post_processor` comes first"
        ]
    );
    let found = tokenizer_notices("bpe", json!({}), json!({"tokenizer_class": "GPTNeoXTokenizer", "colour": "red"}));
    assert!(found[0].contains("`colour` \"red\" is an unknown key"), "{found:?}");
    assert!(found[1].contains("`tokenizer_class` \"GPTNeoXTokenizer\" is not followed"), "{found:?}");
}

#[derive(Deserialize)]
struct Sentences {
    files: BTreeMap<String, Value>,
    options: SentenceOptions,
    texts: Vec<String>,
    embeddings: Vec<Vec<f32>>,
}

#[derive(Debug, Deserialize)]
struct SentenceOptions {
    prompt: Option<String>,
    prompt_name: Option<String>,
    truncate_dim: Option<usize>,
}

#[test]
fn sentence_files_give_the_vectors_of_sentence_transformers() {
    let runtime = Runtime::new(Some(1)).unwrap();
    let cases = cases::<Sentences>("settings-sentences");
    assert_eq!(cases.len(), 24);
    for Sentences { files, options, texts, embeddings } in cases {
        let dir = copy("st-mean");
        for (name, content) in &files {
            match content {
                Value::Null => std::fs::remove_file(dir.path().join(name)).unwrap(),
                content => write(&dir.path().join(name), content),
            }
        }
        let SentenceOptions { prompt, prompt_name, truncate_dim: dims } = &options;
        let prompt = prompt.clone().map(Prompt::Text).or(prompt_name.clone().map(Prompt::Named));
        let wanted = EmbedOptions { prompt, dims: *dims, ..EmbedOptions::default() };
        let embedder = Embedder::open(dir.path(), wanted, &runtime, &|_| ()).unwrap();
        let found = embedder.embed(&texts, &mut embedder.model().activations().unwrap(), &runtime).unwrap();
        assert_eq!(embedder.width(), embeddings[0].len(), "{files:?} {options:?}");
        assert_near(&found, &embeddings.concat(), &format!("{files:?} {options:?}"));
    }
}
