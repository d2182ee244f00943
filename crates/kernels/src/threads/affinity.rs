//! On which CPUs workers run.

/// The operating system's name for a worker; 0 before it runs, and on systems that have none.
#[derive(Default)]
pub(super) struct ThreadId(#[cfg(target_os = "linux")] std::sync::atomic::AtomicI32);

/// The CPUs that a pool's workers may run on: the process's when the pool was made, whatever the thread that made it is bound to.
#[derive(Clone, Copy)]
pub(super) struct WorkerCpus(#[cfg(target_os = "linux")] Option<crate::cores::CpuSet>);

#[cfg(target_os = "linux")]
mod linux {
    use super::{ThreadId, WorkerCpus};
    use crate::cores::CpuSet;
    use std::sync::atomic::Ordering;

    impl WorkerCpus {
        pub(in crate::threads) fn of_process() -> WorkerCpus {
            WorkerCpus(CpuSet::of_process())
        }

        /// Lets the calling worker run on all of them.
        pub(in crate::threads) fn admit_this_thread(&self) {
            if let Some(cpus) = &self.0 {
                cpus.bind(0);
            }
        }

        /// Asks the operating system to run a worker, which sleeps, on any of them but the one that the caller is on: if all others are
        /// busy it would be put there, and only take turns with the caller.
        pub(in crate::threads) fn keep_off_this_cpu(&self, worker: &ThreadId) {
            let thread = worker.0.load(Ordering::Relaxed);
            // SAFETY: asks for a number.
            let cpu = usize::try_from(unsafe { libc::sched_getcpu() });
            if let (true, Some(cpus), Ok(cpu)) = (thread != 0, self.0, cpu)
                && let Some(others) = cpus.without(cpu)
            {
                others.bind(thread);
            }
        }
    }

    impl ThreadId {
        pub(in crate::threads) fn set_to_this_thread(&self) {
            // SAFETY: asks for a number.
            self.0.store(unsafe { libc::gettid() }, Ordering::Relaxed);
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl WorkerCpus {
    pub(super) fn of_process() -> WorkerCpus {
        WorkerCpus()
    }

    pub(super) fn admit_this_thread(&self) {}

    pub(super) fn keep_off_this_cpu(&self, _worker: &ThreadId) {}
}

#[cfg(not(target_os = "linux"))]
impl ThreadId {
    pub(super) fn set_to_this_thread(&self) {}
}
