//! GGUF files as models.

mod architectures;
mod configuration;
mod container;
mod messages;
mod opening;
mod parts;
mod rotary;
mod tokenizer;

use cke_engine::bundle::Bundle;
use cke_engine::formats::gguf::{GgufFile, GgufModel};
use cke_engine::load_error::LoadError;
use cke_testkit::Gguf;
use serde_json::Value as Json;

/// A file of this content in a directory of its own.
fn written(name: &str, file: &Gguf) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, file.bytes()).unwrap();
    (dir, path)
}

fn model(file: &Gguf) -> Result<GgufModel, LoadError> {
    GgufModel::new(GgufFile::from_bytes(file.bytes(), "m.gguf")?)
}

fn own_file(file: &Gguf, name: &str) -> Json {
    serde_json::from_slice(model(file).unwrap().own_file(name).unwrap().unwrap()).unwrap()
}

fn config(file: &Gguf) -> Json {
    own_file(file, "config.json")
}

/// All that a file's model says and is not followed.
fn notices(file: &Gguf) -> Vec<String> {
    let (_dir, path) = written("m.gguf", file);
    let bundle = Bundle::open(&path).unwrap();
    bundle.notices().iter().chain(&bundle.generation().notices).map(ToString::to_string).collect()
}
