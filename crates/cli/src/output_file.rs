//! Files that commands write: whole or not at all.

use crate::error::CliError;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// A file that is going to be written.
#[derive(Debug)]
pub(crate) struct OutputFile {
    /// As it was named.
    path: PathBuf,
    /// The same behind all symbolic links.
    target: PathBuf,
    /// Where the text is put first, to be renamed: beside the target. `None` for devices and pipes, which are written to as
    /// they are.
    draft: Option<PathBuf>,
}

impl OutputFile {
    /// Checks that the file can be made; one that is there stays as it is.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) fn new(path: &Path) -> Result<OutputFile, CliError> {
        let failed = |error: io::Error| failed(path, &error);
        if path == Path::new("-") {
            let wanted = "wanted the name of a file, found `-`: this is not written to standard output";
            return Err(CliError::Misuse(format!("{wanted} (./- names a file)")));
        }
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => Err(failed(io::ErrorKind::IsADirectory.into())),
            Ok(found) if !found.is_file() => {
                Ok(OutputFile { path: path.to_owned(), target: path.to_owned(), draft: None })
            }
            _ => {
                let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
                let draft = draft_of(&target);
                File::create(&draft).and_then(|_| fs::remove_file(&draft)).map_err(failed)?;
                Ok(OutputFile { path: path.to_owned(), target, draft: Some(draft) })
            }
        }
    }

    /// The file that is left if the process ends while it writes.
    pub(crate) fn draft(&self) -> Option<&Path> {
        self.draft.as_deref()
    }

    /// As it was named.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the file, in place of one that was there.
    ///
    /// # Errors
    /// If that fails; what was there stays then.
    pub(crate) fn write(&self, text: &str) -> Result<(), CliError> {
        self.write_by(|mut file| file.write_all(text.as_bytes()).map_err(|error| self.failed(&error)))
    }

    /// As [`OutputFile::write`], with what `fill` writes.
    ///
    /// # Errors
    /// If that fails, or `fill` does.
    pub(crate) fn write_by(&self, fill: impl FnOnce(&File) -> Result<(), CliError>) -> Result<(), CliError> {
        let failed = |error: io::Error| self.failed(&error);
        let Some(draft) = &self.draft else {
            return File::create(&self.target).map_err(failed).and_then(|file| fill(&file));
        };
        let written = File::create(draft).map_err(failed).and_then(|file| {
            fill(&file)?;
            // The content before the name, even if the machine stops.
            file.sync_all().and_then(|()| fs::rename(draft, &self.target)).map_err(failed)
        });
        written.inspect_err(|_| {
            // Nothing more can be done about a draft that cannot be removed either.
            let _ = fs::remove_file(draft);
        })
    }

    /// The error of writing it.
    pub(crate) fn failed(&self, error: &io::Error) -> CliError {
        failed(&self.path, error)
    }
}

/// A hidden name beside the file that no other process uses.
fn draft_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.part", std::process::id()));
    path.with_file_name(name)
}

fn failed(path: &Path, error: &io::Error) -> CliError {
    CliError::Failed(format!("{}: cannot be written: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<OsString> {
        fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").file_name()).collect()
    }

    #[test]
    fn file_that_was_there_is_replaced_and_nothing_else_is_left() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("report.html");
        fs::write(&path, "before").expect("a file");
        let file = OutputFile::new(&path).expect("a path that can be written");
        assert_eq!(fs::read_to_string(&path).expect("the file"), "before");
        file.write("after").expect("room for five bytes");
        assert_eq!(fs::read_to_string(&path).expect("the file"), "after");
        assert_eq!(names(directory.path()), ["report.html"]);
    }

    #[test]
    fn path_that_cannot_be_written_is_an_error_that_names_it() {
        let directory = tempfile::tempdir().expect("a directory");
        assert!(matches!(OutputFile::new(Path::new("-")), Err(CliError::Misuse(_))));
        for path in [directory.path().join("no/such/file"), directory.path().to_owned()] {
            let error = OutputFile::new(&path).expect_err("no place for a file").to_string();
            assert!(error.starts_with(&format!("{}: ", path.display())), "{error}");
        }
        assert!(names(directory.path()).is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn link_stays_a_link_and_a_device_a_device() {
        let directory = tempfile::tempdir().expect("a directory");
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        fs::write(&file, "before").expect("a file");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        OutputFile::new(&link).and_then(|link| link.write("after")).expect("a link to a file");
        assert_eq!(fs::read_to_string(&file).expect("the file"), "after");
        assert!(fs::symlink_metadata(&link).expect("the link").is_symlink());
        OutputFile::new(Path::new("/dev/null")).and_then(|null| null.write("text")).expect("a device");
    }
}
