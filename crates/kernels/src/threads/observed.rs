//! A pool that tells when its tasks begin and end.

use super::Parallel;

/// What is reported about the tasks of an [`Observed`] pool, on the threads that run them.
pub trait TaskObserver: Sync {
    /// What [`TaskObserver::begin`] hands to [`TaskObserver::end`].
    type Start;

    /// A task is about to begin.
    fn begin(&self) -> Self::Start;

    /// It has ended, on this worker.
    fn end(&self, worker: usize, start: Self::Start);
}

/// A pool that is watched. Which one does not change, so that it keeps the promises of its own.
#[derive(Clone, Copy, Debug)]
pub struct Observed<P, O> {
    pool: P,
    observer: O,
}

impl<P: Parallel, O: TaskObserver> Observed<P, O> {
    /// `pool` runs the tasks, `observer` is notified of each.
    pub fn new(pool: P, observer: O) -> Self {
        Observed { pool, observer }
    }

    /// The observer.
    pub fn observer(&self) -> &O {
        &self.observer
    }
}

// SAFETY: every call is passed on to the pool, and every task that the pool runs is run once.
unsafe impl<P: Parallel, O: TaskObserver> Parallel for Observed<P, O> {
    fn threads(&self) -> usize {
        self.pool.threads()
    }

    fn run(&self, tasks: usize, work: &(dyn Fn(usize, usize) + Sync)) {
        self.pool.run(tasks, &|task, worker| {
            let start = self.observer.begin();
            work(task, worker);
            self.observer.end(worker, start);
        });
    }
}
