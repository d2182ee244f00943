//! From where the weights of a product are read.

use crate::host::Host;
use cke_kernels::Cpu;
use serde::{Deserialize, Serialize};

/// From where B is read when a product is computed again and again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weights {
    /// From where the product before left it: a cache that is large enough, else memory.
    #[default]
    AsLeft,
    /// From memory: copies of packed B are read in turns, together more than caches hold. A model that generates reads its layers so.
    FromMemory,
}

/// Bytes of all copies together, in last-level caches.
const CACHES: u64 = 4;
/// Bytes of all copies if caches are unknown or small.
const LEAST_BYTES: u64 = 64 << 20;

impl Weights {
    /// How many copies of packed B of `bytes` there are, at least 1.
    pub(super) fn copies(self, bytes: usize, cpu: &Cpu) -> usize {
        match self {
            Weights::AsLeft => 1,
            Weights::FromMemory => bytes_of_copies(cpu).div_ceil(bytes.max(1) as u64) as usize + 1,
        }
    }

    /// Memory that a contestant needs for them beside the operands.
    pub fn memory(self, cpu: &Cpu) -> u64 {
        match self {
            Weights::AsLeft => 0,
            Weights::FromMemory => bytes_of_copies(cpu),
        }
    }
}

fn bytes_of_copies(cpu: &Cpu) -> u64 {
    let caches = Host::detect(cpu).last_level_cache_bytes.unwrap_or(0);
    caches.saturating_mul(CACHES).max(LEAST_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_more_than_the_caches_hold() {
        let cpu = Cpu::host().expect("CKE_ISA is valid");
        let caches = Host::detect(cpu).last_level_cache_bytes.unwrap_or(0);
        for bytes in [1 << 16, 1 << 20, 1 << 30] {
            assert_eq!(Weights::AsLeft.copies(bytes, cpu), 1);
            let copies = Weights::FromMemory.copies(bytes, cpu);
            // One of them is left out of the sum: it may be the one that was read last.
            assert!(copies >= 2 && (copies - 1) as u64 * bytes as u64 >= caches, "{bytes}: {copies}");
        }
    }
}
