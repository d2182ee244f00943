//! A progress bar for loads that take long.

use cke_engine::weights::Checkpoint;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::cell::{Cell, OnceCell};
use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

/// Loads that are done sooner show nothing.
const PATIENCE: Duration = Duration::from_millis(500);

/// The progress of loading weights, on standard error where that is a terminal.
#[derive(Debug)]
pub(crate) struct LoadProgress {
    started: Instant,
    is_visible: bool,
    /// Bytes of f32 that the weights take, and how many of them there are so far.
    total: u64,
    loaded: Cell<u64>,
    bar: OnceCell<ProgressBar>,
}

impl LoadProgress {
    /// Begins to count.
    pub(crate) fn new(checkpoint: &Checkpoint) -> LoadProgress {
        let elements = checkpoint.infos().map(|tensor| tensor.shape.iter().product::<usize>() as u64);
        LoadProgress {
            started: Instant::now(),
            is_visible: io::stderr().is_terminal(),
            total: elements.sum::<u64>() * size_of::<f32>() as u64,
            loaded: Cell::new(0),
            bar: OnceCell::new(),
        }
    }

    /// Counts bytes that have just become f32.
    pub(crate) fn add(&self, bytes: u64) {
        self.loaded.set(self.loaded.get() + bytes);
        if self.is_visible && self.started.elapsed() > PATIENCE {
            self.bar.get_or_init(|| new_bar(self.total)).set_position(self.loaded.get());
        }
    }
}

impl Drop for LoadProgress {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}

fn new_bar(total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    match ProgressStyle::with_template("loading [{bar:40}] {bytes}/{total_bytes}") {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}
