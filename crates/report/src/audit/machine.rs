//! What a machine is and does.

use cke_perf::arithmetic::{Arithmetic, ArithmeticPeak};
use cke_perf::cache_bandwidth::{BandwidthCurve, LevelBandwidth};
use cke_perf::host::Host;
use cke_perf::latency::Latency;
use cke_perf::tlb::DataTlb;
use serde::Serialize;

/// What the machine is and does.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// What the system says of it.
    pub host: Host,
    /// Extensions of the instruction set that matter to matrix products.
    pub features: Vec<&'static str>,
    /// What the CPU says of its address translation.
    pub data_tlb: DataTlb,
    /// For each number of threads that products are measured with, each format that the CPU multiplies in vectors.
    pub peaks: Vec<ArithmeticPeak>,
    /// One for each of these numbers of threads.
    pub bandwidth_curves: Vec<BandwidthCurve>,
    /// For each of these numbers of threads, each cache level and memory.
    pub bandwidths: Vec<LevelBandwidth>,
    /// Pairs of small and huge pages, smallest working set first.
    pub latencies: Vec<Latency>,
    /// Powers of two up to all threads.
    pub scaling: Vec<Scaling>,
}

/// What a number of threads does together.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Scaling {
    /// How many.
    pub threads: usize,
    /// Clock of each core, GHz; `None` on an architecture that has no measurement of it.
    pub clock_ghz: Option<f64>,
    /// f32 multiply-add peak, GFLOP/s.
    pub peak_gflops: f64,
    /// How far the two measurements of the peak lay apart, as a share of the better one.
    pub peak_spread: f64,
    /// Read from memory, GB/s.
    pub memory_gb_per_s: f64,
}

impl Scaling {
    /// The better of two measurements of the same threads, figure by figure.
    #[must_use]
    pub fn best(self, other: Scaling) -> Scaling {
        Scaling {
            threads: self.threads,
            clock_ghz: self.clock_ghz.zip(other.clock_ghz).map(|(x, y)| x.max(y)),
            peak_gflops: self.peak_gflops.max(other.peak_gflops),
            peak_spread: 1.0 - self.peak_gflops.min(other.peak_gflops) / self.peak_gflops.max(other.peak_gflops),
            memory_gb_per_s: self.memory_gb_per_s.max(other.memory_gb_per_s),
        }
    }
}

impl Machine {
    /// The peak of a format, if the CPU has it.
    pub(crate) fn peak(&self, arithmetic: Arithmetic, threads: usize) -> Option<f64> {
        let found = self.peaks.iter().find(|peak| peak.arithmetic == arithmetic && peak.threads == threads);
        found.map(|peak| peak.gflops)
    }

    /// The bandwidth of a level, GB/s.
    pub(crate) fn bandwidth(&self, level: &str, threads: usize) -> Option<f64> {
        let found = self.bandwidths.iter().find(|entry| entry.level == level && entry.threads == threads);
        found.map(|entry| entry.gb_per_s)
    }

    /// The cache levels that the CPU has, with their sizes in bytes.
    pub(crate) fn caches(&self) -> impl Iterator<Item = (&'static str, usize)> {
        let Host { l1d_bytes, l2_bytes, l3_bytes, .. } = self.host;
        [("L1", l1d_bytes), ("L2", l2_bytes), ("L3", l3_bytes)].into_iter().filter(|(_, bytes)| *bytes > 0)
    }

    /// The CPU's name.
    pub(crate) fn name(&self) -> &str {
        self.host.cpu.as_deref().unwrap_or(self.host.architecture)
    }
}
