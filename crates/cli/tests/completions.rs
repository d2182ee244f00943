//! `cke completions` as a user runs it.

mod binary;

use binary::{cke, command};
use std::process::Stdio;

#[test]
fn completions_every_shell_names_every_subcommand() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = cke(["completions", shell]).text();
        for subcommand in ["generate", "embed", "eval", "inspect", "doctor", "bench", "completions"] {
            assert!(script.contains(subcommand), "{shell} knows no {subcommand}");
        }
    }
}

#[test]
fn completions_offer_the_values_of_a_flag() {
    let script = cke(["completions", "bash"]).text();
    assert!(script.contains("gpt2-medium") && script.contains("md csv json"));
}

#[test]
fn completions_unknown_shell_is_misuse() {
    let error = cke(["completions", "command.com"]).error(2);
    assert!(error.contains("bash") && error.contains("powershell"), "{error}");
}

#[test]
fn completions_no_shell_is_misuse() {
    assert!(cke(["completions"]).error(2).contains("<SHELL>"));
}

#[cfg(unix)]
#[test]
fn completions_closed_pipe_ends_quietly() {
    let mut child = command(["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}
