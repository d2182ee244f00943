//! Models in several files.

use cke_engine::formats::gguf::{GgufFile, GgufModel};
use cke_engine::load_error::LoadError;
use cke_engine::weights::Checkpoint;
use cke_testkit::{Gguf, GgufLlama, GgufValue};
use std::path::{Path, PathBuf};

/// The parts of a file, a tensor in each.
fn parts(dir: &Path, count: u16) -> Vec<PathBuf> {
    let whole = GgufLlama::default().gguf();
    let per_part = whole.tensors.len().div_ceil(usize::from(count));
    let mut paths = Vec::new();
    for (number, tensors) in (0..count).zip(whole.tensors.chunks(per_part)) {
        let mut part = if number == 0 { whole.clone() } else { Gguf::new() };
        part.tensors = tensors.to_vec();
        let part = part.key("split.no", GgufValue::U16(number)).key("split.count", GgufValue::U16(count));
        let part = part.key("split.tensors.count", GgufValue::I32(whole.tensors.len() as i32));
        paths.push(dir.join(format!("m-{:05}-of-{count:05}.gguf", number + 1)));
        std::fs::write(&paths[usize::from(number)], part.bytes()).unwrap();
    }
    paths
}

#[test]
fn first_of_several_parts_opens_all() {
    let dir = tempfile::tempdir().unwrap();
    let paths = parts(dir.path(), 3);
    let whole = Checkpoint::from_bytes(GgufLlama::default().gguf().bytes(), "whole.gguf").unwrap();
    for opened in [Checkpoint::open(&paths[0]).unwrap(), Checkpoint::open(dir.path()).unwrap()] {
        assert_eq!(opened.files().collect::<Vec<_>>(), paths);
        for info in whole.infos() {
            let (found, wanted) = (opened.tensor(info.name).unwrap(), whole.tensor(info.name).unwrap());
            assert_eq!(found.read_f32().unwrap(), wanted.read_f32().unwrap(), "{}", info.name);
        }
        assert_eq!(opened.len(), whole.len());
    }
    assert_eq!(GgufModel::open(&paths[0]).unwrap().file().infos().count(), whole.len());
}

#[test]
fn parts_that_do_not_match_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let paths = parts(dir.path(), 3);
    let message = |path: &Path| GgufFile::open(path).unwrap_err().to_string();
    assert!(message(&paths[1]).contains("it is part 2 of 3: wanted the first part, named `…-00001-of-00003.gguf`"));
    let renamed = dir.path().join("renamed.gguf");
    std::fs::copy(&paths[0], &renamed).unwrap();
    assert!(message(&renamed).contains("wanted the name `…-00001-of-00003.gguf`"));
    let bytes = std::fs::read(&paths[0]).unwrap();
    assert!(GgufFile::from_bytes(bytes, &paths[0].to_string_lossy()).is_err());
    std::fs::copy(&paths[1], &paths[2]).unwrap();
    assert!(message(&paths[0]).contains("wanted part 3 of 3, found what its keys"));
    std::fs::remove_file(&paths[2]).unwrap();
    assert!(
        message(&paths[0]).contains("-00003-of-00003.gguf: GGUF: wanted part 3 of 3 of the model, found no such file")
    );
    let two = Gguf::new().key("split.no", 2u32).key("split.count", 3u32);
    std::fs::write(&paths[2], two.bytes()).unwrap();
    assert!(message(&paths[0]).contains("as key `split.tensors.count` says, found"));
    let twice = two.f32("output_norm.weight", &[1], &[1.0]);
    std::fs::write(&paths[2], twice.bytes()).unwrap();
    assert!(message(&paths[0]).contains("tensor `output_norm.weight`: it is there twice"));
}

#[test]
fn part_that_was_cut_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let paths = parts(dir.path(), 3);
    for path in &paths {
        let whole = std::fs::read(path).unwrap();
        for length in [0, 3, whole.len() / 2, whole.len() - 33] {
            std::fs::write(path, &whole[..length]).unwrap();
            let error = GgufFile::open(&paths[0]).unwrap_err();
            assert!(matches!(&error, LoadError::Gguf { file, .. } if file == path), "{length}: {error}");
        }
        std::fs::write(path, whole).unwrap();
    }
    GgufFile::open(&paths[0]).unwrap();
}
