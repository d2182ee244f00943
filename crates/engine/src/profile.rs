//! What a forward pass did and when: each operation, and the parts of it that each thread ran.
//!
//! A [`Runtime`](crate::runtime::Runtime) made with `recording` notes every operation that runs on it; any other pays one branch
//! for each. Times are nanoseconds since the recorder was made.

use cke_kernels::gemm::Shape;
use cke_kernels::threads::TaskObserver;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What sort of work an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A matrix product with all that its epilogue does.
    Product,
    /// Both products of attention and the softmax between them.
    Attention,
    /// Everything else: norms, lookups, copies, sampling.
    Other,
}

/// An operation, as it is described before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it is called: the same in every layer.
    pub name: &'static str,
    /// The layer that it belongs to; `None` outside of them.
    pub layer: Option<usize>,
    /// The sort of work.
    pub kind: Kind,
    /// The size of a product.
    pub shape: Option<Shape>,
    /// The microkernel that runs it.
    pub kernel: Option<&'static str>,
    /// Floating-point operations; a multiply-add counts as two.
    pub flops: u64,
    /// Bytes of all operands, each read or written once.
    pub bytes: u64,
}

impl Step {
    /// One that moves bytes and computes next to nothing.
    pub(crate) fn other(name: &'static str, layer: Option<usize>, bytes: usize) -> Step {
        Step { name, layer, kind: Kind::Other, shape: None, kernel: None, flops: 0, bytes: bytes as u64 }
    }
}

/// An operation that ran.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// What it was.
    pub step: Step,
    /// When it began.
    pub start_ns: u64,
    /// When all of it was done.
    pub end_ns: u64,
}

/// An interval of time that one thread worked on one operation.
#[derive(Clone, Copy, Debug)]
pub struct Interval {
    /// Index into [`Profile::operations`].
    pub operation: usize,
    /// The thread: 0 is the caller.
    pub thread: usize,
    /// Tasks that it ran, one right after the other.
    pub tasks: u32,
    /// When the first began.
    pub start_ns: u64,
    /// When the last was done.
    pub end_ns: u64,
}

/// What was recorded, in the order of time.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Threads of the runtime.
    pub threads: usize,
    /// What ran, one after the other.
    pub operations: Vec<Operation>,
    /// When each thread worked, thread by thread; parallel regions only.
    pub intervals: Vec<Interval>,
}

/// Tasks of one thread closer together than this are one interval.
const GAP_NS: u64 = 300;

/// Notes which thread of a pool worked when.
#[derive(Debug)]
pub(crate) struct Recorder {
    epoch: Instant,
    operations: Mutex<Vec<Operation>>,
    /// Index of the operation that runs now.
    current: AtomicU32,
    /// For each thread; only that thread writes, so nobody waits for the lock.
    intervals: Vec<Mutex<Vec<Interval>>>,
}

/// A thread that panicked leaves its notes whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Recorder {
    pub(crate) fn new(threads: usize) -> Recorder {
        let intervals = (0..threads).map(|_| Mutex::default()).collect();
        Recorder { epoch: Instant::now(), operations: Mutex::default(), current: AtomicU32::new(0), intervals }
    }

    fn now_ns(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    /// Runs `work` as one operation. Operations do not nest.
    pub(crate) fn record<T>(&self, step: Step, work: impl FnOnce() -> T) -> T {
        self.current.store(lock(&self.operations).len() as u32, Ordering::Relaxed);
        let start_ns = self.now_ns();
        let result = work();
        let end_ns = self.now_ns();
        lock(&self.operations).push(Operation { step, start_ns, end_ns });
        result
    }

    /// What was recorded since the last call.
    pub(crate) fn take(&self) -> Profile {
        Profile {
            threads: self.intervals.len(),
            operations: std::mem::take(&mut lock(&self.operations)),
            intervals: self.intervals.iter().flat_map(|intervals| std::mem::take(&mut *lock(intervals))).collect(),
        }
    }

    /// Notes a task of one thread.
    fn note(&self, thread: usize, start_ns: u64) {
        let (operation, end_ns) = (self.current.load(Ordering::Relaxed) as usize, self.now_ns());
        let mut intervals = lock(&self.intervals[thread]);
        match intervals.last_mut() {
            Some(last) if last.operation == operation && start_ns < last.end_ns + GAP_NS => {
                last.end_ns = end_ns;
                last.tasks += 1;
            }
            _ => intervals.push(Interval { operation, thread, tasks: 1, start_ns, end_ns }),
        }
    }
}

impl TaskObserver for Recorder {
    type Start = u64;

    fn begin(&self) -> u64 {
        self.now_ns()
    }

    fn end(&self, worker: usize, start_ns: u64) {
        self.note(worker, start_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cke_kernels::threads::{Observed, Parallel, ThreadPool};

    fn step(name: &'static str) -> Step {
        Step { name, layer: Some(1), kind: Kind::Other, shape: None, kernel: None, flops: 7, bytes: 9 }
    }

    #[test]
    fn every_task_is_noted_within_its_operation() {
        let pool = Observed::new(ThreadPool::new(2).unwrap(), Recorder::new(2));
        for name in ["first", "second"] {
            pool.observer().record(step(name), || pool.run(50, &|_, _| std::thread::yield_now()));
        }
        let Profile { threads, operations, intervals } = pool.observer().take();
        assert_eq!((threads, operations.len()), (2, 2));
        assert_eq!(operations[1].step, step("second"));
        assert!(operations[0].end_ns <= operations[1].start_ns);
        for (index, operation) in operations.iter().enumerate() {
            let own: Vec<_> = intervals.iter().filter(|interval| interval.operation == index).collect();
            assert_eq!(own.iter().map(|interval| interval.tasks).sum::<u32>(), 50);
            assert!(own.iter().all(|s| operation.start_ns <= s.start_ns && s.end_ns <= operation.end_ns));
        }
        assert!(pool.observer().take().operations.is_empty());
    }
}
