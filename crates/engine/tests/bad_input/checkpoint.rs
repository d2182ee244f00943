//! Checkpoints that lack something, change while they are open, or contradict their shard index.

use cke_engine::formats::shard_index::IndexError;
use cke_engine::load_error::LoadError;
use cke_engine::weights::Checkpoint;

use crate::{Dir, entry, safetensors};

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
    assert_eq!(message, "two.safetensors: tensor `ids`: wanted weights as F32, F16, BF16 or blocks of GGUF, found I64");
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
        let error = Checkpoint::open(dir.path()).unwrap_err();
        assert!(matches!(error, LoadError::Json { .. } | LoadError::OtherFormat { .. }), "{index}: {error}");
    }
}
