//! Peer libraries for the tests.

use crate::support::arg;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// `name=path` of the toy library with this interface, for `--against`.
pub(crate) fn toy(interface: &str) -> String {
    static CBLAS: OnceLock<PathBuf> = OnceLock::new();
    static WIDE: OnceLock<PathBuf> = OnceLock::new();
    static ONEDNN: OnceLock<PathBuf> = OnceLock::new();
    static NETLIB: OnceLock<PathBuf> = OnceLock::new();
    let library = match interface {
        "cblas" => &CBLAS,
        "wide" => &WIDE,
        "onednn" => &ONEDNN,
        "netlib" => &NETLIB,
        other => panic!("the toy has no interface {other}"),
    };
    let path = library.get_or_init(|| compile(interface));
    format!("{interface}={}", arg(path))
}

fn compile(interface: &str) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/commands/toy_library/blas.rs");
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("libtoy_{interface}.so"));
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(rustc);
    command.args(["--edition", "2024", "--crate-type", "cdylib", "--cfg", interface, "-o"]).arg(&library).arg(source);
    assert!(command.status().expect("cargo brings rustc").success());
    library
}
