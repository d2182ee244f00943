//! Timing every case in turns, with one number of threads.

use super::task::{Case, Task};
use crate::bench::progress::ProgressLine;
use crate::error::CliError;
use crate::workload::measuring_thread::on_measuring_thread;
use cke_kernels::Cpu;
use cke_kernels::Error;
use cke_kernels::gemm::Ctx;
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::ThreadPool;
use cke_perf::busy::{Busy, BusyWatch};
use cke_perf::counters::{Counted, Counters, Counting, Event};
use cke_perf::stats::Summary;
use cke_report::words::counted;
use std::time::Instant;

/// What to measure, whatever the number of threads.
#[derive(Clone, Copy, Debug)]
pub(super) struct AttentionRun<'a> {
    pub(super) cpu: &'a Cpu,
    pub(super) cases: &'a [Case],
    pub(super) rounds: usize,
    /// Of a turn.
    pub(super) seconds: f64,
}

/// What one case gave.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) case: Case,
    pub(super) kernel: &'static str,
    /// Of keys and values.
    pub(super) bytes: usize,
    /// The fastest call.
    pub(super) best_seconds: f64,
    /// The median call of each round, and what these say together.
    pub(super) rounds: Vec<f64>,
    pub(super) seconds: Summary,
    /// What hardware counters said of a call.
    pub(super) counters: Counting,
}

/// A case, its operands, and the calls of each of its turns.
type Timed = (Case, Task, Vec<Vec<f64>>);

/// What came of all cases.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) outcomes: Vec<Outcome>,
    /// What other programs took of the machine meanwhile; `None` if that is not known.
    pub(super) others: Option<Busy>,
}

impl AttentionRun<'_> {
    /// Times every case with `threads` threads.
    ///
    /// # Errors
    /// If threads cannot be started or memory cannot be allocated.
    pub(super) fn measure(&self, threads: usize) -> Result<Measured, CliError> {
        on_measuring_thread(threads, || self.measure_here(threads))
    }

    fn measure_here(&self, threads: usize) -> Result<Measured, CliError> {
        let failed = |error: Error| CliError::Failed(error.to_string());
        let pool = ThreadPool::new(threads).map_err(failed)?;
        let mut scratch = Scratch::new();
        let mut ctx = Ctx { pool: &pool, scratch: &mut scratch };
        let progress = ProgressLine::new(self.cases.len() * (self.rounds + 1));
        let mut tasks: Vec<Timed> = Vec::with_capacity(self.cases.len());
        for &case in self.cases {
            progress.show(format!("{}, warm-up", counted(threads, "thread")));
            let mut task = Task::new(self.cpu, case, &mut ctx).map_err(failed)?;
            task.run(&mut ctx).map_err(failed)?;
            tasks.push((case, task, Vec::with_capacity(self.rounds)));
            progress.advance();
        }
        let watch = BusyWatch::start();
        for round in 0..self.rounds {
            // Another one begins each time, so that no case always follows the same one.
            for i in 0..tasks.len() {
                let count = tasks.len();
                let (_, task, turns) = &mut tasks[(i + round) % count];
                progress.show(format!("{}, {}/{}", counted(threads, "thread"), round + 1, self.rounds));
                turns.push(turn(task, self.seconds, &mut ctx).map_err(failed)?);
                progress.advance();
            }
        }
        let others = watch.others();
        progress.show(format!("{}, hardware counters", counted(threads, "thread")));
        let counters = self.count(threads, &mut tasks).map_err(failed)?;
        let outcomes = tasks.iter().zip(counters).filter_map(|(timed, counters)| outcome(timed, counters)).collect();
        Ok(Measured { outcomes, others })
    }

    /// Counts one more turn of each case, on threads that are counted from their start.
    fn count(&self, threads: usize, tasks: &mut [Timed]) -> Result<Vec<Counting>, Error> {
        let mut counters = match Counters::open_with_later_threads(&Event::HARDWARE) {
            Ok(counters) => counters,
            Err(error) => return Ok(vec![Counting::from(&error); tasks.len()]),
        };
        let (pool, mut scratch) = (ThreadPool::new(threads)?, Scratch::new());
        let mut ctx = Ctx { pool: &pool, scratch: &mut scratch };
        let count = |(case, task, _): &mut Timed| -> Result<Counting, Error> {
            // A call, to warm up.
            turn(task, 0.0, &mut ctx)?;
            let (calls, counts) = counters.count(|| turn(task, self.seconds, &mut ctx));
            Ok(Counting::Counted(Counted::new(counts.per(calls?.len() as u64), case.flops())))
        };
        tasks.iter_mut().map(count).collect()
    }
}

/// Calls for about as many seconds.
fn turn(task: &mut Task, seconds: f64, ctx: &mut Ctx<'_>) -> Result<Vec<f64>, Error> {
    let mut calls = Vec::new();
    let begun = Instant::now();
    while calls.is_empty() || begun.elapsed().as_secs_f64() < seconds {
        task.rewind();
        let start = Instant::now();
        task.run(ctx)?;
        calls.push(start.elapsed().as_secs_f64());
    }
    Ok(calls)
}

/// `None` without rounds.
fn outcome((case, task, turns): &Timed, counters: Counting) -> Option<Outcome> {
    let summaries: Vec<Summary> = turns.iter().filter_map(|calls| Summary::from_samples(calls)).collect();
    let rounds: Vec<f64> = summaries.iter().map(|round| round.median).collect();
    let best_seconds = summaries.iter().map(|round| round.min).reduce(f64::min)?;
    let seconds = Summary::from_samples(&rounds)?;
    Some(Outcome { case: *case, kernel: task.kernel(), bytes: task.bytes(), best_seconds, rounds, seconds, counters })
}
