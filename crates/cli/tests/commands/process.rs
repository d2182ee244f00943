//! `cke` as a process among others: closed pipes, full disks, signals.
#![cfg(unix)]

#[cfg(target_os = "linux")]
use crate::support::command_within;
use crate::support::{arg, byte_gpt2, command, run, send, talkative_llama, wait};
use cke_testkit::program::words;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};

/// Generates until somebody stops it.
fn endless(model: &str) -> Child {
    let args = ["generate", "-m", model, "-n", "4294967295", "--sliding-window", "--ignore-eos", "x"];
    command(&args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("cke starts")
}

#[test]
fn closed_stdout_ends_quietly_with_success() {
    let model = byte_gpt2();
    let mut child = endless(arg(model.path()));
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 10]).unwrap();
    drop(stdout);
    assert_eq!(wait(&mut child).code(), Some(0));
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(stderr, "");
}

#[test]
fn interrupt_ends_the_line_and_prints_the_summary() {
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        let model = byte_gpt2();
        let mut child = endless(arg(model.path()));
        let (mut stdout, mut text) = (child.stdout.take().unwrap(), vec![0; 100]);
        stdout.read_exact(&mut text).unwrap();
        send(signal, &child);
        stdout.read_to_end(&mut text).unwrap();
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!(wait(&mut child).code(), Some(status));
        assert!(String::from_utf8(text).expect("whole characters").ends_with('\n'));
        assert!(stderr.starts_with("prompt: 1 token in "), "{stderr}");
        assert_eq!(stderr.lines().count(), 2, "{stderr}");
    }
}

#[test]
fn interrupt_of_a_chat_ends_the_line_and_the_script() {
    let model = talkative_llama();
    let args = ["chat", "-m", arg(model.path()), "--ctx", "100000", "-n", "100000"];
    let mut child =
        command(&args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("cke starts");
    child.stdin.as_mut().unwrap().write_all(b"Hi\nAnd you?\n").unwrap();
    let (mut stdout, mut text) = (child.stdout.take().unwrap(), vec![0; 100]);
    stdout.read_exact(&mut text).unwrap();
    send("INT", &child);
    stdout.read_to_end(&mut text).unwrap();
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(wait(&mut child).code(), Some(130));
    assert!(String::from_utf8(text).expect("whole characters").ends_with('\n'));
    assert!(stderr.contains("\nstopped\nprompt: 21 tokens in "), "{stderr}");
}

#[test]
fn interrupt_while_reading_stdin_ends_at_once() {
    let model = byte_gpt2();
    let mut child =
        command(&["generate", "-m", arg(model.path())]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // Long enough to come to the read; earlier, the signal ends the process by itself.
    std::thread::sleep(std::time::Duration::from_millis(200));
    send("INT", &child);
    assert_eq!(wait(&mut child).code(), Some(130));
}

#[cfg(target_os = "linux")]
#[test]
fn hangup_that_the_caller_ignores_stays_ignored() {
    let model = byte_gpt2();
    let mut limited = command_within("trap '' HUP", &["generate", "-q", "-n", "1", "-m", arg(model.path())]);
    let mut child = limited.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    // Long enough to come to the read of the prompt.
    std::thread::sleep(std::time::Duration::from_millis(200));
    send("HUP", &child);
    child.stdin.take().unwrap().write_all(b"x").unwrap();
    assert_eq!(wait(&mut child).code(), Some(0));
}

#[test]
fn closed_stderr_does_no_harm() {
    let model = byte_gpt2();
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$@\" 2>&-", "sh"]).args(words(env!("CARGO_BIN_EXE_cke")));
    shell.args(["generate", "-m", arg(model.path()), "-n", "3", "x"]);
    let outcome = run(shell, b"");
    assert!(!outcome.success().is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn full_disk_is_an_error_not_a_panic() {
    let model = byte_gpt2();
    let model = arg(model.path());
    for args in [
        &["generate", "-m", model, "-n", "3", "x"][..],
        &["generate", "-m", model, "-n", "3", "--json", "x"],
        &["eval", "-m", model, "/proc/self/comm"],
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut child = command(args).stdin(Stdio::null()).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!(wait(&mut child).code(), Some(1), "{args:?}: {stderr}");
        assert!(stderr.starts_with("error: standard output: No space left on device"), "{args:?}: {stderr}");
    }
}
