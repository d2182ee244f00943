//! Hardware counters over a test of a model.

use super::Workload;
use crate::error::CliError;
use crate::status_line::StatusLine;
use cke_engine::runtime::Runtime;
use cke_perf::counters::{Counted, CounterError, Counters, Counting, Event};

/// Runs tests once more on threads that are counted from their start. Nothing that is timed runs on these.
#[derive(Debug)]
pub(crate) struct WorkCounter {
    open: Result<(Counters, Runtime), CounterError>,
}

impl WorkCounter {
    /// Counts the calling thread and those that work with it, `threads` together.
    ///
    /// # Errors
    /// If threads cannot be started.
    pub(crate) fn new(threads: usize) -> Result<WorkCounter, CliError> {
        let open = match Counters::open_with_later_threads(&Event::HARDWARE) {
            Ok(counters) => Ok((counters, Runtime::new(Some(threads))?)),
            Err(error) => Err(error),
        };
        Ok(WorkCounter { open })
    }

    /// Counts one repetition after a warm-up, if the system gives counters; the status line then shows the `test`.
    ///
    /// # Errors
    /// If the model fails.
    pub(crate) fn count(
        &mut self,
        workload: &mut dyn Workload,
        test: &str,
        status: &StatusLine,
    ) -> Result<Counting, CliError> {
        let (counters, runtime) = match &mut self.open {
            Ok((counters, runtime)) => (counters, &*runtime),
            Err(error) => return Ok(Counting::from(&*error)),
        };
        status.show(&format!("{test}, hardware counters"));
        workload.run(runtime)?;
        let (outcome, counts) = counters.count(|| workload.run(runtime));
        outcome?;
        Ok(Counting::Counted(Counted::new(counts, workload.flops() as f64)))
    }
}
