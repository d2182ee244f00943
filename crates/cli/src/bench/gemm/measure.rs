//! Holding the contests, one for each number of threads.

use super::report::Report;
use crate::error::CliError;
use crate::output::counted;
use cke_kernels::Cpu;
use cke_perf::peers::{Contest, Entrant, Launcher, PeerError, Product, Settings};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal as _};

/// What to measure, whatever the number of threads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session<'a> {
    pub(super) launcher: &'a Launcher,
    pub(super) cpu: &'a Cpu,
    pub(super) products: &'a [Product],
    /// Our own first.
    pub(super) entrants: &'a [Entrant],
}

impl From<PeerError> for CliError {
    fn from(error: PeerError) -> CliError {
        CliError::Failed(error.to_string())
    }
}

impl Session<'_> {
    /// Has all entrants compute all products with each number of threads.
    ///
    /// # Errors
    /// Where an entrant cannot take part or the machine's peak cannot be measured.
    pub(super) fn measure(&self, thread_counts: &[usize], settings: Settings) -> Result<Report, CliError> {
        let progress = ProgressLine::new(thread_counts.len() * self.products.len());
        let mut report = Report::new(self.cpu, settings, self.entrants);
        for &threads in thread_counts {
            let mut contest = Contest::start(self.launcher, self.entrants, Settings { threads, ..settings })?;
            for (contestant, library) in report.contestants.iter_mut().zip(contest.libraries()) {
                contestant.library = library.cloned();
            }
            let mut results = Vec::with_capacity(self.products.len());
            for &product in self.products {
                progress.show(threads, product);
                results.push(contest.measure(product)?);
                progress.advance();
            }
            report.add(threads, results);
        }
        Ok(report)
    }
}

/// One line on standard error, where that is a terminal. Nothing ticks: it would take time from what is measured.
struct ProgressLine(ProgressBar);

impl ProgressLine {
    fn new(total: usize) -> ProgressLine {
        let is_terminal = io::stderr().is_terminal();
        let target = if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(total as u64), target);
        let style = ProgressStyle::with_template("[{bar:30}] {pos}/{len} {msg}");
        ProgressLine(match style {
            Ok(style) => bar.with_style(style.progress_chars("=> ")),
            Err(_) => bar,
        })
    }

    /// Says what runs next.
    fn show(&self, threads: usize, product: Product) {
        self.0.set_message(format!("{}, {product}", counted(threads, "thread")));
    }

    fn advance(&self) {
        self.0.inc(1);
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
