//! How fast the cores of a family do what the cost model counts. Only the choice between kernels whose results have the same bits may
//! depend on this.

use super::Features;
use std::fmt;

/// Who made a CPU, and which one it is: the result of CPUID functions 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) vendor: [u8; 12],
    /// Extended family and family.
    pub(super) family: u32,
    /// Extended model and model.
    pub(super) model: u32,
}

/// Cores whose vector units and caches are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CoreFamily {
    /// AMD Zen 2 and Zen 3: 256-bit vectors, two multiply-adds a cycle.
    Zen2And3,
    /// AMD Zen 4: 512-bit vectors in two halves, one multiply-add a cycle.
    Zen4,
    /// AMD Zen 5: two 512-bit multiply-adds a cycle.
    Zen5,
    /// Intel's server cores from Skylake-X on: two 512-bit multiply-adds a cycle.
    IntelServer,
    /// Intel's client cores: 256-bit vectors, two multiply-adds a cycle.
    IntelClient,
    /// Any other, taken to do two multiply-adds a cycle of the widest vectors that it has.
    Other,
}

/// What a core does in a cycle, and what it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Multiply-adds that start in a cycle, and vector loads, for vectors of up to 32 bytes.
    pub per_cycle: usize,
    /// The same for vectors of 64 bytes.
    pub wide_per_cycle: usize,
    /// Cycles from a multiply-add to one that depends on it.
    pub latency: usize,
    /// Bytes of B that come from the second cache level in a cycle without a stall, beside all else.
    pub l2_bytes_per_cycle: usize,
    /// Cycles to enter a microkernel and leave it.
    pub tile_overhead: usize,
    /// Cycles lost per row of A, a stream that the hardware prefetcher has to find.
    pub row_overhead: usize,
}

impl CoreFamily {
    /// The family, a function of the identity alone.
    ///
    /// Sources: AMD's and Intel's lists of family and model numbers in their manuals and errata sheets.
    pub(super) fn of(identity: Identity, features: Features) -> CoreFamily {
        let Identity { vendor, family, model } = identity;
        match (&vendor, family) {
            (b"AuthenticAMD", 0x17) => CoreFamily::Zen2And3,
            (b"AuthenticAMD", 0x19) => match model {
                0x10..=0x1f | 0x60..=0x7f | 0xa0..=0xaf => CoreFamily::Zen4,
                _ => CoreFamily::Zen2And3,
            },
            (b"AuthenticAMD", 0x1a) => CoreFamily::Zen5,
            (b"GenuineIntel", 6) => match model {
                // Skylake-X to Cooper Lake, Ice Lake, Sapphire and Emerald Rapids, Granite Rapids.
                0x55 | 0x6a | 0x6c | 0x8f | 0xcf | 0xad | 0xae => CoreFamily::IntelServer,
                _ if features.contains(Features::AVX2) && !features.contains(Features::AVX512) => {
                    CoreFamily::IntelClient
                }
                _ => CoreFamily::Other,
            },
            _ => CoreFamily::Other,
        }
    }

    /// The rates that the cost model takes.
    pub const fn rates(self) -> Rates {
        const USUAL: Rates = Rates {
            per_cycle: 2,
            wide_per_cycle: 2,
            latency: 4,
            l2_bytes_per_cycle: 24,
            tile_overhead: 40,
            row_overhead: 10,
        };
        match self {
            CoreFamily::Zen4 => Rates { wide_per_cycle: 1, ..USUAL },
            _ => USUAL,
        }
    }

    /// What users read.
    pub const fn name(self) -> &'static str {
        match self {
            CoreFamily::Zen2And3 => "Zen 2 or 3",
            CoreFamily::Zen4 => "Zen 4",
            CoreFamily::Zen5 => "Zen 5",
            CoreFamily::IntelServer => "Intel server (Skylake-X and later)",
            CoreFamily::IntelClient => "Intel client",
            CoreFamily::Other => "unknown, with the usual rates",
        }
    }
}

impl fmt::Display for CoreFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Rates {
    /// Multiply-adds that start in a cycle, and loads, of vectors of this many bytes.
    pub const fn per_cycle(&self, vector_bytes: usize) -> usize {
        if vector_bytes > 32 { self.wide_per_cycle } else { self.per_cycle }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_follow_from_the_numbers_of_known_cpus() {
        let of = |vendor: &[u8; 12], family, model| {
            CoreFamily::of(Identity { vendor: *vendor, family, model }, Features::AVX2 | Features::FMA)
        };
        assert_eq!(of(b"AuthenticAMD", 0x17, 0x31), CoreFamily::Zen2And3); // EPYC 7002
        assert_eq!(of(b"AuthenticAMD", 0x19, 0x01), CoreFamily::Zen2And3); // EPYC 7003
        assert_eq!(of(b"AuthenticAMD", 0x19, 0x11), CoreFamily::Zen4); // EPYC 9004
        assert_eq!(of(b"AuthenticAMD", 0x19, 0x61), CoreFamily::Zen4); // Ryzen 7000
        assert_eq!(of(b"AuthenticAMD", 0x1a, 0x02), CoreFamily::Zen5); // EPYC 9005
        assert_eq!(of(b"GenuineIntel", 6, 0x8f), CoreFamily::IntelServer); // Sapphire Rapids
        assert_eq!(of(b"GenuineIntel", 6, 0x97), CoreFamily::IntelClient); // Alder Lake
        assert_eq!(of(b"CentaurHauls", 7, 0x5b), CoreFamily::Other);
    }

    #[test]
    fn rates_are_such_as_costs_can_be_divided_by() {
        use CoreFamily::{IntelClient, IntelServer, Other, Zen2And3, Zen4, Zen5};
        for family in [Zen2And3, Zen4, Zen5, IntelServer, IntelClient, Other] {
            let rates = family.rates();
            assert!(rates.per_cycle > 0 && rates.wide_per_cycle > 0 && rates.l2_bytes_per_cycle > 0, "{family}");
        }
        assert_eq!(Zen4.rates().per_cycle(64), 1);
        assert_eq!(Zen4.rates().per_cycle(32), 2);
    }
}
