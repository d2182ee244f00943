//! The CPUs that this process may use, and how many threads are worth having.
//!
//! Each thread has a set of CPUs of its own. What the process may use is the union over its threads, the library's own workers aside: a
//! thread that was bound to one CPU, by OpenMP for example, does not speak for the others.

mod control_group;
mod cpu_set;
mod limit;
mod quota;

pub use control_group::ControlGroup;
pub(crate) use cpu_set::CpuSet;
pub use limit::{THREAD_VARIABLES, ThreadLimit, threads_from_environment};
pub use quota::cpu_quota;

use std::collections::BTreeSet;
use std::path::Path;

/// Names of the library's worker threads begin with this.
pub(crate) const WORKER_NAME: &str = "cke-";

/// Cores that this process may use at once, by the affinity of its threads and its control group's quota; at least 1.
///
/// Of the hardware threads of a core only one counts: they share its arithmetic units, and a kernel that keeps those busy gains
/// nothing from the second.
pub fn usable_cores() -> usize {
    let Some(cpus) = CpuSet::of_process() else {
        return std::thread::available_parallelism().map_or(1, usize::from);
    };
    let cores = distinct_cores(&cpus).unwrap_or(cpus.len());
    let quota = cpu_quota(Path::new("/")).map_or(usize::MAX, |cpus| cpus as usize);
    cores.min(quota).max(1)
}

/// Distinct cores among these CPUs; `None` if the system does not tell.
fn distinct_cores(cpus: &CpuSet) -> Option<usize> {
    let siblings =
        |cpu| std::fs::read_to_string(format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"));
    let cores: Result<BTreeSet<String>, _> = cpus.iter().map(siblings).collect();
    cores.ok().map(|cores| cores.len())
}

/// The CPUs that the calling thread may run on, ascending; `None` if the system does not tell.
pub fn allowed_cpus() -> Option<Vec<usize>> {
    Some(CpuSet::of_this_thread()?.iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usable_cores_are_at_least_one_and_at_most_the_allowed_cpus() {
        let cpus = CpuSet::of_process().map_or(usize::MAX, |cpus| cpus.len());
        assert!((1..=cpus).contains(&usable_cores()));
    }
}
