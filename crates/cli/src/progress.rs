//! A progress bar for what takes long.

use crate::time_left::time_left;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::cell::{Cell, OnceCell};
use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

/// What is done sooner shows nothing.
const PATIENCE: Duration = Duration::from_millis(500);

/// Reports progress, and the time that is left, on standard error if that is a terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    template: &'static str,
    started: Instant,
    is_visible: bool,
    total: u64,
    done: Cell<u64>,
    bar: OnceCell<ProgressBar>,
}

impl Progress {
    /// The progress of loading this number of bytes.
    pub(crate) fn of_bytes(total: u64) -> Progress {
        Progress::new("loading [{bar:40}] {bytes}/{total_bytes}, {msg}", total)
    }

    /// The progress of making this number of bytes of random weights.
    pub(crate) fn of_random_weights(total: u64) -> Progress {
        Progress::new("making weights [{bar:40}] {bytes}/{total_bytes}, {msg}", total)
    }

    /// The progress of checking the checksums of this number of bytes.
    pub(crate) fn of_checksums(total: u64) -> Progress {
        Progress::new("checking [{bar:40}] {bytes}/{total_bytes}, {msg}", total)
    }

    /// The progress of copying this number of bytes to another machine.
    pub(crate) fn of_copy(total: u64) -> Progress {
        Progress::new("copying [{bar:40}] {bytes}/{total_bytes}, {msg}", total)
    }

    /// The progress of reading this number of tokens.
    pub(crate) fn of_tokens(total: usize) -> Progress {
        Progress::new("reading [{bar:40}] {pos}/{len} tokens, {msg}", total as u64)
    }

    /// The progress of reading prompts and generating, at most this number of tokens.
    pub(crate) fn of_generation(most: u64) -> Progress {
        Progress::new("generating [{bar:40}] {pos} of at most {len} tokens, {msg}", most)
    }

    /// The progress of an answer of at most this number of tokens.
    pub(crate) fn of_answer(most: usize) -> Progress {
        Progress::new("answering [{bar:40}] {pos} of at most {len} tokens, {msg}", most as u64)
    }

    /// The progress of embedding this number of texts.
    pub(crate) fn of_texts(total: usize) -> Progress {
        Progress::new("embedding [{bar:40}] {pos}/{len} texts, {msg}", total as u64)
    }

    fn new(template: &'static str, total: u64) -> Progress {
        let is_visible = io::stderr().is_terminal();
        Progress { template, started: Instant::now(), is_visible, total, done: Cell::new(0), bar: OnceCell::new() }
    }

    /// Counts what has just been done.
    pub(crate) fn add(&self, done: u64) {
        self.done.set(self.done.get().saturating_add(done));
        if self.is_visible && self.started.elapsed() > PATIENCE {
            let (bar, left) = (self.bar.get_or_init(|| self.show()), self.time_left());
            bar.set_message(left);
            bar.set_position(self.done.get());
        }
    }

    fn time_left(&self) -> String {
        time_left(self.started.elapsed(), self.done.get(), self.total).unwrap_or_default()
    }

    /// Runs what writes to standard output, which may be the same terminal: without the bar, which comes back afterwards.
    pub(crate) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match self.bar.get() {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn show(&self) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(Some(self.total), ProgressDrawTarget::stderr());
        match ProgressStyle::with_template(self.template) {
            Ok(style) => bar.with_style(style.progress_chars("=> ")),
            Err(_) => bar,
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}
