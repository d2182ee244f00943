//! Loading by all threads: what it gives, and what it takes meanwhile.

use cke_engine::bundle::Bundle;
use cke_engine::model_files::ModelFiles;
use cke_engine::quantize::Quantizer;
use cke_engine::runtime::Runtime;
use cke_engine::weight_format::WeightFormat;
use cke_testkit::{CountingAllocator, GgufLlama, peak_bytes};
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Large enough that its matrices are read in several slabs, and that a slab is small beside it.
const MODEL: GgufLlama =
    GgufLlama { seed: 4, vocabulary: 1003, width: 1024, heads: 8, key_heads: 2, inner: 2592, layers: 2, tied: false };

fn runtime(threads: usize, format: WeightFormat) -> Runtime {
    Runtime::new(Some(threads)).unwrap().with_weights(format)
}

/// All weights as one number of threads packs them.
fn packed(path: &Path, threads: usize, format: WeightFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    let files = ModelFiles::open(path).unwrap();
    Quantizer::open(files).unwrap().write(&runtime(threads, format), &mut out, &|_| ()).unwrap();
    out.into_inner()
}

/// Bytes of the weights that a load gave, and the most that was allocated meanwhile.
fn peak_of_load(path: &Path, threads: usize, format: WeightFormat) -> (usize, usize) {
    let (runtime, bundle) = (runtime(threads, format), Bundle::open(path).unwrap());
    let mut model = None;
    let peak = peak_bytes(|| model = Some(bundle.into_causal_model(&runtime, &|_| ()).unwrap()));
    (model.as_ref().map(Arc::as_ref).unwrap().weight_bytes(), peak)
}

// One test: what others allocate meanwhile would count.
#[test]
fn threads_change_no_byte_and_memory_never_holds_the_weights_twice() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.gguf");
    let file = MODEL.gguf().bytes();
    std::fs::write(&path, &file).unwrap();
    for format in [WeightFormat::Stored, WeightFormat::Int8] {
        assert!(packed(&path, 3, format) == packed(&path, 1, format), "{format}: other bytes");
    }
    for format in [WeightFormat::Stored, WeightFormat::F32] {
        for threads in [1, 3] {
            let (weights, peak) = peak_of_load(&path, threads, format);
            let larger = weights.max(file.len());
            // A slab is 4 MB, which is more than a twentieth of a file as small as a test's; and of the memory for small matrices, which is
            // asked for by 16 MB, what nothing was written to is allocated, too. Twice the weights would still be more.
            let bound = larger + (larger / 20).max(9 << 19) + (16 << 20);
            assert!(bound < 2 * weights, "wanted a larger model");
            assert!(peak >= weights && peak <= bound, "{format}, {threads} threads: {peak} for {weights}");
        }
    }
}
