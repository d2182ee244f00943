//! What stands beside a tokenizer's vocabulary: followed as transformers does, named, or refused. The ids are those of
//! transformers 5.23.

mod support;

use cke_engine::load_error::LoadError;
use cke_engine::tokenizer::Tokenizer;
use serde_json::{Value, json};
use support::golden_dir;

/// A directory with some files of a golden case, and files of its own.
fn dir(copied: &[(&str, &str)], written: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (case, name) in copied {
        let target = if *name == "bpe.json" { "tokenizer.json" } else { name };
        std::fs::copy(golden_dir(case).join(name), dir.path().join(target)).unwrap();
    }
    for (name, content) in written {
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    dir
}

const WORD_PIECES: (&str, &str) = ("st-mean", "vocab.txt");
const BERT_JSON: (&str, &str) = ("st-mean", "tokenizer.json");
const GPT2_JSON: (&str, &str) = ("settings-tokenizers", "bpe.json");
const OLDER_GPT2: [(&str, &str); 2] = [("tokenizer-bpe", "vocab.json"), ("tokenizer-bpe", "merges.txt")];

fn load(copied: &[(&str, &str)], written: &[(&str, &str)]) -> Result<Tokenizer, LoadError> {
    Tokenizer::load(dir(copied, written).path(), 420)
}

/// The key of the error, and its message without the directory.
fn refusal(copied: &[(&str, &str)], written: &[(&str, &str)]) -> (String, String) {
    let dir = dir(copied, written);
    let error = Tokenizer::load(dir.path(), 420).unwrap_err();
    let message = error.to_string().replace(&format!("{}/", dir.path().display()), "");
    match error {
        LoadError::Config { key, .. } => (key, message),
        _ => (String::new(), message),
    }
}

#[test]
fn prefix_space_is_put_before_a_long_text_once() {
    let lines = vec!["thedog"; 20_000].join("\n");
    let tokenizer = load(&[GPT2_JSON], &[("tokenizer_config.json", r#"{"add_prefix_space":true}"#)]).unwrap();
    assert_eq!(tokenizer.encode(&lines, false).unwrap().len(), 79_999);
    let mut whole: Value =
        serde_json::from_slice(&std::fs::read(golden_dir(GPT2_JSON.0).join(GPT2_JSON.1)).unwrap()).unwrap();
    whole["pre_tokenizer"]["add_prefix_space"] = json!(true);
    let by_itself = Tokenizer::from_bytes(whole.to_string().as_bytes(), "tokenizer.json", 420).unwrap();
    assert_eq!(by_itself.encode(&lines, false).unwrap().len(), 79_999);
}

#[test]
fn tokens_of_the_special_tokens_map_that_have_no_role_are_added() {
    let ids = |written: &[(&str, &str)]| load(&[WORD_PIECES], written).unwrap().encode("hello THE dog", true).unwrap();
    assert_eq!(ids(&[]), [3, 152, 144, 151, 4]);
    for map in [
        r#"{"additional_special_tokens":["THE"]}"#,
        r#"{"extra_special_tokens":["THE"]}"#,
        r#"{"extra_special_tokens":{"some":"THE"}}"#,
        r#"{"the_token":"THE"}"#,
        r#"{"the_token":{"content":"THE"}}"#,
    ] {
        assert_eq!(ids(&[("special_tokens_map.json", map)]), [3, 152, 192, 151, 4], "{map}");
        // The newer key of the settings makes the map count for nothing.
        let newer = ("tokenizer_config.json", r#"{"added_tokens_decoder":{}}"#);
        assert_eq!(ids(&[("special_tokens_map.json", map), newer]), [3, 152, 144, 151, 4], "{map}");
    }
    let map = ("special_tokens_map.json", r#"{"additional_special_tokens":["THE"]}"#);
    for json in [BERT_JSON, GPT2_JSON] {
        let tokenizer = load(&[json], &[map]).unwrap();
        let id = tokenizer.token_id("THE").unwrap();
        assert!(tokenizer.is_special(id), "{json:?}");
    }
}

#[test]
fn tokens_of_the_models_own_roles_get_ids_in_the_order_of_the_file() {
    let object = r#"{"image_token":"<x>","boi_token":"<y>"}"#;
    let settings = [
        object.to_owned(),
        format!(r#"{{"extra_special_tokens":{object}}}"#),
        format!(r#"{{"model_specific_special_tokens":{object}}}"#),
    ];
    for settings in &settings {
        let tokenizer = load(&[WORD_PIECES], &[("tokenizer_config.json", settings)]).unwrap();
        assert_eq!((tokenizer.token_id("<x>"), tokenizer.token_id("<y>")), (Some(192), Some(193)), "{settings}");
    }
}

#[test]
fn class_that_does_not_read_the_older_vocabulary_files_is_refused() {
    for class in ["LlamaTokenizer", "PreTrainedTokenizerFast", "TokenizersBackend"] {
        let json = json!({"tokenizer_class": class, "model_type": "gpt2"}).to_string();
        for file in ["tokenizer_config.json", "config.json"] {
            for (copied, own) in [(&OLDER_GPT2[..], "GPT2Tokenizer"), (&[WORD_PIECES], "BertTokenizer")] {
                let (key, message) = refusal(copied, &[(file, &json)]);
                assert_eq!(key, "tokenizer_class", "{message}");
                assert!(message.starts_with(&format!("{file}: ")), "{message}");
                assert!(message.contains(class) && message.contains(own), "{message}");
            }
        }
    }
    load(&OLDER_GPT2, &[("tokenizer_config.json", r#"{"tokenizer_class":"GPT2TokenizerFast"}"#)]).unwrap();
    load(&[WORD_PIECES], &[("config.json", r#"{"tokenizer_class":"DistilBertTokenizer"}"#)]).unwrap();
}

#[test]
fn role_without_a_token_is_refused_where_bert_needs_it() {
    for key in ["cls_token", "sep_token", "unk_token"] {
        let json = json!({ key: null }).to_string();
        for file in ["tokenizer_config.json", "special_tokens_map.json"] {
            for copied in [WORD_PIECES, BERT_JSON] {
                let (found, message) = refusal(&[copied], &[(file, &json)]);
                assert_eq!(found, key, "{message}");
                assert!(message.starts_with(file) && message.ends_with("found null"), "{message}");
            }
        }
    }
    let tokenizer = load(&[GPT2_JSON], &[("tokenizer_config.json", r#"{"pad_token":null,"unk_token":null}"#)]).unwrap();
    assert_eq!(tokenizer.special_tokens().pad, None);
}

#[test]
fn class_of_the_models_configuration_is_named_with_its_file_and_value() {
    let dir = dir(&[GPT2_JSON], &[("config.json", r#"{"tokenizer_class":"CohereTokenizer"}"#)]);
    let tokenizer = Tokenizer::load(dir.path(), 420).unwrap();
    let notice = tokenizer.notices()[0].to_string();
    let wanted =
        "/config.json: `tokenizer_class` \"CohereTokenizer\" is not followed: tokenizer.json is followed as it is";
    assert!(notice.contains(wanted), "{notice}");
}

#[test]
fn settings_that_are_equal_in_both_files_give_no_notice() {
    let tokenizer = load(&[BERT_JSON], &[("tokenizer_config.json", r#"{"do_lower_case":false}"#)]).unwrap();
    let keys: Vec<_> = tokenizer.notices().iter().filter_map(|notice| notice.key()).collect();
    assert_eq!(keys, ["normalizer.lowercase"]);
}

#[test]
fn vocabulary_that_is_something_else_is_called_that() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:248dfc39\nsize 231508\n";
    let page = "<!DOCTYPE html>\n<html></html>\n";
    for (content, what) in
        [(pointer, "found a git-lfs pointer in place of the file of 231508 bytes"), (page, "found an HTML page")]
    {
        let (_, message) = refusal(&[], &[("vocab.txt", content)]);
        assert!(message.starts_with("vocab.txt: wanted tokens, one a line") && message.contains(what), "{message}");
        let (_, message) = refusal(&OLDER_GPT2[..1], &[("merges.txt", content)]);
        assert!(message.starts_with("merges.txt: wanted merges, one a line") && message.contains(what), "{message}");
    }
}
