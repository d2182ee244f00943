//! The tables of the page.

use super::super::counting::Counting;
use super::super::report::Report;
use super::super::rows::{Row, RowEntry};
use super::super::units::UnitRow;
use crate::page::markup::{Cell, counter_table, table};
use crate::words::{counted, number, percent};
use cke_perf::peers::Verdict;
use cke_perf::report::format_bytes;
use maud::{Markup, html};

/// Every table.
pub(crate) fn all(report: &Report) -> Markup {
    html! {
        (standings(report))
        @for &threads in &report.about.threads { (products(report, threads)) }
        (cliffs(report))
        (units(report))
        (facts(report))
        (peaks(report))
        (bandwidths(report))
        (latencies(report))
        (scaling(report))
        (counters(report))
        (contestants(report))
        (unusable(report))
    }
}

fn standings(report: &Report) -> Markup {
    let rows: Vec<Vec<Cell>> = report
        .standings
        .iter()
        .map(|standing| {
            let of = |count: usize| Cell::number(format!("{count} of {}", standing.products));
            vec![
                Cell::number(standing.threads.to_string()),
                Cell::text(&standing.name),
                Cell::number(percent(standing.share_of_ceiling)),
                Cell::number(percent(standing.best_share_of_peak)),
                of(standing.fastest),
                of(standing.cliffs),
            ]
        })
        .collect();
    let heads = ["threads", "library", "of hardware limit", "best share of peak", "fastest", "cliffs"];
    table("Standings", &heads, &rows)
}

fn products(report: &Report, threads: usize) -> Markup {
    let names = report.contestants.iter().map(|contestant| contestant.name.as_str());
    let heads: Vec<&str> = ["product", "flops/byte", "limit", "limited by"].into_iter().chain(names).collect();
    let row = |row: &Row| {
        let fastest = row.fastest().map(|entry| entry.name.clone());
        let is_cliff = |name: &str| {
            report.cliffs.iter().any(|cliff| cliff.name == name && cliff.label == row.label && cliff.threads == threads)
        };
        let entry = |entry: &RowEntry| match (entry.gflops, &entry.verdict) {
            (Some(gflops), _) => {
                let is_fastest = fastest.as_ref() == Some(&entry.name);
                let class = if is_cliff(&entry.name) {
                    "cliff"
                } else if is_fastest {
                    "best"
                } else {
                    "number"
                };
                let mark = if entry.is_above_ceiling() { " ↑" } else { "" };
                let share = percent(gflops / row.ceiling.gflops);
                Cell::marked(format!("{} ({share}){mark}", number(gflops)), class)
            }
            (None, Verdict::Wrong { .. }) => Cell::marked("WRONG", "cliff"),
            (None, _) => Cell::number("failed"),
        };
        let start = [
            Cell::text(&row.label),
            Cell::number(number(row.intensity)),
            Cell::number(number(row.ceiling.gflops)),
            Cell::text(row.ceiling.limit.name()),
        ];
        start.into_iter().chain(row.entries.iter().map(entry)).collect()
    };
    let rows: Vec<Vec<Cell>> = report.rows(threads).map(row).collect();
    table(&format!("GFLOP/s (share of the limit), {}", counted(threads, "thread")), &heads, &rows)
}

fn cliffs(report: &Report) -> Markup {
    const MOST: usize = 25;
    let rows: Vec<Vec<Cell>> = report
        .cliffs
        .iter()
        .take(MOST)
        .map(|cliff| {
            let other = cliff.fastest_other.as_ref();
            vec![
                Cell::text(&cliff.name),
                Cell::text(&cliff.label),
                Cell::number(cliff.threads.to_string()),
                Cell::number(number(cliff.gflops)),
                Cell::number(number(cliff.ceiling.gflops)),
                Cell::number(percent(cliff.share())),
                Cell::text(other.map(|(name, rate)| format!("{name}: {}", number(*rate))).unwrap_or_default()),
            ]
        })
        .collect();
    let title = match report.cliffs.len() {
        count if count > MOST => format!("The {MOST} deepest of {count} cliffs, GFLOP/s"),
        _ => "Cliffs, GFLOP/s".to_owned(),
    };
    table(&title, &["library", "product", "threads", "reached", "limit", "share", "fastest other"], &rows)
}

/// A row for each layer and format, a column for each contestant that has products of one of the formats.
fn units(report: &Report) -> Markup {
    let takes_part = |name: &&str| report.units.iter().any(|row| row.entry(name).is_some());
    let names: Vec<&str> =
        report.contestants.iter().map(|contestant| contestant.name.as_str()).filter(takes_part).collect();
    let row = |row: &UnitRow| {
        let start = [
            Cell::text(row.dtype.name()),
            Cell::text(&row.label),
            Cell::number(row.threads.to_string()),
            Cell::number(number(row.peak_gflops)),
        ];
        let entry = |name: &&str| match row.entry(name).map(|entry| (entry.gflops, entry.share_of_peak, &entry.verdict))
        {
            Some((Some(gflops), Some(share), _)) => Cell::number(format!("{} ({})", number(gflops), percent(share))),
            Some((.., Verdict::Wrong { .. })) => Cell::marked("WRONG", "cliff"),
            Some(_) => Cell::number("failed"),
            None => Cell::number(""),
        };
        start.into_iter().chain(names.iter().map(entry)).collect()
    };
    let heads: Vec<&str> = ["format", "layer", "threads", "peak"].into_iter().chain(names.iter().copied()).collect();
    let rows: Vec<Vec<Cell>> = report.units.iter().map(row).collect();
    table("Layers by number format: 10⁹ operations/s (share of the format's peak)", &heads, &rows)
}

fn facts(report: &Report) -> Markup {
    let host = &report.machine.host;
    let count = |count: Option<usize>| count.map(|count| count.to_string());
    let size = |bytes: Option<u64>| bytes.map(format_bytes);
    let entries = |entries: Option<u32>| entries.map(|entries| format!("{entries} entries"));
    let mut facts = vec![
        ("CPU", host.cpu.clone()),
        ("instruction set in use", Some(format!("{} (the CPU has {})", host.isa_used, host.isa_detected))),
        ("extensions", Some(report.machine.features.join(" ")).filter(|features| !features.is_empty())),
        ("CPUs online", count(host.online_cpus)),
        ("CPUs allowed", count(host.allowed_cpus)),
        ("CPU quota", host.cpu_quota.map(|cpus| format!("{cpus:.2} CPUs"))),
        ("frequency as reported", host.frequency_mhz.map(|mhz| format!("{mhz:.0} MHz"))),
    ];
    facts.extend(report.machine.caches().map(|(level, bytes)| (level, size(Some(bytes as u64)))));
    let tlb = report.machine.data_tlb;
    facts.extend([
        ("first-level TLB as reported, 4 KiB pages", entries(tlb.l1_small)),
        ("first-level TLB as reported, 2 MiB pages", entries(tlb.l1_huge)),
        ("second-level TLB as reported, 4 KiB pages", entries(tlb.l2_small)),
        ("second-level TLB as reported, 2 MiB pages", entries(tlb.l2_huge)),
        ("memory", size(host.memory_total_bytes)),
        ("transparent huge pages", host.huge_pages.clone()),
        ("operating system", host.os.clone()),
        ("kernel", host.kernel.clone()),
    ]);
    let known = facts.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let rows: Vec<Vec<Cell>> =
        known.map(|(name, value)| vec![Cell::text(name), Cell::marked(value, "prose")]).collect();
    table("Machine", &["", ""], &rows)
}

fn peaks(report: &Report) -> Markup {
    let rows: Vec<Vec<Cell>> = report
        .machine
        .peaks
        .iter()
        .map(|peak| {
            vec![
                Cell::text(peak.arithmetic.name()),
                Cell::text(peak.instruction),
                Cell::number(peak.threads.to_string()),
                Cell::number(number(peak.gflops)),
            ]
        })
        .collect();
    table("Multiply-add peak", &["format", "instruction", "threads", "10⁹ operations/s"], &rows)
}

fn bandwidths(report: &Report) -> Markup {
    let rows: Vec<Vec<Cell>> = report
        .machine
        .bandwidths
        .iter()
        .map(|entry| {
            vec![Cell::text(entry.level), Cell::number(entry.threads.to_string()), Cell::number(number(entry.gb_per_s))]
        })
        .collect();
    table("Read bandwidth", &["from", "threads", "GB/s"], &rows)
}

/// Pairs of small and huge pages, as they were measured.
fn latencies(report: &Report) -> Markup {
    let rows: Vec<Vec<Cell>> = report
        .machine
        .latencies
        .chunks_exact(2)
        .map(|pair| {
            let size = format_bytes(pair[0].bytes as u64);
            vec![Cell::text(size), Cell::number(number(pair[0].nanoseconds)), Cell::number(number(pair[1].nanoseconds))]
        })
        .collect();
    table("Load latency, ns", &["working set", "small pages", "huge pages"], &rows)
}

fn scaling(report: &Report) -> Markup {
    let rows: Vec<Vec<Cell>> = report
        .machine
        .scaling
        .iter()
        .map(|entry| {
            vec![
                Cell::number(entry.threads.to_string()),
                Cell::number(entry.clock_ghz.map(number).unwrap_or_default()),
                Cell::number(number(entry.peak_gflops)),
                Cell::number(number(entry.memory_gb_per_s)),
            ]
        })
        .collect();
    table("Scaling with threads", &["threads", "clock, GHz", "f32 peak, GFLOP/s", "memory, GB/s"], &rows)
}

fn counters(report: &Report) -> Markup {
    let products = match &report.counters {
        Counting::Unavailable { reason } => {
            let text = format!("Instructions per cycle and cache misses cannot be shown: {reason}.");
            return html! { h3 { "Hardware counters" } p { (text) } };
        }
        Counting::Counted { products } => products,
    };
    let rows: Vec<_> = products.iter().map(|product| (&*product.label, &product.ratios)).collect();
    counter_table("CKE with one thread", "product", &rows)
}

fn contestants(report: &Report) -> Markup {
    let rows: Vec<Vec<Cell>> = report
        .contestants
        .iter()
        .map(|contestant| {
            let (version, path) = match &contestant.library {
                Some(library) => (library.version.clone().unwrap_or_default(), library.path.display().to_string()),
                None => (report.about.cke_version.to_owned(), "this program".to_owned()),
            };
            vec![Cell::text(&contestant.name), Cell::marked(version, "prose"), Cell::text(path)]
        })
        .collect();
    table("Libraries", &["name", "version", "file"], &rows)
}

fn unusable(report: &Report) -> Markup {
    let rows: Vec<Vec<Cell>> = report
        .unusable_libraries
        .iter()
        .map(|library| vec![Cell::text(library.path.display().to_string()), Cell::marked(&library.reason, "prose")])
        .collect();
    table("Files that look like libraries but cannot be used", &["file", "reason"], &rows)
}
