//! Any bytes as a safetensors file: no panic, and what is accepted can be read in full and is what the format's own
//! library reads.

#![no_main]

use cke_engine::weights::Checkpoint;
use libfuzzer_sys::fuzz_target;
use safetensors::SafeTensors;

fuzz_target!(|file: &[u8]| {
    let Ok(checkpoint) = Checkpoint::from_bytes(file.to_vec(), "fuzzed") else { return };
    let reference = SafeTensors::deserialize(file).expect("the library refuses what we accept");
    assert_eq!(checkpoint.len(), reference.len());
    for info in checkpoint.infos() {
        let tensor = checkpoint.tensor(info.name).expect("a listed tensor is found");
        let view = reference.tensor(info.name).expect("the library has the tensor");
        assert_eq!((info.dtype, info.shape, info.bytes), (view.dtype(), view.shape(), view.data().len()));
        let Ok(whole) = tensor.read_f32() else { continue };
        let rows = tensor.rows().min(16);
        let mut slab = vec![0.0; rows * tensor.row_len()];
        tensor.read_rows_f32(0..rows, &mut slab).expect("rows of a tensor that was read");
        let same = slab.iter().zip(&whole).all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(same, "a slab differs from the whole of {}", info.name);
        checkpoint.release(info.name);
    }
});
