//! `cke completions`.

use crate::support::{cke, command};
use std::process::Stdio;

#[test]
fn completions_every_shell_names_every_subcommand() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = cke(&["completions", shell]).success().to_owned();
        for subcommand in ["generate", "chat", "embed", "eval", "inspect", "deploy", "doctor", "bench", "completions"] {
            assert!(script.contains(subcommand), "{shell} knows no {subcommand}");
        }
    }
}

#[test]
fn completions_offer_the_values_of_a_flag() {
    let script = cke(&["completions", "bash"]).success().to_owned();
    assert!(script.contains("gpt2-medium") && script.contains("md csv json"));
}

#[test]
fn completions_unknown_shell_is_misuse() {
    cke(&["completions", "command.com"]).failure(2, &["bash", "powershell"]);
}

#[test]
fn completions_no_shell_is_misuse() {
    cke(&["completions"]).failure(2, &["<SHELL>"]);
}

#[cfg(unix)]
#[test]
fn completions_closed_pipe_ends_quietly() {
    let mut child = command(&["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}
