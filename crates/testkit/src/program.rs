//! Starting programs that were built with the tests.
//!
//! Tests that were built for another machine run in an emulator, which cannot start a program of that machine as if it were the host's.
//! [`RUNNER`] says what starts them, as cargo's own setting does for tests.

use std::env;
use std::ffi::{OsStr, OsString};
use std::process::Command;

/// The variable: a program that is given the one to start as its first argument.
pub const RUNNER: &str = "CKE_TEST_RUNNER";

/// What a command that starts `path` begins with: the runner, if there is one, and the path.
pub fn words(path: impl AsRef<OsStr>) -> Vec<OsString> {
    let runner = env::var_os(RUNNER).filter(|runner| !runner.is_empty());
    runner.into_iter().chain([path.as_ref().to_owned()]).collect()
}

/// A command that starts `path`.
pub fn program(path: impl AsRef<OsStr>) -> Command {
    let words = words(path);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

/// A command that starts the test program at hand once more.
///
/// # Panics
///
/// If the system does not say where that program is.
pub fn this_program() -> Command {
    program(env::current_exe().expect("a test has a path"))
}
