//! GGUF files against the gguf package and transformers: blocks bit by bit, tensors by name and row, configurations.

use std::borrow::Cow;
use std::sync::Arc;

use cke_engine::formats::gguf::{GgufFile, GgufModel};
use cke_engine::weights::{Checkpoint, Dtype, Tensor};
use cke_testkit::Gguf;
use safetensors::SafeTensors;
use support::golden_dir;

mod support;

/// Block formats, with their numbers in GGUF files.
const FORMATS: [(Dtype, u32); 12] = [
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
];

const MODELS: [&str; 6] = ["llama", "qwen2", "qwen3", "gemma2", "gemma3", "phi3"];

fn f32s(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|x| f32::from_le_bytes(*x)).collect()
}

/// The same bits; any NaN is as good as another.
#[track_caller]
fn assert_same(found: &[f32], wanted: &[f32], what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    let differs = |(a, b): (&f32, &f32)| a.to_bits() != b.to_bits() && !(a.is_nan() && b.is_nan());
    let place = found.iter().zip(wanted).position(differs);
    assert_eq!(place.map(|at| (at, found[at], wanted[at])), None, "{what}: place, found, wanted");
}

/// A file of the tensor alone.
fn file_of(id: u32, shape: &[u64], bytes: Vec<u8>) -> GgufFile {
    GgufFile::from_bytes(Gguf::new().tensor("w", shape, id, bytes).bytes(), "blocks.gguf").unwrap()
}

/// Calls `check` with each format's number, bytes of blocks, and what they stand for.
fn for_each_format(check: impl Fn(Dtype, u32, &[u8], &[f32])) {
    let golden = std::fs::read(golden_dir("gguf-blocks").join("golden.safetensors")).unwrap();
    let golden = SafeTensors::deserialize(&golden).unwrap();
    for (dtype, id) in FORMATS {
        let bytes = golden.tensor(&format!("{dtype}.bytes")).unwrap();
        let values = f32s(golden.tensor(&format!("{dtype}.values")).unwrap().data());
        check(dtype, id, bytes.data(), &values);
    }
}

#[test]
fn blocks_of_every_format_decode_to_the_bits_of_the_gguf_package() {
    for_each_format(|dtype, id, bytes, values| {
        let blocks = (bytes.len() / dtype.block_bytes()) as u64;
        let file = file_of(id, &[blocks, dtype.block_len() as u64], bytes.to_vec());
        let tensor = file.get("w").unwrap();
        assert_eq!((tensor.dtype(), tensor.row_len()), (dtype, dtype.block_len()));
        assert_same(&tensor.read_f32().unwrap(), values, dtype.name());
        // Some rows of it, and the bytes of those.
        let mut rows = vec![0.0; 2 * dtype.block_len()];
        tensor.read_rows_f32(3..5, &mut rows).unwrap();
        assert_same(&rows, &values[3 * dtype.block_len()..5 * dtype.block_len()], dtype.name());
        let wanted = &bytes[3 * dtype.block_bytes()..5 * dtype.block_bytes()];
        assert_eq!(tensor.blocks(3..5).unwrap(), Some(Cow::Borrowed(wanted)));
        tensor.release_rows(3..5);
    });
}

#[test]
fn vector_of_blocks_is_read_element_by_element() {
    for_each_format(|dtype, id, bytes, values| {
        let file = file_of(id, &[values.len() as u64], bytes.to_vec());
        let tensor = file.get("w").unwrap();
        assert_eq!((tensor.rows(), tensor.row_len(), tensor.blocks(0..32).unwrap()), (values.len(), 1, None));
        let part = dtype.block_len() - 3..2 * dtype.block_len() + 5;
        let mut out = vec![0.0; part.len()];
        tensor.read_rows_f32(part.clone(), &mut out).unwrap();
        tensor.release_rows(part.clone());
        assert_same(&out, &values[part], dtype.name());
    });
}

/// Blocks or floats of the rows of a tensor, decoded by themselves.
fn decoded_blocks(tensor: Tensor<'_>) -> Option<Vec<f32>> {
    let blocks = tensor.blocks(0..tensor.rows()).unwrap()?;
    let id = FORMATS.iter().find(|format| format.0 == tensor.dtype()).unwrap().1;
    let shape = [tensor.rows() as u64, tensor.row_len() as u64];
    Some(file_of(id, &shape, blocks.into_owned()).get("w").unwrap().read_f32().unwrap())
}

#[test]
fn tensors_have_the_names_rows_and_numbers_that_transformers_gives_them() {
    for model in MODELS {
        let dir = golden_dir(&format!("gguf-{model}"));
        let checkpoint = Checkpoint::open(&dir.join("model.gguf")).unwrap();
        let golden = std::fs::read(dir.join("golden.safetensors")).unwrap();
        let golden = SafeTensors::deserialize(&golden).unwrap();
        for (name, wanted) in golden.tensors() {
            if name == "lm_head.weight" && !checkpoint.contains(&name) {
                continue; // tied
            }
            let (tensor, what) = (checkpoint.tensor(&name).unwrap(), format!("{model}: {name}"));
            assert_eq!(tensor.shape(), wanted.shape(), "{what}");
            let (found, wanted) = (tensor.read_f32().unwrap(), f32s(wanted.data()));
            assert_same(&found, &wanted, &what);
            if let Some(blocks) = decoded_blocks(tensor) {
                assert_same(&blocks, &wanted, &format!("{what}, by blocks"));
            }
            // Row by row it is the same.
            let mut row = vec![0.0; tensor.row_len()];
            for index in 0..tensor.rows() {
                tensor.read_rows_f32(index..index + 1, &mut row).unwrap();
                tensor.release_rows(index..index + 1);
                assert_same(&row, &wanted[index * row.len()..][..row.len()], &what);
            }
        }
        let unknown: Vec<&str> =
            checkpoint.infos().map(|info| info.name).filter(|n| golden.tensor(n).is_err()).collect();
        assert_eq!(unknown, [""; 0], "{model}");
    }
}

#[test]
fn configuration_is_the_one_that_transformers_makes_of_the_file() {
    for model in MODELS {
        let dir = golden_dir(&format!("gguf-{model}"));
        let file = Arc::new(GgufModel::open(&dir.join("model.gguf")).unwrap());
        let found: serde_json::Value = serde_json::from_slice(file.own_file("config.json").unwrap().unwrap()).unwrap();
        let wanted = std::fs::read(dir.join("golden.json")).unwrap();
        let wanted: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&wanted).unwrap();
        for (key, wanted) in wanted {
            let found = found.get(&key).cloned().unwrap_or_default();
            // A number of 32 bits, written in two ways.
            let number = |value: &serde_json::Value| value.as_f64().map(|number| number as f32);
            assert!(found == wanted || number(&found) == number(&wanted), "{model}: {key}: {found}, wanted {wanted}");
        }
        assert_eq!(found["rope_theta"], 50_000.0, "{model}");
    }
}
