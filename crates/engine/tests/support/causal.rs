//! Models that continue texts, run in pieces and compared with golden files.

use super::{Golden, assert_near, golden_dir, runtimes};
use cke_engine::bundle::Bundle;
use cke_engine::models::causal::{CausalModel, Results, Sequence};
use cke_engine::runtime::Runtime;
use std::sync::Arc;

pub(crate) fn load(case: &str, runtime: &Runtime) -> Arc<dyn CausalModel> {
    Bundle::open(&golden_dir(case)).unwrap().into_causal_model(runtime, &|_| ()).unwrap()
}

/// Logits and hidden states of all positions, the tokens fed in pieces of the given lengths.
pub(crate) fn run(model: &dyn CausalModel, runtime: &Runtime, ids: &[u32], pieces: &[usize]) -> (Vec<f32>, Vec<f32>) {
    let (mut logits, mut hidden) = (Vec::new(), Vec::new());
    let mut sequences = [Sequence { pending: Vec::new(), cache: model.cache(ids.len()).unwrap() }];
    let mut state = model.activations().unwrap();
    let mut rest = ids;
    for &len in pieces {
        sequences[0].pending.extend_from_slice(&rest[..len]);
        rest = &rest[len..];
        model.forward(&mut sequences, Results::All, &mut state, runtime).unwrap();
        hidden.extend_from_slice(model.hidden(len, &state));
        let mut part = vec![f32::NAN; len * model.vocabulary()];
        model.logits(0..len, &mut part, &mut state, runtime).unwrap();
        logits.extend(part);
    }
    assert!(rest.is_empty());
    (logits, hidden)
}

/// Only the last token's results, the tokens fed in pieces of the given lengths.
pub(crate) fn run_last(model: &dyn CausalModel, runtime: &Runtime, ids: &[u32], pieces: &[usize]) -> Vec<f32> {
    let mut sequences = [Sequence { pending: Vec::new(), cache: model.cache(ids.len()).unwrap() }];
    let mut state = model.activations().unwrap();
    let mut rest = ids;
    for &len in pieces {
        sequences[0].pending.extend_from_slice(&rest[..len]);
        rest = &rest[len..];
        model.forward(&mut sequences, Results::Last, &mut state, runtime).unwrap();
    }
    model.hidden(1, &state).to_vec()
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
