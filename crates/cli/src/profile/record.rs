//! Running the model, recorded and not, in turns with the machine's own peak.

use crate::error::CliError;
use crate::status_line::StatusLine;
use crate::workload::ceiling::MachineCeiling;
use crate::workload::counting::WorkCounter;
use crate::workload::measuring_thread::on_measuring_thread;
use crate::workload::test_plan::{Test, TestKind};
use crate::workload::{Model, Workload};
use cke_engine::profile::{self, Profile, Step};
use cke_engine::runtime::Runtime;
use cke_engine::weight_format::WeightFormat;
use cke_perf::busy::{Busy, BusyWatch};
use cke_perf::counters::Counting;
use cke_perf::roofline::Roofline;
use cke_perf::stats::Ratio;
use cke_report::profile::{Interval, Kind, PhaseKind, RecordedOperation, Recording, Shape};
use cke_report::words::counted;
use std::time::Instant;

/// What to run, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProfileRun<'a> {
    pub(super) model: &'a Model,
    /// Of the model's layers.
    pub(super) numbers: WeightFormat,
    pub(super) tests: &'a [Test],
    pub(super) all_logits: bool,
    pub(super) repetitions: usize,
    pub(super) threads: usize,
    /// Size of the buffer that defeats this machine's caches.
    pub(super) buffer_bytes: usize,
}

/// What came of all tests.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) roofline: Roofline,
    /// The numbers of its peak.
    pub(super) peak_numbers: &'static str,
    pub(super) recordings: Vec<Recording>,
    /// What other programs took of the machine meanwhile; `None` if that is not known.
    pub(super) others: Option<Busy>,
}

/// One test: its fastest repetition, and how long all took.
#[derive(Clone, Debug)]
struct Repetitions {
    test: Test,
    /// Of the fastest repetition.
    profile: Profile,
    /// Durations of those that were recorded, and of those that were not.
    recorded: Vec<f64>,
    unrecorded: Vec<f64>,
}

impl ProfileRun<'_> {
    /// Runs every test as often as wanted.
    ///
    /// # Errors
    /// If the model fails, or threads cannot be started or memory cannot be allocated.
    pub(super) fn measure(&self) -> Result<Measured, CliError> {
        on_measuring_thread(self.threads, || self.measure_here())
    }

    fn measure_here(&self) -> Result<Measured, CliError> {
        let runtimes = Runtimes::new(self.threads)?;
        let cpu = runtimes.plain.cpu();
        let (mut ceiling, status) =
            (MachineCeiling::new(cpu, self.numbers, self.threads, Some(self.buffer_bytes)), StatusLine::new());
        let with_threads = counted(self.threads, "thread");
        let mut turns = Vec::with_capacity(self.tests.len());
        // Warm-ups are steps, too.
        let begun = Instant::now();
        let steps = self.tests.len() * (self.repetitions + 1);
        for (i, &test) in self.tests.iter().enumerate() {
            status.show_step(&format!("{with_threads}, {test}, warm-up"), begun, i, steps);
            let mut workload = self.model.workload(test, self.all_logits)?;
            runtimes.run(test, workload.as_mut(), Order::PlainFirst)?;
            turns.push((test, workload, None));
        }
        let watch = BusyWatch::start();
        for repetition in 1..=self.repetitions {
            ceiling.measure()?;
            // The ceilings leave the caches full of their own data: neither way may always come first.
            let order = if repetition % 2 == 1 { Order::PlainFirst } else { Order::RecordedFirst };
            for (i, (test, workload, so_far)) in turns.iter_mut().enumerate() {
                let step = format!("{with_threads}, {test}, {repetition}/{}", self.repetitions);
                status.show_step(&step, begun, repetition * self.tests.len() + i, steps);
                let repetition = runtimes.run(*test, workload.as_mut(), order)?;
                *so_far = Some(match so_far.take() {
                    Some(before) => repetition.after(before),
                    None => repetition,
                });
            }
        }
        let others = watch.others();
        let peak_numbers = ceiling.numbers();
        let MachineCeiling { peak_gflops, bandwidth_gb_per_s, .. } = ceiling;
        let mut counter = WorkCounter::new(self.threads)?;
        let mut recordings = Vec::with_capacity(turns.len());
        for (test, mut workload, repetitions) in turns {
            let Some(repetitions) = repetitions else { continue };
            let counters = counter.count(workload.as_mut(), &format!("{with_threads}, {test}"), &status)?;
            recordings.push(repetitions.recording(self.logits(test), counters));
        }
        let roofline = Roofline { peak_gflops, bandwidth_gb_s: bandwidth_gb_per_s };
        Ok(Measured { roofline, peak_numbers, recordings, others })
    }
}

impl ProfileRun<'_> {
    /// Of which positions a test computes logits; `None` for an encoder.
    fn logits(&self, test: Test) -> Option<&'static str> {
        let has_all = self.all_logits || test.kind == TestKind::Generation;
        match self.model {
            Model::Causal(_) => Some(if has_all { "all" } else { "last" }),
            Model::Bert(_) => None,
        }
    }
}

/// Two sets of threads; one sleeps while the other works.
struct Runtimes {
    plain: Runtime,
    recorded: Runtime,
}

impl Runtimes {
    fn new(threads: usize) -> Result<Runtimes, CliError> {
        Ok(Runtimes { plain: Runtime::new(Some(threads))?, recorded: Runtime::new(Some(threads))?.recording() })
    }

    /// Runs the work once on each.
    fn run(&self, test: Test, workload: &mut dyn Workload, order: Order) -> Result<Repetitions, CliError> {
        let mut seconds = |runtime: &Runtime| workload.seconds(runtime);
        let (unrecorded, recorded) = match order {
            Order::PlainFirst => (seconds(&self.plain)?, seconds(&self.recorded)?),
            Order::RecordedFirst => {
                let recorded = seconds(&self.recorded)?;
                (seconds(&self.plain)?, recorded)
            }
        };
        let profile = self.recorded.take_profile();
        Ok(Repetitions { test, profile, recorded: vec![recorded], unrecorded: vec![unrecorded] })
    }
}

/// Which of the two ways of a repetition comes first.
#[derive(Clone, Copy, Debug)]
enum Order {
    PlainFirst,
    RecordedFirst,
}

impl Repetitions {
    /// With those that came before.
    fn after(mut self, mut before: Repetitions) -> Repetitions {
        if fastest(&self.recorded) < fastest(&before.recorded) {
            before.profile = self.profile;
        }
        before.recorded.append(&mut self.recorded);
        before.unrecorded.append(&mut self.unrecorded);
        before
    }

    /// What the report is made from.
    fn recording(&self, logits: Option<&'static str>, counters: Counting) -> Recording {
        let Repetitions { test, ref profile, ref recorded, ref unrecorded } = *self;
        Recording {
            phase: match test.kind {
                TestKind::Prompt => PhaseKind::Prefill,
                TestKind::Generation => PhaseKind::Decode,
            },
            test: test.to_string(),
            tokens: test.tokens,
            batch: test.batch,
            logits,
            threads: profile.threads,
            operations: profile.operations.iter().map(recorded_operation).collect(),
            intervals: profile.intervals.iter().map(worked).collect(),
            seconds: fastest(recorded),
            seconds_unrecorded: fastest(unrecorded),
            cost: Ratio::of(unrecorded, recorded),
            counters,
        }
    }
}

/// The shortest duration.
fn fastest(seconds: &[f64]) -> f64 {
    seconds.iter().copied().fold(f64::INFINITY, f64::min)
}

fn recorded_operation(operation: &profile::Operation) -> RecordedOperation {
    let Step { name, layer, kind, shape, kernel, flops, bytes } = operation.step;
    RecordedOperation {
        name,
        layer,
        kind: match kind {
            profile::Kind::Product => Kind::Product,
            profile::Kind::Attention => Kind::Attention,
            profile::Kind::Other => Kind::Other,
        },
        shape: shape.map(|shape| Shape { m: shape.m, n: shape.n, k: shape.k }),
        kernel,
        flops,
        bytes,
        start_ns: operation.start_ns,
        end_ns: operation.end_ns,
    }
}

/// An interval with the index of its operation.
fn worked(interval: &profile::Interval) -> (usize, Interval) {
    let &profile::Interval { operation, thread, tasks, start_ns, end_ns } = interval;
    (operation, Interval { thread, tasks, start_ns, end_ns })
}
