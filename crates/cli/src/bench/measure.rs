//! Timing every test with one number of threads, in turns with the machine's own peak.

use crate::error::CliError;
use crate::status_line::StatusLine;
use crate::workload::ceiling::MachineCeiling;
use crate::workload::counting::WorkCounter;
use crate::workload::measuring_thread::on_measuring_thread;
use crate::workload::test_plan::{Test, TestKind};
use crate::workload::{Model, Workload};
use cke_engine::runtime::Runtime;
use cke_engine::weight_format::WeightFormat;
use cke_perf::busy::{Busy, BusyWatch};
use cke_perf::counters::Counting;
use cke_perf::stats::Summary;
use cke_report::words::counted;
use std::time::Instant;

/// What to measure, whatever the number of threads.
#[derive(Clone, Copy, Debug)]
pub(super) struct ModelRun<'a> {
    pub(super) model: &'a Model,
    /// Of the model's layers.
    pub(super) numbers: WeightFormat,
    pub(super) tests: &'a [Test],
    pub(super) all_logits: bool,
    pub(super) repetitions: usize,
    /// Size of the buffer that defeats this machine's caches.
    pub(super) buffer_bytes: usize,
}

/// What one test gave.
#[derive(Clone, Debug)]
pub(super) struct TestOutcome {
    pub(super) test: Test,
    /// Tokens per second of the repetitions, and what they say together.
    pub(super) rates: Vec<f64>,
    pub(super) rate: Summary,
    /// Operations for each token, and bytes that are read for it alone.
    pub(super) flops_per_token: f64,
    pub(super) bytes_per_token: Option<f64>,
    /// What hardware counters said of one more repetition.
    pub(super) counters: Counting,
}

/// What came of all tests with a number of threads.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) outcomes: Vec<TestOutcome>,
    pub(super) ceiling: MachineCeiling,
    /// What other programs took of the machine meanwhile; `None` if that is not known.
    pub(super) others: Option<Busy>,
}

impl ModelRun<'_> {
    /// Times every test with `threads` threads, and the ceilings before each repetition.
    ///
    /// # Errors
    /// If the model fails, or threads cannot be started or memory cannot be allocated.
    pub(super) fn measure(&self, threads: usize) -> Result<Measured, CliError> {
        on_measuring_thread(threads, || self.measure_here(threads))
    }

    fn measure_here(&self, threads: usize) -> Result<Measured, CliError> {
        let runtime = Runtime::new(Some(threads))?;
        let status = StatusLine::new();
        let with_threads = counted(threads, "thread");
        let has_generation = self.tests.iter().any(|test| test.kind == TestKind::Generation);
        let buffer_bytes = has_generation.then_some(self.buffer_bytes);
        let mut ceiling = MachineCeiling::new(runtime.cpu(), self.numbers, threads, buffer_bytes);
        let mut workloads = Vec::with_capacity(self.tests.len());
        // Warm-ups are steps, too.
        let begun = Instant::now();
        let steps = self.tests.len() * (self.repetitions + 1);
        for (i, &test) in self.tests.iter().enumerate() {
            let mut workload = self.model.workload(test, self.all_logits)?;
            status.show_step(&format!("{with_threads}, {test}, warm-up"), begun, i, steps);
            workload.run(&runtime)?;
            workloads.push((test, workload, Vec::with_capacity(self.repetitions)));
        }
        let watch = BusyWatch::start();
        for repetition in 1..=self.repetitions {
            ceiling.measure()?;
            for (i, (test, workload, rates)) in workloads.iter_mut().enumerate() {
                let step = format!("{with_threads}, {test}, {repetition}/{}", self.repetitions);
                status.show_step(&step, begun, repetition * self.tests.len() + i, steps);
                rates.push(test.total_tokens() as f64 / workload.seconds(&runtime)?);
            }
        }
        let others = watch.others();
        let mut counter = WorkCounter::new(threads)?;
        let mut outcomes = Vec::with_capacity(workloads.len());
        for (test, mut workload, rates) in workloads {
            let counters = counter.count(workload.as_mut(), &format!("{with_threads}, {test}"), &status)?;
            outcomes.push(outcome(test, workload.as_ref(), rates, counters)?);
        }
        Ok(Measured { outcomes, ceiling, others })
    }
}

fn outcome(test: Test, workload: &dyn Workload, rates: Vec<f64>, counters: Counting) -> Result<TestOutcome, CliError> {
    let rate =
        Summary::from_samples(&rates).ok_or_else(|| CliError::Misuse("wanted at least 1 repetition".to_owned()))?;
    let per_token = |whole: u64| whole as f64 / test.total_tokens() as f64;
    Ok(TestOutcome {
        test,
        rates,
        rate,
        flops_per_token: per_token(workload.flops()),
        bytes_per_token: workload.bytes_read().map(per_token),
        counters,
    })
}
