//! Sets of CPUs, as the operating system binds threads to them.

#[cfg(target_os = "linux")]
pub(crate) use linux::CpuSet;
#[cfg(not(target_os = "linux"))]
pub(crate) use unknown::CpuSet;

#[cfg(target_os = "linux")]
mod linux {
    use crate::cores::WORKER_NAME;
    use std::mem::MaybeUninit;

    /// A set of CPUs.
    #[derive(Clone, Copy)]
    pub(crate) struct CpuSet(libc::cpu_set_t);

    impl CpuSet {
        fn empty() -> CpuSet {
            // SAFETY: an array of integers, for which all zeros is a value: the empty set.
            CpuSet(unsafe { MaybeUninit::zeroed().assume_init() })
        }

        /// The CPUs that a thread may run on, 0 being the calling one; `None` if the system does not tell.
        fn of_thread(thread: libc::pid_t) -> Option<CpuSet> {
            let mut set = CpuSet::empty();
            // SAFETY: `set` is ours and as large as the size given.
            let status = unsafe { libc::sched_getaffinity(thread, size_of_val(&set.0), &mut set.0) };
            (status == 0).then_some(set)
        }

        /// The CPUs that the calling thread may run on.
        pub(crate) fn of_this_thread() -> Option<CpuSet> {
            CpuSet::of_thread(0)
        }

        /// The CPUs that any thread of the process may run on, but for the library's workers.
        pub(crate) fn of_process() -> Option<CpuSet> {
            let mut all = CpuSet::of_this_thread()?;
            for thread in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
                let name = std::fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
                let number = thread.file_name().to_str().and_then(|name| name.parse().ok());
                if let (false, Some(number)) = (name.starts_with(WORKER_NAME), number)
                    && let Some(set) = CpuSet::of_thread(number)
                {
                    set.iter().for_each(|cpu| all.insert(cpu));
                }
            }
            Some(all)
        }

        /// Binds a thread to these CPUs, 0 being the calling one; a refusal does no harm.
        pub(crate) fn bind(&self, thread: libc::pid_t) {
            // SAFETY: reads one set of the size given. A thread that has ended is not found.
            unsafe { libc::sched_setaffinity(thread, size_of_val(&self.0), &self.0) };
        }

        /// The same without one CPU; `None` if nothing is left.
        pub(crate) fn without(mut self, cpu: usize) -> Option<CpuSet> {
            if cpu < libc::CPU_SETSIZE as usize {
                // SAFETY: the index is below the number of bits.
                unsafe { libc::CPU_CLR(cpu, &mut self.0) };
            }
            (self.len() > 0).then_some(self)
        }

        fn insert(&mut self, cpu: usize) {
            // SAFETY: `cpu` came from a set, so it is below the number of bits.
            unsafe { libc::CPU_SET(cpu, &mut self.0) };
        }

        /// How many there are.
        pub(crate) fn len(&self) -> usize {
            // SAFETY: reads the set.
            unsafe { libc::CPU_COUNT(&self.0) as usize }
        }

        /// Their numbers, ascending.
        pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
            // SAFETY: every index is below the number of bits.
            (0..libc::CPU_SETSIZE as usize).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &self.0) })
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod unknown {
    /// A set of CPUs, which this system does not tell.
    #[derive(Clone, Copy)]
    pub(crate) enum CpuSet {}

    impl CpuSet {
        pub(crate) fn of_this_thread() -> Option<CpuSet> {
            None
        }

        pub(crate) fn of_process() -> Option<CpuSet> {
            None
        }

        pub(crate) fn len(&self) -> usize {
            match *self {}
        }

        pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
            std::iter::empty()
        }
    }
}
