//! Another machine, by the system's ssh: commands there, and files to it.
//!
//! Files go through `cat` on the machine, not by scp: newer ones want an SFTP server, which small systems lack.

use crate::error::CliError;
use crate::progress::Progress;
use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

/// Status of ssh itself, if the command was not run or the connection broke.
const SSH_FAILED: i32 = 255;

/// So that nothing hangs when the machine goes away, nor stays behind. The first value of an option counts, so that the user's come before.
const OPTIONS: [&str; 4] =
    ["ConnectTimeout=15", "ServerAliveInterval=15", "ServerAliveCountMax=4", "ControlPersist=no"];

/// Bytes that are sent at a time.
const PIECE: usize = 256 << 10;

/// A machine with a connection to it, which all commands share.
#[derive(Debug)]
pub(super) struct Remote {
    host: String,
    options: Vec<String>,
    master: Child,
    /// Holds the socket of the connection.
    place: PathBuf,
}

/// Why a command on the machine failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// `None` if it was ended by a signal.
    pub(super) status: Option<i32>,
    /// What it said, in one line.
    message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.status, self.message.as_str()) {
            (Some(SSH_FAILED), "") => f.write_str("the connection broke"),
            (Some(SSH_FAILED), message) => write!(f, "the connection broke: {message}"),
            (Some(status), "") => write!(f, "exit status {status}"),
            (_, "") => f.write_str("ended by a signal"),
            (_, message) => f.write_str(message),
        }
    }
}

impl Failure {
    fn of(output: &Output) -> Failure {
        Failure { status: output.status.code(), message: last_lines(&output.stderr) }
    }
}

impl Remote {
    /// Connects. ssh asks on the terminal for what it does not know.
    ///
    /// # Errors
    /// Fails if ssh is not installed or cannot connect.
    pub(super) fn connect(host: &str, options: &[String]) -> Result<Remote, CliError> {
        let place = private_directory()?;
        let options: Vec<String> = options.iter().cloned().chain(OPTIONS.map(str::to_owned)).collect();
        let mut command = ssh(&options, &place);
        command.args(["-M", "-N", "--", host]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let master = command.spawn().map_err(|error| {
            let _ = fs::remove_dir_all(&place);
            match error.kind() {
                io::ErrorKind::NotFound => {
                    CliError::Failed("wanted the program ssh, found none: install OpenSSH's client".to_owned())
                }
                _ => CliError::Failed(format!("ssh cannot be started: {error}")),
            }
        })?;
        let mut remote = Remote { host: host.to_owned(), options, master, place };
        remote.wait_for_connection()?;
        Ok(remote)
    }

    /// Waits until the connection is there, or ssh gives up: it knows how long it may take, since a user may type.
    fn wait_for_connection(&mut self) -> Result<(), CliError> {
        while !self.place.join("socket").exists() {
            let ended = self.master.try_wait().map_err(|error| CliError::Failed(format!("ssh: {error}")))?;
            if ended.is_some() {
                let mut said = Vec::new();
                if let Some(mut stderr) = self.master.stderr.take() {
                    let _ = stderr.read_to_end(&mut said);
                }
                let why = match last_lines(&said) {
                    message if message.is_empty() => "ssh gives no reason".to_owned(),
                    message => message,
                };
                return Err(CliError::Failed(format!(
                    "{}: ssh cannot connect: {why}; try `ssh {} true`",
                    self.host, self.host
                )));
            }
            thread::sleep(Duration::from_millis(20));
        }
        // It would wait for a reader if it had much to say.
        if let Some(mut stderr) = self.master.stderr.take() {
            thread::spawn(move || io::copy(&mut stderr, &mut io::sink()));
        }
        Ok(())
    }

    /// How users call it.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    fn command(&self, script: &str) -> Command {
        let mut command = ssh(&self.options, &self.place);
        command.args(["--", &self.host, script]);
        command
    }

    /// What a command prints. It is read by the shell of the user on the machine.
    pub(super) fn run(&self, script: &str) -> Result<String, Failure> {
        let output = self.command(script).stdin(Stdio::null()).output();
        match output {
            Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            Ok(output) => Err(Failure::of(&output)),
            Err(error) => Err(Failure { status: None, message: format!("ssh cannot be started: {error}") }),
        }
    }

    /// Writes a file of `size` bytes, in place of one that was there. It gets its name when all of it is there.
    ///
    /// # Errors
    /// If it cannot be read or sent, or not all of it arrives.
    pub(super) fn send(&self, directory: &str, name: &str, file: &mut dyn Read, size: u64) -> Result<(), CliError> {
        let (target, draft) = (quoted(&format!("{directory}/{name}")), quoted(&format!("{directory}/{name}.part")));
        let script = format!(
            "cat > {draft} && test \"$(wc -c < {draft})\" -eq {size} && mv -f {draft} {target} || \
             {{ status=$?; wc -c < {draft} >&2; rm -f {draft}; exit $status; }}"
        );
        let failed = |why: &str| {
            CliError::Failed(format!("{}: copying {directory}/{name}: wanted {size} bytes there, but {why}", self.host))
        };
        let mut child = self
            .command(&script)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| failed(&format!("ssh cannot be started: {error}")))?;
        let sent = match child.stdin.take() {
            Some(stdin) => pour(file, stdin, size),
            None => Ok(()),
        };
        let output = child.wait_with_output().map_err(|error| failed(&error.to_string()))?;
        match (output.status.success(), sent) {
            (true, Ok(())) => Ok(()),
            (false, _) if output.status.code() == Some(SSH_FAILED) => Err(failed(&Failure::of(&output).to_string())),
            (false, _) => Err(failed(&format!("found {}", Failure::of(&output)))),
            (true, Err(error)) => Err(failed(&error.to_string())),
        }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        let _ = self.master.kill();
        let _ = self.master.wait();
        let _ = fs::remove_dir_all(&self.place);
    }
}

/// Sends a file, with a progress bar if that takes long. If the other side stops reading, its own message says more.
fn pour(file: &mut dyn Read, mut to: impl io::Write, size: u64) -> io::Result<()> {
    let progress = Progress::of_copy(size);
    let mut piece = vec![0; PIECE];
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return to.flush();
        }
        to.write_all(&piece[..read])?;
        progress.add(read as u64);
    }
}

fn ssh(options: &[String], place: &Path) -> Command {
    let mut command = Command::new("ssh");
    for option in options {
        command.args(["-o", option]);
    }
    command.arg("-S").arg(place.join("socket"));
    command
}

/// A new directory that only this user may enter.
fn private_directory() -> Result<PathBuf, CliError> {
    let failed = |path: &Path, error: io::Error| CliError::Failed(format!("{}: {error}", path.display()));
    for attempt in 0..100 {
        let path = std::env::temp_dir().join(format!("cke-deploy-{}-{attempt}", std::process::id()));
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(&path, error)),
        }
    }
    Err(CliError::Failed(format!("{}: wanted a new directory, found 100 old ones", std::env::temp_dir().display())))
}

/// A word of a shell.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The last two lines that say something, as one.
fn last_lines(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(2)..].join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_shell_are_one_word_each() {
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
    }

    #[test]
    fn messages_are_one_line() {
        assert_eq!(last_lines(b"one\n\n two \r\nthree\n"), "two; three");
        assert_eq!(last_lines(b""), "");
    }
}
