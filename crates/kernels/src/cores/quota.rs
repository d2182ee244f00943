//! The share of CPU time that the control group of this process allows. Source: cgroups(7) and the kernel's admin-guide
//! pages on cgroup v1 and v2.

use super::ControlGroup;
use std::path::Path;

/// CPUs' worth of time, the smallest of the limits of the process's group and all groups above it; `None` without a
/// limit. `root` is the directory that the system's files lie in: `/`.
pub fn cpu_quota(root: &Path) -> Option<f64> {
    let limit_of = |group: ControlGroup| if group.is_v2 { v2_limit(&group) } else { v1_limit(&group) };
    ControlGroup::all(root, "cpu").into_iter().filter_map(limit_of).reduce(f64::min)
}

/// `cpu.max`: quota (or `max`) and period, in microseconds.
fn v2_limit(group: &ControlGroup) -> Option<f64> {
    let text = group.text("cpu.max")?;
    let (quota, period) = text.split_once(' ')?;
    ratio(quota, period)
}

/// `cpu.cfs_quota_us` (−1: no limit) and `cpu.cfs_period_us`.
fn v1_limit(group: &ControlGroup) -> Option<f64> {
    ratio(&group.text("cpu.cfs_quota_us")?, &group.text("cpu.cfs_period_us")?)
}

fn ratio(quota: &str, period: &str) -> Option<f64> {
    let (quota, period) = (quota.parse::<u64>().ok()?, period.parse::<u64>().ok()?);
    (quota > 0 && period > 0).then(|| quota as f64 / period as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// The quota that a system with these files has.
    fn quota_of(files: &[(&str, &str)]) -> Option<f64> {
        let root = tempfile::tempdir().expect("a temporary directory");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a path with a directory")).expect("a new directory");
            fs::write(path, text).expect("a new file");
        }
        cpu_quota(root.path())
    }

    #[test]
    fn quota_v2_smallest_limit_on_the_way_up_counts() {
        let files = [
            ("proc/self/cgroup", "0::/pod/job\n"),
            ("sys/fs/cgroup/pod/job/cpu.max", "max 100000\n"),
            ("sys/fs/cgroup/pod/cpu.max", "150000 100000\n"),
        ];
        assert_eq!(quota_of(&files), Some(1.5));
    }

    #[test]
    fn quota_v2_at_the_mount_of_a_container_is_found() {
        let files = [("proc/self/cgroup", "0::/../../elsewhere\n"), ("sys/fs/cgroup/cpu.max", "200000 100000\n")];
        assert_eq!(quota_of(&files), Some(2.0));
    }

    #[test]
    fn quota_v1_limit_is_found_and_minus_one_is_none() {
        let files = [
            ("proc/self/cgroup", "5:cpuset:/\n4:cpu,cpuacct:/job\n0::/\n"),
            ("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "50000\n"),
            ("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n"),
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
        ];
        assert_eq!(quota_of(&files), Some(0.5));
    }

    #[test]
    fn quota_of_malformed_files_is_none() {
        assert_eq!(quota_of(&[]), None);
        assert_eq!(quota_of(&[("proc/self/cgroup", "garbage\n0:\n")]), None);
        assert_eq!(quota_of(&[("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/cpu.max", "many 100000\n")]), None);
    }
}
