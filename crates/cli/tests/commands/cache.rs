//! `--cache`: the packed file beside a model.

use crate::support::{Outcome, arg, byte_gpt2, cke, file, golden};
#[cfg(target_os = "linux")]
use crate::support::{command_within, file_limit, run};
use cke_testkit::GgufLlama;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A few greedy tokens of a model, kept as int8.
fn generate(model: &Path, more: &[&str]) -> Outcome {
    cke(&[&["generate", "--cache", "--greedy", "-n", "4", "-m", arg(model), "x"], more].concat())
}

/// The names of the files in a directory.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Gives a file another time of change.
fn touch(path: &Path) {
    let file = fs::OpenOptions::new().append(true).open(path).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(5)).unwrap();
}

#[test]
fn packed_form_is_written_once_and_again_when_the_model_changes() {
    let model = byte_gpt2();
    let (dir, int8) = (model.path(), ["--dtype", "int8"]);
    let before = names(dir);
    let plain = cke(&["generate", "--greedy", "-n", "4", "-m", arg(dir), "--dtype", "int8", "x"]);
    let path = dir.join("model.int8.cke");
    let first = generate(dir, &int8);
    assert_eq!(first.success(), plain.success());
    assert_eq!(names(dir).len(), before.len() + 1);
    assert!(first.stderr.contains(&format!("wrote {}", arg(&path))), "{first:?}");
    let (written, bytes) = (fs::metadata(&path).unwrap().modified().unwrap(), fs::read(&path).unwrap());
    // What is in the file is what runs: not a byte of the model's weights is needed any more.
    let second = generate(dir, &int8);
    assert_eq!(second.success(), plain.success());
    assert!(!second.stderr.contains("will be rewritten") && !second.stderr.contains("wrote"), "{second:?}");
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), written);

    touch(&dir.join("config.json"));
    let third = generate(dir, &int8);
    assert_eq!(third.success(), plain.success());
    assert!(third.stderr.contains("model.int8.cke: the model's files have changed since"), "{third:?}");
    assert_ne!(fs::read(&path).unwrap(), bytes);
    assert!(!generate(dir, &int8).stderr.contains("will be rewritten"));
    // With -q it is not said.
    touch(&dir.join("config.json"));
    assert_eq!(generate(dir, &["--dtype", "int8", "-q"]).stderr, "");

    // Other numbers are another file.
    generate(dir, &["--dtype", "bf16"]).success();
    assert_eq!(names(dir).len(), before.len() + 2);
}

#[test]
fn foreign_packed_file_is_replaced_and_any_other_stays() {
    let model = byte_gpt2();
    let (path, int8) = (model.path().join("model.int8.cke"), ["--dtype", "int8"]);
    cke(&["quantize", arg(model.path()), "-o", arg(&path)]).success();
    let whole = fs::read(&path).unwrap();
    let replaced = generate(model.path(), &int8);
    assert!(replaced.success().starts_with("") && replaced.stderr.contains("it was not made for `--cache`"));
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let cut = generate(model.path(), &int8);
    assert!(cut.stderr.contains("was cut or added to: it will be rewritten"), "{cut:?}");
    let mut damaged = fs::read(&path).unwrap();
    assert!(!generate(model.path(), &int8).stderr.contains("will be rewritten"));
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(&path, damaged).unwrap();
    generate(model.path(), &int8).failure(1, &["its checksum is wrong", "if `--cache` made it, remove it"]);

    fs::write(&path, "a letter").unwrap();
    let beside = generate(model.path(), &int8);
    assert!(beside.success().len() > 1 && beside.stderr.contains("continuing without a packed file"), "{beside:?}");
    assert_eq!(fs::read(&path).unwrap(), b"a letter");
}

#[test]
fn place_that_cannot_be_written_and_f32_are_said_and_the_run_goes_on() {
    let model = byte_gpt2();
    let before = names(model.path());
    let plain = generate(model.path(), &[]);
    assert!(
        plain.success().len() > 1 && plain.stderr.contains("memory layout of f32 weights differs between CPUs"),
        "{plain:?}"
    );
    assert_eq!(names(model.path()), before);
    fs::create_dir(model.path().join("model.int8.cke")).unwrap();
    let beside = generate(model.path(), &["--dtype", "int8"]);
    assert!(
        beside.success().len() > 1 && beside.stderr.contains("model.int8.cke: cannot be written: is a directory"),
        "{beside:?}"
    );
    assert_eq!(names(model.path()).len(), before.len() + 1);
    generate(Path::new("no/model"), &["--dtype", "int8"]).failure(1, &["no/model"]);
}

#[cfg(target_os = "linux")]
#[test]
fn run_on_a_full_disk_goes_on_and_leaves_nothing() {
    let model = byte_gpt2();
    let before = names(model.path());
    let args = ["generate", "--greedy", "-n", "4", "-m", arg(model.path()), "--dtype", "int8", "x"];
    let limited = run(command_within(&file_limit(16), &[&args[..], &["--cache"]].concat()), b"");
    assert_eq!(limited.success(), cke(&args).success());
    assert!(limited.stderr.contains("continuing without a packed file"), "{limited:?}");
    assert_eq!(names(model.path()), before);
}

#[test]
fn every_command_that_takes_a_model_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let (path, tokens) = (dir.path().join("m.gguf"), file(".json", "[1, 2, 3, 4, 5]"));
    fs::write(&path, GgufLlama::default().gguf().bytes()).unwrap();
    let commands = [
        vec!["generate", "--tokens-file", arg(tokens.path()), "-n", "5", "--seed", "3"],
        vec!["eval", "--tokens-file", arg(tokens.path()), "--json"],
        vec!["bench", "model", "-p", "4", "-g", "2", "-r", "1", "-t", "1"],
        vec!["profile", "--json", "-p", "4", "-g", "2", "-r", "1", "-t", "1"],
    ];
    for args in commands {
        for _ in 0..2 {
            let kept = cke(&[&args[..], &["-m", arg(&path), "--cache"]].concat());
            if !matches!(args[0], "bench" | "profile") {
                assert_eq!(kept.success(), cke(&[&args[..], &["-m", arg(&path)]].concat()).success());
            }
            kept.success();
            assert_eq!(names(dir.path()), ["m.gguf", "m.gguf.auto.cke"]);
        }
        fs::remove_file(dir.path().join("m.gguf.auto.cke")).unwrap();
    }
}

#[test]
fn sentence_model_is_kept_with_its_folders() {
    let (dir, source) = (tempfile::tempdir().unwrap(), golden("st-mean"));
    fs::create_dir(dir.path().join("1_Pooling")).unwrap();
    for name in names(&source).into_iter().chain(["1_Pooling/config.json".to_owned()]) {
        if source.join(&name).is_file() {
            fs::copy(source.join(&name), dir.path().join(&name)).unwrap();
        }
    }
    let embed = |more: &[&str]| {
        cke(&[&["embed", "-m", arg(dir.path()), "--dtype", "int8", "--json", "A text."], more].concat()).json()
    };
    let plain = embed(&[]);
    assert_eq!(embed(&["--cache"]), plain);
    assert!(dir.path().join("model.int8.cke").exists());
    assert_eq!(embed(&["--cache"]), plain);
}
