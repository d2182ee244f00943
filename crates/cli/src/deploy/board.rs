//! What the other machine is: its system, its architecture, the room on its disk.

use super::remote::{Remote, quoted};
use crate::error::CliError;
use cke_perf::report::format_bytes;

/// A machine as it describes itself.
#[derive(Debug)]
pub(super) struct Board {
    host: String,
    /// As `uname -m` says it.
    pub(super) machine: String,
    /// The version of the system's kernel.
    pub(super) kernel: String,
    /// The directory, from the root on.
    pub(super) directory: String,
    /// Bytes.
    pub(super) free: u64,
}

/// An architecture that there are programs for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Architecture {
    X86_64,
    Aarch64,
}

impl Architecture {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Architecture::X86_64 => "x86_64",
            Architecture::Aarch64 => "aarch64",
        }
    }

    /// The oldest version of Linux that Rust's standard library runs on.
    const fn oldest_kernel(self) -> (u32, u32) {
        match self {
            Architecture::X86_64 => (3, 2),
            Architecture::Aarch64 => (4, 1),
        }
    }
}

impl Board {
    /// Asks the machine, and makes the directory there.
    ///
    /// # Errors
    /// If it is not Linux, is too old, or the directory cannot be made.
    pub(super) fn look(remote: &Remote, directory: &str) -> Result<Board, CliError> {
        let failed = |why: String| CliError::Failed(format!("{}: {why}", remote.host()));
        let facts = remote
            .run("uname -s && uname -m && uname -r")
            .map_err(|failure| failed(format!("wanted the output of `uname`, found none: {failure}")))?;
        let [system, machine, kernel] = facts.lines().map(str::trim).collect::<Vec<_>>()[..] else {
            let found = facts.trim();
            return Err(failed(format!(
                "wanted three lines of `uname`, found `{found}`: does its shell print something?"
            )));
        };
        if system != "Linux" {
            return Err(failed(format!("wanted Linux, found {system}")));
        }
        let word = quoted(directory);
        let place =
            remote.run(&format!("mkdir -p {word} && cd {word} && pwd && df -Pk . | tail -n 1")).map_err(|failure| {
                failed(format!("wanted to make the directory {directory}: {failure}; choose one with --dir"))
            })?;
        let (path, free) = place
            .split_once('\n')
            .and_then(|(path, disk)| Some((path.trim(), free_bytes(disk)?)))
            .ok_or_else(|| failed(format!("wanted a path and a line of `df`, found `{}`", place.trim())))?;
        let board = Board {
            host: remote.host().to_owned(),
            machine: machine.to_owned(),
            kernel: kernel.to_owned(),
            directory: path.to_owned(),
            free,
        };
        board.check_kernel()?;
        Ok(board)
    }

    /// # Errors
    /// If there are no programs for it.
    pub(super) fn architecture(&self) -> Result<Architecture, CliError> {
        match self.machine.as_str() {
            "x86_64" | "amd64" => Ok(Architecture::X86_64),
            "aarch64" | "arm64" => Ok(Architecture::Aarch64),
            machine => {
                let hint = match machine {
                    "armv6l" | "armv7l" | "armv8l" => {
                        ": its system is 32-bit; most recent boards can also run a 64-bit system"
                    }
                    _ => "",
                };
                Err(CliError::Failed(format!("{}: wanted x86_64 or aarch64, found {machine}{hint}", self.host)))
            }
        }
    }

    fn check_kernel(&self) -> Result<(), CliError> {
        let (wanted, found) = (self.architecture()?.oldest_kernel(), version(&self.kernel));
        match found {
            Some(found) if found < wanted => Err(CliError::Failed(format!(
                "{}: wanted Linux {}.{} or later, found {}: update its system",
                self.host, wanted.0, wanted.1, self.kernel
            ))),
            _ => Ok(()),
        }
    }

    /// # Errors
    /// If there are fewer bytes left.
    pub(super) fn check_space(&self, wanted: u64, directory: &str) -> Result<(), CliError> {
        if self.free >= wanted {
            return Ok(());
        }
        Err(CliError::Failed(format!(
            "{}: wanted {} free in {directory}, found {}: free some space, or choose another directory with --dir",
            self.host,
            format_bytes(wanted),
            format_bytes(self.free)
        )))
    }
}

/// The first two numbers of a version.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// The bytes that are free by a line of `df -Pk`: those after the device, which may have blanks in its name.
fn free_bytes(line: &str) -> Option<u64> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let share = fields.iter().position(|field| field.ends_with('%') && field.len() > 1)?;
    fields.get(share.checked_sub(1)?)?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_read_from_a_line_of_df() {
        assert_eq!(free_bytes("/dev/mmcblk0p2 30000000 1000 2048 4% /"), Some(2 << 20));
        assert_eq!(free_bytes("//nas/my files 10 5 5 50% /mnt/a b"), Some(5 << 10));
        assert_eq!(free_bytes("df: no such thing"), None);
        assert_eq!(free_bytes("x 99999999999999999999 1 18446744073709551615 1% /"), None);
    }

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert_eq!(version("5.10.0-28-arm64"), Some((5, 10)));
        assert!(version("4.0.9") < version("4.1") && version("3.10.108") > version("3.2"));
        assert_eq!(version("unknown"), None);
    }
}
