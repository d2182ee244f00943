//! What to ask Linux for, to count an event: kinds and numbers of the kernel's `include/uapi/linux/perf_event.h`, and the numbers of
//! common events in the Arm Architecture Reference Manual.

use super::Event;
use std::fs;
use std::path::{Path, PathBuf};

/// `type` and `config` of `struct perf_event_attr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Code {
    kind: u32,
    config: u64,
}

impl Code {
    /// The code in numbers.
    pub(super) fn numbers(self) -> (u32, u64) {
        (self.kind, self.config)
    }

    /// Whether the kernel counts the event, not the CPU.
    pub(super) fn is_of_software(self) -> bool {
        self.kind == KIND_SOFTWARE
    }
}

const KIND_HARDWARE: u32 = 0;
const KIND_SOFTWARE: u32 = 1;
const KIND_CACHE: u32 = 3;

/// The counting unit of the cores of one kind, on ARM.
#[derive(Debug)]
struct ArmUnit {
    kind: u32,
    events: PathBuf,
}

impl ArmUnit {
    /// Those below a directory that has the form of `/sys/bus/event_source/devices`.
    fn all(devices: &Path) -> Vec<Self> {
        let directories = fs::read_dir(devices).into_iter().flatten().flatten();
        let unit = |directory: PathBuf| {
            let kind = fs::read_to_string(directory.join("type")).ok()?.trim().parse().ok()?;
            Some(Self { kind, events: directory.join("events") })
        };
        // Units of buses, caches and memory do not count this event.
        directories.filter_map(|entry| unit(entry.path())).filter(|unit| unit.counts("cpu_cycles")).collect()
    }

    fn counts(&self, event: &str) -> bool {
        self.events.join(event).exists()
    }
}

/// What counts the event on every core of this machine, one code for each kind of core; empty if a kind does not count it.
pub(super) fn codes(event: Event) -> Vec<Code> {
    let devices = Path::new("/sys/bus/event_source/devices");
    codes_with(event, &if cfg!(target_arch = "aarch64") { ArmUnit::all(devices) } else { Vec::new() })
}

/// With units, their own numbers: a common name would count on the cores of one kind only, and the units take any number, but count nothing
/// if the core has no such event.
fn codes_with(event: Event, units: &[ArmUnit]) -> Vec<Code> {
    match arm_event(event) {
        Some((name, _)) if units.iter().any(|unit| !unit.counts(name)) => Vec::new(),
        Some((_, config)) if !units.is_empty() => units.iter().map(|unit| Code { kind: unit.kind, config }).collect(),
        _ => common_code(event).into_iter().collect(),
    }
}

/// Name and number of the event in ARM's manual; the kernel writes the names in lower case. `None` if the CPU does not count it.
fn arm_event(event: Event) -> Option<(&'static str, u64)> {
    Some(match event {
        Event::Cycles => ("cpu_cycles", 0x11),
        Event::Instructions => ("inst_retired", 0x08),
        Event::L1dMisses => ("l1d_cache_refill", 0x03),
        Event::L2Misses => ("l2d_cache_refill", 0x17),
        Event::LastLevelMisses => ("ll_cache_miss_rd", 0x37),
        Event::TlbMisses => ("l1d_tlb_refill", 0x05),
        Event::FrontendStalls => ("stall_frontend", 0x23),
        Event::BackendStalls => ("stall_backend", 0x24),
        Event::PageFaults | Event::ContextSwitches => return None,
    })
}

/// The kernel's own name for the event; `None` if there is none.
fn common_code(event: Event) -> Option<Code> {
    /// A miss by a load.
    const READ_MISS: u64 = 1 << 16;
    let code = |kind, config| Some(Code { kind, config });
    match event {
        Event::Cycles => code(KIND_HARDWARE, 0),
        Event::Instructions => code(KIND_HARDWARE, 1),
        // On ARM, the hardware event "cache misses" is that of the first level.
        Event::LastLevelMisses if cfg!(target_arch = "aarch64") => code(KIND_CACHE, READ_MISS | 2),
        Event::LastLevelMisses => code(KIND_HARDWARE, 3),
        Event::FrontendStalls => code(KIND_HARDWARE, 7),
        Event::BackendStalls => code(KIND_HARDWARE, 8),
        Event::L1dMisses => code(KIND_CACHE, READ_MISS),
        Event::L2Misses => None,
        Event::TlbMisses => code(KIND_CACHE, READ_MISS | 3),
        Event::PageFaults => code(KIND_SOFTWARE, 2),
        Event::ContextSwitches => code(KIND_SOFTWARE, 3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use tempfile::TempDir;

    /// A directory of counting units, with the kind and the events of each.
    fn devices(units: &[(&str, u32, &[&str])]) -> TempDir {
        let root = tempfile::tempdir().expect("a temporary directory");
        for (name, kind, events) in units {
            let unit = root.path().join(name);
            fs::create_dir_all(unit.join("events")).expect("a new directory");
            fs::write(unit.join("type"), format!("{kind}\n")).expect("a new file");
            events.iter().for_each(|event| fs::write(unit.join("events").join(event), "").expect("a new file"));
        }
        root
    }

    fn numbers(event: Event, devices: &TempDir) -> Vec<(u32, u64)> {
        let mut codes: Vec<_> =
            codes_with(event, &ArmUnit::all(devices.path())).into_iter().map(Code::numbers).collect();
        codes.sort_unstable();
        codes
    }

    #[test]
    fn codes_of_two_kinds_of_cores_name_the_unit_of_each() {
        let little: &[&str] = &["cpu_cycles", "inst_retired", "l2d_cache_refill"];
        let big: &[&str] = &["cpu_cycles", "inst_retired", "stall_backend", "l2d_cache_refill"];
        let devices = devices(&[("armv8_cortex_a53", 8, little), ("armv8_cortex_a72", 9, big)]);
        assert_eq!(numbers(Event::Cycles, &devices), [(8, 0x11), (9, 0x11)]);
        assert_eq!(numbers(Event::Instructions, &devices), [(8, 0x08), (9, 0x08)]);
        assert_eq!(numbers(Event::L2Misses, &devices), [(8, 0x17), (9, 0x17)]);
        assert_eq!(numbers(Event::BackendStalls, &devices), [], "the small cores do not count them");
        assert_eq!(numbers(Event::PageFaults, &devices), [(KIND_SOFTWARE, 2)]);
    }

    #[test]
    fn codes_pass_over_units_of_other_parts() {
        let devices =
            devices(&[("arm_dsu_0", 10, &["cycles", "l3d_cache_refill"]), ("armv8_pmuv3", 8, &["cpu_cycles"])]);
        fs::create_dir(devices.path().join("software")).expect("a new directory");
        assert_eq!(numbers(Event::Cycles, &devices), [(8, 0x11)]);
        assert_eq!(numbers(Event::Instructions, &devices), []);
    }

    #[test]
    fn codes_without_units_are_the_common_ones() {
        let devices = devices(&[]);
        assert_eq!(numbers(Event::Cycles, &devices), [(KIND_HARDWARE, 0)]);
        assert_eq!(numbers(Event::L2Misses, &devices), []);
    }

    #[test]
    fn codes_differ_from_event_to_event() {
        let all = [&Event::HARDWARE[..], &[Event::PageFaults, Event::ContextSwitches]].concat();
        let common: Vec<_> = all.iter().filter_map(|&event| common_code(event)).collect();
        let arm: Vec<_> = all.iter().filter_map(|&event| arm_event(event)).collect();
        assert_eq!(common.iter().collect::<BTreeSet<_>>().len(), common.len(), "{common:?}");
        assert_eq!(
            arm.iter().map(|(_, number)| number).collect::<BTreeSet<_>>().len(),
            Event::HARDWARE.len(),
            "{arm:?}"
        );
    }
}
