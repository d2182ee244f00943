//! Times layers in every format that the CPU has a unit for.

use super::products::AuditRun;
use crate::error::CliError;
use crate::status_line::StatusLine;
use cke_perf::peers::{Contest, Dtype, Entrant, Settings, Subject, probe};
use cke_report::audit::{OURS, UNITS, UnitRow};
use cke_report::words::counted;
use std::time::Instant;

/// Seconds that a contestant runs in a round.
const TURN: f64 = 0.03;

impl AuditRun<'_> {
    /// CKE and the libraries that have products of a format, format by format, on the same layers.
    ///
    /// # Errors
    /// If a process cannot be started or a unit's peak cannot be measured.
    pub(super) fn measure_units(&self, threads: usize, progress: &StatusLine) -> Result<Vec<UnitRow>, CliError> {
        let (mut rows, begun) = (Vec::new(), Instant::now());
        for (i, (dtype, arithmetic)) in UNITS.into_iter().enumerate() {
            if self.machine.peaks.iter().all(|peak| peak.arithmetic != arithmetic) {
                continue;
            }
            let step = format!("layers in {dtype} with {}", counted(threads, "thread"));
            progress.show_step(&step, begun, i, UNITS.len());
            let settings = Settings { dtype, threads, rounds: self.rounds, seconds: TURN, ..Settings::default() };
            let mut contest = Contest::start(self.launcher, &self.with_products_of(dtype), settings)?;
            for &layer in self.unit_layers {
                rows.push(UnitRow::new(contest.measure(layer)?));
            }
        }
        Ok(rows)
    }

    /// CKE with weights packed ahead, and the libraries that have products of this format.
    fn with_products_of(&self, dtype: Dtype) -> Vec<Entrant> {
        let libraries = self.entrants.iter().filter(|entrant| match &entrant.subject {
            Subject::Library(path) => probe(self.launcher, path, dtype).is_ok(),
            _ => false,
        });
        [Entrant::new(OURS, Subject::Plan)].into_iter().chain(libraries.cloned()).collect()
    }
}
