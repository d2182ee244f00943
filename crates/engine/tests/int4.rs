//! Models with weights in four bits beside the same models in f32.

mod support;

use cke_engine::bundle::Bundle;
use cke_engine::config::Gpt2Config;
use cke_engine::embed::{EmbedOptions, Embedder};
use cke_engine::evaluate::negative_log_likelihoods;
use cke_engine::models::gpt2::Gpt2;
use cke_engine::runtime::Runtime;
use cke_engine::weight_format::WeightFormat;
use support::{Golden, bits, golden_dir, runtimes};

fn gpt2(case: &str, runtime: &Runtime) -> Gpt2 {
    Bundle::open(&golden_dir(case)).unwrap().into_gpt2(runtime, &|_| ()).unwrap()
}

/// Every ISA with one and with three threads, in both formats.
fn pairs() -> impl Iterator<Item = (Runtime, Runtime)> {
    runtimes().into_iter().zip(runtimes()).map(|(plain, int4)| (plain, int4.with_weights(WeightFormat::Int4)))
}

/// The negative log-likelihood of each id of a text.
fn likelihoods(runtime: &Runtime) -> Vec<f64> {
    let ids = Golden::open("gpt2-odd").ids("nll.ids");
    negative_log_likelihoods(&gpt2("gpt2-odd", runtime), runtime, &ids, &mut |_| ()).unwrap()
}

#[test]
fn likelihoods_stay_close_to_those_of_f32() {
    for (plain, int4) in pairs() {
        let mean = |runtime: &Runtime| {
            let each = likelihoods(runtime);
            each.iter().sum::<f64>() / each.len() as f64
        };
        let (plain, int4) = (mean(&plain), mean(&int4));
        assert!(int4 != plain, "another arithmetic");
        assert!((int4 - plain).abs() < 0.03 * plain, "{int4} beside {plain}");
    }
}

#[test]
fn likelihoods_have_the_same_bits_for_any_number_of_threads() {
    let run = |threads| likelihoods(&Runtime::new(Some(threads)).unwrap().with_weights(WeightFormat::Int4));
    let wanted: Vec<u64> = run(1).into_iter().map(f64::to_bits).collect();
    for threads in [2, 3] {
        let found: Vec<u64> = run(threads).into_iter().map(f64::to_bits).collect();
        assert_eq!(found, wanted, "{threads} threads");
    }
}

#[test]
fn embeddings_point_where_those_of_f32_do() {
    let texts = ["A text.", "Another one, and longer than the first.", ""];
    for (plain, int4) in pairs() {
        let embed = |runtime: &Runtime| {
            let embedder = Embedder::open(&golden_dir("st-mean"), EmbedOptions::default(), runtime, &|_| ()).unwrap();
            embedder.embed(&texts, &mut embedder.model().activations().unwrap(), runtime).unwrap()
        };
        let (plain, int4) = (embed(&plain), embed(&int4));
        let width = plain.len() / texts.len();
        assert_ne!(bits(&plain), bits(&int4));
        for (a, b) in plain.chunks(width).zip(int4.chunks(width)) {
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
            let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
            assert!(cosine > 0.98, "{cosine}");
        }
    }
}

#[test]
fn weights_take_a_bit_more_than_an_eighth() {
    let config = Gpt2Config {
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
    let (plain, int4) = (bytes(WeightFormat::F32), bytes(WeightFormat::Int4));
    assert!((0.125..0.15).contains(&(int4 as f64 / plain as f64)), "{int4} of {plain}");
}
