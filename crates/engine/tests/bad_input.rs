//! Malformed model files: each gives an error that names the file, the tensor or key, and the numbers.

use std::path::{Path, PathBuf};

use cke_engine::config::ModelConfig;
use cke_engine::formats::safetensors::HeaderError;
use cke_engine::formats::shard_index::IndexError;
use cke_engine::generation_config::GenerationConfig;
use cke_engine::load_error::LoadError;
use cke_engine::sentence::SentenceConfig;
use cke_engine::tokenizer::{TokenizeError, Tokenizer, TokenizerFileError};
use cke_engine::weights::Checkpoint;

/// A safetensors file of this header and `data` zero bytes.
fn safetensors(header: impl AsRef<[u8]>, data: usize) -> Vec<u8> {
    let header = header.as_ref();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header);
    file.resize(file.len() + data, 0);
    file
}

/// A header entry.
fn entry(name: &str, dtype: &str, shape: &str, begin: u64, end: u64) -> String {
    format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{begin},{end}]}}"#)
}

/// What is wrong with a safetensors file; its message must hold all of `named`.
#[track_caller]
fn header_error(file: Vec<u8>, named: &[&str]) -> HeaderError {
    let error = Checkpoint::from_bytes(file, "bad.safetensors").unwrap_err();
    let message = error.to_string();
    assert!(message.starts_with("bad.safetensors: "), "{message}");
    assert!(!message.contains('\n'), "{message}");
    for part in named {
        assert!(message.contains(part), "{message:?} does not name {part:?}");
    }
    match error {
        LoadError::Header { problem, .. } => problem,
        other => panic!("{other:?}"),
    }
}

/// A model directory of these files.
struct Dir(tempfile::TempDir);

impl Dir {
    fn with(files: &[(&str, &[u8])]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

// ---- safetensors ----

#[test]
fn safetensors_shorter_than_8_bytes_is_refused() {
    for length in 0..8 {
        let error = header_error(vec![0; length], &[&format!("found {length}")]);
        assert!(matches!(error, HeaderError::TooShort { found } if found == length));
    }
}

#[test]
fn safetensors_header_over_the_limit_is_refused() {
    for length in [100_000_001, 1 << 40, u64::MAX] {
        let error = header_error(length.to_le_bytes().to_vec(), &["100000000", &length.to_string()]);
        assert!(matches!(error, HeaderError::HeaderTooLarge { .. }));
    }
}

#[test]
fn safetensors_header_longer_than_the_file_is_refused() {
    let mut file = safetensors("{}", 0);
    file[0] = 3;
    assert!(matches!(header_error(file, &["3", "2"]), HeaderError::HeaderPastEnd { wanted: 3, found: 2 }));
    let largest = 100_000_000u64.to_le_bytes().to_vec();
    assert!(matches!(header_error(largest, &[]), HeaderError::HeaderPastEnd { wanted: 100_000_000, found: 0 }));
}

#[test]
fn safetensors_header_not_utf8_is_refused() {
    let error = header_error(safetensors(b"{\"\xff\":1}", 0), &["byte 2"]);
    assert!(matches!(error, HeaderError::NotUtf8 { at: 2 }));
}

#[test]
fn safetensors_header_not_json_is_refused() {
    let truncated = format!("{{{}", entry("a", "F32", "[1]", 0, 4));
    for header in ["", "not json", "{", "{} {}", "{\"a\":{\"dtype\":", "\0\0", "{\"__metadata__\":{\"a\":", &truncated] {
        let error = header_error(safetensors(header, 4), &["not JSON", "line 1"]);
        assert!(matches!(error, HeaderError::NotJson { .. }), "{header:?}: {error:?}");
    }
}

#[test]
fn safetensors_root_not_an_object_is_refused() {
    for header in ["[]", "1", "\"text\"", "null", "true"] {
        let error = header_error(safetensors(header, 0), &["an object at the root"]);
        assert!(matches!(error, HeaderError::RootNotObject { .. }), "{header:?}: {error:?}");
    }
}

#[test]
fn safetensors_nested_10000_deep_is_refused() {
    let (open, close) = ("[".repeat(10_000), "]".repeat(10_000));
    let objects = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    for value in [format!("{open}{close}"), objects.clone()] {
        header_error(safetensors(format!("{{\"deep\":{value}}}"), 0), &["deep"]);
        header_error(safetensors(format!("{{\"__metadata__\":{{\"deep\":{value}}}}}"), 0), &["__metadata__", "deep"]);
        let entry = format!("{{\"deep\":{{\"dtype\":\"F32\",\"shape\":{value},\"data_offsets\":[0,4]}}}}");
        header_error(safetensors(entry, 4), &["deep"]);
    }
    header_error(safetensors(format!("{open}{close}"), 0), &["an object at the root"]);
    header_error(safetensors(open, 0), &[]);
    header_error(safetensors(objects, 0), &["`a`"]);
}

#[test]
fn safetensors_duplicate_name_is_refused() {
    let distinct = [entry("w", "F32", "[1]", 0, 4), entry("w", "F32", "[1]", 4, 8)].join(",");
    let same = [entry("w", "F32", "[1]", 0, 4), entry("w", "F32", "[1]", 0, 4)].join(",");
    let escaped = [entry("w", "F32", "[1]", 0, 4), entry("\\u0077", "F32", "[1]", 4, 8)].join(",");
    for (entries, data) in [(distinct, 8), (same, 4), (escaped, 8)] {
        let error = header_error(safetensors(format!("{{{entries}}}"), data), &["`w`", "twice"]);
        assert!(matches!(error, HeaderError::DuplicateName { .. }), "{error:?}");
    }
    let metadata = r#"{"__metadata__":{},"__metadata__":{}}"#;
    assert!(matches!(header_error(safetensors(metadata, 0), &["__metadata__"]), HeaderError::DuplicateName { .. }));
}

#[test]
fn safetensors_hole_before_a_tensor_is_refused() {
    let first = format!("{{{}}}", entry("w", "F32", "[1]", 4, 8));
    let error = header_error(safetensors(first, 8), &["`w`", "4", "hole"]);
    assert!(matches!(error, HeaderError::Hole { begin: 4, previous_end: 0, .. }));
    let second = format!("{{{},{}}}", entry("a", "U8", "[3]", 0, 3), entry("b", "F32", "[1]", 5, 9));
    let error = header_error(safetensors(second, 9), &["`b`"]);
    assert!(matches!(error, HeaderError::Hole { begin: 5, previous_end: 3, .. }));
}

#[test]
fn safetensors_overlap_is_refused() {
    let entries = format!("{{{},{}}}", entry("b", "F32", "[2]", 2, 10), entry("a", "F32", "[1]", 0, 4));
    let error = header_error(safetensors(entries, 10), &["`b`", "`a`", "2", "4"]);
    assert!(matches!(error, HeaderError::Overlap { begin: 2, previous_end: 4, .. }));
    let twins = format!("{{{},{}}}", entry("a", "F32", "[1]", 0, 4), entry("b", "F32", "[1]", 0, 4));
    assert!(matches!(header_error(safetensors(twins, 4), &["`a`", "`b`"]), HeaderError::Overlap { .. }));
}

#[test]
fn safetensors_end_before_begin_is_refused() {
    let header = format!("{{{}}}", entry("w", "F32", "[1]", 8, 4));
    let error = header_error(safetensors(header, 8), &["`w`", "8", "4"]);
    assert!(matches!(error, HeaderError::EndBeforeBegin { begin: 8, end: 4, .. }));
}

#[test]
fn safetensors_end_past_the_file_is_refused() {
    for end in [5, 1 << 40, u64::MAX] {
        let header = format!("{{{}}}", entry("w", "F32", "[1]", 0, end));
        let error = header_error(safetensors(header, 4), &["`w`", &end.to_string(), "4 bytes"]);
        assert!(matches!(error, HeaderError::PastEnd { available: 4, .. }), "{error:?}");
    }
}

#[test]
fn safetensors_bytes_after_the_last_tensor_are_refused() {
    let header = format!("{{{}}}", entry("w", "F32", "[1]", 0, 4));
    let error = header_error(safetensors(header, 7), &["3 bytes", "7"]);
    assert!(matches!(error, HeaderError::TrailingBytes { count: 3, end: 4, available: 7 }));
    assert!(matches!(header_error(safetensors("{}", 1), &[]), HeaderError::TrailingBytes { count: 1, .. }));
}

#[test]
fn safetensors_shape_times_dtype_unlike_size_is_refused() {
    let header = format!("{{{}}}", entry("w", "BF16", "[2,3]", 0, 24));
    let error = header_error(safetensors(header, 24), &["`w`", "[2, 3]", "BF16", "12", "24"]);
    assert!(matches!(error, HeaderError::SizeMismatch { wanted: 12, found: 24, .. }));
    let empty = format!("{{{}}}", entry("w", "F32", "[0]", 0, 4));
    assert!(matches!(header_error(safetensors(empty, 4), &[]), HeaderError::SizeMismatch { wanted: 0, found: 4, .. }));
    let halves = format!("{{{}}}", entry("w", "F4", "[3]", 0, 1));
    assert!(matches!(header_error(safetensors(halves, 1), &["12 bits"]), HeaderError::NotWholeBytes { bits: 12, .. }));
}

#[test]
fn safetensors_shape_that_overflows_is_refused() {
    let max = u64::MAX;
    for shape in [
        format!("[{max}]"),
        format!("[{max},{max}]"),
        "[4294967296,4294967296]".to_owned(),
        "[2305843009213693952,8,0]".to_owned(),
        "[0,4294967296,4294967296]".to_owned(),
    ] {
        let header = format!("{{{}}}", entry("w", "F32", &shape, 0, 4));
        let error = header_error(safetensors(header, 4), &["`w`", "overflows"]);
        assert!(matches!(error, HeaderError::ShapeOverflow { .. }), "{shape}: {error:?}");
    }
}

#[test]
fn safetensors_unknown_dtype_is_refused() {
    for dtype in ["Q4_0", "f32", ""] {
        let header = format!("{{{}}}", entry("w", dtype, "[1]", 0, 4));
        let error = header_error(safetensors(header, 4), &["`w`", dtype]);
        assert!(matches!(error, HeaderError::UnknownDtype { .. }), "{error:?}");
    }
}

#[test]
fn safetensors_metadata_not_strings_is_refused() {
    for metadata in [r#"{"format":1}"#, r#"{"format":null}"#, r#"{"format":{"a":"b"}}"#] {
        let error = header_error(safetensors(format!("{{\"__metadata__\":{metadata}}}"), 0), &["`format`"]);
        assert!(matches!(error, HeaderError::Metadata { .. }), "{error:?}");
    }
    for metadata in ["[]", "\"x\"", "null"] {
        let error = header_error(safetensors(format!("{{\"__metadata__\":{metadata}}}"), 0), &["__metadata__"]);
        assert!(matches!(error, HeaderError::Metadata { .. }), "{error:?}");
    }
}

#[test]
fn safetensors_entry_of_wrong_form_is_refused() {
    let ones = format!("[{}1]", "1,".repeat(8));
    for value in [
        "null".to_owned(),
        "{}".to_owned(),
        r#"{"dtype":"F32","shape":[1]}"#.to_owned(),
        r#"{"dtype":"F32","shape":[1],"data_offsets":[0]}"#.to_owned(),
        r#"{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}"#.to_owned(),
        r#"{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}"#.to_owned(),
        r#"{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}"#.to_owned(),
        r#"{"dtype":"F32","shape":"1","data_offsets":[0,4]}"#.to_owned(),
        r#"{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}"#.to_owned(),
        r#"{"dtype":"F32","shape":[1],"data_offsets":[0,4],"extra":1}"#.to_owned(),
        r#"{"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,4]}"#.to_owned(),
        format!(r#"{{"dtype":"F32","shape":{ones},"data_offsets":[0,4]}}"#),
    ] {
        let error = header_error(safetensors(format!("{{\"w\":{value}}}"), 4), &["`w`"]);
        assert!(matches!(error, HeaderError::Entry { .. }), "{value}: {error:?}");
    }
}

#[test]
fn safetensors_more_tensors_than_allowed_are_refused() {
    let entries: Vec<String> = (0..=1 << 17).map(|i| entry(&i.to_string(), "U8", "[0]", 0, 0)).collect();
    let error = header_error(safetensors(format!("{{{}}}", entries.join(",")), 0), &["131072"]);
    assert!(matches!(error, HeaderError::TooManyTensors));
}

// ---- checkpoints ----

#[test]
fn checkpoint_without_weights_names_what_is_there() {
    let dir = Dir::with(&[("pytorch_model.bin", b"")]);
    let message = Checkpoint::open(dir.path()).unwrap_err().to_string();
    assert!(message.contains("model.safetensors") && message.ends_with("only pytorch_model.bin"), "{message}");
    let missing = dir.file("none.safetensors");
    assert!(matches!(Checkpoint::open(&missing).unwrap_err(), LoadError::Io { file, .. } if file == missing));
}

#[test]
fn missing_tensor_error_names_every_name_tried() {
    let file = safetensors(format!("{{{}}}", entry("w", "F32", "[1]", 0, 4)), 4);
    let checkpoint = Checkpoint::from_bytes(file, "one.safetensors").unwrap();
    let message = checkpoint.scope(&["transformer.", ""], "wte.weight").unwrap_err().to_string();
    assert_eq!(
        message,
        "one.safetensors: wanted tensor `transformer.wte.weight` or `wte.weight`, found no such name among 1 tensors"
    );
}

#[test]
fn tensor_of_other_shape_or_type_is_refused() {
    let header = format!("{{{},{}}}", entry("ids", "I64", "[1]", 0, 8), entry("w", "F16", "[2,2]", 8, 16));
    let checkpoint = Checkpoint::from_bytes(safetensors(header, 16), "two.safetensors").unwrap();
    let message = checkpoint.tensor("w").unwrap().expect_shape(&[4]).unwrap_err().to_string();
    assert_eq!(message, "two.safetensors: tensor `w`: wanted shape [4], found [2, 2]");
    let message = checkpoint.tensor("ids").unwrap().read_f32().unwrap_err().to_string();
    assert_eq!(message, "two.safetensors: tensor `ids`: wanted weights as F32, F16 or BF16, found I64");
}

#[test]
fn file_that_shrinks_while_open_is_an_error_not_a_crash() {
    let file = safetensors(format!("{{{}}}", entry("w", "F32", "[4096]", 0, 16384)), 16384);
    let dir = Dir::with(&[("model.safetensors", &file)]);
    let checkpoint = Checkpoint::open(dir.path()).unwrap();
    let tensor = checkpoint.tensor("w").unwrap();
    tensor.read_f32().unwrap();
    std::fs::OpenOptions::new().write(true).open(dir.file("model.safetensors")).unwrap().set_len(100).unwrap();
    let mut row = [0.0];
    let error = tensor.read_rows_f32(4095..4096, &mut row).unwrap_err();
    assert!(matches!(error, LoadError::Changed { opened, found: 100, .. } if opened == file.len() as u64), "{error}");
}

#[test]
fn file_overwritten_while_open_is_an_error() {
    let file = safetensors(format!("{{{}}}", entry("w", "F32", "[1]", 0, 4)), 4);
    let dir = Dir::with(&[("model.safetensors", &file)]);
    let checkpoint = Checkpoint::open(dir.path()).unwrap();
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(2);
    std::fs::File::options().write(true).open(dir.file("model.safetensors")).unwrap().set_modified(later).unwrap();
    let message = checkpoint.tensor("w").unwrap().read_f32().unwrap_err().to_string();
    assert!(message.contains("new modification time"), "{message}");
}

#[test]
fn legal_nan_in_weights_is_a_value() {
    let mut file = safetensors(format!("{{{}}}", entry("w", "F32", "[1]", 0, 4)), 0);
    file.extend(f32::NAN.to_le_bytes());
    let checkpoint = Checkpoint::from_bytes(file, "nan").unwrap();
    assert!(checkpoint.tensor("w").unwrap().read_f32().unwrap()[0].is_nan());
}

// ---- shard index ----

/// The error that an index beside the shards `a` (tensor `x`) and `b` (tensors `y` and `z`) gives.
fn index_error(index: &str) -> (IndexError, String) {
    let a = safetensors(format!("{{{}}}", entry("x", "U8", "[1]", 0, 1)), 1);
    let b = safetensors(format!("{{{},{}}}", entry("y", "U8", "[1]", 0, 1), entry("z", "U8", "[0]", 1, 1)), 1);
    let c = a.clone();
    let dir = Dir::with(&[
        ("a.safetensors", &a),
        ("b.safetensors", &b),
        ("c.safetensors", &c),
        ("model.safetensors.index.json", index.as_bytes()),
    ]);
    let error = Checkpoint::open(dir.path()).unwrap_err();
    let message = error.to_string();
    match error {
        LoadError::Index { problem, file } if file == dir.file("model.safetensors.index.json") => (problem, message),
        other => panic!("{other:?}"),
    }
}

#[test]
fn index_naming_a_file_elsewhere_is_refused() {
    for shard in ["../x", "/etc/passwd", "sub/a.safetensors", "..", ""] {
        let (problem, message) = index_error(&format!(r#"{{"weight_map":{{"x":"{shard}"}}}}"#));
        assert!(matches!(problem, IndexError::ShardOutside { .. }), "{problem:?}");
        assert!(message.contains("`x`") && message.contains(shard), "{message}");
    }
}

#[test]
fn index_naming_a_missing_shard_is_refused() {
    let (problem, message) = index_error(r#"{"weight_map":{"x":"a.safetensors","q":"q.safetensors"}}"#);
    assert!(matches!(problem, IndexError::MissingShard { .. }), "{problem:?}");
    assert!(message.contains("`q`") && message.contains("`q.safetensors`"), "{message}");
}

#[test]
fn index_claiming_an_absent_tensor_is_refused() {
    for claimed in ["q", "y"] {
        let index = format!(r#"{{"weight_map":{{"z":"b.safetensors","{claimed}":"a.safetensors"}}}}"#);
        let (problem, message) = index_error(&index);
        assert!(matches!(problem, IndexError::MissingTensor { .. }), "{problem:?}");
        assert!(message.contains(&format!("`{claimed}`")) && message.contains("`a.safetensors`"), "{message}");
    }
}

#[test]
fn tensor_in_two_shards_is_refused() {
    let (problem, message) = index_error(r#"{"weight_map":{"x":"a.safetensors","y":"c.safetensors"}}"#);
    assert!(matches!(problem, IndexError::InTwoShards { .. }), "{problem:?}");
    assert!(message.contains("`a.safetensors` and `c.safetensors`"), "{message}");
}

#[test]
fn index_listing_a_tensor_twice_or_nothing_is_refused() {
    let (problem, _) = index_error(r#"{"weight_map":{"x":"a.safetensors","x":"b.safetensors"}}"#);
    assert!(matches!(problem, IndexError::DuplicateName { .. }), "{problem:?}");
    let (problem, _) = index_error(r#"{"metadata":{"total_size":1},"weight_map":{}}"#);
    assert!(matches!(problem, IndexError::Empty), "{problem:?}");
}

#[test]
fn index_of_wrong_form_is_refused() {
    for index in ["", "[]", "{}", r#"{"weight_map":[]}"#, r#"{"weight_map":{"x":1}}"#, "\u{feff}{}"] {
        let dir = Dir::with(&[("model.safetensors.index.json", index.as_bytes())]);
        assert!(matches!(Checkpoint::open(dir.path()).unwrap_err(), LoadError::Json { .. }), "{index}");
    }
}

// ---- configuration ----

const GPT2: &str = r#"{"model_type":"gpt2","vocab_size":211,"n_positions":48,"n_embd":51,"n_layer":2,"n_head":3}"#;
const BERT: &str = r#"{"model_type":"bert","vocab_size":211,"hidden_size":51,"num_hidden_layers":2,
    "num_attention_heads":3,"intermediate_size":100}"#;

/// `json` with `key` set to `value`.
fn with(json: &str, key: &str, value: &str) -> String {
    let mut object: serde_json::Value = serde_json::from_str(json).unwrap();
    object[key] = serde_json::from_str(value).unwrap();
    object.to_string()
}

/// The message for a `config.json` that must be refused for `key`.
#[track_caller]
fn config_error(json: &str, key: &str) -> String {
    let error = ModelConfig::from_json(json.as_bytes(), Path::new("config.json")).unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, LoadError::Config { key: found, .. } if found == key), "{key}: {message}");
    assert!(message.starts_with(&format!("config.json: `{key}`: wanted ")), "{message}");
    message
}

#[test]
fn config_heads_that_do_not_divide_the_width_are_refused() {
    let message = config_error(&with(GPT2, "n_head", "4"), "n_head");
    assert_eq!(message, "config.json: `n_head`: wanted a divisor of the width 51, found 4");
    config_error(&with(BERT, "num_attention_heads", "2"), "num_attention_heads");
}

#[test]
fn config_absurd_sizes_are_refused() {
    let absurd = ["0", "-1", "1.5", "18446744073709551615", "1e30", "\"12\"", "[1]", "true"];
    for value in absurd {
        for key in ["vocab_size", "n_positions", "n_embd", "n_layer", "n_head", "n_inner"] {
            assert!(config_error(&with(GPT2, key, value), key).contains("a whole number from 1 to"));
        }
        for key in [
            "vocab_size",
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "intermediate_size",
            "max_position_embeddings",
            "type_vocab_size",
        ] {
            assert!(config_error(&with(BERT, key, value), key).contains("a whole number from 1 to"));
        }
    }
}

#[test]
fn config_missing_sizes_are_refused() {
    for key in ["vocab_size", "n_embd", "n_layer", "n_head"] {
        assert!(config_error(&with(GPT2, key, "null"), key).ends_with("found no such key"));
    }
}

#[test]
fn config_epsilon_that_is_no_small_positive_number_is_refused() {
    for value in ["0", "-1e-5", "1e-60", "1", "\"NaN\"", "null1"] {
        if serde_json::from_str::<serde_json::Value>(value).is_ok() {
            config_error(&with(GPT2, "layer_norm_epsilon", value), "layer_norm_epsilon");
            config_error(&with(BERT, "layer_norm_eps", value), "layer_norm_eps");
        }
    }
    for literal in ["NaN", "Infinity", "1e999"] {
        let json = GPT2.replace('}', &format!(",\"layer_norm_epsilon\":{literal}}}"));
        let error = ModelConfig::from_json(json.as_bytes(), Path::new("config.json")).unwrap_err();
        assert!(matches!(error, LoadError::Json { .. }), "{literal}: {error}");
    }
}

#[test]
fn config_unknown_names_are_refused_with_the_known_ones() {
    let message = config_error(&with(GPT2, "activation_function", "\"quick_gelu\""), "activation_function");
    assert!(message.contains("gelu_new") && message.ends_with("found \"quick_gelu\""), "{message}");
    let message = config_error(r#"{"model_type":"llama"}"#, "model_type");
    assert_eq!(message, "config.json: `model_type`: wanted \"gpt2\" or \"bert\", found \"llama\"");
    config_error("{}", "model_type");
    config_error(r#"{"architectures":["BertGenerationEncoder"]}"#, "model_type");
    config_error(&with(BERT, "position_embedding_type", "\"relative_key\""), "position_embedding_type");
    config_error(&with(BERT, "is_decoder", "true"), "is_decoder");
}

#[test]
fn config_token_ids_outside_the_vocabulary_are_refused() {
    for value in ["211", "-1", "[1,211]", "[\"a\"]", "\"a\""] {
        config_error(&with(GPT2, "eos_token_id", value), "eos_token_id");
    }
    config_error(&with(BERT, "pad_token_id", "211"), "pad_token_id");
}

#[test]
fn config_of_wrong_form_is_refused() {
    for json in ["", "[]", "{", "{\"model_type\":", &format!("{}{}", "[".repeat(10_000), "]".repeat(10_000))] {
        let error = ModelConfig::from_json(json.as_bytes(), Path::new("config.json")).unwrap_err();
        assert!(matches!(error, LoadError::Json { .. }), "{error}");
    }
    let dir = Dir::with(&[]);
    assert!(matches!(ModelConfig::load(dir.path()).unwrap_err(), LoadError::Io { .. }));
    let large = Dir::with(&[("config.json", &vec![b' '; (8 << 20) + 1])]);
    assert!(matches!(ModelConfig::load(large.path()).unwrap_err(), LoadError::TooLarge { .. }));
}

#[test]
fn generation_config_out_of_range_is_refused() {
    let model = ModelConfig::from_json(GPT2.as_bytes(), Path::new("config.json")).unwrap();
    for (key, value) in [
        ("temperature", "-0.5"),
        ("temperature", "\"hot\""),
        ("top_p", "0"),
        ("top_p", "1.5"),
        ("min_p", "-0.1"),
        ("top_k", "-1"),
        ("repetition_penalty", "0"),
        ("eos_token_id", "211"),
        ("do_sample", "1"),
        ("max_new_tokens", "1e3"),
    ] {
        let json = with("{}", key, value);
        let error = GenerationConfig::from_json(json.as_bytes(), Path::new("generation_config.json"), &model);
        let message = error.unwrap_err().to_string();
        assert!(message.starts_with(&format!("generation_config.json: `{key}`: wanted ")), "{message}");
    }
}

#[test]
fn sentence_layout_that_is_not_supported_is_refused() {
    let module = |class: &str, path: &str| format!(r#"{{"idx":0,"name":"0","path":"{path}","type":"x.{class}"}}"#);
    let load = |modules: &[String], pooling: &str| {
        let json = format!("[{}]", modules.join(","));
        let dir = Dir::with(&[("modules.json", json.as_bytes()), ("1_Pooling/config.json", pooling.as_bytes())]);
        SentenceConfig::load(dir.path(), Some(36)).unwrap_err().to_string()
    };
    let (transformer, pooling) = (module("Transformer", ""), module("Pooling", "1_Pooling"));
    let both = [transformer.clone(), pooling.clone()];
    assert!(load(&[transformer.clone(), module("Dense", "2_Dense")], "{}").ends_with("found Transformer, Dense"));
    assert!(load(&[], "{}").ends_with("found none"));
    assert!(load(&[transformer, module("Pooling", "../1_Pooling")], "{}").contains("\"../1_Pooling\""));
    assert!(load(&[module("Transformer", "/etc"), pooling], "{}").contains("\"/etc\""));
    assert!(load(&both, r#"{"word_embedding_dimension":35}"#).ends_with("wanted the model's width 36, found 35"));
    assert!(load(&both, r#"{"pooling_mode_weightedmean_tokens":true}"#).contains("not supported"));
    let two = r#"{"pooling_mode_cls_token":true,"pooling_mode_max_tokens":true}"#;
    assert!(load(&both, two).contains("another pooling is on"));
    assert!(load(&both, r#"{"pooling_mode":"sum"}"#).contains("\"sum\""));
}

// ---- tokenizer ----

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
    let added = bpe_json(r#"{"a":0}"#, "[]", &added_token("<x>", 1));
    assert!(matches!(tokenizer_error(&added, 1), TokenizerFileError::IdOutsideVocabulary { id: 1, .. }));
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
    let metaspace = json.replace(
        r#""decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}"#,
        r#""decoder":{"type":"Fuse"}"#,
    );
    assert!(matches!(tokenizer_error(&metaspace, 9), TokenizerFileError::NotByteLevel { found } if found == "Fuse"));
}

#[test]
fn tokenizer_of_wrong_form_is_refused() {
    let deep = format!(r#"{{"model":{}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    for json in ["", "[]", "{}", r#"{"model":{}}"#, r#"{"model":{"type":"BPE","vocab":{"a":-1}}}"#, &deep] {
        let error = Tokenizer::from_bytes(json.as_bytes(), "tokenizer.json", 9).unwrap_err();
        assert!(matches!(error, LoadError::Json { .. }), "{json:.40}: {error}");
    }
    let malformed = b"{\"model\":{\"vocab\":{\"\xff\":0}}}";
    assert!(matches!(Tokenizer::from_bytes(malformed, "x", 9).unwrap_err(), LoadError::Json { .. }));
    let no_version = bpe_json(r#"{"a":0}"#, "[]", "[]").replace("1.0", "2.0");
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
fn post_processor_that_adds_ids_outside_the_vocabulary_is_an_error_when_used() {
    let json = bpe_json(r#"{"a":0}"#, "[]", "[]").replace(
        r#""post_processor":null"#,
        r#""post_processor":{"type":"BertProcessing","sep":["[SEP]",900],"cls":["[CLS]",901]}"#,
    );
    let tokenizer = Tokenizer::from_bytes(json.as_bytes(), "x", 4).unwrap();
    assert_eq!(tokenizer.encode("a", false).unwrap(), [0]);
    assert!(matches!(tokenizer.encode("a", true), Err(TokenizeError::UnknownId { id: 901, .. })));
    assert!(matches!(tokenizer.encode_truncated("a", true, 1), Err(TokenizeError::NoRoom { special: 2, max_len: 1 })));
}
