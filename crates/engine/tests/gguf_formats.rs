//! GGUF files in every format that is held as it is stored: they run, and their packed files give the same bits.

mod support;

use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;

use cke_engine::bundle::Bundle;
use cke_engine::formats::packed_file::PackedFile;
use cke_engine::memory::Run;
use cke_engine::model_files::ModelFiles;
use cke_engine::models::causal::{Results, Sequence};
use cke_engine::quantize::Quantizer;
use cke_engine::runtime::Runtime;
use cke_engine::weight_format::WeightFormat;
use cke_engine::weights::Dtype;
use cke_testkit::{Data, Gguf, GgufLlama};
use half::f16;
use support::causal::{last_logits, run};
use support::{bits, runtimes};

/// A file of this content in a directory of its own.
fn written(file: &Gguf) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.gguf");
    std::fs::write(&path, file.bytes()).unwrap();
    (dir, path)
}

/// What the weights are estimated at.
fn weight_bytes(bundle: &Bundle, runtime: &Runtime) -> usize {
    let (weights, kv) = (runtime.weight_format(), runtime.kv_dtype());
    bundle.memory(Run { cpu: runtime.cpu(), threads: 1, weights, kv, lengths: &[], logits: 0 }).unwrap().weights
}

/// A model whose table of tokens, of numbers that f16 has, is of a type.
fn with_token_table(type_id: u32) -> Gguf {
    let mut file = GgufLlama { tied: false, ..GgufLlama::default() }.gguf();
    let table = file.tensors.iter_mut().find(|tensor| tensor.name == "token_embd.weight").unwrap();
    let count = table.shape.iter().product::<u64>() as usize;
    let values = Data::new(3).uniform(count).into_iter().map(f16::from_f32);
    table.type_id = type_id;
    table.data = match type_id {
        0 => values.flat_map(|value| value.to_f32().to_le_bytes()).collect(),
        _ => values.flat_map(f16::to_le_bytes).collect(),
    };
    file
}

#[test]
fn token_table_in_f16_is_held_as_it_is() {
    let runtime = Runtime::new(Some(1)).unwrap().with_weights(WeightFormat::Stored);
    let [(wide, wide_bytes), (narrow, narrow_bytes)] = [0, 1].map(|type_id| {
        let (_dir, path) = written(&with_token_table(type_id));
        let bundle = Bundle::open(&path).unwrap();
        let estimate = weight_bytes(&bundle, &runtime);
        let model = bundle.into_causal_model(&runtime, &|_| ()).unwrap();
        let mut sequence = [Sequence { pending: vec![5, 0, 39], cache: model.cache(3).unwrap() }];
        let mut state = model.activations().unwrap();
        model.forward(&mut sequence, Results::All, &mut state, &runtime).unwrap();
        (model.hidden(3, &state).iter().map(|x| x.to_bits()).collect::<Vec<_>>(), (estimate, model.weight_bytes()))
    });
    assert_eq!(narrow, wide);
    let (elements, padded) = (40 * 64, 48 * 64);
    assert_eq!(wide_bytes.0 - narrow_bytes.0, 2 * elements, "estimate");
    assert_eq!(wide_bytes.1 - narrow_bytes.1, 4 * elements - 2 * padded, "in memory");
}

#[test]
fn estimate_holds_the_token_table_in_the_numbers_of_the_file() {
    let runtime = Runtime::new(Some(1)).unwrap().with_weights(WeightFormat::Int8);
    let [wide, narrow] = [0, 1].map(|type_id| {
        let (_dir, path) = written(&with_token_table(type_id));
        weight_bytes(&Bundle::open(&path).unwrap(), &runtime)
    });
    assert_eq!(wide - narrow, 2 * 40 * 64);
}

/// Each format that is held as it is stored, with the number of its type.
const HELD: [(Dtype, u32); 14] = [
    (Dtype::F16, 1),
    (Dtype::Q4_0, 2),
    (Dtype::Q4_1, 3),
    (Dtype::Q5_0, 6),
    (Dtype::Q5_1, 7),
    (Dtype::Q8_0, 8),
    (Dtype::Q2_K, 10),
    (Dtype::Q3_K, 11),
    (Dtype::Q4_K, 12),
    (Dtype::Q5_K, 13),
    (Dtype::Q6_K, 14),
    (Dtype::IQ4_NL, 20),
    (Dtype::IQ4_XS, 23),
    (Dtype::BF16, 30),
];

/// A tiny Llama with all of its matrices in a format: any bytes of which each pair is a small f16 or bf16.
fn llama_of((dtype, type_id): (Dtype, u32)) -> Gguf {
    let mut file = GgufLlama { width: 256, inner: 256, layers: 2, ..GgufLlama::default() }.gguf();
    for tensor in file.tensors.iter_mut().filter(|tensor| tensor.shape.len() == 2) {
        let elements = tensor.shape.iter().product::<u64>() as usize;
        let bytes = elements / dtype.block_len() * dtype.block_bytes();
        tensor.type_id = type_id;
        tensor.data = (0..bytes).map(|i| 0x28 + (i * 7 % 5 % 3) as u8).collect();
    }
    file
}

#[test]
fn every_format_runs_on_every_instruction_set_and_from_a_packed_file_with_the_same_bits() {
    for format in HELD {
        let (_dir, path) = written(&llama_of(format));
        let files = || ModelFiles::open(&path).unwrap();
        let writer = Runtime::new(Some(1)).unwrap().with_weights(WeightFormat::Stored);
        let mut packed = Cursor::new(Vec::new());
        Quantizer::open(files()).unwrap().write(&writer, &mut packed, &|_| ()).unwrap();
        let packed = PackedFile::from_bytes(packed.get_ref(), "model.cke").unwrap();
        let packed = ModelFiles::of_packed(Arc::new(packed));
        for runtime in runtimes().into_iter().map(|runtime| runtime.with_weights(WeightFormat::Stored)) {
            let [stored, packed] = [&files(), &packed].map(|files| {
                let model = Bundle::of_files(files).unwrap().into_causal_model(&runtime, &|_| ()).unwrap();
                let logits = last_logits(&*model, &runtime, &[3, 1, 2]);
                assert!(logits.iter().all(|x| x.is_finite()), "{logits:?}");
                bits(&logits)
            });
            assert_eq!(stored, packed, "{} on {}", format.0, runtime.cpu().isa());
        }
    }
}

#[test]
fn prompts_in_every_format_in_pieces_and_single_tokens_agree_bit_for_bit() {
    let ids: Vec<u32> = (0..13).map(|i| i * 7 % 40).collect();
    for format in HELD {
        let (_dir, path) = written(&llama_of(format));
        for runtime in runtimes().into_iter().map(|runtime| runtime.with_weights(WeightFormat::Stored)) {
            let model = Bundle::open(&path).unwrap().into_causal_model(&runtime, &|_| ()).unwrap();
            let (whole, _) = run(&*model, &runtime, &ids, &[13]);
            for pieces in [&[1; 13][..], &[8, 1, 4]] {
                let (own, _) = run(&*model, &runtime, &ids, pieces);
                assert!(bits(&own) == bits(&whole), "{} in {pieces:?} on {}", format.0, runtime.cpu().isa());
            }
        }
    }
}
