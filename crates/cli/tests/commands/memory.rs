//! `cke` in a limited address space.
#![cfg(all(target_os = "linux", feature = "demo-model"))]

use crate::support::{arg, byte_gpt2, file, forget_settings, golden, run};
use cke_testkit::program::words;
use std::process::Command;

#[test]
fn memory_limit_of_any_size_gives_an_answer_or_a_clean_error() {
    let text = file(".txt", "The iterator reads the words of the file. ".repeat(70));
    let embedder = golden("st-mean");
    let commands = [
        vec!["generate", "--threads", "1", "-q", "-n", "4", "The iterator"],
        vec!["eval", "--threads", "1", "-q", arg(text.path())],
        vec!["embed", "--threads", "1", "-q", "-m", arg(&embedder), "The iterator"],
        vec!["inspect"],
    ];
    for args in &commands {
        // With less than some 40 the program itself, of which a debug build has the most, does not come to its first line.
        let codes = (48..=200).step_by(8).map(|megabytes| code_within(megabytes, args)).collect::<Vec<_>>();
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
    for megabytes in [48, 50, 60, 70, 80] {
        code_within(megabytes, &generate);
    }
}

/// The exit code of a command in an address space of this many megabytes: 0, or 1 with one line that says why.
fn code_within(megabytes: usize, args: &[&str]) -> i32 {
    let mut shell = Command::new("sh");
    let script = format!("ulimit -c 0; ulimit -v {}; exec \"$@\"", megabytes * 1024);
    forget_settings(&mut shell).args(["-c", &script, "sh"]).args(words(env!("CARGO_BIN_EXE_cke"))).args(args);
    let outcome = run(shell, b"");
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
