//! Measuring the machine itself.

use crate::error::CliError;
use crate::status_line::StatusLine;
use cke_kernels::Cpu;
use cke_perf::arithmetic::Arithmetic;
use cke_perf::bandwidth::{buffer_bytes, measure_read_bandwidth};
use cke_perf::cache_bandwidth::{BandwidthCurve, LevelBandwidth, working_sets};
use cke_perf::core_clock::measure_core_clock;
use cke_perf::host::Host;
use cke_perf::latency::{Latency, Pages, measure_latency};
use cke_perf::report::format_bytes;
use cke_perf::throughput::MeasureError;
use cke_perf::tlb::DataTlb;
use cke_report::audit::{Machine, Scaling};
use cke_report::words::counted;
use std::time::Instant;

/// Largest working set for the latency: beyond any cache but those of the largest servers.
const LARGEST_CHAIN: usize = 256 << 20;
const SMALLEST_CHAIN: usize = 16 << 10;
/// What a quick audit looks at instead of the whole memory.
const QUICK_BUFFER: usize = 64 << 20;

/// Measures with these numbers of threads.
///
/// # Errors
/// If threads cannot be started or memory cannot be allocated.
pub(super) fn measure(
    cpu: &Cpu,
    thread_counts: &[usize],
    is_quick: bool,
    progress: &StatusLine,
) -> Result<Machine, CliError> {
    let host = Host::detect(cpu);
    let usual = buffer_bytes(host.last_level_cache_bytes, host.memory_available_bytes);
    let effort = AuditEffort { buffer: if is_quick { usual.min(QUICK_BUFFER) } else { usual }, is_quick };
    let before = scaling(cpu, host.usable_threads, effort, progress)?;
    let mut machine = Machine {
        features: features(),
        data_tlb: DataTlb::detect(),
        peaks: Vec::new(),
        bandwidth_curves: Vec::new(),
        bandwidths: Vec::new(),
        latencies: latencies(effort, progress)?,
        scaling: Vec::new(),
        host,
    };
    for &threads in thread_counts {
        add(&mut machine, cpu, threads, effort, progress)?;
    }
    // Most disturbances are over by the second measurement.
    let after = scaling(cpu, machine.host.usable_threads, effort, progress)?;
    machine.scaling = before.into_iter().zip(after).map(|(before, after)| before.best(after)).collect();
    Ok(machine)
}

/// Adds peaks and bandwidths with `threads` threads.
fn add(
    machine: &mut Machine,
    cpu: &Cpu,
    threads: usize,
    effort: AuditEffort,
    progress: &StatusLine,
) -> Result<(), CliError> {
    let (with_threads, begun) = (counted(threads, "thread"), Instant::now());
    for (i, arithmetic) in Arithmetic::ALL.into_iter().enumerate() {
        let step = format!("machine: multiply-add peak, {}, {with_threads}", arithmetic.name());
        progress.show_step(&step, begun, i, Arithmetic::ALL.len());
        match arithmetic.measure_peak(threads) {
            Ok(peak) => machine.peaks.push(peak),
            Err(MeasureError::Unsupported { .. }) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    progress.show(&format!("machine: read bandwidth by working set, {with_threads}"));
    let (per_octave, rounds) = if effort.is_quick { (1, 3) } else { (2, 8) };
    let sets = working_sets(effort.buffer / threads, per_octave);
    let curve = BandwidthCurve::measure(threads, &sets, rounds).map_err(failed)?;
    progress.show(&format!("machine: read bandwidth from memory, {with_threads}"));
    let memory = measure_read_bandwidth(threads, effort.buffer).map_err(failed)?;
    machine.bandwidths.extend(curve.levels(cpu.caches()));
    machine.bandwidths.push(LevelBandwidth { level: "memory", threads, gb_per_s: memory.gb_per_s });
    machine.bandwidth_curves.push(curve);
    Ok(())
}

/// How much to measure.
#[derive(Clone, Copy)]
struct AuditEffort {
    /// Bytes that stand for memory.
    buffer: usize,
    is_quick: bool,
}

/// Programs that run or wait to run, on average over the last minute; `None` if the system does not report it.
///
/// Source: proc_loadavg(5).
pub(super) fn load_average() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

fn failed(error: MeasureError) -> CliError {
    CliError::Failed(error.to_string())
}

fn scaling(cpu: &Cpu, all: usize, effort: AuditEffort, progress: &StatusLine) -> Result<Vec<Scaling>, CliError> {
    let powers = (0..usize::BITS).map(|power| 1usize << power).take_while(|&threads| threads < all);
    let (thread_counts, begun): (Vec<usize>, _) = (powers.chain([all]).collect(), Instant::now());
    let scaling = |(i, &threads): (usize, &usize)| {
        let step = format!("machine: clock, peak and memory, {}", counted(threads, "thread"));
        progress.show_step(&step, begun, i, thread_counts.len());
        let peak_gflops = cke_perf::peak::measure_peak(cpu.detected_isa(), threads)?.gflops;
        let clock_ghz = match measure_core_clock(threads) {
            Ok(clock) => Some(clock.ghz),
            Err(MeasureError::Unsupported { .. }) => None,
            Err(error) => return Err(error),
        };
        let memory_gb_per_s = measure_read_bandwidth(threads, effort.buffer)?.gb_per_s;
        Ok(Scaling { threads, clock_ghz, peak_gflops, peak_spread: 0.0, memory_gb_per_s })
    };
    thread_counts.iter().enumerate().map(scaling).collect::<Result<_, MeasureError>>().map_err(failed)
}

fn latencies(effort: AuditEffort, progress: &StatusLine) -> Result<Vec<Latency>, CliError> {
    let largest = LARGEST_CHAIN.min(effort.buffer);
    let sizes =
        std::iter::successors(Some(SMALLEST_CHAIN), |bytes| Some(2 * bytes)).take_while(|&bytes| bytes <= largest);
    let (sizes, begun): (Vec<usize>, _) = (sizes.collect(), Instant::now());
    let mut latencies = Vec::new();
    for (i, &bytes) in sizes.iter().enumerate() {
        let step = format!("machine: load latency, {}", format_bytes(bytes as u64));
        progress.show_step(&step, begun, i, sizes.len());
        for pages in [Pages::Small, Pages::Huge] {
            let rounds = if effort.is_quick { 2 } else { 5 };
            latencies.push(measure_latency(bytes, pages, rounds).map_err(failed)?);
        }
    }
    Ok(latencies)
}

/// Extensions that this CPU and its operating system have, of those that matter to matrix products.
#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    macro_rules! present {
        ($($name:tt),*) => { [$(($name, is_x86_feature_detected!($name))),*] };
    }
    let all = present![
        "avx",
        "f16c",
        "fma",
        "avx2",
        "avxvnni",
        "avx512f",
        "avx512dq",
        "avx512bw",
        "avx512vl",
        "avx512vnni",
        "avx512bf16",
        "avx512fp16",
        "avx512vbmi",
        "gfni"
    ];
    all.into_iter().filter(|(_, is_present)| *is_present).map(|(name, _)| name).collect()
}

#[cfg(target_arch = "aarch64")]
fn features() -> Vec<&'static str> {
    macro_rules! present {
        ($($name:tt),*) => { [$(($name, std::arch::is_aarch64_feature_detected!($name))),*] };
    }
    let all = present!["neon", "fp16", "dotprod", "bf16", "i8mm", "sve", "sve2"];
    all.into_iter().filter(|(_, is_present)| *is_present).map(|(name, _)| name).collect()
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn features() -> Vec<&'static str> {
    Vec::new()
}
