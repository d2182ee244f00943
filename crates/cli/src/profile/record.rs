//! Running the model, recorded and not, in turns with the machine's own peak.

use crate::error::CliError;
use crate::output::counted;
use crate::status_line::StatusLine;
use crate::workload::ceiling::Ceiling;
use crate::workload::measuring_thread::on_measuring_thread;
use crate::workload::test_plan::Test;
use crate::workload::{Model, Workload};
use cke_engine::profile::Profile;
use cke_engine::runtime::Runtime;
use cke_perf::roofline::Roofline;

/// What to run, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session<'a> {
    pub(super) model: &'a Model,
    pub(super) tests: &'a [Test],
    pub(super) all_logits: bool,
    pub(super) repetitions: usize,
    pub(super) threads: usize,
    /// Size of the buffer that defeats this machine's caches.
    pub(super) buffer_bytes: usize,
}

/// What a session gave.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    /// The best of all repetitions.
    pub(super) roofline: Roofline,
    pub(super) recordings: Vec<Recording>,
}

/// One test: its fastest repetition.
#[derive(Clone, Debug)]
pub(super) struct Recording {
    pub(super) test: Test,
    pub(super) profile: Profile,
    /// How long the repetition took that `profile` tells of.
    pub(super) seconds: f64,
    /// The fastest repetition that was not recorded.
    pub(super) seconds_unrecorded: f64,
}

impl Session<'_> {
    /// Runs every test as often as wanted.
    ///
    /// # Errors
    /// Where the model fails, or threads or memory cannot be had.
    pub(super) fn measure(&self) -> Result<Measured, CliError> {
        on_measuring_thread(self.threads, || self.measure_here())
    }

    fn measure_here(&self) -> Result<Measured, CliError> {
        let runtimes = Runtimes::new(self.threads)?;
        let isa = runtimes.plain.cpu().detected_isa();
        let (mut ceiling, status) = (Ceiling::new(isa, self.threads, Some(self.buffer_bytes)), StatusLine::new());
        let with_threads = counted(self.threads, "thread");
        let mut turns = Vec::with_capacity(self.tests.len());
        for &test in self.tests {
            status.show(&format!("{with_threads}, {test}, warm-up"));
            let mut workload = self.model.workload(test, self.all_logits)?;
            runtimes.run(test, workload.as_mut(), Order::PlainFirst)?;
            turns.push((test, workload, None));
        }
        for repetition in 1..=self.repetitions {
            ceiling.measure()?;
            // The ceilings leave the caches full of their own data: neither way may always come first.
            let order = if repetition % 2 == 1 { Order::PlainFirst } else { Order::RecordedFirst };
            for (test, workload, best) in &mut turns {
                status.show(&format!("{with_threads}, {test}, {repetition}/{}", self.repetitions));
                let recording = runtimes.run(*test, workload.as_mut(), order)?;
                *best = Some(match best.take() {
                    Some(best) => recording.better(best),
                    None => recording,
                });
            }
        }
        let Ceiling { peak_gflops, bandwidth_gb_per_s, .. } = ceiling;
        Ok(Measured {
            roofline: Roofline { peak_gflops, bandwidth_gb_s: bandwidth_gb_per_s },
            recordings: turns.into_iter().filter_map(|(_, _, best)| best).collect(),
        })
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
    fn run(&self, test: Test, workload: &mut dyn Workload, order: Order) -> Result<Recording, CliError> {
        let mut seconds = |runtime: &Runtime| workload.seconds(runtime);
        let (seconds_unrecorded, seconds) = match order {
            Order::PlainFirst => (seconds(&self.plain)?, seconds(&self.recorded)?),
            Order::RecordedFirst => {
                let recorded = seconds(&self.recorded)?;
                (seconds(&self.plain)?, recorded)
            }
        };
        Ok(Recording { test, profile: self.recorded.take_profile(), seconds, seconds_unrecorded })
    }
}

/// Which of the two ways of a repetition comes first.
#[derive(Clone, Copy, Debug)]
enum Order {
    PlainFirst,
    RecordedFirst,
}

impl Recording {
    /// The faster of two repetitions, recorded and not each for itself.
    fn better(self, other: Recording) -> Recording {
        let seconds_unrecorded = self.seconds_unrecorded.min(other.seconds_unrecorded);
        let faster = if other.seconds < self.seconds { other } else { self };
        Recording { seconds_unrecorded, ..faster }
    }
}
