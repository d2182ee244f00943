//! `cke` in a limited address space, and what it takes of memory.
#![cfg(all(target_os = "linux", feature = "demo-model"))]

use crate::support::{arg, byte_gpt2, chat_gguf, chat_llama, cke, command, command_within, file, golden, run};
use cke_testkit::tiny_models::{Gpt2, Llama, ModelDir};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;

#[test]
fn memory_limit_of_any_size_gives_an_answer_or_a_clean_error() {
    let text = file(".txt", "The iterator reads the words of the file. ".repeat(70));
    let embedder = golden("st-mean");
    let (chat_directory, (_dir, chat_file)) = (chat_llama(), chat_gguf("{{ messages[0].content }}</s>"));
    let commands = [
        vec!["generate", "--threads", "1", "-q", "-n", "4", "The iterator"],
        vec!["eval", "--threads", "1", "-q", arg(text.path())],
        vec!["embed", "--threads", "1", "-q", "-m", arg(&embedder), "The iterator"],
        vec!["inspect"],
        vec!["chat", "--threads", "1", "-q", "-n", "4", "-m", arg(chat_directory.path()), "--prompt", "Hi"],
        vec!["chat", "--threads", "1", "-q", "-n", "4", "-m", arg(&chat_file), "--prompt", "Hi"],
    ];
    for args in &commands {
        // With less than some 50 the program itself, of which a debug build has the most, does not come to its first line.
        let codes = (56..=200).step_by(8).map(|megabytes| code_within(megabytes, args)).collect::<Vec<_>>();
        assert_eq!(codes.last(), Some(&0), "{args:?}: {codes:?}");
    }
}

#[test]
fn settings_of_many_small_values_give_a_clean_error_at_a_memory_limit() {
    let model = byte_gpt2();
    let words = vec!["[123]"; 300_000].join(",");
    model.replace("generation_config.json", format!(r#"{{"bad_words_ids":[{words}]}}"#)).unwrap();
    let generate = ["generate", "--threads", "1", "-q", "-n", "4", "-m", arg(model.path()), "x"];
    assert_eq!(code_within(97, &generate), 1);

    let model = byte_gpt2();
    let tokens: Vec<String> = (0..30_000).map(|i| format!("\"<extra_{i}>\"")).collect();
    let settings = format!(r#"{{"extra_special_tokens":[{}]}}"#, tokens.join(","));
    model.replace("tokenizer_config.json", settings).unwrap();
    let generate = ["generate", "--threads", "1", "-q", "-n", "4", "-m", arg(model.path()), "x"];
    for megabytes in [56, 58, 60, 70, 80] {
        code_within(megabytes, &generate);
    }
}

#[test]
fn memory_limit_counts_as_available_memory_and_is_named() {
    let model = too_large();
    let args = ["generate", "--threads", "1", "-m", arg(model.path()), "Hi"];
    let outcome = run(command_within("ulimit -v 400000", &args), b"");
    outcome.failure(1, &["of memory (weights as f32 ", " available (`ulimit -v`): try", " or a larger `ulimit -v`"]);
    let found = outcome.stderr.split("found ").nth(1).expect("a number");
    assert!(found.contains(" MiB available"), "{outcome:?}");
}

#[test]
fn file_without_address_space_for_it_is_named() {
    let file = file(".gguf", "GGUF");
    File::options().write(true).open(file.path()).unwrap().set_len(500 << 20).unwrap();
    let outcome = run(command_within("ulimit -v 300000", &["inspect", arg(file.path())]), b"");
    outcome.failure(1, &[arg(file.path()), "wanted address space for the file's 524288000 bytes", "`ulimit -v`"]);
}

/// The exit code of a command in an address space of this many megabytes: 0, or 1 with one line that says why.
fn code_within(megabytes: usize, args: &[&str]) -> i32 {
    let limits = format!("ulimit -c 0; ulimit -v {}", megabytes * 1024);
    let outcome = run(command_within(&limits, args), b"");
    match outcome.code {
        Some(0) => 0,
        Some(1) => {
            assert!(outcome.stderr.starts_with("error: "), "{megabytes} MB, {args:?}: {outcome:?}");
            assert_eq!(outcome.stderr.lines().count(), 1, "{megabytes} MB, {args:?}: {outcome:?}");
            1
        }
        _ => panic!("{megabytes} MB, {args:?}: {outcome:?}"),
    }
}

/// Most bytes of keys, values and buffers of a pass, of the models below.
const RUN_STATE: usize = 4 << 20;

#[test]
fn packed_model_runs_in_the_memory_of_its_file() {
    let shape = Gpt2 { vocabulary: 260, context: 64, width: 64, heads: 2, layers: 2, ..Gpt2::default() };
    // The program, its threads and a model that is almost nothing.
    let program = file_and_peak(&shape).1;
    let (file, peak) = file_and_peak(&Gpt2 { width: 640, heads: 10, layers: 8, ..shape });
    assert!(file > 40 << 20, "{file} bytes");
    let most = file + file / 50 + RUN_STATE + program;
    assert!(peak <= most, "a file of {file} bytes takes {peak}, wanted at most {most}, {program} of them without it");
    assert!(peak > file, "the file is mapped");
}

/// Bytes of a model packed as int8, and the most that a run of it had in memory.
fn file_and_peak(shape: &Gpt2) -> (usize, usize) {
    let (model, dir) = (shape.write().unwrap(), tempfile::tempdir().unwrap());
    let path = dir.path().join("model.cke");
    assert_eq!(cke(&["quantize", arg(model.path()), "-o", arg(&path)]).success(), "");
    (std::fs::metadata(&path).unwrap().len() as usize, peak_of_run(&path))
}

/// The most bytes that a run of a model has in memory, those of its mapped file among them.
fn peak_of_run(model: &Path) -> usize {
    // It ends when it is killed, so that there is a process to be asked.
    let args = ["generate", "-m", arg(model), "-t", "1", "-n", "4294967295", "--sliding-window", "--ignore-eos", "x"];
    let mut child = command(&args).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("cke starts");
    let text = child.stdout.as_mut().expect("a pipe").read_exact(&mut [0; 100]);
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
    child.kill().and_then(|()| child.wait()).expect("a child that runs");
    text.expect("text");
    let status = status.expect("a process of Linux");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let kilobytes: usize = peak.trim().strip_suffix(" kB").expect("in kB").trim().parse().expect("a number");
    kilobytes << 10
}

/// The settings of a model whose weights and context no machine has the memory for.
fn too_large() -> ModelDir {
    let model = Llama::default().write().unwrap();
    let config = Llama { context: 1 << 24, ..Llama::default() }.config();
    let width = config.replace("\"hidden_size\":36", "\"hidden_size\":131072");
    let heads = width.replace("\"num_attention_heads\":6", "\"num_attention_heads\":512");
    let layers = heads.replace("\"num_hidden_layers\":2", "\"num_hidden_layers\":1024");
    model.replace("config.json", layers.replace("\"intermediate_size\":44", "\"intermediate_size\":524288")).unwrap();
    model
}

#[test]
fn model_that_does_not_fit_is_refused_before_its_weights_are_read() {
    let model = too_large();
    let text = file(".txt", "The iterator reads the words of the file.");
    let path = arg(model.path());
    // The tensors would be refused, too: they have other shapes.
    for (args, remedy) in [
        (&["chat", "-m", path, "--prompt", "Hi"][..], "--ctx"),
        (&["generate", "-m", path, "Hi"], "--max-tokens"),
        (&["eval", "-m", path, arg(text.path())], "--window"),
    ] {
        cke(args)
            .failure(1, &["of memory (weights as f32 ", "working memory", " available: try", remedy, "--dtype int4"]);
    }
    let report = cke(&["inspect", path, "--json"]).json();
    assert!(report["memory"]["total"].as_u64() > report["memory"]["available"].as_u64(), "{report}");
}

#[test]
fn text_that_does_not_fit_is_refused_with_the_flag_that_shortens_it() {
    let model = Llama { context: 1 << 24, ..Llama::default() }.write().unwrap();
    let config = Llama { context: 1 << 24, ..Llama::default() }.config();
    model.replace("config.json", config.replace("\"num_hidden_layers\":2", "\"num_hidden_layers\":1024")).unwrap();
    let long = ["chat", "-m", arg(model.path()), "--ctx", "16777216", "--prompt", "Hi"];
    for (kv, remedy) in [("f32", "--kv bf16"), ("bf16", "--kv int8")] {
        let cache = format!("cache of 16777216 tokens in {kv}");
        cke(&[&long[..], &["--kv", kv]].concat()).failure(1, &[&cache, "--ctx", remedy]);
    }
    // A short one fits, so that the missing layers are found.
    cke(&["chat", "-m", arg(model.path()), "--ctx", "500", "-q", "--prompt", "Hi"]).failure(1, &["layers.2."]);
}
