//! Results as they once were: a file with a hash of the bits of each, against which a test compares what is computed today.
//!
//! The first word of a name is what the bits depend on, such as an instruction set: of one that no machine has recorded yet, results are
//! named as ignored.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Set to anything, this variable makes [`Recorded::check`] write the file instead of comparing with it.
const RECORD: &str = "CKE_RECORD_BITS";

/// A file of lines `name: hash`, and the results that a test has found so far.
#[derive(Debug)]
pub struct Recorded {
    file: PathBuf,
    before: BTreeMap<String, String>,
    found: BTreeMap<String, String>,
}

impl Recorded {
    /// The results of a file, of which there may be none yet.
    pub fn read(file: &Path) -> Recorded {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = |line: &str| line.rsplit_once(": ").map(|(name, hash)| (name.to_owned(), hash.to_owned()));
        Recorded { file: file.to_owned(), before: text.lines().filter_map(line).collect(), found: BTreeMap::new() }
    }

    /// Adds a result, given by the bits of its elements. What is promised to be equal has one name.
    ///
    /// # Panics
    /// If there is one of that name with other bits.
    pub fn result(&mut self, name: &str, bits: impl IntoIterator<Item = u64>) {
        let hash = format!("{:016x}", hash(bits));
        let earlier = self.found.entry(name.to_owned()).or_insert_with(|| hash.clone());
        assert_eq!(*earlier, hash, "two results are called {name}, and differ");
    }

    /// Compares all results with the file.
    ///
    /// # Panics
    /// If a result has other bits, or is not in the file although others with its first word are.
    #[allow(clippy::print_stderr)] // for the reader of the test's output
    pub fn check(self) {
        if std::env::var_os(RECORD).is_some() {
            return self.write();
        }
        let recorded: BTreeSet<&str> = self.before.keys().map(|name| first_word(name)).collect();
        let (known, unknown): (Vec<_>, Vec<_>) =
            self.found.iter().partition(|(name, _)| recorded.contains(first_word(name)));
        let file = self.file.display();
        if let Some((name, _)) = unknown.first() {
            eprintln!("ignored: {} results of {}, which {file} has none of", unknown.len(), first_word(name));
        }
        let differ = |&&(name, hash): &&(&String, &String)| self.before.get(name) != Some(hash);
        let other: Vec<&str> = known.iter().filter(differ).map(|(name, _)| name.as_str()).collect();
        assert!(other.is_empty(), "{} of {} results differ from {file}: {other:#?}", other.len(), known.len());
    }

    fn write(mut self) {
        self.before.append(&mut self.found);
        let text: String = self.before.iter().map(|(name, hash)| format!("{name}: {hash}\n")).collect();
        fs::write(&self.file, text).unwrap_or_else(|error| panic!("{}: {error}", self.file.display()));
    }
}

fn first_word(name: &str) -> &str {
    name.split(' ').next().unwrap_or_default()
}

/// FNV-1a with 64 bits, element by element.
fn hash(bits: impl IntoIterator<Item = u64>) -> u64 {
    bits.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, bits| {
        bits.to_le_bytes().iter().fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_with_other_bits_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("bits.txt");
        let line = format!("a same: {:016x}\na other: {:016x}\n", hash([1, 2]), hash([1, 2]));
        fs::write(&file, line).expect("a file");
        let mut recorded = Recorded::read(&file);
        recorded.result("a same", [1, 2]);
        recorded.result("b new", [3]);
        recorded.check();
        let mut recorded = Recorded::read(&file);
        recorded.result("a other", [2, 1]);
        let message = std::panic::catch_unwind(move || recorded.check()).expect_err("bits differ");
        assert!(
            message.downcast_ref::<String>().is_some_and(|text| text.contains("a other") && !text.contains("a same"))
        );
    }
}
