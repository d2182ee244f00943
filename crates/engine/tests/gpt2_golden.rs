//! GPT-2 against the transformers library: `tests/golden/README.md` says where the numbers come from.

mod support;

use cke_engine::bundle::Bundle;
use cke_engine::evaluate::negative_log_likelihoods;
use cke_engine::generate::{GenerateOptions, Tokens};
use cke_engine::models::gpt2::{Gpt2, Results, Sequence};
use cke_engine::runtime::Runtime;
use cke_engine::sampler::SamplerConfig;
use cke_kernels::Isa;
use std::collections::HashMap;
use support::{Golden, assert_near, golden_dir, runtimes};

fn load(case: &str, runtime: &Runtime) -> Gpt2 {
    Bundle::open(&golden_dir(case)).unwrap().into_gpt2(runtime, &|_| ()).unwrap()
}

/// Logits and hidden states of all positions, the tokens fed in pieces of the given lengths.
fn run(model: &Gpt2, runtime: &Runtime, ids: &[u32], pieces: &[usize]) -> (Vec<f32>, Vec<f32>) {
    let (mut logits, mut hidden) = (Vec::new(), Vec::new());
    let mut sequences = [Sequence { pending: Vec::new(), cache: model.cache(ids.len()).unwrap() }];
    let mut state = model.activations().unwrap();
    let mut rest = ids;
    for &len in pieces {
        sequences[0].pending.extend_from_slice(&rest[..len]);
        rest = &rest[len..];
        model.forward(&mut sequences, Results::All, &mut state, runtime).unwrap();
        hidden.extend_from_slice(model.hidden(len, &state));
        let mut part = vec![f32::NAN; len * model.config().vocab_size];
        model.logits(0..len, &mut part, &mut state, runtime).unwrap();
        logits.extend(part);
    }
    assert!(rest.is_empty());
    (logits, hidden)
}

/// Only the last token's results, the tokens fed in pieces of the given lengths.
fn run_last(model: &Gpt2, runtime: &Runtime, ids: &[u32], pieces: &[usize]) -> Vec<f32> {
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

fn check_case(case: &str, lengths: &[usize]) {
    let golden = Golden::open(case);
    for runtime in runtimes() {
        let model = load(case, &runtime);
        for len in lengths {
            let ids = golden.ids(&format!("len{len}.ids"));
            let (logits, hidden) = run(&model, &runtime, &ids, &[ids.len()]);
            assert_near(&logits, &golden.floats(&format!("len{len}.logits")), &format!("{case} len {len} logits"));
            if *len == 33 {
                assert_near(&hidden, &golden.floats("len33.hidden"), &format!("{case} hidden"));
            }
        }
    }
}

#[test]
fn odd_sizes_match() {
    check_case("gpt2-odd", &[1, 7, 33, 48]);
}

#[test]
fn untied_sharded_relu_matches() {
    check_case("gpt2-untied", &[7, 33, 48]);
}

#[test]
fn names_without_prefix_in_bf16_match() {
    check_case("gpt2-bare", &[7, 33, 48]);
}

#[test]
fn f16_matches() {
    check_case("gpt2-f16", &[7, 33, 48]);
}

#[test]
fn silu_matches() {
    check_case("gpt2-silu", &[7, 33, 48]);
}

#[test]
fn scores_scaled_by_layer_match() {
    check_case("gpt2-layer-scaled", &[33]);
}

#[test]
fn prefill_decode_and_mixed_agree_bit_for_bit() {
    let golden = Golden::open("gpt2-odd");
    let ids = golden.ids("len48.ids");
    let mut wanted: HashMap<Isa, (Vec<u32>, Vec<u32>)> = HashMap::new();
    for runtime in runtimes() {
        let model = load("gpt2-odd", &runtime);
        for pieces in [&[48][..], &[1; 48], &[7, 1, 1, 30, 9], &[47, 1], &[1, 47]] {
            let (logits, hidden) = run(&model, &runtime, &ids, pieces);
            let found = (bits(&logits), bits(&hidden));
            let wanted = wanted.entry(runtime.cpu().isa()).or_insert_with(|| found.clone());
            assert!(found == *wanted, "{pieces:?} on {} with {} threads", runtime.cpu().isa(), runtime.threads());
            let last = bits(&run_last(&model, &runtime, &ids, pieces));
            assert!(last == wanted.1[wanted.1.len() - last.len()..], "the last of {pieces:?}");
        }
    }
}

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn greedy_continuations_match() {
    let golden = Golden::open("gpt2-odd");
    for runtime in runtimes() {
        let model = load("gpt2-odd", &runtime);
        for (kind, repetition_penalty) in [("greedy", 1.0), ("penalty", 1.3)] {
            for i in 0..2 {
                let prompt = golden.ids(&format!("{kind}{i}.prompt"));
                let sampler = SamplerConfig { repetition_penalty, ..SamplerConfig::greedy() };
                let options = GenerateOptions { max_tokens: 20, sampler, ..GenerateOptions::default() };
                let tokens: Result<Vec<u32>, _> = Tokens::new(&model, &runtime, prompt, options).unwrap().collect();
                assert_eq!(tokens.unwrap(), golden.ids(&format!("{kind}{i}.tokens")), "{kind}{i}");
            }
        }
    }
}

#[test]
fn negative_log_likelihoods_match() {
    let golden = Golden::open("gpt2-odd");
    for runtime in runtimes() {
        let model = load("gpt2-odd", &runtime);
        let found = negative_log_likelihoods(&model, &runtime, &golden.ids("nll.ids"), &mut |_| ()).unwrap();
        let found: Vec<f32> = found.into_iter().map(|x| x as f32).collect();
        assert_near(&found, &golden.floats("nll.per_token"), "nll");
    }
}
