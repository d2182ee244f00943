//! How many threads are worth having.

#[cfg(target_os = "linux")]
use std::collections::HashSet;

/// Cores that this process may use at once, by its affinity and its control group's quota; at least 1.
///
/// Of the hardware threads of a core only one counts: they share its arithmetic units, and a kernel that keeps those busy gains
/// nothing from the second.
pub(crate) fn usable() -> usize {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    match allowed_cores() {
        0 => threads,
        cores => cores.min(threads),
    }
}

/// Distinct cores among the CPUs that this thread may run on; 0 where the system does not tell.
#[cfg(target_os = "linux")]
fn allowed_cores() -> usize {
    let mut cores = HashSet::new();
    for cpu in allowed_cpus() {
        let siblings = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
        let Ok(siblings) = std::fs::read_to_string(siblings) else { return 0 };
        cores.insert(siblings);
    }
    cores.len()
}

#[cfg(not(target_os = "linux"))]
fn allowed_cores() -> usize {
    0
}

#[cfg(target_os = "linux")]
fn allowed_cpus() -> Vec<usize> {
    // SAFETY: a set of bits may be all zero, and the call writes one such set and nothing else.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) != 0 {
            return Vec::new();
        }
        (0..libc::CPU_SETSIZE as usize).filter(|&cpu| libc::CPU_ISSET(cpu, &set)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usable_cores_are_at_least_one_and_at_most_the_threads() {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        assert!((1..=threads).contains(&usable()));
    }
}
