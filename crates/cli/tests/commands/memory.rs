//! `cke` in a limited address space.
#![cfg(all(target_os = "linux", feature = "demo-model"))]

use crate::support::{arg, file, forget_settings, golden, run};
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
        let codes = (40..=200).step_by(8).map(|megabytes| code_within(megabytes, args)).collect::<Vec<_>>();
        assert_eq!(codes.last(), Some(&0), "{args:?}: {codes:?}");
    }
}

/// The exit code of a command in an address space of so many megabytes: 0, or 1 with one line that says why.
fn code_within(megabytes: usize, args: &[&str]) -> i32 {
    let mut shell = Command::new("sh");
    let script = format!("ulimit -c 0; ulimit -v {}; exec \"$@\"", megabytes * 1024);
    forget_settings(&mut shell).args(["-c", &script, "sh", env!("CARGO_BIN_EXE_cke")]).args(args);
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
