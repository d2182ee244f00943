//! The share of CPU time that the control group of this process allows. Source: cgroups(7) and the kernel's admin-guide
//! pages on cgroup v1 and v2.

use std::path::{Component, Path, PathBuf};

use super::SystemFiles;

/// CPUs' worth of time, the smallest of the limits of the process's group and all groups above it; `None` without a
/// limit.
pub(super) fn cpu_quota(files: &SystemFiles) -> Option<f64> {
    let memberships = files.text("proc/self/cgroup")?;
    let limits = memberships.lines().filter_map(|line| line_quota(files, line));
    limits.reduce(f64::min)
}

/// The limit behind one line `id:controllers:/path` of `/proc/self/cgroup`; version 2 has no controllers there.
fn line_quota(files: &SystemFiles, line: &str) -> Option<f64> {
    let mut parts = line.splitn(3, ':');
    let (_, controllers, group) = (parts.next()?, parts.next()?, parts.next()?);
    let limit_of: fn(&SystemFiles, &Path) -> Option<f64> = if controllers.is_empty() {
        v2_limit
    } else if controllers.split(',').any(|name| name == "cpu") {
        v1_limit
    } else {
        return None;
    };
    let mounts = if controllers.is_empty() { ["", "unified"] } else { [controllers, "cpu"] };
    let group = named_parts(group);
    let groups = mounts.iter().flat_map(|mount| {
        let mount = Path::new("sys/fs/cgroup").join(mount);
        group.ancestors().map(move |group| mount.join(group)).collect::<Vec<_>>()
    });
    groups.filter_map(|group| limit_of(files, &group)).reduce(f64::min)
}

/// The group's path relative to the mount. `..`, which a group outside the namespace shows, is left out: the groups
/// that can be seen from here start at the mount.
fn named_parts(group: &str) -> PathBuf {
    Path::new(group).components().filter(|part| matches!(part, Component::Normal(_))).collect()
}

/// `cpu.max`: quota (or `max`) and period, in microseconds.
fn v2_limit(files: &SystemFiles, group: &Path) -> Option<f64> {
    let text = files.text(group.join("cpu.max"))?;
    let (quota, period) = text.split_once(' ')?;
    ratio(quota, period)
}

/// `cpu.cfs_quota_us` (−1: no limit) and `cpu.cfs_period_us`.
fn v1_limit(files: &SystemFiles, group: &Path) -> Option<f64> {
    ratio(&files.text(group.join("cpu.cfs_quota_us"))?, &files.text(group.join("cpu.cfs_period_us"))?)
}

fn ratio(quota: &str, period: &str) -> Option<f64> {
    let (quota, period) = (quota.parse::<u64>().ok()?, period.parse::<u64>().ok()?);
    (quota > 0 && period > 0).then(|| quota as f64 / period as f64)
}
