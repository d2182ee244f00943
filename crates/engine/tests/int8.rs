//! Models with weights in eight bits beside the same models in f32.

mod support;

use cke_engine::bundle::Bundle;
use cke_engine::embed::{EmbedOptions, Embedder};
use cke_engine::evaluate::negative_log_likelihoods;
use cke_engine::models::gpt2::{Gpt2, Results, Sequence};
use cke_engine::runtime::Runtime;
use cke_engine::weight_format::WeightFormat;
use support::{Golden, bits, golden_dir, runtimes};

fn gpt2(case: &str, runtime: &Runtime) -> Gpt2 {
    Bundle::open(&golden_dir(case)).unwrap().into_gpt2(runtime, &|_| ()).unwrap()
}

/// Every ISA with one and with three threads, in both formats.
fn pairs() -> impl Iterator<Item = (Runtime, Runtime)> {
    runtimes().into_iter().zip(runtimes()).map(|(plain, int8)| (plain, int8.with_weights(WeightFormat::Int8)))
}

#[test]
fn likelihoods_stay_close_to_those_of_f32() {
    let ids = Golden::open("gpt2-odd").ids("nll.ids");
    for (plain, int8) in pairs() {
        let mean = |runtime: &Runtime| {
            let each = negative_log_likelihoods(&gpt2("gpt2-odd", runtime), runtime, &ids, &mut |_| ()).unwrap();
            each.iter().sum::<f64>() / each.len() as f64
        };
        let (plain, int8) = (mean(&plain), mean(&int8));
        assert!(int8 != plain, "another arithmetic");
        assert!((int8 - plain).abs() < 0.01 * plain, "{int8} beside {plain}");
    }
}

#[test]
fn embeddings_point_where_those_of_f32_do() {
    let texts = ["A text.", "Another one, and longer than the first.", ""];
    for (plain, int8) in pairs() {
        let embed = |runtime: &Runtime| {
            let embedder = Embedder::open(&golden_dir("st-mean"), EmbedOptions::default(), runtime, &|_| ()).unwrap();
            embedder.embed(&texts, &mut embedder.model().activations().unwrap(), runtime).unwrap()
        };
        let (plain, int8) = (embed(&plain), embed(&int8));
        let width = plain.len() / texts.len();
        for (a, b) in plain.chunks(width).zip(int8.chunks(width)) {
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
            let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
            assert!(cosine > 0.999, "{cosine}");
        }
    }
}

/// Final hidden states of a sequence, fed in pieces of these lengths, beside a second sequence if it is given.
fn hidden(model: &Gpt2, runtime: &Runtime, pieces: &[&[u32]], beside: Option<&[u32]>) -> Vec<f32> {
    let sequence = || Sequence { pending: Vec::new(), cache: model.cache(32).unwrap() };
    let (mut sequences, mut state) = (vec![sequence()], model.activations().unwrap());
    let mut rows = Vec::new();
    sequences.extend(beside.map(|ids| Sequence { pending: ids.to_vec(), ..sequence() }));
    for piece in pieces {
        sequences[0].pending.extend_from_slice(piece);
        let all = sequences.iter().map(|sequence| sequence.pending.len()).sum();
        model.forward(&mut sequences, Results::All, &mut state, runtime).unwrap();
        rows.extend_from_slice(&model.hidden(all, &state)[..piece.len() * model.config().n_embd]);
    }
    rows
}

#[test]
fn rows_have_the_same_bits_for_any_threads_pieces_and_company() {
    let ids = Golden::open("gpt2-odd").ids("nll.ids");
    let (ids, others) = (&ids[..12], &ids[3..10]);
    for threads in [1, 2, 3] {
        let runtime = Runtime::new(Some(threads)).unwrap().with_weights(WeightFormat::Int8);
        let model = gpt2("gpt2-odd", &runtime);
        let single = Runtime::new(Some(1)).unwrap();
        let wanted = bits(&hidden(&model, &single, &[ids], None));
        assert_eq!(bits(&hidden(&model, &runtime, &[ids], None)), wanted, "{threads} threads");
        assert_eq!(bits(&hidden(&model, &runtime, &[&ids[..5], &ids[5..6], &ids[6..]], None)), wanted, "pieces");
        assert_eq!(bits(&hidden(&model, &runtime, &[ids], Some(others))), wanted, "company");
    }
}

#[test]
fn weights_take_a_bit_more_than_a_quarter() {
    let config = cke_engine::config::Gpt2Config {
        vocab_size: 512,
        n_positions: 8,
        n_embd: 256,
        n_layer: 2,
        n_head: 4,
        n_inner: 1024,
        ..gpt2("gpt2-odd", &Runtime::new(Some(1)).unwrap()).config().clone()
    };
    let bytes = |format| {
        let runtime = Runtime::new(Some(1)).unwrap().with_weights(format);
        Gpt2::random(&config, 1, &runtime).unwrap().bytes_per_token()
    };
    let (plain, int8) = (bytes(WeightFormat::F32), bytes(WeightFormat::Int8));
    assert!((0.25..0.28).contains(&(int8 as f64 / plain as f64)), "{int8} of {plain}");
}
