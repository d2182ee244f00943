//! Models with weights in fewer bits beside the same models in f32.

mod support;

use cke_engine::bundle::Bundle;
use cke_engine::config::{Gpt2Config, ModelConfig};
use cke_engine::embed::{EmbedOptions, Embedder};
use cke_engine::evaluate::negative_log_likelihoods;
use cke_engine::models::causal::{CausalModel, Results, Sequence};
use cke_engine::models::gpt2;
use cke_engine::runtime::Runtime;
use cke_engine::synthetic;
use cke_engine::weight_format::WeightFormat;
use cke_kernels::Isa;
use cke_kernels::attention::KvDtype;
use std::sync::Arc;
use support::{Golden, assert_near, bits, golden_dir, runtimes};

fn gpt2(case: &str, runtime: &Runtime) -> Arc<dyn CausalModel> {
    Bundle::open(&golden_dir(case)).unwrap().into_causal_model(runtime, &|_| ()).unwrap()
}

/// A format beside f32.
#[derive(Clone, Copy)]
struct Narrow {
    format: WeightFormat,
    /// The share by which mean likelihoods may differ.
    likelihood: f64,
    /// Between embeddings.
    least_cosine: f32,
    /// Least and most bytes, of those of f32.
    memory: [f64; 2],
}

const NARROW: [Narrow; 4] = [
    Narrow { format: WeightFormat::Bf16, likelihood: 0.001, least_cosine: 0.9999, memory: [0.5, 0.52] },
    Narrow { format: WeightFormat::F16, likelihood: 0.0001, least_cosine: 0.99999, memory: [0.5, 0.52] },
    Narrow { format: WeightFormat::Int8, likelihood: 0.01, least_cosine: 0.999, memory: [0.25, 0.28] },
    Narrow { format: WeightFormat::Int4, likelihood: 0.03, least_cosine: 0.98, memory: [0.17, 0.18] },
];

/// Every ISA with one and with three threads, in f32 and in each of the other formats.
fn pairs() -> impl Iterator<Item = (Runtime, Runtime, Narrow)> {
    let pairs_of = |narrow: Narrow| {
        let others = runtimes().into_iter().map(move |runtime| runtime.with_weights(narrow.format));
        runtimes().into_iter().zip(others).map(move |(plain, other)| (plain, other, narrow))
    };
    NARROW.into_iter().flat_map(pairs_of)
}

#[test]
fn likelihoods_stay_close_to_those_of_f32() {
    let ids = Golden::open("gpt2-odd").ids("nll.ids");
    for (plain, other, narrow) in pairs() {
        let mean = |runtime: &Runtime| {
            let each = negative_log_likelihoods(&*gpt2("gpt2-odd", runtime), runtime, &ids, &mut |_| ()).unwrap();
            each.iter().sum::<f64>() / each.len() as f64
        };
        let (plain, other) = (mean(&plain), mean(&other));
        assert!(other != plain, "another arithmetic");
        assert!((other - plain).abs() < narrow.likelihood * plain, "{}: {other} beside {plain}", narrow.format);
    }
}

#[test]
fn embeddings_point_where_those_of_f32_do() {
    let texts = ["A text.", "Another one, and longer than the first.", ""];
    for (plain, other, narrow) in pairs() {
        let embed = |runtime: &Runtime| {
            let embedder = Embedder::open(&golden_dir("st-mean"), EmbedOptions::default(), runtime, &|_| ()).unwrap();
            embedder.embed(&texts, &mut embedder.model().activations().unwrap(), runtime).unwrap()
        };
        let (plain, other) = (embed(&plain), embed(&other));
        let width = plain.len() / texts.len();
        for (a, b) in plain.chunks(width).zip(other.chunks(width)) {
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
            let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
            assert!(cosine > narrow.least_cosine, "{}: {cosine}", narrow.format);
        }
    }
}

/// Final hidden states of a sequence, fed in pieces of these lengths, beside a second sequence if it is given.
fn hidden(model: &dyn CausalModel, runtime: &Runtime, pieces: &[&[u32]], beside: Option<&[u32]>) -> Vec<f32> {
    let sequence = || Sequence { pending: Vec::new(), cache: model.cache(32).unwrap() };
    let (mut sequences, mut state) = (vec![sequence()], model.activations().unwrap());
    let mut rows = Vec::new();
    sequences.extend(beside.map(|ids| Sequence { pending: ids.to_vec(), ..sequence() }));
    for piece in pieces {
        sequences[0].pending.extend_from_slice(piece);
        let all = sequences.iter().map(|sequence| sequence.pending.len()).sum();
        model.forward(&mut sequences, Results::All, &mut state, runtime).unwrap();
        rows.extend_from_slice(&model.hidden(all, &state)[..piece.len() * model.width()]);
    }
    rows
}

#[test]
fn rows_have_the_same_bits_for_any_threads_pieces_and_company() {
    let ids = Golden::open("gpt2-odd").ids("nll.ids");
    let (ids, others) = (&ids[..12], &ids[3..10]);
    for (threads, narrow) in [1, 2, 3].into_iter().flat_map(|threads| NARROW.map(|narrow| (threads, narrow))) {
        let runtime = Runtime::new(Some(threads)).unwrap().with_weights(narrow.format);
        let model = gpt2("gpt2-odd", &runtime);
        let single = Runtime::new(Some(1)).unwrap();
        let wanted = bits(&hidden(&*model, &single, &[ids], None));
        assert_eq!(bits(&hidden(&*model, &runtime, &[ids], None)), wanted, "{}, {threads} threads", narrow.format);
        assert_eq!(bits(&hidden(&*model, &runtime, &[&ids[..5], &ids[5..6], &ids[6..]], None)), wanted, "pieces");
        assert_eq!(bits(&hidden(&*model, &runtime, &[ids], Some(others))), wanted, "company");
    }
}

#[test]
fn weights_take_the_memory_of_their_format() {
    let Some(ModelConfig::Gpt2(usual)) = synthetic::config("gpt2") else { panic!("gpt2 is a GPT-2") };
    // Whole panels of every width, so that none is filled up.
    let config =
        Gpt2Config { vocab_size: 768, n_positions: 8, n_embd: 384, n_layer: 2, n_head: 4, n_inner: 1536, ..usual };
    let bytes = |format| {
        let runtime = Runtime::new(Some(1)).unwrap().with_weights(format);
        gpt2::random(&config, 1, &runtime).unwrap().bytes_per_token()
    };
    let plain = bytes(WeightFormat::F32) as f64;
    for Narrow { format, memory: [least, most], .. } in NARROW {
        let share = bytes(format) as f64 / plain;
        assert!((least..most).contains(&share), "{format}: {share}");
    }
}

#[test]
fn tensors_of_f16_are_held_as_they_are() {
    let bundle = Bundle::open(&golden_dir("gpt2-f16")).unwrap();
    assert_eq!(bundle.main_format(), WeightFormat::F16);
    for (plain, stored) in runtimes().into_iter().zip(runtimes()) {
        let (plain, stored) = (plain.with_kv(KvDtype::F32), stored.with_kv(KvDtype::F32));
        let stored = stored.with_weights(WeightFormat::Stored);
        let [of_plain, of_stored] = [&plain, &stored].map(|runtime| {
            let model = gpt2("gpt2-f16", runtime);
            (hidden(&*model, runtime, &[&[3, 1, 2, 7]], None), model.weight_bytes() as f64)
        });
        // Plain loops do not fuse the multiply-adds of f32.
        match plain.cpu().isa() {
            Isa::Scalar => assert_near(&of_stored.0, &of_plain.0, "hidden states"),
            _ => assert_eq!(bits(&of_stored.0), bits(&of_plain.0)),
        }
        assert!(of_stored.1 < 0.6 * of_plain.1, "{} bytes of {}", of_stored.1, of_plain.1);
    }
}
