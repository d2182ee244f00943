//! The persistent worker pool.

use super::affinity::{ThreadId, WorkerCpus};
use super::process::Process;
use super::start::start;
use super::{MAX_THREADS, Parallel, float_mode};
use crate::cores::{WORKER_NAME, threads_from_environment, usable_cores};
use crate::error::Error;
use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long an idle worker looks for the next job before it sleeps: longer than the gaps within a forward pass.
const SPIN: Duration = Duration::from_micros(50);

/// Threads that wait for work, spinning for a while and then asleep. The calling thread works too.
///
/// A worker that the operating system did not wake in time is not waited for: it may join a job only while the job is open,
/// and the caller closes it when no task is left.
///
/// In a forked child, which has no workers, the calling thread does all the work.
pub struct ThreadPool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    entry: Mutex<()>,
    home: Process,
}

/// The low bits of `Shared::state` count the workers inside the job, one bit says that it may be joined, the rest number the jobs.
const OPEN: u64 = 1 << 31;
const INSIDE: u64 = OPEN - 1;
const NEXT_JOB: u64 = 1 << 32;

struct Shared {
    state: AtomicU64,
    /// Written by the caller while the job is closed and nobody is inside; read by those inside.
    job: UnsafeCell<Option<Job>>,
    next_task: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    workers: Vec<ThreadId>,
    cpus: WorkerCpus,
    stop: AtomicBool,
    sleepers: AtomicUsize,
    bed: Mutex<()>,
    wake: Condvar,
}

#[derive(Clone, Copy)]
struct Job {
    tasks: usize,
    work: *const (dyn Fn(usize, usize) + Sync),
}

// SAFETY: `job` is guarded by `state` as described at the field; the closure behind its pointer is Sync and outlives the job,
// since the caller waits for everyone inside. All else is Sync by itself.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

thread_local! {
    /// The worker index of this thread while it is inside a job.
    static WORKER: Cell<Option<usize>> = const { Cell::new(None) };
}

/// A panic inside a job is carried to the caller, so a poisoned lock guards nothing that is broken.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ThreadPool {
    /// A pool of `threads` threads, the caller's among them; 0 counts as 1. Every thread runs when this returns.
    ///
    /// # Errors
    /// Returns [`Error::Size`] if `threads` is more than [`MAX_THREADS`], [`Error::Thread`] if the operating system
    /// refuses a thread or the memory that it needs.
    pub fn new(threads: usize) -> Result<ThreadPool, Error> {
        if threads > MAX_THREADS {
            return Err(Error::Size { what: "threads of a pool, at most", wanted: MAX_THREADS, found: threads });
        }
        let shared = Arc::new(Shared {
            state: AtomicU64::new(0),
            job: UnsafeCell::new(None),
            next_task: AtomicUsize::new(0),
            panic: Mutex::new(None),
            workers: (1..threads).map(|_| ThreadId::default()).collect(),
            cpus: WorkerCpus::of_process(),
            stop: AtomicBool::new(false),
            sleepers: AtomicUsize::new(0),
            bed: Mutex::new(()),
            wake: Condvar::new(),
        });
        let mut pool = ThreadPool { shared, workers: Vec::new(), entry: Mutex::new(()), home: Process::this() };
        for index in 1..threads {
            let shared = Arc::clone(&pool.shared);
            let worker = start(format!("{WORKER_NAME}{index}"), move || shared.work_until_stopped(index))
                .map_err(|e| Error::Thread { index, reason: e.to_string() })?;
            pool.workers.push(worker);
        }
        Ok(pool)
    }

    /// The default number of threads, from 1 to [`MAX_THREADS`]: the limit that the environment sets
    /// ([`threads_from_environment`]), else one thread for each core that this process may use at once now ([`usable_cores`]).
    pub fn available() -> usize {
        threads_from_environment().map_or_else(usable_cores, |limit| limit.threads).min(MAX_THREADS)
    }
}

// SAFETY: the counter `next_task` gives each task to one worker, each thread works under its own number below `threads` (which stays,
// since no worker is added or ends before the pool is dropped), and `Shared::run` waits for every worker inside the job. The state's
// acquire and release order what is written before, in and after a job.
unsafe impl Parallel for ThreadPool {
    fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// A call from inside `work` runs its tasks one after the other, on the worker that it came from.
    fn run(&self, tasks: usize, work: &(dyn Fn(usize, usize) + Sync)) {
        if let Some(worker) = WORKER.get() {
            // It may be a worker of another, larger pool.
            let worker = worker.min(self.workers.len());
            return (0..tasks).for_each(|task| work(task, worker));
        }
        if tasks <= 1 || self.workers.is_empty() || !self.home.is_this() {
            return (0..tasks).for_each(|task| work(task, 0));
        }
        let entry = lock(&self.entry);
        self.shared.run(Job { tasks, work: std::ptr::from_ref(work).cast_static() });
        let panic = lock(&self.shared.panic).take();
        drop(entry);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }
}

/// Forgets how long the closure lives; [`Shared::run`] does not return before the last use.
trait CastStatic {
    fn cast_static(self) -> *const (dyn Fn(usize, usize) + Sync);
}

impl<'a> CastStatic for *const (dyn Fn(usize, usize) + Sync + 'a) {
    fn cast_static(self) -> *const (dyn Fn(usize, usize) + Sync) {
        // SAFETY: the two pointer types differ in a lifetime only.
        unsafe { std::mem::transmute(self) }
    }
}

impl Shared {
    /// Publishes the job, works on it, closes it and waits for those inside.
    fn run(&self, job: Job) {
        // SAFETY: the previous job is closed and nobody is inside, and the pool's entry lock admits one caller.
        unsafe { *self.job.get() = Some(job) };
        self.next_task.store(0, Ordering::Relaxed);
        let number = self.state.load(Ordering::Relaxed) & !(NEXT_JOB - 1);
        self.state.store(number.wrapping_add(NEXT_JOB) | OPEN, Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            self.workers.iter().for_each(|worker| self.cpus.keep_off_this_cpu(worker));
            drop(lock(&self.bed));
            self.wake.notify_all();
        }
        self.work_on(job, 0);
        self.state.fetch_and(!OPEN, Ordering::AcqRel);
        let mut spins = 0u32;
        while self.state.load(Ordering::Acquire) & INSIDE != 0 {
            spins += 1;
            if spins < 1 << 14 { std::hint::spin_loop() } else { std::thread::yield_now() }
        }
    }

    /// Takes tasks until none is left.
    fn work_on(&self, job: Job, worker: usize) {
        // SAFETY: we are inside the job, so the closure is alive.
        let work = unsafe { &*job.work };
        WORKER.set(Some(worker));
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            loop {
                let task = self.next_task.fetch_add(1, Ordering::Relaxed);
                if task >= job.tasks {
                    break;
                }
                work(task, worker);
            }
        }));
        WORKER.set(None);
        if let Err(panic) = outcome {
            self.next_task.store(job.tasks, Ordering::Relaxed);
            lock(&self.panic).get_or_insert(panic);
        }
    }

    fn work_until_stopped(&self, worker: usize) {
        self.workers[worker - 1].set_to_this_thread();
        self.cpus.admit_this_thread();
        float_mode::become_worker();
        let mut done = 0;
        while let Some(state) = self.wait_for_job(done) {
            if self.state.compare_exchange(state, state + 1, Ordering::AcqRel, Ordering::Relaxed).is_err() {
                continue;
            }
            done = state / NEXT_JOB;
            float_mode::clear_flags();
            // SAFETY: we are inside the job, so nobody writes it.
            if let Some(job) = unsafe { *self.job.get() } {
                self.work_on(job, worker);
            }
            self.state.fetch_sub(1, Ordering::Release);
        }
    }

    /// The state of an open job that this worker has not done yet; `None` when the pool stops.
    fn wait_for_job(&self, done: u64) -> Option<u64> {
        let fresh = |order| Some(self.state.load(order)).filter(|state| state & OPEN != 0 && state / NEXT_JOB != done);
        let stopped = || self.stop.load(Ordering::SeqCst);
        let start = Instant::now();
        while start.elapsed() < SPIN {
            for _ in 0..64 {
                if let Some(state) = fresh(Ordering::Acquire) {
                    return Some(state);
                }
                std::hint::spin_loop();
            }
        }
        // Whoever wakes it may narrow this down.
        self.cpus.admit_this_thread();
        let mut bed = lock(&self.bed);
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        let state = loop {
            let state = fresh(Ordering::SeqCst);
            if state.is_some() || stopped() {
                break state;
            }
            bed = self.wake.wait(bed).unwrap_or_else(PoisonError::into_inner);
        };
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
        state
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        if !self.home.is_this() {
            // Threads that do not exist cannot be joined, and a lock that one of them held stays locked.
            self.workers.drain(..).for_each(std::mem::forget);
            return;
        }
        self.shared.stop.store(true, Ordering::SeqCst);
        drop(lock(&self.shared.bed));
        self.shared.wake.notify_all();
        for worker in self.workers.drain(..) {
            // A worker catches every panic of its tasks, so there is nothing to learn from joining it.
            let _ = worker.join();
        }
    }
}

impl std::fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ThreadPool").field("threads", &self.threads()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_many_jobs_does_each_task_once() {
        for threads in 1..=4 {
            let pool = ThreadPool::new(threads).unwrap();
            for tasks in (0..200).chain([1000]) {
                let done: Vec<_> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                pool.run(tasks, &|task, worker| {
                    assert!(worker < threads);
                    done[task].fetch_add(1, Ordering::Relaxed);
                });
                assert!(done.iter().all(|n| n.load(Ordering::Relaxed) == 1), "{threads} threads, {tasks} tasks");
            }
        }
    }

    #[test]
    fn run_after_sleep_wakes_workers() {
        let pool = ThreadPool::new(2).unwrap();
        for _ in 0..3 {
            std::thread::sleep(10 * SPIN);
            let count = AtomicUsize::new(0);
            pool.run(64, &|_, _| _ = count.fetch_add(1, Ordering::Relaxed));
            assert_eq!(count.into_inner(), 64);
        }
    }

    #[test]
    fn panic_in_task_reaches_caller_and_pool_survives() {
        let pool = ThreadPool::new(3).unwrap();
        let caught = catch_unwind(AssertUnwindSafe(|| pool.run(50, &|task, _| assert_ne!(task, 7, "seven"))));
        assert!(caught.is_err());
        let count = AtomicUsize::new(0);
        pool.run(50, &|_, _| _ = count.fetch_add(1, Ordering::Relaxed));
        assert_eq!(count.into_inner(), 50);
    }

    #[test]
    fn nested_run_stays_on_its_worker() {
        let pool = ThreadPool::new(3).unwrap();
        let count = AtomicUsize::new(0);
        pool.run(8, &|_, outer| {
            pool.run(8, &|_, inner| {
                assert_eq!(inner, outer);
                count.fetch_add(1, Ordering::Relaxed);
            });
        });
        assert_eq!(count.into_inner(), 64);
    }

    #[test]
    fn many_callers_take_turns() {
        let pool = ThreadPool::new(2).unwrap();
        let count = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..50).for_each(|_| pool.run(10, &|_, _| _ = count.fetch_add(1, Ordering::Relaxed))));
            }
        });
        assert_eq!(count.into_inner(), 4 * 50 * 10);
    }
}
