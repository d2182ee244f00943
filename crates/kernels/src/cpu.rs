//! What this CPU can do: its instruction sets and caches, read once.
//!
//! The environment variable `CKE_ISA` (`scalar`, `avx2` or `avx512`) caps what is used; it can never raise it.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

/// A family of vector instructions that kernels are written for, from least to most capable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// One element at a time; every CPU.
    Scalar,
    /// 256-bit vectors with fused multiply-add (AVX2 and FMA).
    Avx2,
    /// 512-bit vectors with masks (AVX-512 F, VL, BW and DQ).
    Avx512,
}

impl Isa {
    /// Every ISA, least capable first.
    pub const ALL: [Isa; 3] = [Isa::Scalar, Isa::Avx2, Isa::Avx512];

    /// The name used by `CKE_ISA` and in kernel names.
    pub const fn name(self) -> &'static str {
        match self {
            Isa::Scalar => "scalar",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
        }
    }

    /// The most capable ISA that this machine has, whatever `CKE_ISA` says.
    fn detect() -> Isa {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq");
            if avx2 && avx512 {
                return Isa::Avx512;
            }
            if avx2 {
                return Isa::Avx2;
            }
        }
        Isa::Scalar
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Isa {
    type Err = CpuError;

    fn from_str(s: &str) -> Result<Isa, CpuError> {
        Isa::ALL.into_iter().find(|isa| isa.name() == s).ok_or_else(|| CpuError::UnknownIsa(s.to_owned()))
    }
}

/// Why the CPU description cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CpuError {
    /// A name that is no ISA.
    #[error("unknown instruction set {0:?}: wanted scalar, avx2 or avx512")]
    UnknownIsa(String),
    /// `CKE_ISA` is set to something that is no ISA.
    #[error("CKE_ISA={0:?} is no instruction set: wanted scalar, avx2 or avx512")]
    BadCap(String),
    /// `CKE_REQUIRE_ISA` names an ISA that is not the one in use.
    #[error("CKE_REQUIRE_ISA={wanted} but {found} is in use (this CPU has {detected})")]
    RequiredIsa {
        /// What `CKE_REQUIRE_ISA` says.
        wanted: String,
        /// The ISA in use.
        found: Isa,
        /// The most capable ISA of the machine.
        detected: Isa,
    },
}

/// Data cache sizes of one core, in bytes. Guesses on the small side where the CPU does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caches {
    /// Level 1, data.
    pub l1d: usize,
    /// Level 2.
    pub l2: usize,
    /// Level 3, shared by several cores; 0 where there is none.
    pub l3: usize,
}

impl Caches {
    const GUESS: Caches = Caches { l1d: 32 << 10, l2: 256 << 10, l3: 0 };
}

/// A CPU as kernels see it. Cheap to copy; the only thing in the library that is read once and kept.
#[derive(Clone, Copy, Debug)]
pub struct Cpu {
    isa: Isa,
    detected: Isa,
    caches: Caches,
    brand: [u8; 48],
}

impl Cpu {
    /// The CPU that this process runs on, capped by `CKE_ISA` and checked against `CKE_REQUIRE_ISA`.
    ///
    /// # Errors
    /// When one of the two variables is no ISA, or the required one is not in use.
    pub fn host() -> Result<&'static Cpu, CpuError> {
        static HOST: OnceLock<Result<Cpu, CpuError>> = OnceLock::new();
        HOST.get_or_init(Cpu::read).as_ref().map_err(Clone::clone)
    }

    fn read() -> Result<Cpu, CpuError> {
        let detected = Isa::detect();
        let (caches, brand) = read_cpuid();
        let machine = Cpu { isa: detected, detected, caches, brand };
        let cpu = match std::env::var("CKE_ISA") {
            Ok(cap) if !cap.is_empty() => machine.capped(cap.parse().map_err(|_| CpuError::BadCap(cap))?),
            _ => machine,
        };
        match std::env::var("CKE_REQUIRE_ISA") {
            Ok(wanted) if !wanted.is_empty() && wanted != cpu.isa.name() => {
                Err(CpuError::RequiredIsa { wanted, found: cpu.isa, detected })
            }
            _ => Ok(cpu),
        }
    }

    /// The same CPU with nothing above `cap` in use.
    pub fn capped(&self, cap: Isa) -> Cpu {
        Cpu { isa: self.isa.min(cap), ..*self }
    }

    /// The ISA in use.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// The most capable ISA that the machine has.
    pub fn detected_isa(&self) -> Isa {
        self.detected
    }

    /// Whether kernels written for `isa` may run.
    pub fn has(&self, isa: Isa) -> bool {
        isa <= self.isa
    }

    /// Cache sizes.
    pub fn caches(&self) -> Caches {
        self.caches
    }

    /// The name that the CPU gives itself, or an empty string.
    pub fn brand(&self) -> &str {
        let text = std::str::from_utf8(&self.brand).unwrap_or("");
        text.trim_matches(['\0', ' '])
    }
}

/// Cache sizes and brand string from the CPUID instruction.
///
/// Source: Intel SDM volume 2A, CPUID leaf 4; AMD APM volume 3, functions 8000_001D and 8000_0002–4.
#[cfg(target_arch = "x86_64")]
fn read_cpuid() -> (Caches, [u8; 48]) {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    let vendor = __cpuid(0);
    let highest_extended = __cpuid(0x8000_0000).eax;
    let is_amd = vendor.ebx == u32::from_le_bytes(*b"Auth") || vendor.ebx == u32::from_le_bytes(*b"Hygo");
    let leaf = if is_amd { 0x8000_001D } else { 4 };
    let known = if is_amd { highest_extended >= leaf } else { vendor.eax >= leaf };

    let mut caches = Caches::GUESS;
    for index in 0..if known { 8 } else { 0 } {
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

    let mut brand = [0; 48];
    if highest_extended >= 0x8000_0004 {
        for (i, part) in brand.chunks_exact_mut(16).enumerate() {
            let r = __cpuid(0x8000_0002 + i as u32);
            for (bytes, word) in part.chunks_exact_mut(4).zip([r.eax, r.ebx, r.ecx, r.edx]) {
                bytes.copy_from_slice(&word.to_le_bytes());
            }
        }
    }
    (caches, brand)
}

#[cfg(not(target_arch = "x86_64"))]
fn read_cpuid() -> (Caches, [u8; 48]) {
    (Caches::GUESS, [0; 48])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn isa_names_parse_back() {
        for isa in Isa::ALL {
            assert_eq!(isa.name().parse(), Ok(isa));
        }
        assert_eq!("sse".parse::<Isa>(), Err(CpuError::UnknownIsa("sse".to_owned())));
    }

    #[test]
    fn capped_cpu_never_gains() {
        let cpu = Cpu::host().expect("the environment names no bad ISA");
        for cap in Isa::ALL {
            let capped = cpu.capped(cap);
            assert!(capped.isa() <= cap && capped.isa() <= cpu.isa());
            assert!(capped.has(Isa::Scalar));
        }
    }

    #[test]
    fn caches_are_plausible() {
        let caches = Cpu::host().expect("the environment names no bad ISA").caches();
        assert!((8 << 10..=1 << 20).contains(&caches.l1d), "{caches:?}");
        assert!(caches.l2 >= caches.l1d, "{caches:?}");
    }
}
