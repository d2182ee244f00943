//! Times the products: CKE and every library in turns.

use crate::error::CliError;
use crate::status_line::StatusLine;
use cke_perf::clock::Stopwatch;
use cke_perf::peers::{Contest, Dtype, Entrant, Launcher, Library, Product, Settings};
use cke_report::audit::{Case, Machine, Row, label};
use cke_report::words::counted;

/// How to measure.
#[derive(Clone, Copy, Debug)]
pub(super) struct AuditRun<'a> {
    pub(super) launcher: &'a Launcher,
    pub(super) machine: &'a Machine,
    /// CKE first.
    pub(super) entrants: &'a [Entrant],
    pub(super) cases: &'a [Case],
    /// What is computed in every format.
    pub(super) unit_layers: &'a [Product],
    pub(super) rounds: usize,
    /// For all products with one number of threads.
    pub(super) seconds: f64,
}

/// What a session gave with one number of threads.
pub(super) struct MeasuredRows {
    /// In the order of the cases.
    pub(super) rows: Vec<Row>,
    /// Products for which there was no time.
    pub(super) skipped: Vec<String>,
    /// How the entrants' libraries describe themselves.
    pub(super) libraries: Vec<Option<Library>>,
}

/// Shortest and longest time that a contestant runs in a round.
const TURN: (f64, f64) = (0.004, 0.03);
/// Seconds that a round spends on the machine's peak and bandwidth, besides the turns.
const PEAK_SECONDS: f64 = 0.055;

impl AuditRun<'_> {
    /// Measures with `threads` threads, the small products first, as long as there is time; the same follows with `later` other numbers of
    /// threads.
    ///
    /// # Errors
    /// If a process cannot be started or the machine's peak cannot be measured.
    pub(super) fn measure(
        &self,
        threads: usize,
        later: usize,
        progress: &StatusLine,
    ) -> Result<MeasuredRows, CliError> {
        let settings = Settings {
            dtype: Dtype::F32,
            threads,
            rounds: self.rounds,
            seconds: self.turn_seconds(),
            ..Settings::default()
        };
        let mut contest = Contest::start(self.launcher, self.entrants, settings)?;
        let libraries: Vec<Option<Library>> = contest.libraries().map(Option::<&Library>::cloned).collect();
        let is_ranked = |name: &str| self.is_ranked(&libraries, name);
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
            let left = (self.seconds * (later + 1) as f64 - watch.seconds()).ceil();
            let threads = counted(threads, "thread");
            progress.show(&format!("products with {threads}, {number} of {total}: {what}, up to {left} s left"));
            let measured = contest.measure_with_roofs(case.product)?;
            rows.push((*place, Row::new(self.machine, case.family, measured, is_ranked)));
        }
        rows.sort_by_key(|(place, _)| *place);
        Ok(MeasuredRows { rows: rows.into_iter().map(|(_, row)| row).collect(), skipped, libraries })
    }

    /// All but the reference BLAS.
    fn is_ranked(&self, libraries: &[Option<Library>], name: &str) -> bool {
        let mut all = self.entrants.iter().zip(libraries);
        let is_reference = |library: &Option<Library>| library.as_ref().is_some_and(Library::is_reference);
        !all.any(|(entrant, library)| entrant.name == name && is_reference(library))
    }

    /// How long a contestant runs in a round so that the whole takes about half of the time: the rest is for setting up and
    /// for products of which one alone takes longer.
    fn turn_seconds(&self) -> f64 {
        let rounds = (self.rounds * self.cases.len().max(1)) as f64;
        let turn = (self.seconds / 2.0 / rounds - PEAK_SECONDS) / self.entrants.len().max(1) as f64;
        turn.clamp(TURN.0, TURN.1)
    }
}
