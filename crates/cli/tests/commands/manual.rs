//! `cke manual`.

use crate::support::{arg, cke};
use std::fs;

#[test]
fn manual_has_a_page_for_every_command() {
    let place = tempfile::tempdir().expect("a directory");
    let directory = place.path().join("new/man1");
    assert_eq!(cke(&["manual", arg(&directory)]).success(), "");
    for (page, part) in [("cke.1", "generate"), ("cke-generate.1", "temperature"), ("cke-bench-gemm.1", "against")] {
        let text = fs::read_to_string(directory.join(page)).expect("the page is there");
        assert!(text.starts_with(".ie") && text.contains(".TH") && text.contains(part), "{page}: {text}");
    }
}

#[test]
fn manual_into_what_is_no_directory_is_an_error() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    cke(&["manual", arg(file.path())]).failure(1, &[arg(file.path())]);
}
