//! What describes the machine in a report.
//!
//! Sources: the CPUID instruction by way of [`Cpu`], and on Linux the files of `/proc` and `/sys` (proc(5), cgroups(7),
//! the kernel's admin-guide pages on transparent huge pages and cpufreq). A fact that the system does not tell is
//! `None`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cke_kernels::Cpu;
use cke_kernels::cores::{cpu_quota, usable_cores};
use serde::Serialize;

use crate::memory::FreeMemory;
use crate::report::{Align, Column, Table, format_bytes};

/// A description of the machine and of what this process may use of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Host {
    /// Architecture that this program was built for, such as `x86_64`.
    pub architecture: &'static str,
    /// The CPU's own name.
    pub cpu: Option<String>,
    /// Widest instruction set of the CPU that kernels are written for.
    pub isa_detected: &'static str,
    /// Instruction set in use, after `CKE_ISA`.
    pub isa_used: &'static str,
    /// Extensions in use, by name.
    pub features: Vec<&'static str>,
    /// Extensions of the CPU that are not in use, by name.
    pub unused_features: Vec<&'static str>,
    /// The family of the cores, whose rates the choice of kernels goes by.
    pub core_family: &'static str,
    /// Level-1 data cache of one core, bytes.
    pub l1d_bytes: usize,
    /// Level-2 cache of one core, bytes.
    pub l2_bytes: usize,
    /// Level-3 cache that one core sees, bytes; 0 if there is none.
    pub l3_bytes: usize,
    /// All last-level caches of the machine together, bytes.
    pub last_level_cache_bytes: Option<u64>,
    /// Logical CPUs that are online.
    pub online_cpus: Option<usize>,
    /// Logical CPUs that the affinity of this process allows.
    pub allowed_cpus: Option<usize>,
    /// CPUs' worth of time that the control group allows; `None` if there is no limit.
    pub cpu_quota: Option<f64>,
    /// Threads that are worth having: one for each core, under affinity and quota, at least 1.
    pub usable_threads: usize,
    /// Current frequency as the system reports it, MHz. Under a hypervisor this is often the nominal one.
    pub frequency_mhz: Option<f64>,
    /// Physical memory, bytes.
    pub memory_total_bytes: Option<u64>,
    /// Memory that this process can allocate without swapping, bytes.
    pub memory_available_bytes: Option<u64>,
    /// Mode of transparent huge pages: `always`, `madvise` or `never`.
    pub huge_pages: Option<String>,
    /// Distribution or release of the operating system.
    pub os: Option<String>,
    /// Kernel and its version.
    pub kernel: Option<String>,
}

impl Host {
    /// Describes the machine that this process runs on.
    pub fn detect(cpu: &Cpu) -> Self {
        Self::read(cpu, &SystemFiles::new("/"))
    }

    fn read(cpu: &Cpu, files: &SystemFiles) -> Self {
        let caches = cpu.caches();
        Self {
            architecture: std::env::consts::ARCH,
            cpu: Some(cpu.brand().to_owned()).filter(|brand| !brand.is_empty()).or_else(|| files.cpu_model()),
            isa_detected: cpu.detected_isa().name(),
            isa_used: cpu.isa().name(),
            features: cpu.features().iter().collect(),
            unused_features: cpu.detected_features().without(cpu.features()).iter().collect(),
            core_family: cpu.core_family().name(),
            l1d_bytes: caches.l1d,
            l2_bytes: caches.l2,
            l3_bytes: caches.l3,
            last_level_cache_bytes: files.last_level_caches(),
            online_cpus: files.text("sys/devices/system/cpu/online").and_then(|list| cpu_list_length(&list)),
            allowed_cpus: files.allowed_cpus(),
            cpu_quota: cpu_quota(&files.root),
            usable_threads: usable_cores(),
            frequency_mhz: files.frequency_mhz(),
            memory_total_bytes: files.kib_field("proc/meminfo", "MemTotal"),
            memory_available_bytes: FreeMemory::read(files).map(|free| free.available),
            huge_pages: files.huge_page_mode(),
            os: files.os_name(),
            kernel: files.kernel(),
        }
    }

    /// The description as a table of two columns, `unknown` if the system does not report it.
    pub fn table(&self) -> Table {
        let mut table = Table::new(vec![Column::new("machine", Align::Left), Column::new("", Align::Left)]);
        for (name, value) in self.facts() {
            table.push(vec![name.to_owned(), value.unwrap_or_else(|| "unknown".to_owned())]);
        }
        table
    }

    fn facts(&self) -> Vec<(&'static str, Option<String>)> {
        let count = |count: Option<usize>| count.map(|count| count.to_string());
        let size = |bytes: Option<u64>| bytes.map(format_bytes);
        let cache = |bytes: usize| Some(if bytes == 0 { "none".to_owned() } else { format_bytes(bytes as u64) });
        let list = |names: &[&str]| Some(if names.is_empty() { "none".to_owned() } else { names.join(", ") });
        vec![
            ("CPU", self.cpu.clone()),
            ("architecture", Some(self.architecture.to_owned())),
            ("instruction set", Some(format!("{} (the CPU has {})", self.isa_used, self.isa_detected))),
            ("extensions in use", list(&self.features)),
            ("extensions not in use", list(&self.unused_features)),
            ("core family", Some(self.core_family.to_owned())),
            ("level-1 data cache", cache(self.l1d_bytes)),
            ("level-2 cache", cache(self.l2_bytes)),
            ("level-3 cache", cache(self.l3_bytes)),
            ("CPUs online", count(self.online_cpus)),
            ("CPUs allowed", count(self.allowed_cpus)),
            ("CPU quota", Some(self.cpu_quota.map_or("none".to_owned(), |cpus| format!("{cpus:.2} CPUs")))),
            ("usable threads", Some(self.usable_threads.to_string())),
            ("reported frequency", self.frequency_mhz.map(|mhz| format!("{mhz:.0} MHz"))),
            ("memory", size(self.memory_total_bytes)),
            ("memory available", size(self.memory_available_bytes)),
            ("transparent huge pages", self.huge_pages.clone()),
            ("operating system", self.os.clone()),
            ("kernel", self.kernel.clone()),
        ]
    }
}

/// Largest resident memory of this process so far, bytes.
pub fn peak_resident_bytes() -> Option<u64> {
    SystemFiles::new("/").kib_field("proc/self/status", "VmHWM")
}

/// Resident memory of this process now, bytes.
pub fn resident_bytes() -> Option<u64> {
    SystemFiles::new("/").kib_field("proc/self/status", "VmRSS")
}

/// The system's files below a root, which tests replace.
pub(crate) struct SystemFiles {
    pub(crate) root: PathBuf,
}

impl SystemFiles {
    pub(crate) fn new(root: impl AsRef<Path>) -> Self {
        Self { root: root.as_ref().to_owned() }
    }

    /// The text of a file without the white space around it; `None` if it is missing, unreadable or empty.
    pub(crate) fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        let text = fs::read_to_string(self.root.join(path)).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// The value of the first line `name<separator>value`.
    fn field(&self, path: &str, name: &str, separator: char) -> Option<String> {
        let text = self.text(path)?;
        text.lines().find_map(|line| {
            let (key, value) = line.split_once(separator)?;
            (key.trim() == name).then(|| value.trim().to_owned())
        })
    }

    /// A field `name: number kB`, in bytes.
    pub(crate) fn kib_field(&self, path: &str, name: &str) -> Option<u64> {
        let value = self.field(path, name, ':')?;
        value.strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    }

    fn cpu_model(&self) -> Option<String> {
        self.field("proc/cpuinfo", "model name", ':')
    }

    fn allowed_cpus(&self) -> Option<usize> {
        cpu_list_length(&self.field("proc/self/status", "Cpus_allowed_list", ':')?)
    }

    fn frequency_mhz(&self) -> Option<f64> {
        let khz =
            self.text("sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq").and_then(|khz| khz.parse::<f64>().ok());
        let from_cpuinfo = || self.field("proc/cpuinfo", "cpu MHz", ':')?.parse().ok();
        khz.map(|khz| khz / 1000.0).or_else(from_cpuinfo)
    }

    /// The mode in brackets of `always [madvise] never`.
    fn huge_page_mode(&self) -> Option<String> {
        let modes = self.text("sys/kernel/mm/transparent_hugepage/enabled")?;
        let (_, rest) = modes.split_once('[')?;
        rest.split_once(']').map(|(mode, _)| mode.to_owned())
    }

    fn os_name(&self) -> Option<String> {
        let quoted =
            self.field("etc/os-release", "PRETTY_NAME", '=').or_else(|| self.field("etc/os-release", "NAME", '='));
        Some(quoted?.trim_matches(['"', '\'']).to_owned())
    }

    fn kernel(&self) -> Option<String> {
        Some(format!("{} {}", self.text("proc/sys/kernel/ostype")?, self.text("proc/sys/kernel/osrelease")?))
    }

    /// Sizes of the highest cache level's instances, added up. CPUs that share an instance name the same set of
    /// sharers.
    fn last_level_caches(&self) -> Option<u64> {
        let cpus = fs::read_dir(self.root.join("sys/devices/system/cpu")).ok()?;
        let indices = cpus.flatten().filter_map(|cpu| fs::read_dir(cpu.path().join("cache")).ok()).flatten().flatten();
        let mut instances = BTreeSet::new();
        for index in indices {
            let read = |name| self.text(index.path().join(name));
            let (Some(level), Some(sharers), Some(size)) = (read("level"), read("shared_cpu_list"), read("size"))
            else {
                continue;
            };
            if let (Ok(level), Some(size)) = (level.parse::<u8>(), cache_size(&size)) {
                instances.insert((level, sharers, size));
            }
        }
        let last = instances.last()?.0;
        Some(instances.iter().filter(|(level, ..)| *level == last).map(|(.., size)| size).sum())
    }
}

/// A cache size of sysfs such as `32768K`, in bytes.
fn cache_size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(['K', 'M', 'G']);
    let scale = match &text[digits.len()..] {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(scale)
}

/// How many CPUs a list such as `0-3,8,10-11` names.
fn cpu_list_length(list: &str) -> Option<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.trim().parse::<usize>().ok()?, last.trim().parse::<usize>().ok()?);
        last.checked_sub(first)?.checked_add(1)
    };
    list.split(',').map(range).try_fold(0usize, |sum, length| sum.checked_add(length?))
}

#[cfg(test)]
pub(crate) mod tests;
