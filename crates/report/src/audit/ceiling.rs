//! What the machine allows for one product.

use super::machine::Machine;
use cke_perf::peers::Roofs;
use cke_perf::roofline::Work;
use serde::Serialize;

/// The rate that nothing should exceed: the smaller of the multiply-add peak and what the memory level that holds the operands
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

/// The ceiling of `work`, whose operands were used a moment ago and lie in the smallest level that holds them, under the roofs
/// that were measured in the same rounds.
pub(crate) fn ceiling(machine: &Machine, work: Work, threads: usize, roofs: &Roofs) -> Ceiling {
    let roofline = roofs.limit(work);
    let readers = if roofs.alone == Some(roofline) { 1 } else { threads };
    let is_arithmetic = work.intensity() >= roofline.ridge_intensity();
    let limit = if is_arithmetic { Limit::Arithmetic } else { level(machine, work.bytes / readers as u64) };
    Ceiling { gflops: work.gflops(roofs.least_seconds(work)), limit }
}

/// The smallest level that holds this number of bytes of each thread.
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
    use cke_perf::roofline::Roofline;

    fn roofs(peak_gflops: f64, bandwidth_gb_s: f64) -> Roofs {
        Roofs { together: Roofline { peak_gflops, bandwidth_gb_s }, alone: None }
    }

    #[test]
    fn ceiling_of_intense_work_is_the_peak() {
        let work = Work { flops: 2 << 30, bytes: 1 << 20 };
        let found = ceiling(&example::machine(), work, 1, &roofs(200.0, 100.0));
        assert!((found.gflops - 200.0).abs() < 1e-9 && found.limit == Limit::Arithmetic, "{found:?}");
    }

    #[test]
    fn ceiling_of_a_vector_product_is_the_bandwidth_measured_with_it() {
        // Half a flop for each byte.
        for (bytes, limit) in
            [(16 << 10, Limit::L1), (256 << 10, Limit::L2), (8 << 20, Limit::L3), (1 << 30, Limit::Memory)]
        {
            let found = ceiling(&example::machine(), Work { flops: bytes / 2, bytes }, 1, &roofs(1e6, 80.0));
            assert!((found.gflops - 40.0).abs() < 1e-9 && found.limit == limit, "{bytes} bytes: {found:?}");
        }
    }

    #[test]
    fn ceiling_of_short_work_is_that_of_one_thread_where_it_was_measured() {
        let alone = Roofline { peak_gflops: 180.0, bandwidth_gb_s: 120.0 };
        let found = |flops: u64| {
            let roofs = Roofs { alone: Some(alone), ..roofs(200.0, 130.0) };
            ceiling(&example::machine(), Work { flops, bytes: 2 * flops }, 2, &roofs)
        };
        // 64×1×1216: one thread reads it in 2.6 µs, two would need 5 to share it.
        let column = found(2 * 64 * 1216);
        assert!((column.gflops - 60.0).abs() < 1e-9 && column.limit == Limit::L2, "{column:?}");
        assert!((found(20_000_000).gflops - 65.0).abs() < 1e-9);
    }
}
