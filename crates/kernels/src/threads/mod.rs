//! Threads: the library's worker pool ([`ThreadPool`]), and what a caller's own pool must promise to take its place.
//!
//! A program makes one pool of [`ThreadPool::available`] threads and lends it to every call. [`Serial`] runs all on the calling thread.
//! [`Parallel`] is for pools of other libraries, [`Observed`] for programs that measure.

mod affinity;
mod float_mode;
mod observed;
mod pool;
mod process;
mod start;

pub use observed::{Observed, TaskObserver};
pub use pool::ThreadPool;

use float_mode::CallersMode;

/// The most threads that a pool may have; larger numbers are treated as mistakes.
pub const MAX_THREADS: usize = 1024;

/// What kernels need of a thread pool.
///
/// # Safety
/// Kernels give each task its own part of the result, and each worker its own part of the working memory, and rely for that on the
/// implementation:
/// 1. [`Parallel::threads`] returns the same number at every call, from 1 to [`MAX_THREADS`].
/// 2. [`Parallel::run`] calls `work(task, worker)` once for each task in `0..tasks`, in any order, and for no other task. Only if it
///    unwinds may tasks be left out.
/// 3. `worker` is below [`Parallel::threads`], and of the calls that one `run` makes no two that overlap in time have the same.
/// 4. `run` neither returns nor unwinds before every call of `work` that it made has ended, and makes none afterwards.
/// 5. What the caller wrote before `run` is visible to `work`, and what `work` wrote is visible to the caller after it.
pub unsafe trait Parallel: Sync {
    /// The most tasks that run at once.
    fn threads(&self) -> usize;

    /// Calls `work(task, worker)` for each task in `0..tasks`, and returns when all are done.
    fn run(&self, tasks: usize, work: &(dyn Fn(usize, usize) + Sync));
}

/// No threads but the caller's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Serial;

// SAFETY: one thread, which does one task after the other as worker 0.
unsafe impl Parallel for Serial {
    fn threads(&self) -> usize {
        1
    }

    fn run(&self, tasks: usize, work: &(dyn Fn(usize, usize) + Sync)) {
        (0..tasks).for_each(|task| work(task, 0));
    }
}

/// Calls `work(task, worker)` for each task in `0..tasks` on the pool, in the floating-point mode of the calling thread: rounding and
/// flushing to zero are the caller's on every thread, and exception flags that tasks raise reach the caller.
pub fn run_tasks(pool: &dyn Parallel, tasks: usize, work: &(dyn Fn(usize, usize) + Sync)) {
    let mode = CallersMode::capture();
    pool.run(tasks, &|task, worker| mode.keep_during(|| work(task, worker)));
    mode.raise_in_caller();
}

/// Calls `work(index, chunk)` for each chunk of `len` elements (the last may be shorter), spread over the pool.
///
/// # Panics
/// If `len` is 0.
pub fn for_each_chunk<T: Send>(pool: &dyn Parallel, data: &mut [T], len: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    struct Base<T>(*mut T);
    // SAFETY: stands for the exclusive borrow of `data`, whose chunks are disjoint.
    unsafe impl<T: Send> Sync for Base<T> {}
    impl<T> Base<T> {
        fn at(&self, offset: usize) -> *mut T {
            self.0.wrapping_add(offset)
        }
    }
    let (base, total) = (Base(data.as_mut_ptr()), data.len());
    run_tasks(pool, total.div_ceil(len), &|index, _worker| {
        let start = index * len;
        // SAFETY: chunks lie inside `data` and do not overlap, and each task runs once.
        work(index, unsafe { std::slice::from_raw_parts_mut(base.at(start), len.min(total - start)) });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_the_slice_once() {
        let pool = ThreadPool::new(2).unwrap();
        let mut data = vec![0usize; 103];
        for_each_chunk(&pool, &mut data, 10, |index, chunk| chunk.iter_mut().for_each(|x| *x += index + 1));
        assert!(data.iter().enumerate().all(|(i, &x)| x == i / 10 + 1));
    }
}
