//! The best total rate of several threads that work at the same time.
//!
//! Every round starts all threads together; each repeats its chunk of work until the round's window has passed. The
//! rate of a round is the work of all threads over the time from the first start to the last end. That stays true if
//! threads run at different speeds (hybrid CPUs) and if there are more threads than CPUs, which a sum of rates timed
//! by each thread for itself does not. The best round counts: other users of the machine can only slow a round down.

use std::io;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use crate::affinity;

/// Why a rate could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// The number of threads is 0 or beyond any machine.
    #[error("wanted 1 to {MAX_THREADS} threads to measure with, found {found}")]
    Threads {
        /// The number asked for.
        found: usize,
    },
    /// The CPU, or the target this program was built for, does not have the instructions.
    #[error("wanted the {wanted} instructions, but this CPU or build does not have them")]
    Unsupported {
        /// The instruction set asked for.
        wanted: &'static str,
    },
    /// The buffer to read could not be allocated.
    #[error("wanted a buffer of {bytes} bytes to read, but it could not be allocated")]
    Memory {
        /// The size asked for.
        bytes: usize,
    },
    /// The system refused a thread.
    #[error("wanted {wanted} threads to measure with, but the system refused one")]
    Spawn {
        /// The number of threads asked for.
        wanted: usize,
        /// What the system said.
        source: io::Error,
    },
}

/// The largest number of threads a measurement accepts.
pub const MAX_THREADS: usize = 4096;

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Number of rounds, of which the best counts.
    pub rounds: usize,
    /// Length of one round; longer than a chunk by far, shorter than the quiet spells of a shared machine.
    pub window: Duration,
}

/// The best rate over `effort.rounds` rounds, in units of work per second.
///
/// `chunks` holds one closure per thread. A closure does a short piece of work (tens of microseconds) and returns its
/// size in whatever unit the caller counts: flops, bytes; a panic of one is passed on. Threads run on the CPUs that the
/// calling thread may run on. If there are as many threads as such CPUs, each has one of them to itself; fewer are
/// left to the system, which knows better than the numbers of the CPUs do which of them share a core.
///
/// # Errors
///
/// Returns [`MeasureError::Threads`] if `chunks` is empty or longer than [`MAX_THREADS`]; [`MeasureError::Spawn`] if
/// the system refuses a thread.
pub fn best_rate<C: FnMut() -> u64 + Send>(chunks: Vec<C>, effort: Effort) -> Result<f64, MeasureError> {
    let threads = chunks.len();
    check_threads(threads)?;
    let cpus = affinity::allowed_cpus().filter(|cpus| cpus.len() == threads);
    let line = StartLine::new(threads);
    let line = &line;
    thread::scope(|scope| {
        let mut workers = Vec::with_capacity(threads);
        for (i, chunk) in chunks.into_iter().enumerate() {
            let cpu = cpus.as_ref().map(|cpus| cpus[i]);
            let worker = thread::Builder::new().spawn_scoped(scope, move || {
                // A refusal leaves the thread where the system puts it, which is still a valid measurement.
                cpu.map(affinity::pin_to);
                run_rounds(chunk, effort, line)
            });
            match worker {
                Ok(worker) => workers.push(worker),
                Err(source) => {
                    line.abandon();
                    return Err(MeasureError::Spawn { wanted: threads, source });
                }
            }
        }
        let join =
            |worker: ScopedJoinHandle<'_, Vec<RoundSpan>>| worker.join().unwrap_or_else(|panic| resume_unwind(panic));
        let spans: Vec<Vec<RoundSpan>> = workers.into_iter().map(join).collect();
        let rates = (0..effort.rounds).map(|round| round_rate(spans.iter().map(|of_thread| &of_thread[round])));
        Ok(rates.fold(0.0, f64::max))
    })
}

/// Refuses numbers of threads that no measurement can have.
pub(crate) fn check_threads(found: usize) -> Result<(), MeasureError> {
    if (1..=MAX_THREADS).contains(&found) { Ok(()) } else { Err(MeasureError::Threads { found }) }
}

/// What one thread did in one round.
struct RoundSpan {
    start: Instant,
    end: Instant,
    work: u64,
}

/// One thread's rounds; fewer than asked for only when the measurement was abandoned.
fn run_rounds(mut chunk: impl FnMut() -> u64, effort: Effort, line: &StartLine) -> Vec<RoundSpan> {
    let _release_others = AbandonOnPanic(line);
    let mut spans = Vec::with_capacity(effort.rounds);
    for round in 0..effort.rounds {
        if !line.wait(round) {
            break;
        }
        let start = Instant::now();
        let mut work = 0;
        let end = loop {
            work += chunk();
            let now = Instant::now();
            if now.duration_since(start) >= effort.window {
                break now;
            }
        };
        spans.push(RoundSpan { start, end, work });
    }
    spans
}

/// Work of all threads over the time from the first start to the last end.
fn round_rate<'a>(spans: impl Iterator<Item = &'a RoundSpan> + Clone) -> f64 {
    let first = spans.clone().map(|span| span.start).min();
    let last = spans.clone().map(|span| span.end).max();
    let work: u64 = spans.map(|span| span.work).sum();
    match (first, last) {
        (Some(first), Some(last)) => work as f64 / last.duration_since(first).as_secs_f64(),
        _ => 0.0,
    }
}

/// Where all threads meet before a round. They spin, so that they leave within a microsecond of each other; a sleeping
/// barrier would wake them tens of microseconds apart.
struct StartLine {
    threads: usize,
    arrivals: AtomicUsize,
    abandoned: AtomicBool,
}

impl StartLine {
    fn new(threads: usize) -> Self {
        Self { threads, arrivals: AtomicUsize::new(0), abandoned: AtomicBool::new(false) }
    }

    /// Waits until every thread has reached `round`; false if the measurement was abandoned.
    fn wait(&self, round: usize) -> bool {
        const SPINS_BEFORE_YIELD: usize = 10_000;
        let everyone = (round + 1) * self.threads;
        self.arrivals.fetch_add(1, Ordering::AcqRel);
        let mut spins = 0;
        while self.arrivals.load(Ordering::Acquire) < everyone {
            if self.abandoned.load(Ordering::Relaxed) {
                return false;
            }
            spins += 1;
            if spins < SPINS_BEFORE_YIELD { std::hint::spin_loop() } else { thread::yield_now() }
        }
        true
    }

    fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }
}

/// Lets the other threads go when a chunk panics; they would wait for its thread without end.
struct AbandonOnPanic<'a>(&'a StartLine);

impl Drop for AbandonOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.abandon();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Effort = Effort { rounds: 3, window: Duration::from_micros(200) };

    #[test]
    fn best_rate_several_threads_all_work() {
        let counts: Vec<AtomicUsize> = (0..3).map(|_| AtomicUsize::new(0)).collect();
        let chunks = counts.iter().map(|count| {
            || {
                count.fetch_add(1, Ordering::Relaxed);
                1
            }
        });
        let rate = best_rate(chunks.collect(), SHORT).expect("three threads");
        assert!(rate.is_finite() && rate > 0.0);
        assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) >= SHORT.rounds));
    }

    #[test]
    fn best_rate_no_threads_is_refused() {
        let none: Vec<fn() -> u64> = Vec::new();
        assert!(matches!(best_rate(none, SHORT), Err(MeasureError::Threads { found: 0 })));
    }

    #[test]
    #[should_panic(expected = "chunk failed")]
    fn best_rate_panicking_chunk_passes_the_panic_on() {
        let chunks: Vec<Box<dyn FnMut() -> u64 + Send>> = vec![Box::new(|| 1), Box::new(|| panic!("chunk failed"))];
        let _ = best_rate(chunks, SHORT);
    }

    #[test]
    fn round_rate_overlapping_spans_counts_first_start_to_last_end() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let spans =
            [RoundSpan { start: at(0), end: at(3), work: 60 }, RoundSpan { start: at(1), end: at(4), work: 40 }];
        assert!((round_rate(spans.iter()) - 100.0 / 0.004).abs() < 1e-6);
    }

    #[test]
    fn start_line_abandoned_lets_waiting_threads_go() {
        let line = StartLine::new(2);
        line.abandon();
        assert!(!line.wait(0));
    }
}
