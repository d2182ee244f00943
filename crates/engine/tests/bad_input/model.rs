//! Configurations and tensors that contradict each other: an error before memory for the contradiction is asked for.

use cke_engine::bundle::Bundle;
use cke_engine::error::Error;
use cke_engine::formats::gguf::{GgufFile, GgufModel};
use cke_engine::load_error::LoadError;
use cke_engine::model_files::ModelFiles;
use cke_engine::runtime::Runtime;
use cke_engine::weight_format::WeightFormat;
use cke_testkit::{Gguf, GgufLlama, GgufTensor};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

/// The error of loading a GGUF file, if there is one.
fn gguf_error(file: &Gguf, format: WeightFormat) -> Option<Error> {
    let runtime = Runtime::new(Some(1)).unwrap().with_weights(format);
    let load = || -> Result<(), Error> {
        let model = GgufModel::new(GgufFile::from_bytes(file.bytes(), "m.gguf")?)?;
        Bundle::of_files(&ModelFiles::of_gguf(Arc::new(model)))?.into_causal_model(&runtime, &|_| ()).map(drop)
    };
    load().err()
}

#[test]
fn tensor_of_a_gguf_file_that_its_architecture_does_not_want_is_named() {
    type Change = fn(&mut GgufTensor);
    /// Gives a tensor as many times its bytes as its shape has got larger.
    fn grow(tensor: &mut GgufTensor, dimension: usize, size: u64) {
        let bytes = tensor.data.len() as u64 * size / tensor.shape[dimension];
        tensor.shape[dimension] = size;
        tensor.data.resize(bytes as usize, 0);
    }
    let changes: [Change; 5] = [
        |tensor| tensor.name.push('x'),
        |tensor| grow(tensor, 0, tensor.shape[0] + 1),
        |tensor| grow(tensor, tensor.shape.len() - 1, tensor.shape[tensor.shape.len() - 1] * 2),
        |tensor| tensor.shape.insert(0, 1),
        |tensor| {
            tensor.type_id = 26; // I32
            tensor.data = vec![0; 4 * tensor.shape.iter().product::<u64>() as usize];
        },
    ];
    let file = GgufLlama { tied: false, ..GgufLlama::default() }.gguf();
    assert!(gguf_error(&file, WeightFormat::Stored).is_none());
    for (index, tensor) in file.tensors.iter().enumerate() {
        for (number, change) in changes.iter().enumerate() {
            let mut changed = file.clone();
            change(&mut changed.tensors[index]);
            let named = match (tensor.name.as_str(), number) {
                // Without an output projection the model has that of its tokens.
                ("output.weight", 0) => continue,
                // The rows of the token table are the vocabulary.
                ("token_embd.weight", 1) => "output.weight",
                (name, _) => name,
            };
            for format in [WeightFormat::Stored, WeightFormat::F32, WeightFormat::Int8] {
                let error = gguf_error(&changed, format).unwrap_or_else(|| panic!("{named}, change {number}: loaded"));
                let message = error.to_string();
                assert!(message.starts_with("m.gguf: ") && message.contains(named), "change {number}: {message}");
            }
        }
    }
}
