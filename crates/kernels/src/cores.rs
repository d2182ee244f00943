//! Which CPUs a thread may run on, and how many threads are worth having.

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
    for cpu in allowed_cpus().unwrap_or_default() {
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

/// The CPUs that the calling thread may run on, ascending; `None` where the system does not tell.
#[cfg(target_os = "linux")]
pub fn allowed_cpus() -> Option<Vec<usize>> {
    // SAFETY: `cpu_set_t` is an array of integers, for which all zeros is a value: the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is ours and as large as the size given; 0 names the calling thread.
    if unsafe { libc::sched_getaffinity(0, size_of_val(&set), &mut set) } != 0 {
        return None;
    }
    // SAFETY: every index is below the number of bits of the set.
    Some((0..libc::CPU_SETSIZE as usize).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) }).collect())
}

/// The CPUs that the calling thread may run on; not known on this system.
#[cfg(not(target_os = "linux"))]
pub fn allowed_cpus() -> Option<Vec<usize>> {
    None
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
