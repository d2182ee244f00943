//! Hardware performance counters: cycles, instructions, cache and TLB misses, stalls.
//!
//! Linux provides them through perf_event_open(2) if the kernel, its settings and the hypervisor allow it; elsewhere, and
//! often in virtual machines and containers, there are none, and [`CounterError`] says which of these it is.
//!
//! ```
//! use cke_perf::counters::{Counters, Event};
//!
//! match Counters::open(&Event::HARDWARE) {
//!     Ok(mut counters) => {
//!         let (sum, counts) = counters.count(|| (0..1000u64).sum::<u64>());
//!         println!("{sum}: {:?} instructions per cycle", counts.instructions_per_cycle());
//!     }
//!     Err(error) => println!("no counters: {error}"),
//! }
//! ```

#![allow(unsafe_code, reason = "system calls that have no safe form in std")]

#[cfg(target_os = "linux")]
mod codes;
mod ratios;

pub use ratios::{Counted, Counting, Ratios, refusal};

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

/// What can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Cycles of the core at the clock it runs at.
    Cycles,
    /// Instructions that were retired.
    Instructions,
    /// Loads that missed the first-level data cache; on ARM its refills.
    L1dMisses,
    /// Refills of the second-level data cache; on ARM only, elsewhere the event has no common name.
    L2Misses,
    /// Accesses that missed the last-level cache, as Linux understands it: on AMD this is the second level.
    LastLevelMisses,
    /// Loads that missed the data TLB; on ARM refills of its first level.
    TlbMisses,
    /// Cycles in which the core got no instruction to execute.
    FrontendStalls,
    /// Cycles in which the core could execute nothing, for lack of data or units.
    BackendStalls,
    /// Pages that the kernel had to provide; counted by software.
    PageFaults,
    /// Times that the thread was taken off its CPU; counted by software.
    ContextSwitches,
}

impl Event {
    /// Those that the CPU counts.
    pub const HARDWARE: [Self; 8] = [
        Self::Cycles,
        Self::Instructions,
        Self::L1dMisses,
        Self::L2Misses,
        Self::LastLevelMisses,
        Self::TlbMisses,
        Self::FrontendStalls,
        Self::BackendStalls,
    ];

    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cycles => "cycles",
            Self::Instructions => "instructions",
            Self::L1dMisses => "L1 misses",
            Self::L2Misses => "L2 misses",
            Self::LastLevelMisses => "last-level misses",
            Self::TlbMisses => "TLB misses",
            Self::FrontendStalls => "front-end stalls",
            Self::BackendStalls => "back-end stalls",
            Self::PageFaults => "page faults",
            Self::ContextSwitches => "context switches",
        }
    }
}

/// Why nothing can be counted.
#[derive(Debug, thiserror::Error)]
pub enum CounterError {
    /// Not this operating system.
    #[error("performance counters are read on Linux only")]
    System,
    /// Settings forbid it.
    #[error(
        "the kernel does not allow it ({}): as root, `sysctl kernel.perf_event_paranoid=2` does; in a container its security \
         profile must allow perf_event_open too",
        paranoid.map_or("perf_event_open is refused".to_owned(), |level| format!("kernel.perf_event_paranoid is {level}"))
    )]
    Forbidden {
        /// The setting `kernel.perf_event_paranoid`.
        paranoid: Option<i32>,
    },
    /// The CPU, as far as this system sees it, has none.
    #[error("this machine shows no hardware counters, as is usual for virtual machines")]
    NoHardware,
    /// The kernel was built without them.
    #[error("this kernel has no performance events")]
    NoKernelSupport,
    /// Anything else.
    #[error("perf_event_open: {0}")]
    Failed(#[from] io::Error),
}

/// What was counted during one piece of work.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Counts {
    counts: BTreeMap<Event, f64>,
}

impl FromIterator<(Event, f64)> for Counts {
    fn from_iter<I: IntoIterator<Item = (Event, f64)>>(counts: I) -> Self {
        Self { counts: counts.into_iter().collect() }
    }
}

impl Counts {
    /// The count of one event; `None` if it was not counted. If the CPU has fewer counters than events, they take turns,
    /// and this is an estimate from the time that the event had one.
    pub fn get(&self, event: Event) -> Option<f64> {
        self.counts.get(&event).copied()
    }

    /// The mean of `calls` equal pieces of work that were counted together.
    #[must_use]
    pub fn per(mut self, calls: u64) -> Self {
        self.counts.values_mut().for_each(|count| *count /= calls as f64);
        self
    }

    /// Instructions / cycles.
    pub fn instructions_per_cycle(&self) -> Option<f64> {
        let cycles = self.get(Event::Cycles).filter(|&cycles| cycles > 0.0)?;
        Some(self.get(Event::Instructions)? / cycles)
    }
}

/// Whose events are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Threads {
    /// Those of the calling thread.
    This,
    /// Also those of threads that it starts later, and of theirs.
    AndLaterOnes,
}

/// Counters of the thread that opened them, user mode only for what the hardware counts.
#[derive(Debug)]
pub struct Counters {
    open: Vec<(Event, system::Counter)>,
}

/// What a counter says at one moment: its count, and the nanoseconds in which it was wanted and in which it ran.
#[derive(Clone, Copy, Debug)]
struct Reading {
    count: u64,
    enabled: u64,
    running: u64,
}

impl Reading {
    /// Together with the same event on the cores of another kind: both are wanted all the time, and a thread runs on one of them.
    #[cfg(target_os = "linux")]
    fn with_other_cores(self, other: Self) -> Self {
        Self {
            count: self.count.saturating_add(other.count),
            enabled: self.enabled.max(other.enabled),
            running: self.running.saturating_add(other.running),
        }
    }

    /// Events since an earlier reading, scaled to the whole time if the counter ran for a part of it; `None` if it never ran.
    fn since(self, earlier: Self) -> Option<f64> {
        let running = self.running.checked_sub(earlier.running).filter(|&time| time > 0)?;
        let enabled = self.enabled.checked_sub(earlier.enabled)?;
        Some(self.count.checked_sub(earlier.count)? as f64 * (enabled as f64 / running as f64))
    }
}

impl Counters {
    /// Opens a counter for each of `events` that is available, for the calling thread.
    ///
    /// # Errors
    ///
    /// If none is available: the reason for the first.
    pub fn open(events: &[Event]) -> Result<Self, CounterError> {
        Self::open_for(Threads::This, events)
    }

    /// As [`Counters::open`]; also counts events of the threads that the calling thread starts from now on, together.
    ///
    /// # Errors
    ///
    /// As [`Counters::open`].
    pub fn open_with_later_threads(events: &[Event]) -> Result<Self, CounterError> {
        Self::open_for(Threads::AndLaterOnes, events)
    }

    fn open_for(threads: Threads, events: &[Event]) -> Result<Self, CounterError> {
        let mut refusal = None;
        let mut open = Vec::with_capacity(events.len());
        for &event in events {
            match system::Counter::open(event, threads) {
                Ok(counter) => open.push((event, counter)),
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        match refusal {
            Some(error) if open.is_empty() => Err(error),
            _ => Ok(Self { open }),
        }
    }

    /// What is counted.
    pub fn events(&self) -> impl Iterator<Item = Event> {
        self.open.iter().map(|&(event, _)| event)
    }

    /// Runs `work` on this thread and counts its events.
    pub fn count<R>(&mut self, work: impl FnOnce() -> R) -> (R, Counts) {
        // Differences, since the times of a counter cannot be set to 0.
        let before: Vec<_> = self.open.iter().map(|(_, counter)| counter.read()).collect();
        self.open.iter().for_each(|(_, counter)| counter.start());
        let result = work();
        self.open.iter().for_each(|(_, counter)| counter.stop());
        let difference = |((event, counter), before): (&(Event, system::Counter), Option<Reading>)| {
            Some((*event, counter.read()?.since(before?)?))
        };
        (result, self.open.iter().zip(before).filter_map(difference).collect())
    }
}

#[cfg(target_os = "linux")]
mod system {
    //! perf_event_open(2). The structure and constants are those of the kernel's `include/uapi/linux/perf_event.h`.

    use super::codes::{Code, codes};
    use super::{CounterError, Event, Reading, Threads};
    use std::io;
    use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

    /// `struct perf_event_attr` in its first published version, 64 bytes.
    #[repr(C)]
    #[derive(Default)]
    struct Attributes {
        kind: u32,
        size: u32,
        config: u64,
        sample_period: u64,
        sample_type: u64,
        read_format: u64,
        flags: u64,
        wakeup_events: u32,
        breakpoint_kind: u32,
        breakpoint_address: u64,
    }

    /// Time enabled and time running follow the count.
    const READ_TIMES: u64 = 1 | 2;
    const FLAG_DISABLED: u64 = 1;
    /// Threads that the thread starts later are counted, too.
    const FLAG_INHERIT: u64 = 1 << 1;
    const FLAG_EXCLUDE_KERNEL: u64 = 1 << 5;
    const FLAG_EXCLUDE_HYPERVISOR: u64 = 1 << 6;
    const OPEN_CLOSE_ON_EXEC: libc::c_ulong = 8;
    const REQUEST_ENABLE: libc::Ioctl = 0x2400;
    const REQUEST_DISABLE: libc::Ioctl = 0x2401;

    /// One event on every core.
    #[derive(Debug)]
    pub(super) struct Counter(Vec<CoreCounter>);

    impl Counter {
        pub(super) fn open(event: Event, threads: Threads) -> Result<Self, CounterError> {
            let codes = codes(event);
            if codes.is_empty() {
                return Err(CounterError::NoHardware);
            }
            Ok(Self(codes.into_iter().map(|code| CoreCounter::open(code, threads)).collect::<Result<_, _>>()?))
        }

        pub(super) fn start(&self) {
            self.0.iter().for_each(|counter| counter.request(REQUEST_ENABLE));
        }

        pub(super) fn stop(&self) {
            self.0.iter().for_each(|counter| counter.request(REQUEST_DISABLE));
        }

        /// `None` if the system does not say, which happens to counters in an error state.
        pub(super) fn read(&self) -> Option<Reading> {
            self.0.iter().map(CoreCounter::read).reduce(|x, y| Some(x?.with_other_cores(y?)))?
        }
    }

    /// One event on the cores of one kind.
    #[derive(Debug)]
    struct CoreCounter(OwnedFd);

    impl CoreCounter {
        fn open(code: Code, threads: Threads) -> Result<Self, CounterError> {
            let (kind, config) = code.numbers();
            // What software counts happens in the kernel.
            let modes = if code.is_of_software() { 0 } else { FLAG_EXCLUDE_KERNEL | FLAG_EXCLUDE_HYPERVISOR };
            let inherit = if threads == Threads::AndLaterOnes { FLAG_INHERIT } else { 0 };
            let attributes = Attributes {
                kind,
                size: size_of::<Attributes>() as u32,
                config,
                read_format: READ_TIMES,
                flags: FLAG_DISABLED | inherit | modes,
                ..Attributes::default()
            };
            let (this_thread, any_cpu, no_group): (libc::pid_t, libc::c_int, libc::c_int) = (0, -1, -1);
            // SAFETY: the structure is of the size it says and outlives the call, which only reads it.
            let fd = unsafe {
                libc::syscall(
                    libc::SYS_perf_event_open,
                    &raw const attributes,
                    this_thread,
                    any_cpu,
                    no_group,
                    OPEN_CLOSE_ON_EXEC,
                )
            };
            match i32::try_from(fd) {
                // SAFETY: the call succeeded, so the descriptor is new and ours alone.
                Ok(fd) if fd >= 0 => Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) })),
                _ => Err(refusal(io::Error::last_os_error())),
            }
        }

        fn request(&self, request: libc::Ioctl) {
            // SAFETY: the descriptor is open, and these requests take no pointer.
            unsafe { libc::ioctl(self.0.as_raw_fd(), request, 0) };
        }

        fn read(&self) -> Option<Reading> {
            let mut values = [0u64; 3];
            let size = size_of_val(&values);
            // SAFETY: `values` is ours and as large as the size given.
            let read = unsafe { libc::read(self.0.as_raw_fd(), values.as_mut_ptr().cast(), size) };
            let [count, enabled, running] = values;
            (read == size as isize).then_some(Reading { count, enabled, running })
        }
    }

    fn refusal(error: io::Error) -> CounterError {
        match error.raw_os_error() {
            Some(libc::EACCES | libc::EPERM) => CounterError::Forbidden { paranoid: paranoid_level() },
            Some(libc::ENOENT | libc::ENODEV | libc::EOPNOTSUPP) => CounterError::NoHardware,
            Some(libc::ENOSYS) => CounterError::NoKernelSupport,
            _ => CounterError::Failed(error),
        }
    }

    fn paranoid_level() -> Option<i32> {
        std::fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").ok()?.trim().parse().ok()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn attributes_have_the_size_of_their_first_version() {
            assert_eq!(size_of::<Attributes>(), 64);
        }

        #[test]
        fn refusal_says_which_thing_is_missing() {
            let of = |code| refusal(io::Error::from_raw_os_error(code)).to_string();
            assert!(of(libc::EACCES).contains("does not allow it"));
            assert!(of(libc::ENOENT).contains("virtual machines"));
            assert!(of(libc::ENOSYS).contains("no performance events"));
            assert!(of(libc::EMFILE).starts_with("perf_event_open: "));
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::{CounterError, Event, Reading, Threads};

    #[derive(Debug)]
    pub(super) struct Counter;

    impl Counter {
        pub(super) fn open(_event: Event, _threads: Threads) -> Result<Self, CounterError> {
            Err(CounterError::System)
        }

        pub(super) fn start(&self) {}

        pub(super) fn stop(&self) {}

        pub(super) fn read(&self) -> Option<Reading> {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Touches pages that no process has touched before.
    fn fault(pages: usize) -> Vec<u8> {
        std::hint::black_box(vec![1u8; pages * 4096])
    }

    #[test]
    fn count_page_faults_sees_new_pages() {
        // If the system counts nothing at all, there is nothing to test.
        let Ok(mut counters) = Counters::open(&[Event::PageFaults]) else { return };
        let (memory, counts) = counters.count(|| fault(4096));
        assert_eq!(memory.len(), 4096 * 4096);
        let faults = counts.get(Event::PageFaults).expect("it ran");
        // Huge pages need fewer faults.
        assert!((1.0..10_000.0).contains(&faults), "{faults}");
        let (_, nothing) = counters.count(|| ());
        assert!(nothing.get(Event::PageFaults).is_none_or(|faults| faults < 10.0), "{nothing:?}");
    }

    #[test]
    fn count_hardware_events_is_plausible_or_refused_in_words() {
        match Counters::open(&Event::HARDWARE) {
            Ok(mut counters) => {
                let (_, counts) = counters.count(|| (0..1_000_000u64).map(std::hint::black_box).sum::<u64>());
                assert!(
                    counts.instructions_per_cycle().is_none_or(|ratio| (0.01..20.0).contains(&ratio)),
                    "{counts:?}"
                );
            }
            Err(error) => assert!(error.to_string().len() > 20, "{error}"),
        }
    }

    #[test]
    fn reading_since_scales_to_the_time_in_which_the_counter_was_wanted() {
        let at = |count, enabled, running| Reading { count, enabled, running };
        assert_eq!(at(500, 90, 80).since(at(100, 10, 0)), Some(400.0));
        assert_eq!(at(500, 90, 20).since(at(100, 10, 0)), Some(1600.0));
        assert_eq!(at(500, 90, 20).since(at(500, 10, 20)), None, "it never ran");
        assert_eq!(at(0, 0, 0).since(at(1, 1, 1)), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn reading_of_two_kinds_of_cores_is_their_sum() {
        let at = |count, enabled, running| Reading { count, enabled, running };
        let begun = at(0, 0, 0).with_other_cores(at(0, 0, 0));
        let of = |small, large| Reading::with_other_cores(small, large).since(begun);
        assert_eq!(of(at(100, 30, 10), at(800, 30, 20)), Some(900.0));
        assert_eq!(of(at(0, 30, 0), at(800, 31, 31)), Some(800.0), "never on the small cores");
        assert_eq!(of(at(50, 40, 10), at(450, 40, 10)), Some(1000.0), "half of the time without a counter");
        assert_eq!(of(at(0, 30, 0), at(0, 30, 0)), None);
    }

    #[test]
    fn count_with_later_threads_counts_theirs_too() {
        let Ok(mut counters) = Counters::open_with_later_threads(&[Event::PageFaults]) else { return };
        let of_thread = || std::thread::spawn(|| fault(4096).len()).join().expect("no panic");
        let (bytes, counts) = counters.count(of_thread);
        assert_eq!(bytes, 4096 * 4096);
        assert!(counts.get(Event::PageFaults).is_some_and(|faults| faults >= 1.0), "{counts:?}");
    }

    #[test]
    fn instructions_per_cycle_needs_both_counts() {
        let counts = |counts: &[(Event, f64)]| counts.iter().copied().collect::<Counts>();
        let both = counts(&[(Event::Instructions, 30.0), (Event::Cycles, 10.0)]);
        assert_eq!(both.instructions_per_cycle(), Some(3.0));
        assert_eq!(counts(&[(Event::Instructions, 30.0)]).instructions_per_cycle(), None);
        assert_eq!(counts(&[(Event::Instructions, 30.0), (Event::Cycles, 0.0)]).instructions_per_cycle(), None);
    }
}
