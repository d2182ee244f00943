//! `cke quantize`, and its files with the other commands.

use crate::support::{arg, byte_gpt2, cke, command, file, golden, keys, wait};
#[cfg(target_os = "linux")]
use crate::support::{command_within, file_limit, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// A directory, and the place for a file in it.
fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("model.cke");
    (dir, path)
}

fn quantize(model: &Path, path: &Path) {
    let outcome = cke(&["quantize", arg(model), "-o", arg(path)]);
    assert_eq!(outcome.success(), "");
    assert!(outcome.stderr.contains(" as int8 in "), "{}", outcome.stderr);
}

#[test]
fn quantize_makes_a_file_that_every_command_takes_for_a_model() {
    let (gpt2, (_dir, path)) = (byte_gpt2(), place());
    quantize(gpt2.path(), &path);
    let tokens = file(".json", "[1, 2, 3, 4, 5]");
    let commands = [
        vec!["generate", "x", "--greedy", "-n", "5"],
        vec!["generate", "--tokens-file", arg(tokens.path()), "-n", "5", "--seed", "3"],
        vec!["eval", "--tokens-file", arg(tokens.path()), "--json"],
    ];
    for args in commands {
        let packed = cke(&[&args[..], &["-m", arg(&path)]].concat());
        let stored = cke(&[&args[..], &["-m", arg(gpt2.path()), "--dtype", "int8"]].concat());
        assert_eq!(packed.success(), stored.success(), "{args:?}");
        assert_eq!(packed.success(), cke(&[&args[..], &["-m", arg(&path), "--dtype", "int8"]].concat()).success());
    }
    for args in [["bench", "model"], ["profile", "--json"]] {
        let outcome = cke(&[&args[..], &["-m", arg(&path), "-p", "4", "-g", "2", "-r", "1", "-t", "1"]].concat());
        assert!(outcome.success().contains("int8"), "{outcome:?}");
    }
}

#[test]
fn quantize_json_says_what_was_written() {
    let (gpt2, (_dir, path)) = (byte_gpt2(), place());
    let report = cke(&["quantize", arg(gpt2.path()), "-o", arg(&path), "--json"]).json();
    assert_eq!(keys(&report), ["bytes", "dtype", "file", "model", "seconds"]);
    assert_eq!((&report["file"], &report["dtype"]), (&arg(&path).into(), &"int8".into()));
    assert_eq!(report["bytes"], fs::metadata(&path).expect("the file").len());
}

#[test]
fn quantize_without_a_model_packs_the_demo_model() {
    let (_dir, path) = place();
    assert_eq!(cke(&["quantize", "-q", "-o", arg(&path)]).stderr, "");
    let args = ["generate", "The iterator", "-n", "12", "--seed", "6"];
    let demo = cke(&[&args[..], &["--dtype", "int8"]].concat());
    assert_eq!(cke(&[&args[..], &["-m", arg(&path)]].concat()).success(), demo.success());
}

#[test]
fn quantize_keeps_what_a_sentence_model_says() {
    let (_dir, path) = place();
    quantize(&golden("st-mean"), &path);
    let embed = |model: &Path, dtype: &[&str]| {
        cke(&[&["embed", "-m", arg(model), "--json", "A text.", "Another."], dtype].concat()).json()
    };
    assert_eq!(embed(&path, &[]), embed(&golden("st-mean"), &["--dtype", "int8"]));
}

#[test]
fn weights_that_are_rounded_once_more_are_announced() {
    let rounded = |model: &str, dtype: &[&str]| {
        let (_dir, path) = place();
        let outcome = cke(&[&["quantize", arg(&golden(model)), "-o", arg(&path)], dtype].concat());
        outcome.success();
        outcome.stderr.lines().find(|line| line.contains("rounded once more")).unwrap_or_default().to_owned()
    };
    for (model, dtype, wanted) in [
        ("quantized-gptq", &[][..], None),
        ("quantized-gptq", &["--dtype", "int8"], Some("to int8; --dtype auto keeps those of its file")),
        (
            "quantized-gptq-act-order",
            &[],
            Some("to int8; packed files cannot keep those of its file, and --dtype bf16"),
        ),
        ("quantized-fp8-block", &[], Some("to int8; packed files cannot keep those of its file, and --dtype bf16")),
        ("quantized-fp8-tensor", &["--dtype", "bf16"], Some("to bf16; packed files cannot keep those of its file")),
        ("gpt2-odd", &[], None),
    ] {
        let found = rounded(model, dtype);
        assert!(wanted.map_or(found.is_empty(), |wanted| found.contains(wanted)), "{model} {dtype:?}: {found:?}");
    }
}

#[test]
fn inspect_of_a_packed_file_shows_what_it_holds_and_what_is_damaged() {
    let (gpt2, (_dir, path)) = (byte_gpt2(), place());
    quantize(gpt2.path(), &path);
    let text = cke(&["inspect", arg(&path)]);
    for part in ["version 3, int8, ", "all checksums right", "weights, int8", "h.{0…1}.attn.c_attn.weight", "BPE"] {
        assert!(text.success().contains(part), "no {part:?} in {text:?}");
    }
    let (stored, packed) =
        (cke(&["inspect", arg(gpt2.path()), "--json"]).json(), cke(&["inspect", arg(&path), "--json"]).json());
    for key in ["config", "parameters", "tokenizer", "architecture"] {
        assert_eq!(packed[key], stored[key], "{key}");
    }
    assert_eq!(packed["packed"]["damaged"], serde_json::json!([]));
    assert_eq!(stored["packed"], serde_json::Value::Null);

    let mut bytes = fs::read(&path).unwrap();
    // The last weights end before the table and what fills up to it.
    let table = u64::from_le_bytes(bytes[24..32].try_into().unwrap()) as usize;
    bytes[table - 1] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let outcome = cke(&["inspect", arg(&path), "--json"]);
    let report: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["packed"]["damaged"].as_array().map(Vec::len), Some(1));
    assert!(outcome.stderr.contains("the checksums of 1 of 31 entries are wrong"), "{}", outcome.stderr);
    assert_eq!(outcome.code, Some(1));
    cke(&["generate", "-m", arg(&path), "x"]).failure(1, &["its checksum is wrong", "`cke quantize MODEL -o FILE`"]);
}

#[test]
fn packed_file_that_cannot_be_used_says_what_to_run() {
    let (gpt2, (_dir, path)) = (byte_gpt2(), place());
    quantize(gpt2.path(), &path);
    let run = |model: &Path, more: &[&str]| cke(&[&["generate", "-m", arg(model), "x"], more].concat());
    run(&path, &["--dtype", "f32"])
        .failure(1, &["wanted weights as f32, found a file packed as int8 (leave out `--dtype`"]);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    run(&path, &[]).failure(1, &["model.cke: ", "was cut", "`cke quantize MODEL -o FILE` rewrites it"]);
    fs::write(&path, [&whole[..8], &[9], &whole[9..]].concat()).unwrap();
    run(&path, &[]).failure(1, &["found version 9, which another version of cke writes"]);
    fs::write(&path, "foreign").unwrap();
    run(&path, &[]).failure(1, &["wanted a model directory with config.json, a GGUF file or a file of `cke quantize`"]);
    cke(&["embed", "-m", arg(&path), "x"]).failure(1, &["wanted a model directory"]);
    fs::write(&path, &whole).unwrap();
    cke(&["embed", "-m", arg(&path), "x"]).failure(1, &["holds a gpt2 model, this needs a BERT model"]);
    cke(&["quantize", arg(&path), "-o", arg(&path)]).failure(1, &["it is a packed file already"]);
    assert_eq!(fs::read(&path).unwrap(), whole);
}

#[test]
fn quantize_replaces_packed_files_and_no_others() {
    let (gpt2, (dir, path)) = (byte_gpt2(), place());
    fs::write(&path, "a text").unwrap();
    let weights = gpt2.path().join("model.safetensors");
    let stored = fs::read(&weights).unwrap();
    for output in [&path, &weights] {
        cke(&["quantize", arg(gpt2.path()), "-o", arg(output)])
            .failure(1, &["wanted a packed file to replace, or none"]);
    }
    assert_eq!((fs::read(&path).unwrap(), fs::read(&weights).unwrap()), (b"a text".to_vec(), stored));
    fs::remove_file(&path).unwrap();
    quantize(gpt2.path(), &path);
    let first = fs::read(&path).unwrap();
    quantize(gpt2.path(), &path);
    assert_eq!(fs::read(&path).unwrap(), first);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
}

#[test]
fn quantize_that_fails_leaves_no_file() {
    let (gpt2, (dir, path)) = (byte_gpt2(), place());
    cke(&["quantize", arg(gpt2.path()), "-o", arg(&path), "--dtype", "f32"])
        .failure(1, &["the memory layout of f32 weights differs between CPUs", "choose another `--dtype`"]);
    gpt2.replace("model.safetensors", "no weights").unwrap();
    cke(&["quantize", arg(gpt2.path()), "-o", arg(&path)]).failure(1, &["model.safetensors"]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[cfg(unix)]
#[test]
fn quantize_to_a_pipe_or_standard_output_is_refused() {
    let (gpt2, (_dir, pipe)) = (byte_gpt2(), place());
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    cke(&["quantize", arg(gpt2.path()), "-o", arg(&pipe)]).failure(1, &["wanted the name of a file, found a pipe"]);
    cke(&["quantize", arg(gpt2.path()), "-o", "-"]).failure(2, &["found `-`", "./-"]);
}

#[cfg(target_os = "linux")]
#[test]
fn quantize_on_a_full_disk_leaves_the_file_that_was_there() {
    let (gpt2, (dir, path)) = (byte_gpt2(), place());
    let limited = || run(command_within(&file_limit(16), &["quantize", arg(gpt2.path()), "-o", arg(&path)]), b"");
    limited().failure(1, &[arg(&path)]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    quantize(gpt2.path(), &path);
    let whole = fs::read(&path).unwrap();
    limited().failure(1, &[arg(&path)]);
    assert_eq!(fs::read(&path).unwrap(), whole);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
}

#[cfg(unix)]
#[test]
fn quantize_that_is_interrupted_leaves_nothing_or_a_whole_file() {
    for wait_ms in [0, 10, 30, 60, 120] {
        let (dir, path) = place();
        let mut child = command(&["quantize", "-o", arg(&path)])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("cke starts");
        std::thread::sleep(Duration::from_millis(wait_ms));
        let kill = format!("kill -INT {}", child.id());
        // It may have ended by itself.
        let _ = std::process::Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status();
        let _ = wait(&mut child);
        let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(names.is_empty() || names == ["model.cke"], "{names:?} after {wait_ms} ms");
        if path.exists() {
            cke(&["generate", "-m", arg(&path), "x", "-n", "1"]).success();
        }
    }
}
