//! The memory that this process may still take: what the machine has free, or less if a control group or the address space has a limit.
//!
//! Sources: proc_meminfo(5), proc_pid_limits(5); the kernel's admin-guide pages on the memory controllers of cgroup v1 and v2.

use crate::host::SystemFiles;
use cke_kernels::cores::ControlGroup;

/// Memory that nobody holds, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeMemory {
    /// What can be allocated without swapping; copies of files that can be read again count as free.
    pub available: u64,
    /// What can be swapped out besides.
    pub swap: u64,
    /// Whether it is what a limit on the address space (`ulimit -v`) leaves, which is less than the system has.
    pub is_address_limit: bool,
}

impl FreeMemory {
    /// The memory that is free now; `None` if the system does not tell.
    pub fn now() -> Option<FreeMemory> {
        FreeMemory::read(&SystemFiles::new("/"))
    }

    pub(crate) fn read(files: &SystemFiles) -> Option<FreeMemory> {
        let machine = files.kib_field("proc/meminfo", "MemAvailable")?;
        let groups = ControlGroup::all(&files.root, "memory");
        let available = groups.iter().filter_map(free_in).fold(machine, u64::min);
        let swap = files.kib_field("proc/meminfo", "SwapFree").unwrap_or(0);
        let free = FreeMemory { available, swap, is_address_limit: false };
        Some(match free_addresses(files) {
            Some(left) if left < free.with_swap() => FreeMemory {
                available: available.min(left),
                swap: left.saturating_sub(available),
                is_address_limit: true,
            },
            _ => free,
        })
    }

    /// With what can be swapped out.
    pub fn with_swap(self) -> u64 {
        self.available.saturating_add(self.swap)
    }
}

/// What the limit on the address space leaves; `None` if it is unlimited.
fn free_addresses(files: &SystemFiles) -> Option<u64> {
    let limits = files.text("proc/self/limits")?;
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    let soft = limit.split_whitespace().next()?.parse::<u64>().ok()?;
    Some(soft.saturating_sub(files.kib_field("proc/self/status", "VmSize")?))
}

/// What a control group leaves of its limit; `None` if it has none.
fn free_in(group: &ControlGroup) -> Option<u64> {
    let [limit, used, files] = match group.is_v2 {
        true => ["memory.max", "memory.current", ""],
        false => ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_"],
    };
    let number = |file: &str| group.text(file)?.parse::<u64>().ok();
    let (limit, used) = (number(limit)?, number(used)?);
    // Copies of files count as used and go when memory is wanted.
    let counts = group.text("memory.stat").unwrap_or_default();
    let count = |kind: &str| {
        let value = |line: &str| line.strip_prefix(files)?.strip_prefix(kind)?.strip_prefix(' ')?.parse::<u64>().ok();
        counts.lines().find_map(value).unwrap_or(0)
    };
    let held = used.saturating_sub(count("active_file")).saturating_sub(count("inactive_file"));
    Some(limit.saturating_sub(held))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::system;

    const MACHINE: (&str, &str) = ("proc/meminfo", "MemTotal: 900 kB\nMemAvailable: 100 kB\nSwapFree: 7 kB\n");

    /// What is free on a system with these files.
    fn free(files: &[(&str, &str)]) -> Option<FreeMemory> {
        let (_root, files) = system(files);
        FreeMemory::read(&files)
    }

    #[test]
    fn without_a_limit_it_is_the_machines() {
        let wanted = FreeMemory { available: 100 << 10, swap: 7 << 10, is_address_limit: false };
        assert_eq!(free(&[MACHINE]), Some(wanted));
        assert_eq!(free(&[MACHINE]).expect("numbers").with_swap(), 107 << 10);
        assert_eq!(free(&[("proc/meminfo", "MemTotal: 900 kB\n")]), None);
        let unlimited = [
            MACHINE,
            ("proc/self/cgroup", "0::/job\n"),
            ("sys/fs/cgroup/job/memory.max", "max\n"),
            ("sys/fs/cgroup/job/memory.current", "99999\n"),
        ];
        assert_eq!(free(&unlimited).expect("numbers").available, 100 << 10);
    }

    #[test]
    fn limit_on_the_address_space_counts_if_it_leaves_less() {
        let limited = |limit: &str| {
            let limits =
                format!("Limit  Soft Limit  Hard Limit  Units\nMax address space  {limit}  unlimited  bytes\n");
            let files = [MACHINE, ("proc/self/limits", &*limits), ("proc/self/status", "VmSize:\t     50 kB\n")];
            free(&files).expect("numbers")
        };
        let found = |available: u64, swap: u64| FreeMemory { available, swap, is_address_limit: true };
        assert_eq!(limited("81920"), found(30 << 10, 0));
        assert_eq!(limited("158720"), found(100 << 10, 5 << 10), "some of the swap");
        assert_eq!(limited("1024"), found(0, 0), "already exceeded");
        for limit in ["unlimited", "1048576", "many"] {
            assert_eq!(Some(limited(limit)), free(&[MACHINE]), "{limit}");
        }
    }

    #[test]
    fn limit_of_a_group_or_one_above_counts_without_copies_of_files() {
        let files = [
            MACHINE,
            ("proc/self/cgroup", "0::/pod/job\n"),
            ("sys/fs/cgroup/pod/memory.max", "10000\n"),
            ("sys/fs/cgroup/pod/memory.current", "9000\n"),
            ("sys/fs/cgroup/pod/memory.stat", "anon 4000\nfile 5000\ninactive_file 2000\nactive_file 1000\n"),
            ("sys/fs/cgroup/pod/job/memory.max", "max\n"),
        ];
        assert_eq!(free(&files).expect("numbers").available, 4000);
        let full = [&files[..3], &[("sys/fs/cgroup/pod/memory.current", "12000\n")]].concat();
        assert_eq!(free(&full).expect("numbers").available, 0);
    }

    #[test]
    fn version_1_has_other_names() {
        let files = [
            MACHINE,
            ("proc/self/cgroup", "5:cpu,cpuacct:/\n9:memory:/job\n"),
            ("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "10000\n"),
            ("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "9000\n"),
            (
                "sys/fs/cgroup/memory/job/memory.stat",
                "inactive_file 1\ntotal_inactive_file 500\ntotal_active_file 500\n",
            ),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "50000\n"),
        ];
        assert_eq!(free(&files).expect("numbers").available, 2000);
    }

    #[test]
    fn files_that_are_garbage_set_no_limit() {
        let files = [
            MACHINE,
            ("proc/self/cgroup", "0::/\ngarbage\n"),
            ("sys/fs/cgroup/memory.max", "many\n"),
            ("sys/fs/cgroup/memory.current", "-1\n"),
        ];
        assert_eq!(free(&files).expect("numbers").available, 100 << 10);
    }
}
