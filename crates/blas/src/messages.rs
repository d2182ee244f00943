//! Lines on stderr, the only place that a BLAS can complain to.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

/// Writes a line as it is. Whether anyone reads it is not the library's business.
pub(crate) fn say_plainly(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Writes a line that says where it comes from.
pub(crate) fn say(line: &str) {
    say_plainly(&format!("cke_blas: {line}"));
}

/// [`say`], the first time.
pub(crate) fn say_once(said: &AtomicBool, line: &str) {
    if !said.swap(true, Ordering::Relaxed) {
        say(line);
    }
}
