//! What the machine does by itself.

use super::super::counting::Counting;
use super::super::report::Report;
use super::{Finding, FindingKind, finding};
use crate::words::{number, percent};
use cke_perf::arithmetic::Arithmetic;
use cke_perf::latency::{Latency, Pages};
use cke_perf::report::format_bytes;

/// Signs that other programs took time from the measurement.
pub(crate) fn busy(report: &Report) -> Option<Finding> {
    const BUSY: f64 = 0.5;
    const RESTLESS: f64 = 0.25;
    let mut spreads: Vec<f64> =
        report.products.iter().flat_map(|row| &row.entries).filter_map(|entry| entry.spread).collect();
    spreads.sort_by(f64::total_cmp);
    let spread = spreads.get(spreads.len() / 2).copied().unwrap_or(0.0);
    let load = report.about.load_average.unwrap_or(0.0);
    let sign = if load > BUSY {
        format!("The load average was {} before the audit began.", number(load))
    } else if spread > RESTLESS {
        format!("The rounds of a typical product differ by {}.", percent(spread))
    } else {
        return None;
    };
    let detail = format!(
        "{sign} Rates are too low, most of all those of several threads. Stop other programs and repeat the audit."
    );
    Some(finding(FindingKind::Alarm, "The machine was busy with other programs".to_owned(), detail))
}

pub(crate) fn poor_scaling(report: &Report) -> Option<Finding> {
    const POOR: f64 = 0.8;
    let [one, .., all] = &report.machine.scaling[..] else { return None };
    let factor = all.peak_gflops / one.peak_gflops;
    let spread = one.peak_spread.max(all.peak_spread);
    (factor * (1.0 + spread) < POOR * all.threads as f64).then(|| {
        let headline = format!("{} threads reach only {} times the multiply-add rate of one", all.threads, number(factor));
        let clocks = match (one.clock_ghz, all.clock_ghz) {
            (Some(one), Some(all)) => format!(" The clock changes from {} to {} GHz.", number(one), number(all)),
            _ => String::new(),
        };
        let detail = format!(
            "Possible causes: threads that share a core, a clock that drops under load, a limit on CPU time, or other users of the machine.{clocks}"
        );
        finding(FindingKind::Loss, headline, detail)
    })
}

/// What small pages add to a load that misses the caches.
pub(crate) fn page_walks(report: &Report) -> Option<Finding> {
    const NOTABLE: f64 = 1.1;
    let largest = report.machine.latencies.iter().map(|latency| latency.bytes).max()?;
    let of = |pages| {
        let found = report.machine.latencies.iter().find(|latency| latency.bytes == largest && latency.pages == pages);
        found.map(|latency: &Latency| latency.nanoseconds)
    };
    let (small, huge) = (of(Pages::Small)?, of(Pages::Huge)?);
    let is_off = report.machine.host.huge_pages.as_deref() == Some("never");
    (small > NOTABLE * huge || is_off).then(|| {
        let headline = format!(
            "A random load from {} takes {} ns on small pages, {} ns on huge pages",
            format_bytes(largest as u64),
            number(small),
            number(huge)
        );
        let mode = report.machine.host.huge_pages.as_deref().unwrap_or("unknown");
        let advice = match mode {
            "never" => "`echo madvise > /sys/kernel/mm/transparent_hugepage/enabled` lets programs request them",
            "madvise" => "programs that request them get them, as CKE does",
            _ => "see the system's settings",
        };
        let detail = format!(
            "The difference is the cost of page-table walks, which slow down large weights. Transparent huge pages are set to \
             {mode}: {advice}."
        );
        finding(if is_off { FindingKind::Loss } else { FindingKind::Fact }, headline, detail)
    })
}

pub(crate) fn machine_speed(report: &Report) -> Option<Finding> {
    let (one, all) = (report.machine.scaling.first()?, report.machine.scaling.last()?);
    let together = match all.threads {
        1 => String::new(),
        threads => format!(", {threads} threads at {}", number(all.peak_gflops)),
    };
    let headline = format!("One core peaks at {} GFLOP/s in f32{together}", number(one.peak_gflops));
    let detail = match one.clock_ghz {
        Some(ghz) => format!(
            "At the measured {} GHz, that is {} flops per cycle. No program can compute f32 products faster on this machine.",
            number(ghz),
            number(one.peak_gflops / ghz)
        ),
        None => "Measured with multiply-adds on registers. No program can compute f32 products faster on this machine."
            .to_owned(),
    };
    Some(finding(FindingKind::Fact, headline, detail))
}

pub(crate) fn memory_speed(report: &Report) -> Option<Finding> {
    let (one, all) = (report.machine.scaling.first()?, report.machine.scaling.last()?);
    let most = report.machine.scaling.iter().map(|entry| entry.memory_gb_per_s).fold(0.0, f64::max);
    let together = match all.threads {
        1 => String::new(),
        threads => format!(", {} to {threads} threads", number(all.memory_gb_per_s)),
    };
    let headline = format!("Memory delivers {} GB/s to one thread{together}", number(one.memory_gb_per_s));
    let detail = format!(
        "Text generation reads all weights for each token: each GB of weights takes at least {} ms per token in any program.",
        number(1e3 / most)
    );
    Some(finding(FindingKind::Fact, headline, detail))
}

pub(crate) fn narrow_formats(report: &Report) -> Option<Finding> {
    let threads = *report.about.threads.first()?;
    let f32_peak = report.machine.peak(Arithmetic::F32, threads)?;
    let factor = |arithmetic: Arithmetic| {
        let peak = report.machine.peak(arithmetic, threads)?;
        Some(format!("{} {} times", arithmetic.name(), number(peak / f32_peak)))
    };
    let factors: Vec<String> = [Arithmetic::Bf16, Arithmetic::Int8].into_iter().filter_map(factor).collect();
    if factors.is_empty() {
        return None;
    }
    let headline = format!("Narrower formats have higher peaks: {}", factors.join(", "));
    let detail = "Relative to f32, measured with multiply-adds on registers. Quantised models can use this speed, and read fewer bytes.";
    Some(finding(FindingKind::Fact, headline, detail.to_owned()))
}

pub(crate) fn no_counters(report: &Report) -> Option<Finding> {
    let Counting::Unavailable { reason } = &report.counters else { return None };
    let headline = "Hardware counters are unavailable".to_owned();
    let detail = format!("Instructions per cycle and cache misses cannot be shown: {reason}.");
    Some(finding(FindingKind::Fact, headline, detail))
}
