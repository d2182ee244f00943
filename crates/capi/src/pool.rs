//! Threads: the library's own pool, or the caller's through a callback.

use crate::handle::{borrow, create, destroy};
use crate::status::{Failure, cke_status, ffi_boundary};
use cke_kernels::threads::{MAX_THREADS, Parallel, Serial, ThreadPool};
use std::any::Any;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Threads to spread work over. Contexts that share a pool may be used from several threads at once; their calls take turns.
pub struct cke_pool {
    pool: SharedPool,
}

/// A pool that contexts share.
pub(crate) type SharedPool = Arc<dyn Parallel + Send + Sync>;

/// One task, to be called by a caller's own pool: `work(ctx, task, worker)`. Any thread may call it.
pub type cke_work = Option<unsafe extern "C" fn(ctx: *mut c_void, task: usize, worker: usize)>;

/// A caller's own pool of threads.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cke_own_pool {
    /// sizeof(struct cke_own_pool), so that later versions can tell which fields there are.
    pub size: usize,
    /// Passed to `run`; the library does not look at it.
    pub pool: *mut c_void,
    /// The most tasks that run at once, from 1 to 1024.
    pub threads: usize,
    /// Calls `work(ctx, task, worker)` exactly once for each task in 0 … tasks − 1, in any order, and returns when all have
    /// returned. worker is below `threads`, and no two calls that run at once have the same one. May be called from several threads at
    /// once if several contexts use the pool. It returns: if it leaves by an exception, the process is ended, since tasks may still
    /// be running; nor may it leave by longjmp.
    pub run: Option<unsafe extern "C-unwind" fn(pool: *mut c_void, tasks: usize, work: cke_work, ctx: *mut c_void)>,
}

/// What a caller's own pool did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PoolFault {
    #[error("the caller's pool passed task {task} of {tasks} with worker {worker} of {threads}")]
    OutOfRange { task: usize, tasks: usize, worker: usize, threads: usize },
    #[error("the caller's pool was given {tasks} tasks and ran {ran}")]
    Count { tasks: usize, ran: usize },
}

/// Starts a pool of `threads` threads, the calling one among them, so threads − 1 are started; 0 means the number in the first of
/// the environment variables CKE_NUM_THREADS, OMP_NUM_THREADS, OPENBLAS_NUM_THREADS, MKL_NUM_THREADS and BLIS_NUM_THREADS that has
/// one, else one for each core that this process may use.
///
/// Idle threads spin for about 50 µs and then sleep. More than 1024 threads are CKE_ERROR_SIZE, and none is started.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cke_pool_create(threads: usize, out: *mut *mut cke_pool) -> cke_status {
    let threads = if threads == 0 { ThreadPool::available() } else { threads };
    // SAFETY: promised by the caller.
    unsafe { create(out, || Ok(cke_pool { pool: Arc::new(ThreadPool::new(threads)?) })) }
}

/// Makes a pool of the caller's own threads. The struct is copied; what its `pool` points to has to live until the pool and all
/// contexts made with it are destroyed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cke_pool_wrap(own: *const cke_own_pool, out: *mut *mut cke_pool) -> cke_status {
    // SAFETY: promised by the caller.
    unsafe { create(out, || Ok(cke_pool { pool: Arc::new(OwnPool::new(borrow(own, "own")?)?) })) }
}

/// The number of threads; 0 if pool is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cke_pool_threads(pool: *const cke_pool) -> usize {
    let mut threads = 0;
    ffi_boundary(|| {
        // SAFETY: promised by the caller.
        threads = unsafe { borrow(pool, "pool") }?.pool.threads();
        Ok(())
    });
    threads
}

/// Destroys a pool. Its threads end with the last context that was made with it. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cke_pool_destroy(pool: *mut cke_pool) {
    // SAFETY: promised by the caller.
    unsafe { destroy(pool) }
}

/// The pool behind a handle; for NULL the calling thread alone.
///
/// # Safety
/// `pool` is NULL or a handle.
pub(crate) unsafe fn shared(pool: *const cke_pool) -> SharedPool {
    // SAFETY: promised by the caller.
    unsafe { pool.as_ref() }.map_or_else(|| Arc::new(Serial) as SharedPool, |pool| Arc::clone(&pool.pool))
}

/// A caller's pool as the kernels see it.
struct OwnPool {
    pool: *mut c_void,
    threads: usize,
    run: unsafe extern "C-unwind" fn(pool: *mut c_void, tasks: usize, work: cke_work, ctx: *mut c_void),
}

/// Ends the process when it is dropped: tasks that still run use what the call has borrowed.
struct NoWayOut;

impl Drop for NoWayOut {
    #[allow(clippy::print_stderr, reason = "the process ends here, and nothing else can say why")]
    fn drop(&mut self) {
        eprintln!(
            "cke: wanted run of a cke_own_pool to return, but it threw an exception; ended, since its tasks may still be running"
        );
        std::process::abort()
    }
}

// SAFETY: the library only passes the pointer back, and the caller promises that `run` may be called from any thread.
unsafe impl Send for OwnPool {}
// SAFETY: as above, and from several at once.
unsafe impl Sync for OwnPool {}

impl OwnPool {
    fn new(own: &cke_own_pool) -> Result<Self, Failure> {
        let cke_own_pool { size, pool, threads, run } = *own;
        if size != size_of::<cke_own_pool>() {
            return Err(Failure::Version { what: "cke_own_pool", wanted: size_of::<cke_own_pool>(), found: size });
        }
        let run = run.ok_or(Failure::Null("run of cke_own_pool"))?;
        if threads == 0 {
            return Err(
                cke_kernels::Error::Size { what: "threads of cke_own_pool, at least", wanted: 1, found: 0 }.into()
            );
        }
        if threads > MAX_THREADS {
            let what = "threads of cke_own_pool, at most";
            return Err(cke_kernels::Error::Size { what, wanted: MAX_THREADS, found: threads }.into());
        }
        Ok(OwnPool { pool, threads, run })
    }
}

/// One call of [`OwnPool::run`], which the caller's threads come back to through `run_task`.
struct Call<'a> {
    work: &'a (dyn Fn(usize, usize) + Sync),
    tasks: usize,
    threads: usize,
    ran: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

// SAFETY: `threads` stays, at least 1 and at most MAX_THREADS. The caller of cke_pool_wrap promised that `run` calls each task once,
// under a number that no other call has at the time, and returns after the last one. Numbers out of range and a wrong count are
// found at run time.
unsafe impl Parallel for OwnPool {
    fn threads(&self) -> usize {
        self.threads
    }

    /// # Panics
    /// With a [`PoolFault`] if the caller's pool broke its promise.
    fn run(&self, tasks: usize, work: &(dyn Fn(usize, usize) + Sync)) {
        if tasks <= 1 || self.threads == 1 {
            return Serial.run(tasks, work);
        }
        let (ran, panic) = (AtomicUsize::new(0), Mutex::new(None));
        let call = Call { work, tasks, threads: self.threads, ran, panic };
        let no_way_out = NoWayOut;
        // SAFETY: the caller promises that `run` calls back with this context while it has not returned, and not afterwards.
        unsafe { (self.run)(self.pool, tasks, Some(run_task), std::ptr::from_ref(&call).cast_mut().cast()) };
        std::mem::forget(no_way_out);
        if let Some(panic) = call.panic.into_inner().unwrap_or_else(PoisonError::into_inner) {
            resume_unwind(panic);
        }
        let ran = call.ran.into_inner();
        if ran != tasks {
            resume_unwind(Box::new(PoolFault::Count { tasks, ran }));
        }
    }
}

/// The `work` that a caller's pool is given.
///
/// # Safety
/// `ctx` is the one that came with it, and its [`OwnPool::run`] has not returned.
unsafe extern "C" fn run_task(ctx: *mut c_void, task: usize, worker: usize) {
    // SAFETY: promised by the caller.
    let Call { work, tasks, threads, ran, panic } = unsafe { &*ctx.cast::<Call<'_>>() };
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        if task >= *tasks || worker >= *threads {
            let fault = PoolFault::OutOfRange { task, tasks: *tasks, worker, threads: *threads };
            resume_unwind(Box::new(fault));
        }
        work(task, worker);
        ran.fetch_add(1, Ordering::Relaxed);
    }));
    if let Err(payload) = outcome {
        panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(payload);
    }
}
