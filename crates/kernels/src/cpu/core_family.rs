//! How fast the cores of a family do what the cost model counts, and how far ahead they like to prefetch. Only the choice between kernels
//! whose results have the same bits, and prefetching, may depend on this.

use std::fmt;

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
    /// ARM's small cores in order, Cortex-A53 and A55: one 128-bit multiply-add a cycle.
    CortexA53,
    /// ARM's Cortex-A57 and A72: one 128-bit multiply-add and one load a cycle.
    CortexA72,
    /// ARM's Cortex-A76 to A78 and Neoverse N1: two 128-bit multiply-adds a cycle.
    CortexA76,
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
    /// Bytes ahead of what a single row reads that packed weights of few bits are prefetched. The hardware sees such a stream, too. On Zen 4
    /// it loses it if that is a page ahead: 2 to 7 KB ahead, four bits came at 20 GB/s, 1 KB ahead at the 31 of its memory. On Zen 5 they come
    /// at 26 GB/s 1 KB ahead, and at 35 from 8 KB on; on an Intel Xeon at 13 and at 25.
    pub row_stream_ahead: usize,
}

impl CoreFamily {
    /// The rates that the cost model takes.
    pub const fn rates(self) -> Rates {
        const USUAL: Rates = Rates {
            per_cycle: 2,
            wide_per_cycle: 2,
            latency: 4,
            l2_bytes_per_cycle: 24,
            tile_overhead: 40,
            row_overhead: 10,
            row_stream_ahead: 1024,
        };
        match self {
            CoreFamily::Zen4 => Rates { wide_per_cycle: 1, ..USUAL },
            CoreFamily::Zen5 | CoreFamily::IntelServer => Rates { row_stream_ahead: 8192, ..USUAL },
            CoreFamily::CortexA53 => Rates { per_cycle: 1, l2_bytes_per_cycle: 4, ..USUAL },
            CoreFamily::CortexA72 => Rates { per_cycle: 1, latency: 7, l2_bytes_per_cycle: 8, ..USUAL },
            CoreFamily::CortexA76 => Rates { l2_bytes_per_cycle: 16, ..USUAL },
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
            CoreFamily::CortexA53 => "Cortex-A53 or A55",
            CoreFamily::CortexA72 => "Cortex-A57 or A72",
            CoreFamily::CortexA76 => "Cortex-A76 to A78 or Neoverse N1",
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
    fn rates_are_such_as_costs_can_be_divided_by() {
        use CoreFamily::{CortexA53, CortexA72, CortexA76, IntelClient, IntelServer, Other, Zen2And3, Zen4, Zen5};
        for family in [Zen2And3, Zen4, Zen5, IntelServer, IntelClient, CortexA53, CortexA72, CortexA76, Other] {
            let rates = family.rates();
            assert!(rates.per_cycle > 0 && rates.wide_per_cycle > 0 && rates.l2_bytes_per_cycle > 0, "{family}");
        }
        assert_eq!(Zen4.rates().per_cycle(64), 1);
        assert_eq!(Zen4.rates().per_cycle(32), 2);
    }
}
