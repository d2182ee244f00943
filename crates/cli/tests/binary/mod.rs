//! Running the program as a user does.
#![allow(dead_code, reason = "each test file uses a part of it")]

use serde_json::Value;
use std::ffi::OsStr;
use std::process::Command;

/// What a finished `cke` left behind.
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// `cke` with these arguments, without the environment's wishes for model and threads.
pub(crate) fn command<I: AsRef<OsStr>>(args: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cke"));
    command.args(args).env_remove("CKE_MODEL").env_remove("CKE_THREADS");
    command
}

/// Runs [`command`] to its end.
pub(crate) fn cke<I: AsRef<OsStr>>(args: impl IntoIterator<Item = I>) -> Finished {
    finish(&mut command(args))
}

/// Runs a command to its end.
pub(crate) fn finish(command: &mut Command) -> Finished {
    let output = command.output().expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("the program writes UTF-8");
    Finished { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

impl Finished {
    /// Standard output of a success.
    #[track_caller]
    pub(crate) fn text(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self.stdout
    }

    /// Standard output of a success, which is one JSON value.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        let text = self.text();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
    }

    /// Standard error of a failure that wrote no result.
    #[track_caller]
    pub(crate) fn error(self, code: i32) -> String {
        assert_eq!((self.code, self.stdout.as_str()), (Some(code), ""), "{}", self.stderr);
        self.stderr
    }
}

/// The keys of an object, sorted.
pub(crate) fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}
