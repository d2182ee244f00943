//! What the machine allows for one product.

use super::machine::Machine;
use cke_perf::roofline::{Roofline, Work};
use serde::Serialize;

/// The rate that nothing can exceed: the smaller of the multiply-add peak and what the memory level that holds the operands
/// delivers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Ceiling {
    /// GFLOP/s.
    pub(crate) gflops: f64,
    pub(crate) limit: Limit,
}

/// What a ceiling is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Limit {
    /// The multiply-add units.
    Arithmetic,
    /// The bandwidth of the first cache level.
    L1,
    /// Of the second.
    L2,
    /// Of the third.
    L3,
    /// Of memory.
    Memory,
}

impl Limit {
    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Limit::Arithmetic => "arithmetic",
            Limit::L1 => "L1",
            Limit::L2 => "L2",
            Limit::L3 => "L3",
            Limit::Memory => "memory",
        }
    }

    /// As the subject of a sentence.
    pub(crate) fn subject(self) -> &'static str {
        match self {
            Limit::Arithmetic => "the multiply-add units",
            Limit::L1 => "the L1 cache",
            Limit::L2 => "the L2 cache",
            Limit::L3 => "the L3 cache",
            Limit::Memory => "the memory",
        }
    }
}

/// Handing work to other threads and waiting for them takes some microseconds, whatever the software.
const HANDING_OUT_SECONDS: f64 = 5e-6;

/// The ceiling of `work`, whose operands were used a moment ago and lie in the smallest level that holds them, with
/// `peak_gflops` measured beside it. The bandwidth is that of a working set of this size on the measured curve. Where one
/// thread would be done before others have got their part, the ceiling is that of one thread.
pub(crate) fn ceiling(machine: &Machine, work: Work, threads: usize, peak_gflops: f64) -> Ceiling {
    let curve = machine.bandwidth_curves.iter().find(|curve| curve.threads == threads);
    let memory = machine.bandwidth("memory", threads).unwrap_or(f64::INFINITY);
    let bandwidth_gb_s = curve.map_or(memory, |curve| curve.at(work.bytes as f64));
    let roofline = Roofline { peak_gflops, bandwidth_gb_s };
    let is_arithmetic = work.intensity() >= roofline.ridge_intensity();
    let limit = if is_arithmetic { Limit::Arithmetic } else { level(machine, work.bytes / threads as u64) };
    let together = roofline.least_seconds(work);
    let alone = together * threads as f64;
    Ceiling { gflops: work.gflops(together.max(alone.min(HANDING_OUT_SECONDS))), limit }
}

/// The smallest level that holds so many bytes of each thread.
fn level(machine: &Machine, bytes: u64) -> Limit {
    let holds = |size: usize| size as u64 >= bytes;
    let host = &machine.host;
    match () {
        () if holds(host.l1d_bytes) => Limit::L1,
        () if holds(host.l2_bytes) => Limit::L2,
        () if holds(host.l3_bytes) => Limit::L3,
        () => Limit::Memory,
    }
}

#[cfg(test)]
mod tests {
    use super::super::example;
    use super::*;

    #[test]
    fn ceiling_of_intense_work_is_the_peak() {
        let work = Work { flops: 2 << 30, bytes: 1 << 20 };
        let found = ceiling(&example::machine(), work, 1, 200.0);
        assert!((found.gflops - 200.0).abs() < 1e-9 && found.limit == Limit::Arithmetic, "{found:?}");
    }

    #[test]
    fn ceiling_of_a_vector_product_is_that_of_the_level_that_holds_it() {
        // Half a flop for each byte.
        for (bytes, gflops, limit) in [
            (16 << 10, 200.0, Limit::L1),
            (256 << 10, 100.0, Limit::L2),
            (8 << 20, 50.0, Limit::L3),
            (1 << 30, 20.0, Limit::Memory),
        ] {
            let found = ceiling(&example::machine(), Work { flops: bytes / 2, bytes }, 1, 1e6);
            assert!((found.gflops - gflops).abs() < 1e-9 && found.limit == limit, "{bytes} bytes: {found:?}");
        }
    }

    #[test]
    fn ceiling_of_short_work_is_that_of_one_thread() {
        let of = |flops: u64| ceiling(&example::machine(), Work { flops, bytes: flops / 100 }, 4, 400.0).gflops;
        // 1, 4 and 100 µs with four threads.
        for (flops, expected) in [(400_000, 100.0), (1_600_000, 320.0), (40_000_000, 400.0)] {
            assert!((of(flops) - expected).abs() < 1e-9, "{flops} flops: {}", of(flops));
        }
    }
}
