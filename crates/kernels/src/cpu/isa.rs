//! The names by which `CKE_ISA` caps what is used.

use super::{CpuError, Features};
use std::fmt;
use std::str::FromStr;

/// A cap on what is used of a CPU, from least to most. Kernels do not need an `Isa` but [`Features`]; an `Isa` stands for those that
/// code over its vectors may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// One element at a time; every CPU.
    Scalar,
    /// 128-bit vectors of 64-bit ARM with fused multiply-add.
    Neon,
    /// 256-bit vectors with fused multiply-add.
    Avx2,
    /// 512-bit vectors with masks.
    Avx512,
}

impl Isa {
    /// Every ISA of the architecture that the program is built for, least capable first.
    #[cfg(target_arch = "x86_64")]
    pub const ALL: [Isa; 3] = [Isa::Scalar, Isa::Avx2, Isa::Avx512];
    /// Every ISA of the architecture that the program is built for, least capable first.
    #[cfg(target_arch = "aarch64")]
    pub const ALL: [Isa; 2] = [Isa::Scalar, Isa::Neon];
    /// Every ISA of the architecture that the program is built for, least capable first.
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    pub const ALL: [Isa; 1] = [Isa::Scalar];

    /// Their names, in words.
    pub const NAMES: &'static str = match Isa::ALL.len() {
        1 => "scalar",
        2 => "scalar or neon",
        _ => "scalar, avx2 or avx512",
    };

    /// The values of `CKE_ISA` and `CKE_REQUIRE_ISA`, in words: those names, and on x86-64 `amx`.
    pub const SETTINGS: &'static str = match Isa::ALL.len() {
        3 => "scalar, avx2, avx512 or amx",
        _ => Isa::NAMES,
    };

    /// The name used by `CKE_ISA` and in kernel names.
    pub const fn name(self) -> &'static str {
        match self {
            Isa::Scalar => "scalar",
            Isa::Neon => "neon",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
        }
    }

    /// What a CPU must have for its vectors.
    pub const fn needs(self) -> Features {
        match self {
            Isa::Scalar => Features::NONE,
            Isa::Neon => Features::NEON,
            Isa::Avx2 => Features::AVX2.union(Features::FMA),
            Isa::Avx512 => Isa::Avx2.needs().union(Features::AVX512),
        }
    }

    /// What may be used under it as a cap.
    const fn allows(self) -> Features {
        match self {
            Isa::Scalar => Features::NONE,
            Isa::Neon => Features::NEON.union(Features::DOTPROD).union(Features::I8MM),
            Isa::Avx2 => Isa::Avx2.needs().union(Features::AVX_VNNI).union(Features::F16C),
            Isa::Avx512 => Features::ALL.without(Features::AMX).without(Features::UNUSED),
        }
    }

    /// `features` as far as this cap allows them.
    pub(super) const fn cap(self, features: Features) -> Features {
        features.intersection(self.allows())
    }

    /// The most capable ISA whose vectors a CPU with `features` has.
    pub(super) fn of(features: Features) -> Isa {
        Isa::ALL.into_iter().rfind(|isa| features.contains(isa.needs())).unwrap_or(Isa::Scalar)
    }

    /// The lowest cap that allows `features`; the highest if none does, as those of AMX.
    pub(crate) const fn allowing(features: Features) -> Isa {
        let mut cap = 0;
        while cap + 1 < Isa::ALL.len() && !Isa::ALL[cap].allows().contains(features) {
            cap += 1;
        }
        Isa::ALL[cap]
    }
}

/// The value of `CKE_ISA` and `CKE_REQUIRE_ISA` that stands for AMX beside the widest vectors.
pub(super) const AMX: &str = "amx";

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
    fn settings_are_the_names_and_amx_on_x86_64() {
        let words: Vec<&str> = Isa::SETTINGS.split([' ', ',']).filter(|word| !["", "or"].contains(word)).collect();
        let amx = cfg!(target_arch = "x86_64").then_some(AMX);
        assert_eq!(words, Isa::ALL.map(Isa::name).into_iter().chain(amx).collect::<Vec<_>>());
    }

    #[test]
    fn cap_allows_what_its_vectors_need() {
        for isa in Isa::ALL {
            assert_eq!(isa.cap(Features::ALL), isa.allows());
            assert_eq!(Isa::of(isa.cap(Features::ALL)), isa);
            assert_eq!(Isa::allowing(isa.needs()), isa);
        }
        if cfg!(target_arch = "x86_64") {
            assert_eq!(Isa::allowing(Features::AVX_VNNI), Isa::Avx2);
            assert_eq!(Isa::allowing(Features::AVX512_BF16), Isa::Avx512);
            assert_eq!(Isa::allowing(Features::AMX_BF16), Isa::Avx512);
        }
        for isa in Isa::ALL {
            assert_eq!(isa.cap(Features::AMX), Features::NONE);
        }
    }
}
