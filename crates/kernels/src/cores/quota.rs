//! The share of CPU time that the control group of this process allows. Source: cgroups(7) and the kernel's admin-guide
//! pages on cgroup v1 and v2.

use std::path::{Component, Path, PathBuf};

/// CPUs' worth of time, the smallest of the limits of the process's group and all groups above it; `None` without a
/// limit. `root` is the directory that the system's files lie in: `/`.
pub fn cpu_quota(root: &Path) -> Option<f64> {
    let memberships = text(&root.join("proc/self/cgroup"))?;
    let limits = memberships.lines().filter_map(|line| line_quota(root, line));
    limits.reduce(f64::min)
}

/// The text of a file without the white space around it; `None` if it is missing, unreadable or empty.
fn text(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The limit behind one line `id:controllers:/path` of `/proc/self/cgroup`; version 2 has no controllers there.
fn line_quota(root: &Path, line: &str) -> Option<f64> {
    let mut parts = line.splitn(3, ':');
    let (_, controllers, group) = (parts.next()?, parts.next()?, parts.next()?);
    let limit_of: fn(&Path) -> Option<f64> = if controllers.is_empty() {
        v2_limit
    } else if controllers.split(',').any(|name| name == "cpu") {
        v1_limit
    } else {
        return None;
    };
    let mounts = if controllers.is_empty() { ["", "unified"] } else { [controllers, "cpu"] };
    let group = named_parts(group);
    let groups = mounts.iter().flat_map(|mount| {
        let mount = root.join("sys/fs/cgroup").join(mount);
        group.ancestors().map(move |group| mount.join(group)).collect::<Vec<_>>()
    });
    groups.filter_map(|group| limit_of(&group)).reduce(f64::min)
}

/// The group's path relative to the mount. `..`, which a group outside the namespace shows, is left out: the groups
/// that can be seen from here start at the mount.
fn named_parts(group: &str) -> PathBuf {
    Path::new(group).components().filter(|part| matches!(part, Component::Normal(_))).collect()
}

/// `cpu.max`: quota (or `max`) and period, in microseconds.
fn v2_limit(group: &Path) -> Option<f64> {
    let text = text(&group.join("cpu.max"))?;
    let (quota, period) = text.split_once(' ')?;
    ratio(quota, period)
}

/// `cpu.cfs_quota_us` (−1: no limit) and `cpu.cfs_period_us`.
fn v1_limit(group: &Path) -> Option<f64> {
    ratio(&text(&group.join("cpu.cfs_quota_us"))?, &text(&group.join("cpu.cfs_period_us"))?)
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
