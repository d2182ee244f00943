//! On which CPUs this thread may run.

#![allow(unsafe_code, reason = "system calls that have no safe form in std")]

pub use cke_kernels::cores::allowed_cpus;

/// The last CPU that this thread may run on, for measurements with one thread: interrupts mostly go to the first.
pub fn last_allowed_cpu() -> Option<usize> {
    allowed_cpus()?.last().copied()
}

/// Binds the calling thread to one CPU until it ends; false if the system refuses.
#[cfg(target_os = "linux")]
pub fn pin_to(cpu: usize) -> bool {
    if cpu >= libc::CPU_SETSIZE as usize {
        return false;
    }
    // SAFETY: `cpu_set_t` is an array of integers, for which all zeros is a value: the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `cpu` is below the number of bits of the set.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: `set` is ours and as large as the size given; 0 names the calling thread.
    unsafe { libc::sched_setaffinity(0, size_of_val(&set), &set) == 0 }
}

/// Binds the calling thread to one CPU; refused on this system.
#[cfg(not(target_os = "linux"))]
pub fn pin_to(_cpu: usize) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn pin_to_allowed_cpu_leaves_only_that_one() {
        let last = last_allowed_cpu().expect("Linux tells");
        let after = std::thread::spawn(move || (pin_to(last), allowed_cpus())).join().expect("no panic");
        assert_eq!(after, (true, Some(vec![last])));
    }

    #[test]
    fn pin_to_impossible_cpu_is_refused() {
        assert!(!pin_to(usize::MAX));
    }
}
