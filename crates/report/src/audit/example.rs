//! A machine and results that were never measured, for tests.

use super::ceiling::{Ceiling, Limit};
use super::counting::Counting;
use super::machine::{Machine, Scaling};
use super::report::{About, Contestant, Measured, OURS, Report};
use super::rows::{Row, RowEntry};
use super::suite::{Family, label};
use super::units::{UnitEntry, UnitRow};
use cke_perf::arithmetic::{Arithmetic, ArithmeticPeak};
use cke_perf::cache_bandwidth::{BandwidthCurve, BandwidthPoint, LevelBandwidth};
use cke_perf::host::Host;
use cke_perf::latency::{Latency, Pages};
use cke_perf::peers::{Dtype, Interface, Library, Product, Verdict};
use cke_perf::tlb::DataTlb;

/// One thread: 200 GFLOP/s; 400, 200, 100 and 40 GB/s from caches of 32 KiB, 1 MiB and 32 MiB and from memory.
pub(crate) fn machine() -> Machine {
    let levels = [("L1", 32 << 10, 400.0), ("L2", 1 << 20, 200.0), ("L3", 32 << 20, 100.0), ("memory", 1 << 30, 40.0)];
    let point = |bytes_per_thread: usize, gb_per_s: f64| BandwidthPoint { bytes_per_thread, gb_per_s };
    let points = levels.iter().flat_map(|&(_, bytes, gb_per_s)| [point(bytes / 16, gb_per_s), point(bytes, gb_per_s)]);
    let latency = |bytes: usize, pages, nanoseconds: f64| Latency { bytes, pages, nanoseconds };
    let host = Host {
        architecture: "x86_64",
        cpu: Some("Example CPU <9000>".to_owned()),
        isa_detected: "avx512",
        isa_used: "avx512",
        features: vec!["avx2", "fma", "avx512"],
        unused_features: Vec::new(),
        core_family: "Zen 5",
        l1d_bytes: 32 << 10,
        l2_bytes: 1 << 20,
        l3_bytes: 32 << 20,
        last_level_cache_bytes: Some(32 << 20),
        online_cpus: Some(1),
        allowed_cpus: Some(1),
        cpu_quota: None,
        usable_threads: 1,
        frequency_mhz: Some(2600.0),
        memory_total_bytes: Some(16 << 30),
        memory_available_bytes: Some(8 << 30),
        huge_pages: Some("madvise".to_owned()),
        os: Some("Example OS".to_owned()),
        kernel: Some("Linux 6.1".to_owned()),
    };
    Machine {
        host,
        features: vec!["avx2", "avx512f"],
        data_tlb: DataTlb { l1_small: Some(96), ..DataTlb::default() },
        peaks: vec![peak(Arithmetic::F32, 200.0), peak(Arithmetic::Int8, 800.0)],
        bandwidth_curves: vec![BandwidthCurve { threads: 1, points: points.collect() }],
        bandwidths: levels.map(|(level, _, gb_per_s)| LevelBandwidth { level, threads: 1, gb_per_s }).to_vec(),
        latencies: vec![
            latency(16 << 10, Pages::Small, 1.0),
            latency(16 << 10, Pages::Huge, 1.0),
            latency(256 << 20, Pages::Small, 150.0),
            latency(256 << 20, Pages::Huge, 100.0),
        ],
        scaling: vec![Scaling {
            threads: 1,
            clock_ghz: Some(3.125),
            peak_gflops: 200.0,
            peak_spread: 0.0,
            memory_gb_per_s: 40.0,
        }],
    }
}

fn peak(arithmetic: Arithmetic, gflops: f64) -> ArithmeticPeak {
    ArithmeticPeak { arithmetic, instruction: "vfma", threads: 1, gflops }
}

/// A row of one thread with these rates under a ceiling that is also the peak.
pub(crate) fn row(family: Family, product: &str, rates: &[(&str, f64)], ceiling: f64) -> Row {
    let product: Product = product.parse().expect("a product");
    let entry = |&(name, gflops): &(&str, f64)| RowEntry {
        name: name.to_owned(),
        is_ranked: true,
        routine: None,
        gflops: Some(gflops),
        share_of_ceiling: Some(gflops / ceiling),
        median_gflops: Some(gflops),
        spread: Some(0.0),
        verdict: Verdict::Right,
    };
    Row {
        family,
        label: label(&product),
        product,
        threads: 1,
        intensity: 4.0,
        peak_gflops: ceiling,
        ceiling: Ceiling { gflops: ceiling, limit: Limit::Arithmetic },
        entries: rates.iter().map(entry).collect(),
    }
}

/// A layer in eight bits with one thread.
fn unit(rates: &[(&str, f64)], peak_gflops: f64) -> UnitRow {
    let entry = |&(name, gflops): &(&str, f64)| UnitEntry {
        name: name.to_owned(),
        gflops: Some(gflops),
        share_of_peak: Some(gflops / peak_gflops),
        verdict: Verdict::Right,
    };
    let label = "128×3072×768 nt".to_owned();
    UnitRow { dtype: Dtype::Int8, threads: 1, label, peak_gflops, entries: rates.iter().map(entry).collect() }
}

/// A report on the machine and these rows of one thread.
pub(crate) fn report(rows: Vec<Row>) -> Report {
    let library = |name: &str| Library {
        name: name.to_owned(),
        version: Some("1.2.3 <beta>".to_owned()),
        path: format!("/usr/lib/lib{name}.so").into(),
        interface: Interface::Onednn,
    };
    let mut names: Vec<&str> = vec![OURS];
    for entry in rows.iter().flat_map(|row| &row.entries) {
        if !names.contains(&entry.name.as_str()) {
            names.push(&entry.name);
        }
    }
    let contestant =
        |name: &&str| Contestant { name: (*name).to_owned(), library: (*name != OURS).then(|| library(name)) };
    let about = About {
        cke_version: "0.0.0",
        release_build: true,
        date: "2025-03-31 17:05 UTC".to_owned(),
        seconds: 12.0,
        is_quick: false,
        seed: 1,
        load_average: Some(0.02),
        rounds: 3,
        threads: vec![1],
        skipped: Vec::new(),
    };
    Report::new(Measured {
        about,
        machine: machine(),
        contestants: names.iter().map(contestant).collect(),
        unusable_libraries: Vec::new(),
        counters: Counting::Unavailable { reason: "for example".to_owned() },
        products: rows,
        units: vec![unit(&[(OURS, 720.0), ("oneDNN", 600.0)], 800.0)],
    })
}
