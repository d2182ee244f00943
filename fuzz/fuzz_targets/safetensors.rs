//! Any bytes as a file of weights: no panic, and what is accepted can be read in full and is, of a safetensors file, what the
//! format's own library reads.

#![no_main]

use std::sync::Arc;

use cke_engine::bundle::Bundle;
use cke_engine::formats::packed_file::{ALIGNMENT, MAGIC, PackedFile, VERSION};
use cke_engine::model_files::ModelFiles;
use cke_engine::weights::Checkpoint;
use libfuzzer_sys::fuzz_target;
use safetensors::SafeTensors;
use twox_hash::XxHash3_64;

/// Bytes of header and entries, zeros, in a packed file with a fuzzed table.
const BEFORE_TABLE: usize = 8 * ALIGNMENT;

/// A packed file with this table and a header that is right.
fn sealed(table: &[u8]) -> Vec<u8> {
    let mut file = MAGIC.to_vec();
    let len = (BEFORE_TABLE + table.len()) as u64;
    for field in [VERSION, len, BEFORE_TABLE as u64, XxHash3_64::oneshot(table)] {
        file.extend(field.to_le_bytes());
    }
    file.extend(XxHash3_64::oneshot(&file).to_le_bytes());
    file.resize(BEFORE_TABLE, 0);
    file.extend(table);
    file
}

/// Reads all of a packed file, if it is accepted.
fn read_packed(bytes: &[u8]) {
    let Ok(file) = PackedFile::from_bytes(bytes, "fuzzed") else { return };
    let tiled: usize = file.infos().map(|info| info.bytes.next_multiple_of(ALIGNMENT)).sum();
    assert!(tiled < bytes.len(), "entries of {tiled} bytes in a file of {}", bytes.len());
    for info in file.infos() {
        let _ = file.verify(info.name);
    }
    let _ = Bundle::of_files(&ModelFiles::of_packed(Arc::new(file)));
}

fuzz_target!(|file: &[u8]| {
    read_packed(file);
    read_packed(&sealed(file));
    if file.starts_with(b"GGUF") {
        return;
    }
    let Ok(checkpoint) = Checkpoint::from_bytes(file.to_vec(), "fuzzed") else { return };
    let reference = SafeTensors::deserialize(file).expect("the library refuses what we accept");
    assert_eq!(checkpoint.len(), reference.len());
    for info in checkpoint.infos() {
        let tensor = checkpoint.tensor(info.name).expect("a listed tensor is found");
        let view = reference.tensor(info.name).expect("the library has the tensor");
        assert_eq!((info.shape, info.bytes), (view.shape(), view.data().len()));
        assert_eq!(info.dtype.to_string(), view.dtype().to_string());
        let Ok(whole) = tensor.read_f32() else { continue };
        let rows = tensor.rows().min(16);
        let mut slab = vec![0.0; rows * tensor.row_len()];
        tensor.read_rows_f32(0..rows, &mut slab).expect("rows of a tensor that was read");
        let same = slab.iter().zip(&whole).all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(same, "a slab differs from the whole of {}", info.name);
        checkpoint.release(info.name);
    }
});
