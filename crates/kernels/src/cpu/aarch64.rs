//! What the kernel tells of an ARM CPU: features by HWCAP, cores by their identification registers, caches by sysfs.
//!
//! Sources: Linux, Documentation/arch/arm64/cpu-feature-registers.rst and elf_hwcaps.rst; ARM's technical reference manuals, MIDR_EL1.

#![allow(unsafe_code, reason = "a register and the auxiliary vector")]

use super::{Caches, CoreFamily, Features};
use std::arch::{asm, is_aarch64_feature_detected};
use std::fs;
use std::path::Path;

const CPUS: &str = "/sys/devices/system/cpu";

/// Cores that are looked at.
const MOST_CPUS: usize = 1024;

/// A kind of core: the upper half of MIDR_EL1's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Core {
    implementer: u8,
    part: u16,
}

impl Core {
    fn of_midr(midr: u64) -> Core {
        Core { implementer: (midr >> 24) as u8, part: (midr >> 4 & 0xfff) as u16 }
    }

    /// ARM's own name of it.
    fn name(self) -> Option<&'static str> {
        const ARM: u8 = 0x41;
        let name = match self.part {
            0xd02 => "Cortex-A34",
            0xd03 => "Cortex-A53",
            0xd04 => "Cortex-A35",
            0xd05 => "Cortex-A55",
            0xd07 => "Cortex-A57",
            0xd08 => "Cortex-A72",
            0xd09 => "Cortex-A73",
            0xd0a => "Cortex-A75",
            0xd0b => "Cortex-A76",
            0xd0c => "Neoverse-N1",
            0xd0d => "Cortex-A77",
            0xd0e => "Cortex-A76AE",
            0xd40 => "Neoverse-V1",
            0xd41 => "Cortex-A78",
            0xd42 => "Cortex-A78AE",
            0xd44 => "Cortex-X1",
            0xd46 => "Cortex-A510",
            0xd47 => "Cortex-A710",
            0xd48 => "Cortex-X2",
            0xd49 => "Neoverse-N2",
            0xd4b => "Cortex-A78C",
            0xd4d => "Cortex-A715",
            0xd4e => "Cortex-X3",
            0xd4f => "Neoverse-V2",
            0xd80 => "Cortex-A520",
            0xd81 => "Cortex-A720",
            0xd82 => "Cortex-X4",
            0xd84 => "Neoverse-V3",
            0xd85 => "Cortex-X925",
            0xd87 => "Cortex-A725",
            0xd8e => "Neoverse-N3",
            _ => return None,
        };
        (self.implementer == ARM).then_some(name)
    }

    fn family(self) -> CoreFamily {
        match self.name() {
            Some("Cortex-A34" | "Cortex-A35" | "Cortex-A53" | "Cortex-A55") => CoreFamily::CortexA53,
            Some("Cortex-A57" | "Cortex-A72") => CoreFamily::CortexA72,
            Some(
                "Cortex-A76" | "Cortex-A76AE" | "Cortex-A77" | "Cortex-A78" | "Cortex-A78AE" | "Cortex-A78C"
                | "Neoverse-N1",
            ) => CoreFamily::CortexA76,
            _ => CoreFamily::Other,
        }
    }
}

/// The kinds of cores with their numbers, the fastest kind first.
pub(super) struct Identity {
    kinds: Vec<(Core, usize)>,
    /// A CPU of the fastest kind.
    fastest: usize,
}

pub(super) fn features() -> Features {
    Features::NEON.if_there(is_aarch64_feature_detected!("neon"))
        | Features::DOTPROD.if_there(is_aarch64_feature_detected!("dotprod"))
        | Features::I8MM.if_there(is_aarch64_feature_detected!("i8mm"))
        | Features::ARM_FP16.if_there(is_aarch64_feature_detected!("fp16"))
        | Features::ARM_BF16.if_there(is_aarch64_feature_detected!("bf16"))
        | Features::SVE.if_there(is_aarch64_feature_detected!("sve"))
        | Features::SVE2.if_there(is_aarch64_feature_detected!("sve2"))
}

pub(super) fn identity() -> Identity {
    // Kinds with a CPU of each, and how fast the kernel thinks that it is: nothing where all are alike.
    let mut found: Vec<(Core, usize, usize, usize)> = Vec::new();
    for cpu in (0..MOST_CPUS).take_while(|cpu| Path::new(&format!("{CPUS}/cpu{cpu}")).exists()) {
        let Some(core) = core_of(cpu) else { continue };
        let capacity = number(&format!("{CPUS}/cpu{cpu}/cpu_capacity")).unwrap_or(0) as usize;
        match found.iter_mut().find(|kind| kind.0 == core) {
            Some((_, count, _, _)) => *count += 1,
            None => found.push((core, 1, cpu, capacity)),
        }
    }
    found.sort_by_key(|&(_, _, _, capacity)| std::cmp::Reverse(capacity));
    let fastest = found.first().map_or(0, |&(_, _, cpu, _)| cpu);
    let mut kinds: Vec<_> = found.into_iter().map(|(core, count, _, _)| (core, count)).collect();
    if kinds.is_empty() {
        kinds.extend(core_of_this_thread().map(|core| (core, 1)));
    }
    Identity { kinds, fastest }
}

pub(super) fn family_of(identity: &Identity, _: Features) -> CoreFamily {
    identity.kinds.first().map_or(CoreFamily::Other, |(core, _)| core.family())
}

/// What sysfs says of the fastest core, and else what its family usually has. A cache that several cores share is a share for each.
pub(super) fn caches(identity: &Identity) -> Caches {
    let mut caches = match family_of(identity, Features::NONE) {
        CoreFamily::CortexA72 => Caches { l1d: 32 << 10, l2: 512 << 10, l3: 0 },
        CoreFamily::CortexA76 => Caches { l1d: 64 << 10, l2: 512 << 10, l3: 0 },
        _ => Caches::GUESS,
    };
    for index in 0..8 {
        let folder = format!("{CPUS}/cpu{}/cache/index{index}", identity.fastest);
        let text = |name: &str| fs::read_to_string(format!("{folder}/{name}")).unwrap_or_default();
        let (kind, level) = (text("type"), text("level"));
        let Some(size) = size_in_bytes(text("size").trim()).filter(|&size| size > 0) else { continue };
        match (kind.trim(), level.trim()) {
            ("Data" | "Unified", "1") => caches.l1d = size,
            ("Data" | "Unified", "2") => caches.l2 = size / cpus_in_list(text("shared_cpu_list").trim()).max(1),
            ("Data" | "Unified", "3") => caches.l3 = size,
            _ => {}
        }
    }
    Caches { l2: caches.l2.max(caches.l1d), ..caches }
}

/// `Cortex-A76`, or the kinds with their numbers: `4 Cortex-A76, 4 Cortex-A55`.
pub(super) fn brand(identity: &Identity) -> [u8; 48] {
    let name = |core: &Core| match core.name() {
        Some(name) => name.to_owned(),
        None => format!("ARM core {:02x}:{:03x}", core.implementer, core.part),
    };
    let text = match identity.kinds.as_slice() {
        [(core, _)] => name(core),
        kinds => kinds.iter().map(|(core, count)| format!("{count} {}", name(core))).collect::<Vec<_>>().join(", "),
    };
    let mut brand = [0; 48];
    brand.iter_mut().zip(text.bytes()).for_each(|(out, byte)| *out = byte);
    brand
}

/// The kind of one CPU; `None` if it does not exist or is offline.
fn core_of(cpu: usize) -> Option<Core> {
    number(&format!("{CPUS}/cpu{cpu}/regs/identification/midr_el1")).map(Core::of_midr)
}

/// The kind of the core that this thread is on, where the kernel lets programs read its register.
fn core_of_this_thread() -> Option<Core> {
    // SAFETY: reads a number of the process's own.
    let hwcap = unsafe { libc::getauxval(libc::AT_HWCAP) };
    (hwcap & libc::HWCAP_CPUID != 0).then(|| {
        let midr: u64;
        // SAFETY: the kernel says that it answers for this register.
        unsafe { asm!("mrs {}, midr_el1", out(reg) midr, options(pure, nomem, nostack, preserves_flags)) };
        Core::of_midr(midr)
    })
}

/// A file of one number, decimal or with `0x`.
fn number(path: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    match text.trim().strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.trim().parse().ok(),
    }
}

/// `32K` or `1M` or `512`.
fn size_in_bytes(text: &str) -> Option<usize> {
    let (digits, unit) = match text.strip_suffix(['K', 'M']) {
        Some(digits) => (digits, if text.ends_with('K') { 1 << 10 } else { 1 << 20 }),
        None => (text, 1),
    };
    digits.parse::<usize>().ok()?.checked_mul(unit)
}

/// CPUs in a list such as `0-3,6`.
fn cpus_in_list(list: &str) -> usize {
    let length = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
        last.checked_sub(first)?.checked_add(1)
    };
    list.split(',').filter_map(length).fold(0, usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_follow_from_the_registers_of_known_cores() {
        let of = |midr| Core::of_midr(midr).family();
        assert_eq!(of(0x410f_d034), CoreFamily::CortexA53);
        assert_eq!(of(0x410f_d083), CoreFamily::CortexA72);
        assert_eq!(of(0x414f_d0b1), CoreFamily::CortexA76);
        assert_eq!(of(0x413f_d0c1), CoreFamily::CortexA76); // Neoverse N1
        assert_eq!(of(0x610f_0221), CoreFamily::Other);
        assert_eq!(Core::of_midr(0x410f_d083).name(), Some("Cortex-A72"));
        assert_eq!(Core::of_midr(0x510f_d083).name(), None);
    }

    #[test]
    fn brand_names_the_kinds_of_cores() {
        let (big, small) = (Core::of_midr(0x414f_d0b1), Core::of_midr(0x412f_d050));
        let brand = |kinds: &[(Core, usize)]| {
            let brand = super::brand(&Identity { kinds: kinds.to_vec(), fastest: 0 });
            String::from_utf8(brand.to_vec()).unwrap().trim_matches('\0').to_owned()
        };
        assert_eq!(brand(&[(big, 4)]), "Cortex-A76");
        assert_eq!(brand(&[(big, 4), (small, 4)]), "4 Cortex-A76, 4 Cortex-A55");
        assert_eq!(brand(&[]), "");
    }

    #[test]
    fn texts_of_sysfs_are_read_and_nonsense_is_not() {
        assert_eq!(
            [size_in_bytes("32K"), size_in_bytes("1M"), size_in_bytes("64")],
            [Some(32768), Some(1 << 20), Some(64)]
        );
        assert_eq!([size_in_bytes(""), size_in_bytes("K"), size_in_bytes("99999999999999999999M")], [None; 3]);
        assert_eq!([cpus_in_list("0-3,6"), cpus_in_list("2"), cpus_in_list(""), cpus_in_list("3-1")], [5, 1, 0, 0]);
    }
}
