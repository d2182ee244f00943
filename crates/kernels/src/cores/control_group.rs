//! The control groups of this process. Source: cgroups(7) and the kernel's admin-guide pages on cgroup v1 and v2.

use std::path::{Component, Path, PathBuf};

/// A control group that this process is in, itself or by a group above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlGroup {
    /// Whether it is of version 2, which names its files otherwise than version 1.
    pub is_v2: bool,
    /// Where its files lie.
    pub path: PathBuf,
}

impl ControlGroup {
    /// The groups with limits of a controller such as `cpu`, those above among them. `root` is the directory that the system's files lie
    /// in: `/`.
    pub fn all(root: &Path, controller: &str) -> Vec<ControlGroup> {
        let memberships = text(&root.join("proc/self/cgroup")).unwrap_or_default();
        memberships.lines().filter_map(|line| of_line(root, line, controller)).flatten().collect()
    }

    /// The text of one of its files without the white space around it; `None` if it is missing, unreadable or empty.
    pub fn text(&self, file: &str) -> Option<String> {
        text(&self.path.join(file))
    }
}

fn text(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The groups behind one line `id:controllers:/path` of `/proc/self/cgroup`; version 2 has no controllers there.
fn of_line(root: &Path, line: &str, controller: &str) -> Option<Vec<ControlGroup>> {
    let mut parts = line.splitn(3, ':');
    let (_, controllers, group) = (parts.next()?, parts.next()?, parts.next()?);
    let is_v2 = controllers.is_empty();
    if !is_v2 && controllers.split(',').all(|name| name != controller) {
        return None;
    }
    let mounts = if is_v2 { ["", "unified"] } else { [controllers, controller] };
    let group = named_parts(group);
    let groups = mounts.iter().flat_map(|mount| {
        let mount = root.join("sys/fs/cgroup").join(mount);
        group.ancestors().map(move |group| ControlGroup { is_v2, path: mount.join(group) }).collect::<Vec<_>>()
    });
    Some(groups.collect())
}

/// The group's path relative to the mount. `..`, which a group outside the namespace shows, is left out: the groups
/// that can be seen from here start at the mount.
fn named_parts(group: &str) -> PathBuf {
    Path::new(group).components().filter(|part| matches!(part, Component::Normal(_))).collect()
}
