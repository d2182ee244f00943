//! Well-formed checkpoints: what is read is what was written, whatever the layout.

use std::collections::HashMap;
use std::path::Path;

use cke_engine::weights::Checkpoint;
use half::{bf16, f16};
use proptest::prelude::*;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

/// A safetensors file written by the format's own library.
fn written(tensors: &[(&str, Dtype, &[usize], &[u8])]) -> Vec<u8> {
    let views = tensors
        .iter()
        .map(|&(name, dtype, shape, bytes)| (name.to_owned(), TensorView::new(dtype, shape.to_vec(), bytes).unwrap()));
    safetensors::serialize(views, Some(HashMap::from([("format".to_owned(), "pt".to_owned())]))).unwrap()
}

fn bytes_of<const N: usize, T: Copy>(values: &[T], to_bytes: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|&value| to_bytes(value)).collect()
}

#[test]
fn every_half_value_converts_as_its_reference_does() {
    let bits: Vec<u16> = (0..=u16::MAX).collect();
    let data = bytes_of(&bits, u16::to_le_bytes);
    let file = written(&[("f16", Dtype::F16, &[256, 256], &data), ("bf16", Dtype::BF16, &[256, 256], &data)]);
    let checkpoint = Checkpoint::from_bytes(file, "halves").unwrap();
    let f16s = checkpoint.tensor("f16").unwrap().read_f32().unwrap();
    let bf16s = checkpoint.tensor("bf16").unwrap().read_f32().unwrap();
    for &bits in &bits {
        let (found, wanted) = (f16s[usize::from(bits)], f16::from_bits(bits).to_f32());
        assert!(found == wanted || found.is_nan() && wanted.is_nan(), "f16 {bits:#06x}: {found} for {wanted}");
        let (found, wanted) = (bf16s[usize::from(bits)], bf16::from_bits(bits).to_f32());
        assert!(found == wanted || found.is_nan() && wanted.is_nan(), "bf16 {bits:#06x}: {found} for {wanted}");
    }
}

#[test]
fn rows_in_slabs_are_the_tensor_in_one_piece() {
    let values: Vec<f32> = (0..7 * 33).map(|i| i as f32 * 0.5 - 40.0).collect();
    let data = bytes_of(&values, f32::to_le_bytes);
    let halves = bytes_of(&values, |value| f16::from_f32(value).to_le_bytes());
    // The byte before shifts what follows, so that nothing is aligned.
    let file = written(&[("w", Dtype::F32, &[7, 3, 11], &data), ("h", Dtype::F16, &[7, 33], &halves)]);
    let mut shifted = Vec::new();
    let header_len = u64::from_le_bytes(file[..8].try_into().unwrap()) + 1;
    shifted.extend(header_len.to_le_bytes());
    shifted.extend(&file[8..8 + header_len as usize - 1]);
    shifted.push(b' ');
    shifted.extend(&file[8 + header_len as usize - 1..]);
    for file in [file, shifted] {
        let checkpoint = Checkpoint::from_bytes(file, "slabs").unwrap();
        for name in ["w", "h"] {
            let tensor = checkpoint.tensor(name).unwrap();
            assert_eq!((tensor.rows(), tensor.row_len()), (7, 33));
            assert_eq!(tensor.read_f32().unwrap(), values);
            let mut slab = vec![0.0; 2 * 33];
            tensor.read_rows_f32(4..6, &mut slab).unwrap();
            assert_eq!(slab, values[4 * 33..6 * 33]);
            tensor.read_rows_f32(7..7, &mut []).unwrap();
        }
    }
}

#[test]
fn scalar_and_empty_tensors_are_read() {
    let file = written(&[
        ("scalar", Dtype::F32, &[], &[0, 0, 128, 63]),
        ("none", Dtype::BF16, &[0, 5], &[]),
        ("empty_rows", Dtype::F32, &[5, 0], &[]),
    ]);
    let checkpoint = Checkpoint::from_bytes(file, "edges").unwrap();
    assert_eq!(checkpoint.tensor("scalar").unwrap().read_f32().unwrap(), [1.0]);
    assert_eq!(checkpoint.tensor("none").unwrap().read_f32().unwrap(), [0f32; 0]);
    checkpoint.tensor("empty_rows").unwrap().read_rows_f32(1..4, &mut []).unwrap();
}

#[test]
fn buffers_of_other_types_are_listed_and_tolerated() {
    let file = written(&[
        ("position_ids", Dtype::I64, &[1, 2], &[0; 16]),
        ("attn.bias", Dtype::BOOL, &[3], &[1, 0, 1]),
        ("w", Dtype::F32, &[1], &[0; 4]),
    ]);
    let checkpoint = Checkpoint::from_bytes(file, "buffers").unwrap();
    assert_eq!((checkpoint.len(), checkpoint.total_bytes()), (3, 23));
    let info = checkpoint.infos().find(|info| info.name == "position_ids").unwrap();
    assert_eq!((info.dtype.name(), info.shape, info.bytes), ("I64", &[1, 2][..], 16));
    assert_eq!(info.file, Path::new("buffers"));
}

#[test]
fn file_directory_and_shards_open_alike() {
    let a = written(&[("h.0.w", Dtype::F32, &[1], &1f32.to_le_bytes())]);
    let b = written(&[("h.1.w", Dtype::F32, &[1], &2f32.to_le_bytes()), ("extra", Dtype::U8, &[1], &[1])]);
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("a.safetensors"), a).unwrap();
    std::fs::write(path("b.safetensors"), b).unwrap();
    let index = r#"{"metadata":{"total_size":8},"weight_map":{"h.0.w":"a.safetensors","h.1.w":"b.safetensors"}}"#;
    std::fs::write(path("model.safetensors.index.json"), index).unwrap();

    for opened in [dir.path().to_owned(), path("model.safetensors.index.json")] {
        let checkpoint = Checkpoint::open(&opened).unwrap();
        assert_eq!(checkpoint.files().count(), 2);
        for (i, file) in ["a.safetensors", "b.safetensors"].into_iter().enumerate() {
            let tensor = checkpoint.root().child("h").child(i).tensor("w").unwrap();
            assert_eq!(tensor.read_f32().unwrap(), [i as f32 + 1.0]);
            assert_eq!(tensor.file(), path(file));
            checkpoint.release(tensor.name());
            assert_eq!(tensor.read_f32().unwrap(), [i as f32 + 1.0]);
        }
        assert!(checkpoint.contains("extra"));
    }
    let single = Checkpoint::open(&path("a.safetensors")).unwrap();
    assert_eq!((single.len(), single.path()), (1, path("a.safetensors").as_path()));
}

/// Memory of this process that is pages of files, in KiB.
#[cfg(target_os = "linux")]
fn resident_file_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssFile:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn released_tensor_takes_no_memory() {
    const MIB: usize = 1 << 20;
    let data = vec![1; 64 * MIB];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    std::fs::write(&path, written(&[("w", Dtype::F32, &[64, MIB / 4], &data)])).unwrap();
    let checkpoint = Checkpoint::open(&path).unwrap();
    let tensor = checkpoint.tensor("w").unwrap();
    let mut slab = vec![0.0; 8 * MIB / 4];
    let before = resident_file_kib();
    for row in (0..64).step_by(8) {
        tensor.read_rows_f32(row..row + 8, &mut slab).unwrap();
        assert!(slab.iter().all(|&value| value == f32::from_bits(0x0101_0101)));
        tensor.release_rows(row..row + 8);
        let grown = resident_file_kib().saturating_sub(before);
        assert!(grown < 16 * 1024, "{grown} KiB more after row {row}");
    }
}

#[test]
fn scope_finds_names_with_and_without_prefix() {
    for prefix in ["transformer.", ""] {
        let name: &'static str = if prefix.is_empty() { "wte.weight" } else { "transformer.wte.weight" };
        let file = written(&[(name, Dtype::F32, &[1], &[0; 4])]);
        let checkpoint = Checkpoint::from_bytes(file, "prefixed").unwrap();
        let scope = checkpoint.scope(&["transformer.", ""], "wte.weight").unwrap();
        assert_eq!(scope.prefix(), prefix);
        assert_eq!(scope.any(&["old.name", "wte.weight"]).unwrap().name(), name);
        assert!(scope.contains("wte.weight") && !scope.contains("wpe.weight"));
    }
}

#[test]
fn static_bytes_are_read_where_they_lie() {
    static FILE: &[u8] =
        b"\x38\0\0\0\0\0\0\0{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}  \0\0\x80\x3f";
    let checkpoint = Checkpoint::from_bytes(FILE, "static").unwrap();
    assert_eq!(checkpoint.tensor("w").unwrap().read_f32().unwrap(), [1.0]);
}

/// Name, type, shape and size in bytes of a tensor.
type Listed = (String, String, Vec<usize>, usize);

/// What our reader says of a file, by name.
fn ours(file: &[u8]) -> Option<Vec<Listed>> {
    let checkpoint = Checkpoint::from_bytes(file.to_vec(), "fuzzed").ok()?;
    let infos = checkpoint.infos();
    let mut infos: Vec<_> =
        infos.map(|info| (info.name.to_owned(), info.dtype.to_string(), info.shape.to_vec(), info.bytes)).collect();
    infos.sort_by(|a, b| a.0.cmp(&b.0));
    Some(infos)
}

/// What the format's own library says.
fn theirs(file: &[u8]) -> Option<Vec<Listed>> {
    let file = SafeTensors::deserialize(file).ok()?;
    let views = file.tensors().into_iter();
    let mut views: Vec<_> =
        views.map(|(name, view)| (name, view.dtype().to_string(), view.shape().to_vec(), view.data().len())).collect();
    views.sort_by(|a, b| a.0.cmp(&b.0));
    Some(views)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn accepted_file_is_one_the_library_accepts_alike(
        edits in proptest::collection::vec((0usize..400, any::<u8>()), 0..3),
        cut in 0usize..30,
    ) {
        let mut file = written(&[
            ("a.weight", Dtype::F32, &[2, 2], &[0; 16]),
            ("b", Dtype::BF16, &[3], &[0; 6]),
            ("c", Dtype::U8, &[0], &[]),
        ]);
        prop_assert_eq!(ours(&file), theirs(&file));
        for (at, byte) in edits {
            let at = at % file.len();
            file[at] = if byte < 128 { b"0123456789[]{}:,\"FU8"[usize::from(byte) % 19] } else { byte };
        }
        file.truncate(file.len() - if cut < 8 { cut } else { 0 });
        if let Some(found) = ours(&file) {
            prop_assert_eq!(Some(found), theirs(&file));
        }
    }
}
