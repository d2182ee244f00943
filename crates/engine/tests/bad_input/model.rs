//! Configurations and tensors that contradict each other: an error before memory for the contradiction is asked for.

use cke_engine::bundle::Bundle;
use cke_engine::error::Error;
use cke_engine::load_error::LoadError;
use cke_engine::runtime::Runtime;
use std::path::{Path, PathBuf};

use crate::Dir;

fn golden(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(case)
}

/// The error of loading a golden model with one key of its configuration changed.
fn error_with(case: &str, key: &str, value: u64) -> Error {
    let read = |name: &str| std::fs::read(golden(case).join(name)).unwrap();
    let mut config: serde_json::Value = serde_json::from_slice(&read("config.json")).unwrap();
    config[key] = value.into();
    let config = config.to_string();
    let dir = Dir::with(&[("config.json", config.as_bytes()), ("model.safetensors", &read("model.safetensors"))]);
    let runtime = Runtime::new(Some(1)).unwrap();
    let bundle = Bundle::open(dir.path()).unwrap();
    match case.split('-').next() {
        Some("gpt2") => bundle.into_causal_model(&runtime, &|_| ()).unwrap_err(),
        _ => bundle.into_bert(&runtime, &|_| ()).unwrap_err(),
    }
}

#[test]
fn sizes_that_the_tensors_do_not_have_are_refused() {
    for (case, key, value) in [
        ("gpt2-odd", "vocab_size", 1_000_000),
        ("gpt2-odd", "n_positions", 100_000),
        ("gpt2-odd", "n_embd", 30_000),
        ("gpt2-odd", "n_inner", 100_000),
        ("bert-odd", "vocab_size", 1_000_000),
        ("bert-odd", "max_position_embeddings", 100_000),
        ("bert-odd", "hidden_size", 30_000),
        ("bert-odd", "intermediate_size", 100_000),
        ("bert-odd", "type_vocab_size", 3),
    ] {
        let error = error_with(case, key, value);
        assert!(matches!(error, Error::Load(LoadError::Shape { .. })), "{key}: {error}");
        assert!(error.to_string().contains(&value.to_string()), "{key}: {error}");
    }
}

#[test]
fn more_layers_than_there_are_is_a_missing_tensor() {
    for (case, key, name) in [("gpt2-odd", "n_layer", "h.2."), ("bert-odd", "num_hidden_layers", "encoder.layer.2.")] {
        let message = error_with(case, key, 3).to_string();
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn model_of_another_architecture_is_refused() {
    let runtime = Runtime::new(Some(1)).unwrap();
    let message =
        Bundle::open(&golden("bert-odd")).unwrap().into_causal_model(&runtime, &|_| ()).unwrap_err().to_string();
    assert!(message.contains("bert-odd") && message.contains("GPT-2"), "{message}");
    let message = Bundle::open(&golden("gpt2-odd")).unwrap().into_bert(&runtime, &|_| ()).unwrap_err().to_string();
    assert!(message.contains("gpt2-odd") && message.contains("BERT"), "{message}");
}
