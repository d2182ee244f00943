//! Timing drawn products within a budget, those that look slow a second time.

use super::Drawn;
use super::resume::{Finished, FinishedProduct};
use crate::bench::gemm::report::{Contestant, ProductRow};
use crate::bench::progress::ProgressLine;
use crate::error::CliError;
use cke_perf::peers::{Contest, Entrant, Launcher, Product, Settings, ShapeResult};
use cke_report::words::counted;
use std::time::{Duration, Instant};

/// The ratio to the fastest library below which a product is timed again before it counts.
const SUSPICIOUS: f64 = 0.96;
/// Times as many rounds for the second timing.
const LONGER: usize = 3;

/// The time that may be spent, the same for each number of threads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    started: Instant,
    /// Of all numbers of threads together.
    limit: Option<Duration>,
    shares: usize,
}

impl Budget {
    /// A budget that begins now.
    pub(super) fn new(minutes: Option<f64>, shares: usize) -> Budget {
        let limit = minutes.map(|minutes| Duration::from_secs_f64(60.0 * minutes));
        Budget { started: Instant::now(), limit, shares: shares.max(1) }
    }

    /// What is left until the end of share `share`, from 0; `None` without a limit.
    fn left(&self, share: usize) -> Option<Duration> {
        let limit = self.limit?.mul_f64((share + 1) as f64 / self.shares as f64);
        Some(limit.saturating_sub(self.started.elapsed()))
    }
}

/// What was found.
#[derive(Debug)]
pub(super) struct RandomResults {
    pub(super) contestants: Vec<Contestant>,
    pub(super) records: Vec<FinishedProduct>,
}

/// What to measure, whatever the number of threads.
#[derive(Clone, Copy, Debug)]
pub(super) struct RandomRun<'a> {
    pub(super) launcher: &'a Launcher,
    /// Our own, the same once more, then the libraries.
    pub(super) entrants: &'a [Entrant],
    pub(super) settings: Settings,
    pub(super) drawn: &'a [Drawn],
    pub(super) budget: Budget,
}

impl RandomRun<'_> {
    /// Measures what is not finished yet with each number of threads, as long as there is time.
    ///
    /// # Errors
    /// If an entrant cannot take part, the peak cannot be measured or the file cannot be written.
    pub(super) fn measure(&self, thread_counts: &[usize], finished: &mut Finished) -> Result<RandomResults, CliError> {
        let progress = ProgressLine::new(thread_counts.len() * self.drawn.len());
        let contestants = self.entrants.iter().map(Contestant::new).collect();
        let mut measured = RandomResults { contestants, records: Vec::new() };
        for (share, &threads) in thread_counts.iter().enumerate() {
            let settings = Settings { threads, ..self.settings };
            let mut contest = Contest::start(self.launcher, self.entrants, settings)?;
            for (contestant, library) in measured.contestants.iter_mut().zip(contest.libraries()) {
                contestant.library = library.cloned();
            }
            for drawn in self.drawn {
                let left = self.budget.left(share);
                let record = match finished.get(threads, drawn) {
                    Some(record) => record.clone(),
                    None if left == Some(Duration::ZERO) => continue,
                    None => {
                        progress.show(message(threads, drawn, left));
                        let (result, timed_again) = self.time(&mut contest, &measured.contestants, drawn.product)?;
                        finished.add(FinishedProduct { class: drawn.class, timed_again, result })?
                    }
                };
                measured.records.push(record);
                progress.advance();
            }
        }
        Ok(measured)
    }

    /// The result that counts, and whether it is that of a second timing.
    fn time(
        &self,
        contest: &mut Contest,
        contestants: &[Contestant],
        product: Product,
    ) -> Result<(ShapeResult, bool), CliError> {
        let result = contest.measure(product)?;
        let row = ProductRow::new(contestants, result);
        if row.ratio.is_some_and(|ratio| ratio < SUSPICIOUS) {
            return Ok((contest.measure_rounds(product, LONGER * self.settings.rounds)?, true));
        }
        Ok((row.result, false))
    }
}

fn message(threads: usize, Drawn { class, product }: &Drawn, left: Option<Duration>) -> String {
    let left = left.map(|left| format!(", {} min left", left.as_secs().div_ceil(60))).unwrap_or_default();
    format!("{}, {class} {product}{left}", counted(threads, "thread"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budget_is_shared() {
        let budget = Budget::new(Some(2.0), 4);
        let [first, last] = [0, 3].map(|share| budget.left(share).expect("a limit").as_secs_f64());
        assert!(first <= 30.0 && last <= 120.0 && last - first > 80.0, "{first} {last}");
        let started = Instant::now();
        let spent = Budget { started, limit: Some(Duration::ZERO), shares: 1 };
        assert_eq!(spent.left(0), Some(Duration::ZERO));
        assert_eq!(Budget::new(None, 1).left(0), None);
    }
}
