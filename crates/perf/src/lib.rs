//! Measuring: what this machine can do, and what share of it a piece of work reached.
//!
//! | module | subject |
//! |---|---|
//! | [`clock`] | monotonic time |
//! | [`affinity`] | the CPUs a thread may run on |
//! | [`stats`] | mean, deviation, median of repeated runs; by which factor two sets differ |
//! | [`busy`] | what other programs took of the CPUs meanwhile |
//! | [`throughput`] | the best total rate of several threads that work at once |
//! | [`peak`] | the f32 multiply-add peak, GFLOP/s |
//! | [`arithmetic`] | the multiply-add peak of each number format |
//! | [`core_clock`] | the clock that a core really runs at, GHz |
//! | [`bandwidth`] | the read bandwidth from memory, GB/s |
//! | [`cache_bandwidth`] | the read bandwidth of each cache level |
//! | [`latency`] | the time of a load that waits for the load before, on small and on huge pages |
//! | [`tlb`] | the number of entries in the data TLB |
//! | [`counters`] | hardware counters: instructions per cycle, cache misses |
//! | [`peers`] | matrix products of peer libraries, timed in turns with ours |
//! | [`roofline`] | work (flops and bytes) compared with peak and bandwidth |
//! | [`random`] | random numbers and sizes from a seed |
//! | [`host`] | the machine's description for reports |
//! | [`memory`] | the memory that this process may still take |
//! | [`report`] | rows as Markdown, CSV or JSON |
//!
//! Rates of a shared machine change from minute to minute, so a share of the peak means something only if peak and
//! work were measured close together, best in turns.
//!
//! ```
//! use cke_kernels::Cpu;
//! use cke_perf::clock;
//! use cke_perf::peak::measure_peak;
//! use cke_perf::roofline::{Work, share_of_peak};
//!
//! let peak = measure_peak(Cpu::host()?.detected_isa(), 1)?;
//! let values: Vec<f32> = (0..1000).map(|i| i as f32).collect();
//! let mut dot = 0.0;
//! let seconds = clock::time(|| dot = values.iter().map(|x| x * x).sum::<f32>());
//! let share = share_of_peak(Work { flops: 2000, bytes: 4000 }, seconds, peak.gflops);
//! assert!(dot > 0.0 && share > 0.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![deny(unsafe_code)]

pub mod affinity;
pub mod arithmetic;
pub mod bandwidth;
mod buffer;
pub mod busy;
pub mod cache_bandwidth;
pub mod clock;
pub mod core_clock;
pub mod counters;
pub mod host;
pub mod latency;
pub mod memory;
pub mod peak;
pub mod peers;
pub mod random;
pub mod report;
pub mod roofline;
pub mod stats;
pub mod throughput;
pub mod tlb;
