//! The roofline model: work compared with the machine's peak and its memory bandwidth.
//!
//! Source: S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual performance model for multicore
//! architectures", Communications of the ACM 52(4), 2009.

use serde::Serialize;

/// What an operation has to do, whatever the implementation: a product of (m, k) by (k, n) is `2·m·n·k` flops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Work {
    /// Floating-point operations; a multiply-add counts as two.
    pub flops: u64,
    /// Bytes that must move between memory and the core.
    pub bytes: u64,
}

impl Work {
    /// Arithmetic intensity `flops / bytes`, flops per byte; infinite if no byte moves but there is work,
    /// 0 for no work at all.
    pub fn intensity(self) -> f64 {
        if self.flops == 0 { 0.0 } else { self.flops as f64 / self.bytes as f64 }
    }

    /// Rate reached in `seconds`, GFLOP/s; infinite for 0 seconds, 0 for no work at all.
    pub fn gflops(self, seconds: f64) -> f64 {
        if self.flops == 0 { 0.0 } else { self.flops as f64 / seconds / 1e9 }
    }
}

impl std::ops::Add for Work {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { flops: self.flops + other.flops, bytes: self.bytes + other.bytes }
    }
}

impl std::iter::Sum for Work {
    fn sum<I: Iterator<Item = Self>>(works: I) -> Self {
        works.fold(Self::default(), std::ops::Add::add)
    }
}

/// `work.flops / seconds / peak`: the share of `peak_gflops` (GFLOP/s) that was reached; 1 is the peak.
pub fn share_of_peak(work: Work, seconds: f64, peak_gflops: f64) -> f64 {
    work.gflops(seconds) / peak_gflops
}

/// The two ceilings of a machine, both measured with the same number of threads.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Roofline {
    /// Multiply-add peak, GFLOP/s.
    pub peak_gflops: f64,
    /// Read bandwidth from memory, GB/s (10⁹ bytes).
    pub bandwidth_gb_s: f64,
}

impl Roofline {
    /// `min(peak, bandwidth × intensity)`, GFLOP/s: the best rate that `work` can have when its bytes come from memory.
    pub fn attainable_gflops(&self, work: Work) -> f64 {
        self.peak_gflops.min(self.bandwidth_gb_s * work.intensity())
    }

    /// `max(flops / peak, bytes / bandwidth)`: the fewest seconds that `work` can take when its bytes come from memory.
    pub fn least_seconds(&self, work: Work) -> f64 {
        let compute = work.flops as f64 / (self.peak_gflops * 1e9);
        let memory = work.bytes as f64 / (self.bandwidth_gb_s * 1e9);
        compute.max(memory)
    }

    /// The intensity above which the peak is the limit and below which the bandwidth is, flops per byte.
    pub fn ridge_intensity(&self) -> f64 {
        self.peak_gflops / self.bandwidth_gb_s
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: Roofline = Roofline { peak_gflops: 200.0, bandwidth_gb_s: 40.0 };

    #[test]
    fn share_of_peak_half_the_rate_is_half() {
        let work = Work { flops: 100_000_000_000, bytes: 0 };
        assert_eq!(share_of_peak(work, 1.0, 200.0), 0.5);
        assert_eq!(share_of_peak(work, 0.5, 200.0), 1.0);
    }

    #[test]
    fn roofline_below_the_ridge_is_bound_by_bandwidth() {
        let vector_product = Work { flops: 2_000_000_000, bytes: 4_000_000_000 };
        assert_eq!(vector_product.intensity(), 0.5);
        assert_eq!(MACHINE.attainable_gflops(vector_product), 20.0);
        assert_eq!(MACHINE.least_seconds(vector_product), 0.1);
    }

    #[test]
    fn roofline_above_the_ridge_is_bound_by_peak() {
        let product = Work { flops: 400_000_000_000, bytes: 1_000_000_000 };
        assert_eq!(MACHINE.ridge_intensity(), 5.0);
        assert_eq!(MACHINE.attainable_gflops(product), 200.0);
        assert_eq!(MACHINE.least_seconds(product), 2.0);
    }

    #[test]
    fn work_without_bytes_is_bound_by_peak() {
        let work = Work { flops: 8, bytes: 0 };
        assert_eq!(work.intensity(), f64::INFINITY);
        assert_eq!(MACHINE.attainable_gflops(work), 200.0);
    }

    #[test]
    fn work_none_has_rate_zero() {
        assert_eq!(Work::default().gflops(0.0), 0.0);
        assert_eq!(Work::default().intensity(), 0.0);
    }

    #[test]
    fn work_sum_adds_flops_and_bytes() {
        let total: Work = [Work { flops: 1, bytes: 10 }, Work { flops: 2, bytes: 20 }].into_iter().sum();
        assert_eq!(total, Work { flops: 3, bytes: 30 });
    }
}
