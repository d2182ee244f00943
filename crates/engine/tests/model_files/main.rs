//! What the files of a model say about its weights and settings: followed, named, or refused.

mod sentences;
mod settings;
mod tensors;

use cke_engine::bundle::Bundle;
use cke_engine::models::causal::{CausalModel, Results, Sequence};
use cke_engine::runtime::Runtime;
use cke_testkit::tiny_models::{self, Dtype, ModelDir, Tensor, safetensors};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

fn runtime() -> Runtime {
    Runtime::new(Some(1)).unwrap()
}

fn load(dir: &Path, runtime: &Runtime) -> Arc<dyn CausalModel> {
    Bundle::open(dir).unwrap().into_causal_model(runtime, &|_| ()).unwrap()
}

/// The logits after a few tokens.
fn logits(dir: &Path) -> Vec<f32> {
    let runtime = runtime();
    let model = load(dir, &runtime);
    let mut sequences = [Sequence { pending: vec![3, 1, 4, 1, 5], cache: model.cache(5).unwrap() }];
    let mut state = model.activations().unwrap();
    model.forward(&mut sequences, Results::Last, &mut state, &runtime).unwrap();
    let mut out = vec![0.0; model.vocabulary()];
    model.logits(0..1, &mut out, &mut state, &runtime).unwrap();
    out
}

/// The notices of a model, with the names of files alone.
fn notices(dir: &Path) -> Vec<String> {
    let bundle = Bundle::open(dir).unwrap();
    let prefix = format!("{}/", dir.display());
    let all = bundle.notices().iter().chain(&bundle.generation().notices);
    all.map(|notice| notice.to_string().replace(&prefix, "")).collect()
}

fn gpt2() -> ModelDir {
    tiny_models::Gpt2::default().write().unwrap()
}

fn replace_weights(model: &ModelDir, tensors: &[Tensor]) {
    model.replace("model.safetensors", safetensors(tensors, Dtype::F32)).unwrap();
}

/// One key of a JSON file set to another value.
fn set(model: &ModelDir, file: &str, key: &str, value: Value) {
    let path = model.path().join(file);
    let mut json: Value =
        std::fs::read(&path).map_or_else(|_| json!({}), |text| serde_json::from_slice(&text).unwrap());
    json[key] = value;
    model.replace(file, json.to_string()).unwrap();
}
