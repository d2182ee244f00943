//! BERT against the transformers library: `tests/golden/README.md` says where the numbers come from.

mod support;

use cke_engine::bundle::Bundle;
use cke_engine::config::ModelConfig;
use cke_engine::error::Error;
use cke_engine::models::bert::{Bert, BertActivations, Input};
use cke_engine::runtime::Runtime;
use cke_engine::synthetic;
use cke_kernels::Isa;
use std::collections::HashMap;
use support::{Golden, assert_near, bits, golden_dir, runtimes};

fn load(case: &str, runtime: &Runtime) -> Bert {
    Bundle::open(&golden_dir(case)).unwrap().into_bert(runtime, &|_| ()).unwrap()
}

fn run(model: &Bert, batch: &[Input<'_>], state: &mut BertActivations, runtime: &Runtime) -> Vec<f32> {
    model.forward(batch, state, runtime).unwrap();
    model.hidden(state).to_vec()
}

fn check_case(case: &str, lengths: &[usize]) {
    let golden = Golden::open(case);
    for runtime in runtimes() {
        let model = load(case, &runtime);
        let mut state = model.activations().unwrap();
        for len in lengths {
            let ids = golden.ids(&format!("len{len}.ids"));
            let type_ids = golden.ids(&format!("len{len}.type_ids"));
            let hidden = run(&model, &[Input { ids: &ids, type_ids: Some(&type_ids) }], &mut state, &runtime);
            assert_near(&hidden, &golden.floats(&format!("len{len}.hidden")), &format!("{case} len {len}"));
        }
    }
}

/// The batch of a golden case without its padding, and the hidden states of each sequence.
struct GoldenBatch {
    ids: Vec<Vec<u32>>,
    type_ids: Vec<Vec<u32>>,
    hidden: Vec<Vec<f32>>,
}

impl GoldenBatch {
    fn open(case: &str, width: usize) -> GoldenBatch {
        let golden = Golden::open(case);
        let lengths: Vec<usize> = golden.ids("batch.lengths").into_iter().map(|len| len as usize).collect();
        fn cut<T: Clone>(padded: Vec<T>, lengths: &[usize], row: usize) -> Vec<Vec<T>> {
            let rows = padded.chunks_exact(padded.len() / lengths.len());
            rows.zip(lengths).map(|(padded, len)| padded[..len * row].to_vec()).collect()
        }
        GoldenBatch {
            ids: cut(golden.ids("batch.ids"), &lengths, 1),
            type_ids: cut(golden.ids("batch.type_ids"), &lengths, 1),
            hidden: cut(golden.floats("batch.hidden"), &lengths, width),
        }
    }

    fn inputs(&self) -> Vec<Input<'_>> {
        self.ids.iter().zip(&self.type_ids).map(|(ids, type_ids)| Input { ids, type_ids: Some(type_ids) }).collect()
    }
}

fn check_batch(case: &str) {
    for runtime in runtimes() {
        let model = load(case, &runtime);
        let mut state = model.activations().unwrap();
        let batch = GoldenBatch::open(case, model.config().hidden_size);
        let found = run(&model, &batch.inputs(), &mut state, &runtime);
        let mut rest = &found[..];
        for (i, wanted) in batch.hidden.iter().enumerate() {
            let (own, later) = rest.split_at(wanted.len());
            assert_near(own, wanted, &format!("{case} sequence {i} of the batch"));
            rest = later;
        }
        assert!(rest.is_empty());
    }
}

#[test]
fn odd_sizes_match() {
    check_case("bert-odd", &[1, 7, 33, 48]);
    check_batch("bert-odd");
}

#[test]
fn prefixed_names_in_f16_match() {
    check_case("bert-prefixed", &[7, 33]);
    check_batch("bert-prefixed");
}

#[test]
fn relu_with_another_epsilon_matches() {
    check_case("bert-relu", &[7, 33]);
}

#[test]
fn names_of_the_first_checkpoints_match() {
    check_case("bert-legacy", &[7, 33]);
}

#[test]
fn batch_and_single_sequences_agree_bit_for_bit() {
    let mut wanted: HashMap<Isa, Vec<u32>> = HashMap::new();
    for runtime in runtimes() {
        let model = load("bert-odd", &runtime);
        // One state for all, so that a short sequence finds what a long one left behind.
        let mut state = model.activations().unwrap();
        let batch = GoldenBatch::open("bert-odd", model.config().hidden_size);
        let together = bits(&run(&model, &batch.inputs(), &mut state, &runtime));
        let alone = batch.inputs().into_iter().flat_map(|input| run(&model, &[input], &mut state, &runtime));
        let alone = bits(&alone.collect::<Vec<f32>>());
        let what = format!("on {} with {} threads", runtime.cpu().isa(), runtime.threads());
        assert!(together == alone, "batch and single {what}");
        assert!(together == *wanted.entry(runtime.cpu().isa()).or_insert(alone), "{what}");
    }
}

#[test]
fn no_token_types_are_zeros() {
    let runtime = Runtime::new(Some(1)).unwrap();
    let model = load("bert-odd", &runtime);
    let mut state = model.activations().unwrap();
    let ids = [3, 1, 4, 1, 5];
    let zeros = run(&model, &[Input { ids: &ids, type_ids: Some(&[0; 5]) }], &mut state, &runtime);
    assert_eq!(bits(&run(&model, &[Input::from(&ids[..])], &mut state, &runtime)), bits(&zeros));
}

#[test]
fn empty_batch_has_no_rows() {
    let runtime = Runtime::new(Some(1)).unwrap();
    let model = load("bert-odd", &runtime);
    let mut state = model.activations().unwrap();
    run(&model, &[Input::from(&[1, 2, 3][..])], &mut state, &runtime);
    assert!(run(&model, &[], &mut state, &runtime).is_empty());
}

#[test]
fn bad_sequence_is_named_and_changes_nothing() {
    let runtime = Runtime::new(Some(1)).unwrap();
    let model = load("bert-odd", &runtime);
    let mut state = model.activations().unwrap();
    let good = Input::from(&[1, 2, 3][..]);
    let before = run(&model, &[good], &mut state, &runtime);
    let typed = |ids, type_ids| Input { ids, type_ids: Some(type_ids) };
    for (bad, message) in [
        (Input::from(&[][..]), "sequence 1: wanted at least 1 tokens, found 0"),
        (Input::from(&[1; 49][..]), "sequence 1: the sequence needs 49 positions, the model's context has 48"),
        (
            Input::from(&[1, 2, 211][..]),
            "sequence 1: token 211 at position 2: wanted an id below the vocabulary's size 211",
        ),
        (typed(&[1, 2], &[0, 2]), "sequence 1: token type 2 at position 1: wanted one below 2"),
        (typed(&[1, 2], &[0]), "sequence 1: token types: wanted 2, found 1"),
    ] {
        let error = model.forward(&[good, bad], &mut state, &runtime).unwrap_err();
        assert!(matches!(error, Error::InSequence { sequence: 1, .. }), "{error:?}");
        assert_eq!(error.to_string(), message);
        assert_eq!(model.hidden(&state), before, "{message}");
    }
}

#[test]
fn another_architecture_is_refused() {
    let runtime = Runtime::new(Some(1)).unwrap();
    let error = Bundle::open(&golden_dir("gpt2-odd")).unwrap().into_bert(&runtime, &|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "gpt2-odd holds a gpt2 model, this needs a BERT model");
}

#[test]
fn load_reports_every_byte() {
    let runtime = Runtime::new(Some(1)).unwrap();
    let (case, read) = ("bert-relu", std::cell::Cell::new(0));
    let model = Bundle::open(&golden_dir(case)).unwrap().into_bert(&runtime, &|n| read.set(read.get() + n)).unwrap();
    let (width, inner) = (51, 100);
    let embeddings = (211 + 48 + 2) * width + 2 * width;
    let layer = 4 * (width * width + width) + 2 * width * inner + inner + width + 4 * width;
    assert_eq!(read.get(), 4 * (embeddings + layer));
    assert!(model.weight_bytes() as u64 > 4 * (embeddings + layer) * 9 / 10);
}

#[test]
fn random_model_is_the_same_for_the_same_seed() {
    let runtime = Runtime::new(Some(1)).unwrap();
    let Some(ModelConfig::Bert(config)) = synthetic::config("minilm") else { panic!("MiniLM is a BERT") };
    let config = cke_engine::config::BertConfig { vocab_size: 50, num_hidden_layers: 1, ..config };
    let hidden = |seed| {
        let model = Bert::random(&config, seed, &runtime).unwrap();
        run(&model, &[Input::from(&[7; 20][..])], &mut model.activations().unwrap(), &runtime)
    };
    let first = hidden(1);
    assert!(first.iter().all(|x| x.is_finite()));
    assert_eq!(bits(&first), bits(&hidden(1)));
    assert_ne!(first, hidden(2));
}

#[test]
fn flops_count_products_and_scores() {
    let runtime = Runtime::new(Some(1)).unwrap();
    let model = load("bert-odd", &runtime);
    let (width, inner, layers) = (51, 100, 2);
    let per_token = 4 * width * width + 2 * width * inner;
    // Per layer and pair of tokens one product of width elements for the score, one for the value.
    let wanted = 2 * layers * ((7 + 3) * per_token + (7 * 7 + 3 * 3) * 2 * width);
    assert_eq!(model.flops(&[7, 3]), wanted);
}
