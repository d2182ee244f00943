//! Telling what is being measured.

use crate::time_left::time_left;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal as _};
use std::time::Instant;

/// One line on standard error, if that is a terminal. Nothing ticks: it would take time from what is measured.
#[derive(Debug)]
pub(crate) struct StatusLine(ProgressBar);

impl StatusLine {
    /// A line that says nothing yet.
    pub(crate) fn new() -> StatusLine {
        let is_terminal = io::stderr().is_terminal();
        let target = if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        StatusLine(match ProgressStyle::with_template("[{elapsed}] {msg}") {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        })
    }

    /// Says what runs now, when `done` of `total` steps that take about as long as each other are done since a moment.
    pub(crate) fn show_step(&self, step: &str, since: Instant, done: usize, total: usize) {
        match time_left(since.elapsed(), done as u64, total as u64) {
            Some(left) => self.show(&format!("{step}, {left}")),
            None => self.show(step),
        }
    }

    /// Says what runs now.
    pub(crate) fn show(&self, step: &str) {
        self.0.set_message(step.to_owned());
        self.0.tick();
    }
}

impl Drop for StatusLine {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
