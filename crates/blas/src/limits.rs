//! How many threads a large product may use: what the program set, what the environment sets, or the cores that the process may use now;
//! never more than the BLAS library that this one was preloaded over may use.

use crate::other_blas;
use cke_kernels::cores::{threads_from_environment, usable_cores};
use cke_kernels::threads::MAX_THREADS;
use std::ffi::c_int;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What the program set; 0 for nothing.
static SET: AtomicUsize = AtomicUsize::new(0);

/// The threads that a large product may use.
pub(crate) fn count() -> usize {
    let now = Now::of_process();
    now.look_if_due();
    let own = match SET.load(Ordering::Relaxed) {
        0 => from_environment().unwrap_or_else(|| now.cores.load(Ordering::Relaxed)),
        threads => threads,
    };
    own.min(other_blas::lowered_limit().unwrap_or(usize::MAX)).clamp(1, MAX_THREADS)
}

/// Sets [`count`]; below 1: as the environment says again.
pub(crate) fn set_count(threads: c_int) {
    SET.store(usize::try_from(threads).unwrap_or(0).min(MAX_THREADS), Ordering::Relaxed);
}

/// What the environment said when it was first asked: C programs change it while others read it.
fn from_environment() -> Option<usize> {
    static LIMIT: OnceLock<Option<usize>> = OnceLock::new();
    *LIMIT.get_or_init(|| threads_from_environment().map(|limit| limit.threads))
}

/// What holds now, found out every so often, since no call is to wait for it.
struct Now {
    start: Instant,
    /// When it is to be found out again, in nanoseconds after `start`.
    next_look_ns: AtomicU64,
    /// The cores that the process may use.
    cores: AtomicUsize,
}

/// Time between two looks, and how many times longer than a look it is at least.
const INTERVAL: Duration = Duration::from_millis(100);
const INTERVAL_OVER_LOOK: u32 = 200;

impl Now {
    fn of_process() -> &'static Now {
        static NOW: OnceLock<Now> = OnceLock::new();
        NOW.get_or_init(|| {
            let now = Now { start: Instant::now(), next_look_ns: AtomicU64::new(0), cores: AtomicUsize::new(1) };
            now.look();
            now
        })
    }

    fn look(&self) {
        let start = Instant::now();
        self.cores.store(usable_cores(), Ordering::Relaxed);
        other_blas::look();
        let next = self.start.elapsed() + INTERVAL.max(start.elapsed() * INTERVAL_OVER_LOOK);
        self.next_look_ns.store(next.as_nanos() as u64, Ordering::Relaxed);
    }

    fn look_if_due(&self) {
        let now = self.start.elapsed().as_nanos() as u64;
        let due = self.next_look_ns.load(Ordering::Relaxed);
        let later = now.saturating_add(INTERVAL.as_nanos() as u64);
        // One thread looks; the others go on with what is known.
        if now >= due && self.next_look_ns.compare_exchange(due, later, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.look();
        }
    }
}
