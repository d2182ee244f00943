//! Which files are opened, and what a model from one can do.

use super::written;
use cke_engine::bundle::Bundle;
use cke_engine::formats::gguf::GgufFile;
use cke_engine::generate::{GenerateOptions, Tokens};
use cke_engine::model_files::ModelFiles;
use cke_engine::runtime::Runtime;
use cke_engine::weight_format::WeightFormat;
use cke_engine::weights::{Checkpoint, Dtype};
use cke_testkit::{Gguf, GgufLlama};
use std::cell::Cell;

#[test]
fn file_is_opened_by_its_magic_whatever_its_name() {
    for name in ["m.gguf", "m.bin", "model.safetensors", "m"] {
        let (dir, path) = written(name, &GgufLlama::default().gguf());
        assert!(GgufFile::is_at(&path));
        let checkpoint = Checkpoint::open(&path).unwrap();
        assert_eq!(checkpoint.tensor("model.layers.0.self_attn.q_proj.weight").unwrap().dtype(), Dtype::Q8_0);
        // Beside a configuration a directory has the weights.
        if name != "m" && name != "m.bin" {
            assert_eq!(Checkpoint::open(dir.path()).unwrap().len(), checkpoint.len());
        }
    }
    let (_dir, path) = written("m.gguf", &Gguf::new());
    std::fs::write(&path, b"<!DOCTYPE html>").unwrap();
    assert!(!GgufFile::is_at(&path) && Checkpoint::open(&path).unwrap_err().to_string().contains("an HTML page"));
}

#[test]
fn bundle_of_a_gguf_file_has_its_configuration_and_runs() {
    let (_dir, path) = written("m.gguf", &GgufLlama::default().gguf());
    let files = ModelFiles::open(&path).unwrap();
    assert_eq!(files.path("config.json"), path);
    assert_eq!(files.path("modules.json"), path.join("modules.json"));
    let bundle = Bundle::of_files(&files).unwrap();
    assert_eq!(bundle.config().architecture(), "llama");
    assert_eq!(bundle.usual_format(), WeightFormat::Stored);
    let runtime = Runtime::new(Some(1)).unwrap().with_weights(WeightFormat::Stored);
    let model = bundle.into_causal_model(&runtime, &|_| ()).unwrap();
    let options = GenerateOptions { max_tokens: 3, ..GenerateOptions::default() };
    assert_eq!(Tokens::new(&*model, &runtime, vec![1, 2], options).unwrap().filter_map(Result::ok).count(), 3);
}

#[test]
fn loading_reports_the_bytes_of_the_file_in_every_format() {
    let file = GgufLlama { tied: false, ..GgufLlama::default() }.gguf();
    let of_tensors: usize = file.tensors.iter().map(|tensor| tensor.data.len()).sum();
    let (_dir, path) = written("m.gguf", &file);
    for format in [WeightFormat::Stored, WeightFormat::Int8, WeightFormat::F32] {
        let runtime = Runtime::new(Some(2)).unwrap().with_weights(format);
        let (bundle, loaded) = (Bundle::open(&path).unwrap(), Cell::new(0));
        assert_eq!(bundle.load_bytes(), of_tensors as u64);
        bundle.into_causal_model(&runtime, &|bytes| loaded.set(loaded.get() + bytes)).unwrap();
        assert_eq!(loaded.get(), of_tensors as u64, "{format}");
    }
}

#[test]
fn directory_with_a_gguf_file_alone_says_which_file_was_meant() {
    let (dir, path) = written("m.gguf", &GgufLlama::default().gguf());
    let message = Bundle::open(dir.path()).unwrap_err().to_string();
    assert!(message.ends_with(&format!("found a directory with GGUF files; did you mean `{}`?", path.display())));
}
