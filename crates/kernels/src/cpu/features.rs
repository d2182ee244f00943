//! What a CPU can execute beyond the baseline of its architecture, as a set.

use std::fmt;
use std::ops::BitOr;

/// A set of instruction set extensions. Kernels name what they need, a CPU what it has; a CPU with one extension more runs all that it
/// ran before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Features(u64);

/// `name = bit, "what it is called"`: the constants, and the list behind [`Features::iter`].
macro_rules! features {
    ($($(#[$doc:meta])* $name:ident = $bit:literal, $text:literal;)*) => {
        impl Features {
            $($(#[$doc])* pub const $name: Features = Features(1 << $bit);)*

            /// Every extension that has a name here, with that name.
            pub const NAMED: &'static [(Features, &'static str)] = &[$((Features::$name, $text)),*];

            /// All of them.
            pub const ALL: Features = Features(0 $(| 1 << $bit)*);
        }
    };
}

features! {
    /// 256-bit vectors: AVX and AVX2.
    AVX2 = 0, "avx2";
    /// Fused multiply-add on 256-bit vectors.
    FMA = 1, "fma";
    /// 512-bit vectors with masks: AVX-512 F, VL, BW and DQ.
    AVX512 = 2, "avx512";
    /// Sums of four products of bytes, on AVX-512 (`vpdpbusd`).
    AVX512_VNNI = 3, "avx512_vnni";
    /// Sums of two products of bf16, on AVX-512 (`vdpbf16ps`).
    AVX512_BF16 = 4, "avx512_bf16";
    /// `vpdpbusd` on 256-bit vectors, without AVX-512.
    AVX_VNNI = 5, "avx_vnni";
    /// Tiles of bytes: AMX-TILE and AMX-INT8.
    AMX_INT8 = 6, "amx_int8";
    /// Tiles of bf16: AMX-TILE and AMX-BF16.
    AMX_BF16 = 7, "amx_bf16";
    /// Conversions between f16 and f32.
    F16C = 8, "f16c";
    /// 128-bit vectors of ARM: Advanced SIMD.
    NEON = 9, "neon";
    /// Sums of four products of bytes, on NEON (`sdot`).
    DOTPROD = 10, "dotprod";
    /// Products of 2 × 8 by 8 × 2 bytes, on NEON (`smmla`).
    I8MM = 11, "i8mm";
    /// Arithmetic of ARM on f16.
    ARM_FP16 = 12, "fp16";
    /// Products of bf16 on NEON (`bfdot`, `bfmmla`).
    ARM_BF16 = 13, "bf16";
    /// Vectors of ARM without a fixed length.
    SVE = 14, "sve";
    /// The same, second edition.
    SVE2 = 15, "sve2";
}

impl Features {
    /// The baseline of the architecture.
    pub const NONE: Features = Features(0);

    /// What the system must permit.
    pub const AMX: Features = Features::AMX_INT8.union(Features::AMX_BF16);

    /// What is named only to describe a CPU: no kernel uses it.
    pub const UNUSED: Features =
        Features::ARM_FP16.union(Features::ARM_BF16).union(Features::SVE).union(Features::SVE2);

    /// Both sets together.
    pub const fn union(self, other: Features) -> Features {
        Features(self.0 | other.0)
    }

    /// What is in both.
    pub const fn intersection(self, other: Features) -> Features {
        Features(self.0 & other.0)
    }

    /// What is in it, and not in `other`.
    pub const fn without(self, other: Features) -> Features {
        Features(self.0 & !other.0)
    }

    /// Whether all of `other` is in it.
    pub const fn contains(self, other: Features) -> bool {
        self.0 & other.0 == other.0
    }

    /// The set if `is_there`, else the empty one.
    pub(super) const fn if_there(self, is_there: bool) -> Features {
        if is_there { self } else { Features::NONE }
    }

    /// The names of its members.
    pub fn iter(self) -> impl Iterator<Item = &'static str> {
        Self::NAMED.iter().filter(move |(feature, _)| self.contains(*feature)).map(|&(_, name)| name)
    }
}

impl BitOr for Features {
    type Output = Features;

    fn bitor(self, other: Features) -> Features {
        self.union(other)
    }
}

/// `avx2+fma`, or `none`.
impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Features::NONE {
            return f.write_str("none");
        }
        for (index, name) in self.iter().enumerate() {
            let plus = if index > 0 { "+" } else { "" };
            write!(f, "{plus}{name}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_contain_their_parts_and_no_others() {
        let both = Features::AVX2 | Features::FMA;
        assert!(both.contains(Features::AVX2) && both.contains(both) && both.contains(Features::NONE));
        assert!(!both.contains(Features::AVX512) && !Features::NONE.contains(Features::FMA));
        assert_eq!(both.intersection(Features::FMA | Features::AVX512), Features::FMA);
        assert_eq!(both.without(Features::FMA | Features::AVX512), Features::AVX2);
    }

    #[test]
    fn every_feature_is_one_bit_of_its_own() {
        let all = Features::NAMED.iter().fold(Features::NONE, |all, &(feature, name)| {
            assert!(feature.0.is_power_of_two() && !all.contains(feature), "{name}");
            all | feature
        });
        assert_eq!(all, Features::ALL);
        assert_eq!(all.iter().count(), Features::NAMED.len());
    }

    #[test]
    fn display_names_the_members() {
        assert_eq!(Features::NONE.to_string(), "none");
        assert_eq!((Features::FMA | Features::AVX2).to_string(), "avx2+fma");
    }
}
