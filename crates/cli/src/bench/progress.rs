//! How far a measurement is.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal as _};

/// One line on standard error, if that is a terminal. Nothing ticks: it would take time from what is measured.
pub(super) struct ProgressLine(ProgressBar);

impl ProgressLine {
    /// For this number of pieces of work.
    pub(super) fn new(total: usize) -> ProgressLine {
        let is_terminal = io::stderr().is_terminal();
        let target = if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(total as u64), target);
        let style = ProgressStyle::with_template("[{bar:30}] {pos}/{len}, {eta} left: {msg}");
        ProgressLine(match style {
            Ok(style) => bar.with_style(style.progress_chars("=> ")),
            Err(_) => bar,
        })
    }

    /// Says what runs next.
    pub(super) fn show(&self, message: String) {
        self.0.set_message(message);
    }

    /// One more is done.
    pub(super) fn advance(&self) {
        self.0.inc(1);
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
