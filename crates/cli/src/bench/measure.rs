//! Timing every test with one number of threads, in turns with the machine's own peak.

use super::ceiling::Ceiling;
use super::test_plan::{Test, TestKind};
use super::workload::{Model, Workload};
use crate::error::CliError;
use cke_engine::runtime::Runtime;
use cke_perf::affinity;
use cke_perf::clock;
use cke_perf::stats::Summary;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal as _};
use std::thread;

/// What to measure, whatever the number of threads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session<'a> {
    pub(super) model: &'a Model,
    pub(super) tests: &'a [Test],
    pub(super) all_logits: bool,
    pub(super) repetitions: usize,
    /// Size of the buffer that defeats this machine's caches.
    pub(super) buffer_bytes: usize,
}

/// What one test gave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    pub(super) test: Test,
    /// Tokens per second of the repetitions.
    pub(super) rate: Summary,
    /// Operations for each token, and bytes of weights where they are read anew for each.
    pub(super) flops_per_token: f64,
    pub(super) weight_bytes_per_token: Option<f64>,
}

impl Session<'_> {
    /// Times every test with `threads` threads, and the ceilings before each repetition.
    ///
    /// It runs on a thread of its own, which is bound to one CPU where it is to be the only one.
    ///
    /// # Errors
    /// Where the model fails, or threads or memory cannot be had.
    pub(super) fn measure(&self, threads: usize) -> Result<(Vec<Outcome>, Ceiling), CliError> {
        let measure = || {
            if threads == 1 {
                // The last one: interrupts mostly go to the first. A refusal leaves a valid, if noisier, measurement.
                affinity::allowed_cpus().and_then(|cpus| cpus.last().copied()).map(affinity::pin_to);
            }
            self.measure_here(threads)
        };
        thread::scope(|scope| {
            let spawned = thread::Builder::new().spawn_scoped(scope, measure);
            let measuring = spawned.map_err(|error| CliError::Failed(format!("no thread to measure on: {error}")))?;
            measuring.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn measure_here(&self, threads: usize) -> Result<(Vec<Outcome>, Ceiling), CliError> {
        let runtime = Runtime::new(Some(threads))?;
        let progress = ProgressLine::new(threads, self.repetitions);
        let has_generation = self.tests.iter().any(|test| test.kind == TestKind::Generation);
        let isa = runtime.cpu().detected_isa();
        let mut ceiling = Ceiling::new(isa, threads, has_generation.then_some(self.buffer_bytes));
        let mut workloads = Vec::with_capacity(self.tests.len());
        for &test in self.tests {
            let mut workload = self.model.workload(test, self.all_logits)?;
            progress.show(0, &test);
            workload.run(&runtime)?;
            workloads.push((test, workload, Vec::with_capacity(self.repetitions)));
        }
        for repetition in 1..=self.repetitions {
            ceiling.measure()?;
            for (test, workload, rates) in &mut workloads {
                progress.show(repetition, test);
                rates.push(test.total_tokens() as f64 / seconds(workload.as_mut(), &runtime)?);
            }
        }
        let outcomes = workloads.iter().map(|(test, workload, rates)| outcome(*test, workload.as_ref(), rates));
        Ok((outcomes.collect::<Result<_, _>>()?, ceiling))
    }
}

fn seconds(workload: &mut dyn Workload, runtime: &Runtime) -> Result<f64, CliError> {
    let mut outcome = Ok(());
    let seconds = clock::time(|| outcome = workload.run(runtime));
    outcome?;
    Ok(seconds)
}

fn outcome(test: Test, workload: &dyn Workload, rates: &[f64]) -> Result<Outcome, CliError> {
    let rate =
        Summary::from_samples(rates).ok_or_else(|| CliError::Misuse("wanted at least 1 repetition".to_owned()))?;
    let per_token = |whole: u64| whole as f64 / test.total_tokens() as f64;
    Ok(Outcome {
        test,
        rate,
        flops_per_token: per_token(workload.flops()),
        weight_bytes_per_token: workload.weight_bytes_read().map(per_token),
    })
}

/// One line on standard error, where that is a terminal. Nothing ticks: it would take time from what is measured.
struct ProgressLine {
    line: ProgressBar,
    threads: usize,
    repetitions: usize,
}

impl ProgressLine {
    fn new(threads: usize, repetitions: usize) -> ProgressLine {
        let is_terminal = io::stderr().is_terminal();
        let target = if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let line = ProgressBar::with_draw_target(None, target).with_style(ProgressStyle::default_spinner());
        ProgressLine { line, threads, repetitions }
    }

    /// Says what runs next; repetition 0 is the warm-up.
    fn show(&self, repetition: usize, test: &Test) {
        let plural = if self.threads == 1 { "" } else { "s" };
        let turn = match repetition {
            0 => "warm-up".to_owned(),
            turn => format!("{turn}/{}", self.repetitions),
        };
        self.line.set_message(format!("{} thread{plural}, {test}, {turn}", self.threads));
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.line.finish_and_clear();
    }
}
