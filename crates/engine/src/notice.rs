//! What a model's files say and this library does not do.

use std::fmt;
use std::path::{Path, PathBuf};

/// Names of tensors that one notice lists at most.
const NAMES_LISTED: usize = 8;

/// A setting or tensor of a model's files that is read and not followed, and that could make a difference.
///
/// It never stands for a wrong result against the library that wrote the files without saying so: what would change results
/// without remedy is an error instead. The message is one line and names the file first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A setting that the library that wrote the file follows and this one does not.
    NotFollowed {
        /// The file.
        file: PathBuf,
        /// The key, dotted where nested.
        key: String,
        /// Its value as JSON, shortened.
        value: String,
        /// What is done instead.
        instead: String,
    },
    /// A key that neither this library nor the one that wrote the file is known to have.
    UnknownKey {
        /// The file.
        file: PathBuf,
        /// The key.
        key: String,
        /// Its value as JSON, shortened.
        value: String,
    },
    /// A setting that another place decides.
    Overruled {
        /// The file.
        file: PathBuf,
        /// The key, dotted where nested.
        key: String,
        /// Its value as JSON, shortened.
        value: String,
        /// The place that decides, with its value.
        by: String,
    },
    /// A token id that no output of the model has.
    UnusableId {
        /// The file.
        file: PathBuf,
        /// The key that names it, or the token that has it.
        key: String,
        /// The id.
        id: i64,
        /// Number of token ids that the model has.
        vocabulary: usize,
    },
    /// A file that is not read.
    UnreadFile {
        /// The file.
        file: PathBuf,
        /// Why it is not read.
        reason: String,
    },
    /// Tensors that no part of the model reads.
    UnusedTensors {
        /// The checkpoint.
        file: PathBuf,
        /// Their names, in the order of the file.
        names: Vec<String>,
    },
}

impl Notice {
    /// The file that says it.
    pub fn file(&self) -> &Path {
        match self {
            Self::NotFollowed { file, .. }
            | Self::UnknownKey { file, .. }
            | Self::Overruled { file, .. }
            | Self::UnusableId { file, .. }
            | Self::UnreadFile { file, .. }
            | Self::UnusedTensors { file, .. } => file,
        }
    }

    /// The key that says it; `None` if it is about a whole file or about tensors.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::NotFollowed { key, .. }
            | Self::UnknownKey { key, .. }
            | Self::Overruled { key, .. }
            | Self::UnusableId { key, .. } => Some(key),
            Self::UnreadFile { .. } | Self::UnusedTensors { .. } => None,
        }
    }

    /// One word for reports.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotFollowed { .. } => "not followed",
            Self::UnknownKey { .. } => "unknown key",
            Self::Overruled { .. } => "overruled",
            Self::UnusableId { .. } => "unusable id",
            Self::UnreadFile { .. } => "unread file",
            Self::UnusedTensors { .. } => "unused tensors",
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file().display())?;
        match self {
            Self::NotFollowed { key, value, instead, .. } => write!(f, "`{key}` {value} is not followed: {instead}"),
            Self::UnknownKey { key, value, .. } => write!(f, "`{key}` {value} is an unknown key and is not followed"),
            Self::Overruled { key, value, by, .. } => write!(f, "`{key}` {value} is not used: {by} comes first"),
            Self::UnusableId { key, id, vocabulary, .. } => {
                write!(f, "`{key}` has id {id}, outside the model's vocabulary of {vocabulary}: it never matches")
            }
            Self::UnreadFile { reason, .. } => write!(f, "not read: {reason}"),
            Self::UnusedTensors { names, .. } => write_unused(f, names),
        }
    }
}

fn write_unused(f: &mut fmt::Formatter<'_>, names: &[String]) -> fmt::Result {
    let listed: Vec<String> = names.iter().take(NAMES_LISTED).map(|name| format!("`{name}`")).collect();
    let (verb, plural) = if names.len() == 1 { ("is", "") } else { ("are", "s") };
    write!(f, "{} tensor{plural} {verb} not used: {}", names.len(), listed.join(", "))?;
    match names.len().saturating_sub(NAMES_LISTED) {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notice_of_each_kind_names_file_key_and_value() {
        let (file, key, value) = (PathBuf::from("dir/config.json"), "a.b".to_owned(), "3".to_owned());
        let notice = Notice::NotFollowed {
            file: file.clone(),
            key: key.clone(),
            value: value.clone(),
            instead: "one is taken".into(),
        };
        assert_eq!(notice.to_string(), "dir/config.json: `a.b` 3 is not followed: one is taken");
        let notice = Notice::UnknownKey { file: file.clone(), key: key.clone(), value: value.clone() };
        assert_eq!(notice.to_string(), "dir/config.json: `a.b` 3 is an unknown key and is not followed");
        let notice = Notice::Overruled { file: file.clone(), key, value, by: "x.json `y` 4".into() };
        assert_eq!(notice.to_string(), "dir/config.json: `a.b` 3 is not used: x.json `y` 4 comes first");
        let notice = Notice::UnusableId { file, key: "eos".into(), id: -1, vocabulary: 9 };
        let wanted = "dir/config.json: `eos` has id -1, outside the model's vocabulary of 9: it never matches";
        assert_eq!((notice.to_string().as_str(), notice.key(), notice.kind()), (wanted, Some("eos"), "unusable id"));
    }

    #[test]
    fn unused_tensors_beyond_the_eighth_are_counted() {
        let notice = |count: usize| {
            let names = (0..count).map(|i| format!("t{i}")).collect();
            Notice::UnusedTensors { file: "m.safetensors".into(), names }.to_string()
        };
        assert_eq!(notice(1), "m.safetensors: 1 tensor is not used: `t0`");
        assert!(notice(8).ends_with("`t6`, `t7`"));
        assert!(notice(10).starts_with("m.safetensors: 10 tensors are not used: `t0`, "));
        assert!(notice(10).ends_with("`t7` and 2 more"));
    }
}
