//! Holding the contests, one for each number of threads.

use super::report::Report;
use crate::bench::progress::ProgressLine;
use crate::busy::note_busy;
use crate::error::CliError;
use cke_kernels::Cpu;
use cke_perf::busy::BusyWatch;
use cke_perf::peers::{Contest, Entrant, Launcher, PeerError, Product, Settings, add_counts};
use cke_report::words::counted;

/// What to measure, whatever the number of threads.
#[derive(Clone, Copy, Debug)]
pub(super) struct GemmRun<'a> {
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

impl GemmRun<'_> {
    /// Has all entrants compute all products with each number of threads.
    ///
    /// # Errors
    /// If an entrant cannot take part or the machine's peak cannot be measured.
    pub(super) fn measure(&self, thread_counts: &[usize], settings: Settings) -> Result<Report, CliError> {
        let progress = ProgressLine::new(thread_counts.len() * self.products.len());
        let (mut report, mut others) = (Report::new(self.cpu, settings, self.entrants), Vec::new());
        for &threads in thread_counts {
            let watch = BusyWatch::start();
            let mut contest = Contest::start(self.launcher, self.entrants, Settings { threads, ..settings })?;
            for (contestant, library) in report.contestants.iter_mut().zip(contest.libraries()) {
                contestant.library = library.cloned();
            }
            let mut results = Vec::with_capacity(self.products.len());
            for &product in self.products {
                progress.show(format!("{}, {product}", counted(threads, "thread")));
                results.push(contest.measure(product)?);
                progress.advance();
            }
            // What its processes took counts as our own as soon as they have ended. What follows needs their memory.
            drop(contest);
            others.push(watch.others());
            progress.show(format!("{}, hardware counters", counted(threads, "thread")));
            let settings = Settings { threads, ..settings };
            if let Err(error) = add_counts(self.launcher, self.entrants, settings, &mut results) {
                report.no_counters = Some(error.to_string());
            }
            report.add(threads, results);
        }
        drop(progress);
        others.into_iter().for_each(note_busy);
        Ok(report)
    }
}
