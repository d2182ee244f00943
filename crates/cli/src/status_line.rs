//! Telling what is being measured.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

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
        let left = time_left(since.elapsed(), done, total);
        self.show(&format!("{step}{}", left.map(|left| format!(", {left} s left")).unwrap_or_default()));
    }

    /// Says what runs now.
    pub(crate) fn show(&self, step: &str) {
        self.0.set_message(step.to_owned());
        self.0.tick();
    }
}

/// Seconds that the steps which are left will take; `None` if no step is done.
fn time_left(elapsed: Duration, done: usize, total: usize) -> Option<u64> {
    let left = total.saturating_sub(done) as f64;
    (done > 0).then(|| (elapsed.as_secs_f64() * left / done as f64).ceil() as u64)
}

impl Drop for StatusLine {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_follows_from_the_steps_so_far() {
        let left = |done, total| time_left(Duration::from_secs(6), done, total);
        assert_eq!(
            (left(0, 4), left(1, 4), left(3, 4), left(4, 4), left(5, 4)),
            (None, Some(18), Some(2), Some(0), Some(0))
        );
    }
}
