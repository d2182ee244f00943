//! GPT-2 against the transformers library: `tests/golden/README.md` says where the numbers come from.

mod support;

use cke_engine::evaluate::negative_log_likelihoods;
use cke_engine::generate::{GenerateOptions, Tokens};
use cke_engine::sampler::SamplerConfig;
use cke_kernels::Isa;
use std::collections::HashMap;
use support::causal::{check_case, load, run, run_last};
use support::{Golden, assert_near, bits, runtimes};

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
            let (logits, hidden) = run(&*model, &runtime, &ids, pieces);
            let found = (bits(&logits), bits(&hidden));
            let wanted = wanted.entry(runtime.cpu().isa()).or_insert_with(|| found.clone());
            assert!(found == *wanted, "{pieces:?} on {} with {} threads", runtime.cpu().isa(), runtime.threads());
            let last = bits(&run_last(&*model, &runtime, &ids, pieces));
            assert!(last == wanted.1[wanted.1.len() - last.len()..], "the last of {pieces:?}");
        }
    }
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
                let tokens: Result<Vec<u32>, _> = Tokens::new(&*model, &runtime, prompt, options).unwrap().collect();
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
        let found = negative_log_likelihoods(&*model, &runtime, &golden.ids("nll.ids"), &mut |_| ()).unwrap();
        let found: Vec<f32> = found.into_iter().map(|x| x as f32).collect();
        assert_near(&found, &golden.floats("nll.per_token"), "nll");
    }
}
