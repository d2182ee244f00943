//! What the CPUID instruction tells.
//!
//! Sources: Intel SDM volume 2A, CPUID leaves 0, 1 and 4; AMD APM volume 3, functions 8000_0002 to 8000_0004 and 8000_001D.

use super::{Caches, CoreFamily, Features, amx};
use std::arch::x86_64::{__cpuid, __cpuid_count};

/// Vendor, family and model of a CPU: the result of CPUID functions 0 and 1.
#[derive(Clone, Copy)]
pub(super) struct Identity {
    vendor: [u8; 12],
    /// Extended family and family.
    family: u32,
    /// Extended model and model.
    model: u32,
}

pub(super) fn features() -> Features {
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq");
    Features::AVX2.if_there(is_x86_feature_detected!("avx2"))
        | Features::FMA.if_there(is_x86_feature_detected!("fma"))
        | Features::AVX512.if_there(avx512)
        | Features::AVX512_VNNI.if_there(is_x86_feature_detected!("avx512vnni"))
        | Features::AVX512_BF16.if_there(is_x86_feature_detected!("avx512bf16"))
        | Features::AVX_VNNI.if_there(is_x86_feature_detected!("avxvnni"))
        | Features::F16C.if_there(is_x86_feature_detected!("f16c"))
        | amx::features()
}

pub(super) fn identity() -> Identity {
    let (names, version) = (__cpuid(0), __cpuid(1).eax);
    let mut vendor = [0; 12];
    for (bytes, word) in vendor.chunks_exact_mut(4).zip([names.ebx, names.edx, names.ecx]) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    let field = |shift: u32, bits: u32| (version >> shift) & ((1 << bits) - 1);
    let (family, model) = (field(8, 4), field(4, 4) | field(16, 4) << 4);
    Identity { vendor, family: if family == 15 { family + field(20, 8) } else { family }, model }
}

/// The family, a function of the identity alone.
///
/// Sources: AMD's and Intel's lists of family and model numbers in their manuals and errata sheets.
pub(super) fn family_of(identity: &Identity, features: Features) -> CoreFamily {
    let &Identity { vendor, family, model } = identity;
    match (&vendor, family) {
        (b"AuthenticAMD", 0x17) => CoreFamily::Zen2And3,
        (b"AuthenticAMD", 0x19) => match model {
            0x10..=0x1f | 0x60..=0x7f | 0xa0..=0xaf => CoreFamily::Zen4,
            _ => CoreFamily::Zen2And3,
        },
        (b"AuthenticAMD", 0x1a) => CoreFamily::Zen5,
        // Only server cores have AMX; a hypervisor may name another model.
        (b"GenuineIntel", 6) if features.contains(Features::AMX_INT8) => CoreFamily::IntelServer,
        (b"GenuineIntel", 6) => match model {
            // Skylake-X to Cooper Lake, Ice Lake, Sapphire and Emerald Rapids, Granite Rapids.
            0x55 | 0x6a | 0x6c | 0x8f | 0xcf | 0xad | 0xae => CoreFamily::IntelServer,
            _ if features.contains(Features::AVX2) && !features.contains(Features::AVX512) => CoreFamily::IntelClient,
            _ => CoreFamily::Other,
        },
        _ => CoreFamily::Other,
    }
}

pub(super) fn caches(identity: &Identity) -> Caches {
    let is_amd = matches!(&identity.vendor, b"AuthenticAMD" | b"HygonGenuine");
    let leaf = if is_amd { 0x8000_001D } else { 4 };
    let highest = __cpuid(if is_amd { 0x8000_0000 } else { 0 }).eax;
    let mut caches = Caches::GUESS;
    for index in 0..if highest >= leaf { 8 } else { 0 } {
        let r = __cpuid_count(leaf, index);
        let (kind, level) = (r.eax & 31, (r.eax >> 5) & 7);
        if kind == 0 {
            break;
        }
        let field = |shift: u32, bits: u32| ((r.ebx >> shift) & ((1 << bits) - 1)) as usize + 1;
        let size = field(22, 10) * field(12, 10) * field(0, 12) * (r.ecx as usize + 1);
        match (kind, level) {
            (1, 1) => caches.l1d = size,
            (1 | 3, 2) => caches.l2 = size,
            (1 | 3, 3) => caches.l3 = size,
            _ => {}
        }
    }
    caches
}

/// The name that the CPU gives itself, padded with zeros or spaces.
pub(super) fn brand(_: &Identity) -> [u8; 48] {
    let mut brand = [0; 48];
    if __cpuid(0x8000_0000).eax >= 0x8000_0004 {
        for (i, part) in brand.chunks_exact_mut(16).enumerate() {
            let r = __cpuid(0x8000_0002 + i as u32);
            for (bytes, word) in part.chunks_exact_mut(4).zip([r.eax, r.ebx, r.ecx, r.edx]) {
                bytes.copy_from_slice(&word.to_le_bytes());
            }
        }
    }
    brand
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_follow_from_the_numbers_of_known_cpus() {
        let of = |vendor: &[u8; 12], family, model| {
            family_of(&Identity { vendor: *vendor, family, model }, Features::AVX2 | Features::FMA)
        };
        assert_eq!(of(b"AuthenticAMD", 0x17, 0x31), CoreFamily::Zen2And3); // EPYC 7002
        assert_eq!(of(b"AuthenticAMD", 0x19, 0x01), CoreFamily::Zen2And3); // EPYC 7003
        assert_eq!(of(b"AuthenticAMD", 0x19, 0x11), CoreFamily::Zen4); // EPYC 9004
        assert_eq!(of(b"AuthenticAMD", 0x19, 0x61), CoreFamily::Zen4); // Ryzen 7000
        assert_eq!(of(b"AuthenticAMD", 0x1a, 0x02), CoreFamily::Zen5); // EPYC 9005
        assert_eq!(of(b"GenuineIntel", 6, 0x8f), CoreFamily::IntelServer); // Sapphire Rapids
        assert_eq!(of(b"GenuineIntel", 6, 0x97), CoreFamily::IntelClient); // Alder Lake
        let hidden = Identity { vendor: *b"GenuineIntel", family: 6, model: 0xa7 };
        assert_eq!(family_of(&hidden, Features::ALL), CoreFamily::IntelServer);
        assert_eq!(of(b"CentaurHauls", 7, 0x5b), CoreFamily::Other);
    }
}
