//! Models that continue texts, run in pieces and compared with golden files.

use super::{Golden, assert_near, golden_dir, runtimes};
use cke_engine::activations::Activations;
use cke_engine::bundle::Bundle;
use cke_engine::models::causal::{CausalModel, Results, Sequence};
use cke_engine::runtime::Runtime;
use std::sync::Arc;

pub(crate) fn load(case: &str, runtime: &Runtime) -> Arc<dyn CausalModel> {
    let dir = golden_dir(case);
    let gguf = dir.join("model.gguf");
    Bundle::open(if gguf.exists() { &gguf } else { &dir }).unwrap().into_causal_model(runtime, &|_| ()).unwrap()
}

/// Runs the model over tokens in pieces of the given lengths; `each` gets the state behind each piece, and its length. Returns the last.
fn feed(
    model: &dyn CausalModel,
    runtime: &Runtime,
    (ids, pieces): (&[u32], &[usize]),
    results: Results,
    mut each: impl FnMut(usize, &mut Activations),
) -> Activations {
    let mut sequences = [Sequence { pending: Vec::new(), cache: model.cache(ids.len()).unwrap() }];
    let mut state = model.activations().unwrap();
    let mut rest = ids;
    for &len in pieces {
        sequences[0].pending.extend_from_slice(&rest[..len]);
        rest = &rest[len..];
        model.forward(&mut sequences, results, &mut state, runtime).unwrap();
        each(len, &mut state);
    }
    assert!(rest.is_empty());
    state
}

/// Logits of the first rows of the last pass.
fn logits_of(model: &dyn CausalModel, runtime: &Runtime, rows: usize, state: &mut Activations) -> Vec<f32> {
    let mut logits = vec![f32::NAN; rows * model.vocabulary()];
    model.logits(0..rows, &mut logits, state, runtime).unwrap();
    logits
}

/// Logits and hidden states of all positions, the tokens fed in pieces of the given lengths.
pub(crate) fn run(model: &dyn CausalModel, runtime: &Runtime, ids: &[u32], pieces: &[usize]) -> (Vec<f32>, Vec<f32>) {
    let (mut logits, mut hidden) = (Vec::new(), Vec::new());
    feed(model, runtime, (ids, pieces), Results::All, |len, state| {
        hidden.extend_from_slice(model.hidden(len, state));
        logits.extend(logits_of(model, runtime, len, state));
    });
    (logits, hidden)
}

/// The hidden state of the last token alone, the tokens fed in pieces of the given lengths.
pub(crate) fn run_last(model: &dyn CausalModel, runtime: &Runtime, ids: &[u32], pieces: &[usize]) -> Vec<f32> {
    let state = feed(model, runtime, (ids, pieces), Results::Last, |_, _| ());
    model.hidden(1, &state).to_vec()
}

/// The logits of the last token.
pub(crate) fn last_logits(model: &dyn CausalModel, runtime: &Runtime, ids: &[u32]) -> Vec<f32> {
    let mut state = feed(model, runtime, (ids, &[ids.len()]), Results::Last, |_, _| ());
    logits_of(model, runtime, 1, &mut state)
}

pub(crate) fn check_case(case: &str, lengths: &[usize]) {
    let golden = Golden::open(case);
    for runtime in runtimes() {
        let model = load(case, &runtime);
        for len in lengths {
            let ids = golden.ids(&format!("len{len}.ids"));
            let (logits, hidden) = run(&*model, &runtime, &ids, &[ids.len()]);
            assert_near(&logits, &golden.floats(&format!("len{len}.logits")), &format!("{case} len {len} logits"));
            if *len == 33 {
                assert_near(&hidden, &golden.floats("len33.hidden"), &format!("{case} hidden"));
            }
        }
    }
}
