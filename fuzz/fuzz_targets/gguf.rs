//! Any bytes as a GGUF file: no panic, memory bounded, and what is accepted can be read in full.

#![no_main]

use std::sync::Arc;

use cke_engine::bundle::Bundle;
use cke_engine::formats::gguf::{GgufFile, GgufModel, Value};
use cke_engine::model_files::ModelFiles;
use cke_engine::weights::{Checkpoint, Tensor};
use libfuzzer_sys::fuzz_target;

/// Reads a tensor as f32, and some of its rows once more, and its blocks.
fn read(tensor: Tensor<'_>) {
    let info = tensor.info();
    let Ok(whole) = tensor.read_f32() else { return };
    assert_eq!(whole.len(), tensor.rows() * tensor.row_len());
    let rows = tensor.rows().min(16);
    let mut slab = vec![0.0; rows * tensor.row_len()];
    tensor.read_rows_f32(0..rows, &mut slab).expect("rows of a tensor that was read");
    let same = slab.iter().zip(&whole).all(|(a, b)| a.to_bits() == b.to_bits());
    assert!(same, "a slab differs from the whole of {}", info.name);
    if let Some(blocks) = tensor.blocks(0..tensor.rows()).expect("blocks of a tensor that was read") {
        assert_eq!(blocks.len(), info.bytes);
    }
    tensor.release_rows(0..rows);
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(file) = GgufFile::from_bytes(bytes.to_vec(), "fuzzed") else { return };
    for key in file.keys() {
        if let Ok(Some(Value::Array(array))) = file.value(key) {
            assert!(array.values().count() <= bytes.len());
        }
    }
    let stored: usize = file.infos().map(|info| info.bytes).sum();
    assert!(stored <= bytes.len(), "{stored} bytes of tensors in a file of {}", bytes.len());
    for info in file.infos() {
        read(file.get(info.name).expect("a listed tensor is found"));
    }
    let _ = file.tokenizer();
    if let Ok(checkpoint) = Checkpoint::of_gguf(&file) {
        for info in checkpoint.infos() {
            read(checkpoint.tensor(info.name).expect("a listed tensor is found"));
        }
    }
    if let Ok(model) = GgufModel::new(file) {
        let _ = Bundle::of_files(&ModelFiles::of_gguf(Arc::new(model)));
    }
});
