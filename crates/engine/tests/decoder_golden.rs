//! Llama and what came after it against the transformers library: `tests/golden/README.md` says where the numbers come from.

mod support;

use cke_engine::models::causal::{CausalModel, Results, Sequence};
use cke_engine::runtime::Runtime;
use cke_kernels::attention::KvDtype;
use support::causal::{check_case, load, run, run_last};
use support::{Golden, bits, runtimes};

#[test]
fn llama_matches() {
    check_case("llama", &[7, 33, 48]);
}

#[test]
fn llama_with_biases_and_a_tied_head_matches() {
    check_case("llama-biased", &[33]);
}

#[test]
fn llama_with_stretched_positions_matches() {
    check_case("llama-rope3", &[7, 33, 48]);
    check_case("llama-linear", &[33]);
}

#[test]
fn mistral_with_a_window_matches() {
    check_case("mistral", &[7, 33, 48]);
    check_case("gguf-mistral", &[7, 33]);
}

#[test]
fn qwen2_with_yarn_matches() {
    check_case("qwen2", &[7, 33]);
}

#[test]
fn qwen2_with_a_window_in_its_last_layers_matches() {
    check_case("qwen2-window", &[33]);
}

#[test]
fn qwen3_with_norms_of_heads_matches() {
    check_case("qwen3", &[7, 33, 48]);
}

#[test]
fn smollm3_with_a_layer_that_knows_no_positions_matches() {
    check_case("smollm3", &[7, 33, 48]);
    check_case("gguf-smollm3", &[33]);
}

#[test]
fn gemma2_with_soft_caps_matches() {
    check_case("gemma2", &[7, 33, 48]);
}

#[test]
fn gemma3_with_two_ropes_matches() {
    check_case("gemma3", &[7, 33, 48]);
}

#[test]
fn phi3_with_joined_projections_matches() {
    check_case("phi3", &[7, 33]);
    check_case("phi3-long", &[7, 33]);
}

/// Each family, with the features that could break this.
const FAMILIES: [&str; 11] = [
    "llama-rope3",
    "llama-linear",
    "mistral",
    "qwen2",
    "qwen2-window",
    "qwen3",
    "smollm3",
    "gemma2",
    "gemma3",
    "phi3",
    "phi3-long",
];

/// Every runtime, with keys and values kept in each way.
fn runtimes_of_every_cache() -> impl Iterator<Item = Runtime> {
    KvDtype::ALL.into_iter().flat_map(|kv| runtimes().into_iter().map(move |runtime| runtime.with_kv(kv)))
}

#[test]
fn prompts_in_pieces_and_single_tokens_agree_bit_for_bit() {
    for case in FAMILIES {
        let ids = Golden::open(case).ids("len33.ids");
        for runtime in runtimes_of_every_cache() {
            let model = load(case, &runtime);
            let (logits, hidden) = run(&*model, &runtime, &ids, &[33]);
            for pieces in [&[1; 33][..], &[7, 1, 1, 20, 4], &[32, 1]] {
                let (own, _) = run(&*model, &runtime, &ids, pieces);
                assert!(
                    bits(&own) == bits(&logits),
                    "{case} in {pieces:?}, {}, on {}",
                    runtime.kv_dtype(),
                    runtime.cpu().isa()
                );
                let last = run_last(&*model, &runtime, &ids, pieces);
                assert!(bits(&last) == bits(&hidden[hidden.len() - last.len()..]), "{case}: the last of {pieces:?}");
            }
        }
    }
}

#[test]
fn sequences_beside_each_other_change_nothing() {
    for case in FAMILIES {
        let ids = Golden::open(case).ids("len33.ids");
        for runtime in runtimes_of_every_cache() {
            let model = load(case, &runtime);
            let alone = run_last(&*model, &runtime, &ids[..20], &[20]);
            let together = in_company(&*model, &runtime, &ids);
            assert!(bits(&alone) == bits(&together), "{case}, {}, on {}", runtime.kv_dtype(), runtime.cpu().isa());
        }
    }
}

/// The last hidden state of the first 20 tokens, which are read beside a prompt and beside another sequence's single tokens.
fn in_company(model: &dyn CausalModel, runtime: &Runtime, ids: &[u32]) -> Vec<f32> {
    // Room for no more than they need: it decides by which angles Phi 3 rotates.
    let sequence = |pending: &[u32], positions: usize| Sequence {
        pending: pending.to_vec(),
        cache: model.cache(positions).unwrap(),
    };
    let mut sequences = [sequence(&ids[5..12], 8), sequence(&ids[..19], 20), sequence(&ids[..3], 30)];
    let mut state = model.activations().unwrap();
    model.forward(&mut sequences, Results::Last, &mut state, runtime).unwrap();
    sequences[0].pending.push(ids[12]);
    sequences[1].pending.push(ids[19]);
    sequences[2].pending.extend_from_slice(&ids[3..30]);
    model.forward(&mut sequences, Results::Last, &mut state, runtime).unwrap();
    model.hidden(2, &state)[model.width()..].to_vec()
}
