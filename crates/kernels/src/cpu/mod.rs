//! What this CPU can do: its instruction set extensions, caches and core family, read once.
//!
//! The environment variable `CKE_ISA` (`scalar`, `avx2`, `avx512` or `amx`) caps what is used. `CKE_REQUIRE_ISA`, with the same values, makes it an
//! error if anything else is in use.

#[cfg(target_arch = "x86_64")]
mod amx;
mod caches;
mod core_family;
mod features;
mod isa;
#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
#[cfg_attr(all(target_arch = "aarch64", target_os = "linux"), path = "aarch64.rs")]
#[cfg_attr(not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_os = "linux"))), path = "other.rs")]
mod read;

pub use caches::Caches;
pub use core_family::{CoreFamily, Rates};
pub use features::Features;
pub use isa::Isa;

use std::sync::OnceLock;

/// Why there is no description of the CPU.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum CpuError {
    /// An unknown name.
    #[error("unknown instruction set {0:?}: wanted {names}", names = Isa::NAMES)]
    UnknownIsa(String),
    /// `CKE_ISA` is set to an unknown name.
    #[error("unknown CKE_ISA value {0:?}: wanted {names}", names = Isa::SETTINGS)]
    BadCap(String),
    /// `CKE_REQUIRE_ISA` is set to an unknown name.
    #[error("unknown CKE_REQUIRE_ISA value {0:?}: wanted {names}", names = Isa::SETTINGS)]
    BadRequirement(String),
    /// `CKE_REQUIRE_ISA` asks for AMX, which is not in use.
    #[error(
        "CKE_REQUIRE_ISA=amx, but AMX is not in use: it needs a CPU with AMX, a system that permits its use, and no CKE_ISA but amx"
    )]
    RequiredAmx,
    /// `CKE_REQUIRE_ISA` names an ISA that is not the one in use.
    #[error(
        "CKE_REQUIRE_ISA={wanted}, but {found} is in use (this CPU has {detected}): unset CKE_REQUIRE_ISA, or change CKE_ISA or the \
         machine"
    )]
    RequiredIsa {
        /// What `CKE_REQUIRE_ISA` says.
        wanted: Isa,
        /// The ISA in use.
        found: Isa,
        /// The most capable ISA of the machine.
        detected: Isa,
    },
}

crate::debug_as_display!(CpuError);

/// A CPU as kernels see it. Cheap to copy; the only thing in the library that is read once and kept.
#[derive(Clone, Copy, Debug)]
pub struct Cpu {
    /// What may be used.
    features: Features,
    /// What the machine has.
    detected: Features,
    caches: Caches,
    family: CoreFamily,
    brand: [u8; 48],
}

impl Cpu {
    /// The CPU that this process runs on, capped by `CKE_ISA` and checked against `CKE_REQUIRE_ISA`.
    ///
    /// # Errors
    /// If one of the two variables is unknown, or the required ISA is not in use.
    pub fn host() -> Result<&'static Cpu, CpuError> {
        static HOST: OnceLock<Result<Cpu, CpuError>> = OnceLock::new();
        HOST.get_or_init(Cpu::read).as_ref().map_err(Clone::clone)
    }

    fn read() -> Result<Cpu, CpuError> {
        let (detected, identity) = (read::features(), read::identity());
        let family = read::family_of(&identity, detected);
        let machine = Cpu {
            features: usable(detected).without(Features::UNUSED),
            detected,
            caches: read::caches(&identity),
            family,
            brand: read::brand(&identity),
        };
        let cpu = match std::env::var("CKE_ISA") {
            Ok(cap) if cap == isa::AMX && cfg!(target_arch = "x86_64") => machine,
            Ok(cap) if !cap.is_empty() => machine.capped(cap.parse().map_err(|_| CpuError::BadCap(cap))?),
            _ => machine,
        };
        match std::env::var("CKE_REQUIRE_ISA") {
            Ok(required) if !required.is_empty() => cpu.check(&required).map(|()| cpu),
            _ => Ok(cpu),
        }
    }

    /// Checks that this is in use, a value of `CKE_REQUIRE_ISA`.
    fn check(&self, required: &str) -> Result<(), CpuError> {
        if required == isa::AMX && cfg!(target_arch = "x86_64") {
            let is_in_use = self.features().intersection(Features::AMX) != Features::NONE;
            return if is_in_use { Ok(()) } else { Err(CpuError::RequiredAmx) };
        }
        let wanted: Isa = required.parse().map_err(|_| CpuError::BadRequirement(required.to_owned()))?;
        let (found, detected) = (self.isa(), self.detected_isa());
        if wanted == found { Ok(()) } else { Err(CpuError::RequiredIsa { wanted, found, detected }) }
    }

    /// The same CPU with nothing above `cap` in use.
    pub fn capped(&self, cap: Isa) -> Cpu {
        Cpu { features: cap.cap(self.features), ..*self }
    }

    /// Whether code that needs these extensions may run. The first question for AMX asks the system to permit its use.
    #[inline]
    pub fn has(&self, needs: Features) -> bool {
        self.features.contains(needs) && (needs.intersection(Features::AMX) == Features::NONE || is_amx_permitted())
    }

    /// The extensions in use.
    pub fn features(&self) -> Features {
        let amx = self.features.intersection(Features::AMX);
        if self.has(amx) { self.features } else { self.features.without(Features::AMX) }
    }

    /// The extensions that the machine has.
    pub fn detected_features(&self) -> Features {
        self.detected
    }

    /// The widest vectors in use.
    pub fn isa(&self) -> Isa {
        Isa::of(self.features)
    }

    /// The widest vectors that the machine has.
    pub fn detected_isa(&self) -> Isa {
        Isa::of(self.detected)
    }

    /// Cache sizes.
    pub fn caches(&self) -> Caches {
        self.caches
    }

    /// The family of its cores, by which the cost model takes its rates.
    pub fn core_family(&self) -> CoreFamily {
        self.family
    }

    /// The name that the CPU gives itself, or an empty string.
    pub fn brand(&self) -> &str {
        let text = std::str::from_utf8(&self.brand).unwrap_or("");
        text.trim_matches(['\0', ' '])
    }
}

/// The same without AMX if there is no AVX-512, which its kernels use, too.
fn usable(features: Features) -> Features {
    if features.contains(Isa::Avx512.needs()) { features } else { features.without(Features::AMX) }
}

fn is_amx_permitted() -> bool {
    #[cfg(target_arch = "x86_64")]
    return amx::is_permitted();
    #[cfg(not(target_arch = "x86_64"))]
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capped_cpu_never_gains() {
        let cpu = Cpu::host().expect("the environment names no bad ISA");
        for cap in Isa::ALL {
            let capped = cpu.capped(cap);
            assert!(capped.isa() <= cap && capped.isa() <= cpu.isa());
            assert!(cpu.has(capped.features()) && capped.has(Features::NONE));
        }
    }

    #[test]
    fn amx_takes_avx512_and_no_cap() {
        let cpu = *Cpu::host().expect("the environment names no bad ISA");
        let with_amx = Cpu { features: cpu.features | Features::AMX, ..cpu };
        assert_eq!(with_amx.isa(), cpu.isa());
        for cap in Isa::ALL {
            assert!(!with_amx.capped(cap).has(Features::AMX_INT8));
        }
        assert_eq!(usable(Isa::Avx2.needs() | Features::AMX), Isa::Avx2.needs());
        assert!(usable(Isa::Avx512.needs() | Features::AMX).contains(Features::AMX));
    }

    #[test]
    fn required_isa_is_the_one_in_use() {
        let cpu = *Cpu::host().expect("the environment names no bad ISA");
        let cpu = Cpu { features: cpu.features.without(Features::AMX), ..cpu };
        assert_eq!(cpu.check(cpu.isa().name()), Ok(()));
        assert_eq!(cpu.check("mmx"), Err(CpuError::BadRequirement("mmx".to_owned())));
        let (scalar, detected) = (cpu.capped(Isa::Scalar), cpu.detected_isa());
        for wanted in Isa::ALL.into_iter().filter(|&isa| isa != Isa::Scalar) {
            let expected = CpuError::RequiredIsa { wanted, found: Isa::Scalar, detected };
            assert_eq!(scalar.check(wanted.name()), Err(expected));
        }
        if cfg!(target_arch = "x86_64") {
            assert_eq!(cpu.check(isa::AMX), Err(CpuError::RequiredAmx));
            let is_permitted = is_amx_permitted().then_some(()).ok_or(CpuError::RequiredAmx);
            assert_eq!(Cpu { features: cpu.features | Features::AMX_INT8, ..cpu }.check(isa::AMX), is_permitted);
        } else {
            assert_eq!(cpu.check(isa::AMX), Err(CpuError::BadRequirement(isa::AMX.to_owned())));
        }
    }

    #[test]
    fn caches_are_plausible() {
        let caches = Cpu::host().expect("the environment names no bad ISA").caches();
        assert!((8 << 10..=1 << 20).contains(&caches.l1d), "{caches:?}");
        assert!(caches.l2 >= caches.l1d, "{caches:?}");
    }
}
