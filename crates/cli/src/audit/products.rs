//! Measuring the products: CKE and every library in turns.

use super::ceiling::{Ceiling, ceiling};
use super::machine::Machine;
use super::suite::{Case, Family, label};
use crate::error::CliError;
use crate::output::counted;
use crate::status_line::StatusLine;
use cke_perf::clock::Stopwatch;
use cke_perf::peers::{Contest, Dtype, Entrant, Launcher, Library, Product, Settings, ShapeResult, Verdict};
use serde::Serialize;

/// One product with one number of threads.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub(super) family: Family,
    #[serde(flatten)]
    pub(super) product: Product,
    /// The product as people write it.
    pub(super) label: String,
    pub(super) threads: usize,
    /// Flops per byte of A, B and C.
    pub(super) intensity: f64,
    /// Measured beside the product, GFLOP/s.
    pub(super) peak_gflops: f64,
    pub(super) ceiling: Ceiling,
    /// CKE first.
    pub(super) entries: Vec<RowEntry>,
}

/// One contestant on one product.
#[derive(Clone, Debug, Serialize)]
pub(super) struct RowEntry {
    pub(super) name: String,
    /// Rate of the fastest call; `None` where it failed or the product was wrong.
    pub(super) gflops: Option<f64>,
    /// `gflops` over the ceiling.
    pub(super) share_of_ceiling: Option<f64>,
    /// Median over the rounds, and how far the rounds lay apart as a share of it.
    pub(super) median_gflops: Option<f64>,
    pub(super) spread: Option<f64>,
    pub(super) verdict: Verdict,
}

impl Row {
    /// A contest's result under the ceilings of the machine.
    pub(super) fn new(machine: &Machine, family: Family, result: ShapeResult) -> Row {
        let ShapeResult { product, dtype, threads, peak_gflops, entries, .. } = result;
        let work = product.work(dtype);
        let ceiling = ceiling(machine, work, threads, peak_gflops);
        let entry = |entry: cke_perf::peers::Entry| {
            let gflops = entry.valid_rate();
            RowEntry {
                gflops,
                share_of_ceiling: gflops.map(|gflops| gflops / ceiling.gflops),
                median_gflops: entry.rate.map(|rate| rate.median),
                spread: entry.rate.map(|rate| rate.spread),
                name: entry.name,
                verdict: entry.verdict,
            }
        };
        let entries = entries.into_iter().map(entry).collect();
        let (label, intensity) = (label(&product), work.intensity());
        Row { family, product, label, threads, intensity, peak_gflops, ceiling, entries }
    }

    /// The rate of this contestant, where its product was right.
    pub(super) fn rate(&self, name: &str) -> Option<f64> {
        self.entries.iter().find(|entry| entry.name == name)?.gflops
    }

    /// The fastest right entry that is not called `name`.
    pub(super) fn fastest_but(&self, name: &str) -> Option<(&str, f64)> {
        let others = self.entries.iter().filter(|entry| entry.name != name);
        let rates = others.filter_map(|entry| Some((entry.name.as_str(), entry.gflops?)));
        rates.max_by(|x, y| x.1.total_cmp(&y.1))
    }

    /// The fastest right entry.
    pub(super) fn fastest(&self) -> Option<(&str, f64)> {
        self.fastest_but("")
    }
}

/// How to measure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session<'a> {
    pub(super) launcher: &'a Launcher,
    pub(super) machine: &'a Machine,
    /// CKE first.
    pub(super) entrants: &'a [Entrant],
    pub(super) cases: &'a [Case],
    pub(super) rounds: usize,
    /// For all products with one number of threads.
    pub(super) seconds: f64,
}

/// What a session gave with one number of threads.
pub(super) struct Outcome {
    /// In the order of the cases.
    pub(super) rows: Vec<Row>,
    /// Products for which there was no time.
    pub(super) skipped: Vec<String>,
    /// What the entrants say of themselves.
    pub(super) libraries: Vec<Option<Library>>,
}

/// Shortest and longest time that a contestant runs in a round.
const TURN: (f64, f64) = (0.004, 0.03);
/// What a round costs beside the turns, seconds: the machine's peak.
const PEAK_SECONDS: f64 = 0.045;

impl Session<'_> {
    /// Measures with `threads` threads, the small products first, as long as there is time.
    ///
    /// # Errors
    /// Where a process cannot be started or the machine's peak cannot be measured.
    pub(super) fn measure(&self, threads: usize, progress: &StatusLine) -> Result<Outcome, CliError> {
        let settings = Settings { dtype: Dtype::F32, threads, rounds: self.rounds, seconds: self.turn_seconds() };
        let mut contest = Contest::start(self.launcher, self.entrants, settings)?;
        let libraries = contest.libraries().map(Option::<&Library>::cloned).collect();
        let mut by_work: Vec<(usize, &Case)> = self.cases.iter().enumerate().collect();
        by_work.sort_by_key(|(_, case)| case.product.work(Dtype::F32).flops);

        let watch = Stopwatch::start();
        let (mut rows, mut skipped) = (Vec::with_capacity(by_work.len()), Vec::new());
        for (i, (place, case)) in by_work.iter().enumerate() {
            if watch.seconds() > self.seconds {
                skipped.push(label(&case.product));
                continue;
            }
            let (number, total, what) = (i + 1, by_work.len(), label(&case.product));
            progress.show(&format!("products with {}, {number} of {total}: {what}", counted(threads, "thread")));
            rows.push((*place, Row::new(self.machine, case.family, contest.measure(case.product)?)));
        }
        rows.sort_by_key(|(place, _)| *place);
        Ok(Outcome { rows: rows.into_iter().map(|(_, row)| row).collect(), skipped, libraries })
    }

    /// How long a contestant runs in a round so that the whole takes about half of the time: the rest is for setting up and
    /// for products of which one alone takes longer.
    fn turn_seconds(&self) -> f64 {
        let rounds = (self.rounds * self.cases.len().max(1)) as f64;
        let turn = (self.seconds / 2.0 / rounds - PEAK_SECONDS) / self.entrants.len().max(1) as f64;
        turn.clamp(TURN.0, TURN.1)
    }
}
