//! How many pages the CPU's translation buffers (TLB) remember.
//!
//! Source: AMD APM volume 3, CPUID functions 8000_0005, 8000_0006 and 8000_0019; Intel SDM volume 2A, CPUID leaf 18H.

use serde::Serialize;

/// Data TLB entries of one core; `None` if the CPU, or the hypervisor in front of it, does not report it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DataTlb {
    /// First level, 4 KiB pages.
    pub l1_small: Option<u32>,
    /// First level, 2 MiB pages.
    pub l1_huge: Option<u32>,
    /// Second level, 4 KiB pages.
    pub l2_small: Option<u32>,
    /// Second level, 2 MiB pages.
    pub l2_huge: Option<u32>,
}

impl DataTlb {
    /// That of this CPU.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        return x86::detect();
        #[cfg(not(target_arch = "x86_64"))]
        Self::default()
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::DataTlb;
    use std::arch::x86_64::{__cpuid, __cpuid_count, CpuidResult};

    pub(super) fn detect() -> DataTlb {
        let vendor = __cpuid(0);
        if __cpuid(0x8000_0000).eax >= 0x8000_0006 && vendor.ebx != u32::from_le_bytes(*b"Genu") {
            return amd(__cpuid(0x8000_0005), __cpuid(0x8000_0006));
        }
        if vendor.eax >= 0x18 {
            let last = __cpuid_count(0x18, 0).eax.min(32);
            return (0..=last).map(|index| __cpuid_count(0x18, index)).fold(DataTlb::default(), with_intel_leaf);
        }
        DataTlb::default()
    }

    pub(super) fn amd(first: CpuidResult, second: CpuidResult) -> DataTlb {
        let field =
            |register: u32, bits: u32| Some((register >> 16) & ((1 << bits) - 1)).filter(|&entries| entries > 0);
        DataTlb {
            l1_small: field(first.ebx, 8),
            l1_huge: field(first.eax, 8),
            l2_small: field(second.ebx, 12),
            l2_huge: field(second.eax, 12),
        }
    }

    /// Adds what one description of leaf 18H says, if it is about loads of data.
    pub(super) fn with_intel_leaf(mut tlb: DataTlb, leaf: CpuidResult) -> DataTlb {
        const DATA: u32 = 1;
        const UNIFIED: u32 = 3;
        const LOADS: u32 = 4;
        let (kind, level) = (leaf.edx & 31, (leaf.edx >> 5) & 7);
        let entries = Some((leaf.ebx >> 16) * leaf.ecx).filter(|&entries| entries > 0);
        if !matches!(kind, DATA | UNIFIED | LOADS) {
            return tlb;
        }
        let (small, huge) =
            if level == 1 { (&mut tlb.l1_small, &mut tlb.l1_huge) } else { (&mut tlb.l2_small, &mut tlb.l2_huge) };
        if leaf.ebx & 1 != 0 {
            *small = (*small).max(entries);
        }
        if leaf.ebx & 2 != 0 {
            *huge = (*huge).max(entries);
        }
        tlb
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use std::arch::x86_64::CpuidResult;

    #[test]
    fn amd_leaves_are_read_by_their_fields() {
        // 96 entries for small and huge pages in the first level, 4096 and 2048 in the second as far as 12 bits go.
        let first = CpuidResult { eax: 0xff60_ff40, ebx: 0xff60_ff40, ecx: 0, edx: 0 };
        let second = CpuidResult { eax: 0x5800_0000, ebx: 0x6c00_0000, ecx: 0, edx: 0 };
        let tlb = x86::amd(first, second);
        assert_eq!((tlb.l1_small, tlb.l1_huge), (Some(96), Some(96)));
        assert_eq!((tlb.l2_small, tlb.l2_huge), (Some(0xc00), Some(0x800)));
        let nothing = CpuidResult { eax: 0, ebx: 0, ecx: 0, edx: 0 };
        assert_eq!(x86::amd(nothing, nothing), DataTlb::default());
    }

    #[test]
    fn intel_leaves_about_loads_are_merged() {
        let leaf = |kind: u32, level: u32, pages: u32, ways: u32, sets: u32| CpuidResult {
            eax: 0,
            ebx: ways << 16 | pages,
            ecx: sets,
            edx: level << 5 | kind,
        };
        let leaves =
            [leaf(1, 1, 0b01, 6, 16), leaf(4, 1, 0b10, 8, 4), leaf(3, 2, 0b11, 8, 128), leaf(2, 1, 0b11, 99, 9)];
        let tlb = leaves.into_iter().fold(DataTlb::default(), x86::with_intel_leaf);
        let expected = DataTlb { l1_small: Some(96), l1_huge: Some(32), l2_small: Some(1024), l2_huge: Some(1024) };
        assert_eq!(tlb, expected);
    }

    #[test]
    fn detect_this_cpu_is_none_or_plausible() {
        let tlb = DataTlb::detect();
        let plausible = |entries: Option<u32>| entries.is_none_or(|entries| (4..=65_536).contains(&entries));
        assert!([tlb.l1_small, tlb.l1_huge, tlb.l2_small, tlb.l2_huge].into_iter().all(plausible), "{tlb:?}");
    }
}
