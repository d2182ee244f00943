//! The pictures of the page.

use super::super::report::{OURS, Report};
use super::super::rows::Row;
use super::super::suite::Family;
use crate::page::markup::figure;
use crate::words::{counted, number, percent};
use cke_chart::bars::{BarChart, BarGroup};
use cke_chart::heat::{HeatCell, HeatMap, HeatRow};
use cke_chart::lines::{LineChart, Mark, Series};
use cke_chart::roofline::{Ceiling, PointLabel, RooflineChart};
use cke_chart::{Axis, Ink, NumberFormat};
use cke_perf::arithmetic::Arithmetic;
use cke_perf::latency::Pages;
use cke_perf::report::format_bytes;
use maud::{Markup, html};

/// The shares that the contestants reach.
pub(crate) fn products(report: &Report) -> Markup {
    if report.products.is_empty() {
        return Markup::default();
    }
    let of_threads = |&threads: &usize| {
        let ladders = [(Family::Rows, "rows"), (Family::Squares, "size")];
        let ladders = ladders.into_iter().map(|(family, label)| ladder(report, threads, family, label));
        html! { (roofline(report, threads)) (heat(report, threads)) @for ladder in ladders { (ladder) } }
    };
    html! { (standings(report)) @for threads in &report.about.threads { (of_threads(threads)) } }
}

/// What the machine does by itself.
pub(crate) fn machine(report: &Report) -> Markup {
    html! { (peaks(report)) (bandwidth(report)) (latency(report)) (scaling(report)) }
}

/// The colour of a contestant.
fn ink(report: &Report, name: &str) -> Ink {
    let others = report.contestants.iter().filter(|contestant| contestant.name != OURS);
    let place = others.map(|contestant| contestant.name.as_str()).position(|other| other == name);
    place.map_or(Ink::OURS, Ink::other)
}

/// The colour of the `i`th number of threads; the last stands out.
fn thread_ink(report: &Report, i: usize) -> Ink {
    if i + 1 == report.about.threads.len() { Ink::OURS } else { Ink::other(i) }
}

fn standings(report: &Report) -> Markup {
    let threads = &report.about.threads;
    let share = |name: &str, threads: usize| {
        let found = report.standings(threads).find(|standing| standing.name == name);
        found.map(|standing| standing.share_of_ceiling)
    };
    let group = |name: &str| BarGroup {
        label: name.to_owned(),
        values: threads.iter().map(|&threads| share(name, threads)).collect(),
        limit: Some(1.0),
    };
    let mut names: Vec<&str> = Vec::new();
    for standing in &report.standings {
        if !names.contains(&standing.name.as_str()) {
            names.push(&standing.name);
        }
    }
    let series = threads.iter().enumerate().map(|(i, &threads)| (counted(threads, "thread"), thread_ink(report, i)));
    let (series, groups) = (series.collect::<Vec<_>>(), names.into_iter().map(group).collect::<Vec<_>>());
    figure(
        "Share of the hardware limit, by library",
        "geometric mean over all products; the line marks the limit",
        "",
        |heading, width| {
            let (heading, series, groups) = (heading.clone(), series.clone(), groups.clone());
            BarChart { heading, format: NumberFormat::Percent, series, groups }.draw(width)
        },
    )
}

/// A point's tooltip.
fn point_title(row: &Row, name: &str, gflops: f64) -> String {
    let share = percent(gflops / row.ceiling.gflops);
    format!("{name}, {}: {} GFLOP/s, {share} of {}", row.label, number(gflops), number(row.ceiling.gflops))
}

fn roofline(report: &Report, threads: usize) -> Markup {
    let Some(peak) = report.machine.peak(Arithmetic::F32, threads) else { return Markup::default() };
    let ceiling =
        |label: &str, value: f64, unit: &str| Ceiling { label: format!("{label} {} {unit}", number(value)), value };
    let levels = ["L1", "L2", "L3", "memory"].into_iter();
    let bandwidths: Vec<Ceiling> =
        levels.filter_map(|level| Some(ceiling(level, report.machine.bandwidth(level, threads)?, "GB/s"))).collect();
    let series = |name: &str| {
        let series = Series::new(name, ink(report, name));
        report.rows(threads).fold(series, |series, row| match row.rate(name) {
            Some(gflops) => series.point(row.intensity, gflops, point_title(row, name, gflops)),
            None => series,
        })
    };
    // Later series lie above: ours last.
    let series: Vec<Series> = report.contestants.iter().rev().map(|contestant| series(&contestant.name)).collect();
    let labels = cliff_labels(report, threads);
    let peak = ceiling("multiply-add peak", peak, "GFLOP/s");
    figure(
        &format!("Roofline, {}", counted(threads, "thread")),
        "each point is one product by one library; the lines were measured before the products, the limits in the table below with each product",
        "Left of the ridge, the memory level sets the limit; right of it, the multiply-add units. The deepest cliffs are labelled.",
        |heading, width| {
            let (heading, peak) = (heading.clone(), peak.clone());
            let (bandwidths, series, labels) = (bandwidths.clone(), series.clone(), labels.clone());
            RooflineChart { heading, peak, bandwidths, series, labels }.draw(width)
        },
    )
}

/// The products of the deepest cliffs, each once.
fn cliff_labels(report: &Report, threads: usize) -> Vec<PointLabel> {
    const MOST: usize = 10;
    let mut labels: Vec<PointLabel> = Vec::new();
    for cliff in report.cliffs.iter().filter(|cliff| cliff.threads == threads) {
        let Some(row) = report.rows(threads).find(|row| row.label == cliff.label) else { continue };
        if labels.len() < MOST && labels.iter().all(|label| label.text != cliff.label) {
            labels.push(PointLabel { intensity: row.intensity, gflops: cliff.gflops, text: cliff.label.clone() });
        }
    }
    labels
}

fn heat(report: &Report, threads: usize) -> Markup {
    let columns: Vec<String> = report.contestants.iter().map(|contestant| contestant.name.clone()).collect();
    let row = |row: &Row| {
        let cell = |name: &String| {
            let gflops = row.rate(name)?;
            Some(HeatCell { share: gflops / row.ceiling.gflops, title: point_title(row, name, gflops) })
        };
        HeatRow { label: row.label.clone(), cells: columns.iter().map(cell).collect() }
    };
    let rows: Vec<HeatRow> = report.rows(threads).map(row).collect();
    figure(
        &format!("Product by product, {}", counted(threads, "thread")),
        "share of the hardware limit; M×N×K, nt: B stored N×K, tn: A stored K×M",
        "Orange marks a cliff: less than half of the limit. Above 100%: noise, or operands in a nearer cache than the model assumes.",
        |heading, width| {
            let (heading, columns, rows) = (heading.clone(), columns.clone(), rows.clone());
            HeatMap { heading, columns, subject: Some(0), rows }.draw(width)
        },
    )
}

fn ladder(report: &Report, threads: usize, family: Family, label: &str) -> Markup {
    let rows: Vec<&Row> = report.rows(threads).filter(|row| row.family == family).collect();
    if rows.len() < 2 {
        return Markup::default();
    }
    let limit = Series::new("hardware limit", Ink::REFERENCE).dashed();
    let limit = rows.iter().fold(limit, |series, row| series.point(row.product.m as f64, row.ceiling.gflops, ""));
    let of = |name: &str| {
        rows.iter().fold(Series::new(name, ink(report, name)), |series, row| match row.rate(name) {
            Some(gflops) => series.point(row.product.m as f64, gflops, point_title(row, name, gflops)),
            None => series,
        })
    };
    let ours_last = report.contestants.iter().rev().map(|contestant| of(&contestant.name));
    let series: Vec<Series> = [limit].into_iter().chain(ours_last).collect();
    let (title, subtitle) = match family {
        Family::Squares => ("Squares", "GFLOP/s of N×N×N".to_owned()),
        _ => {
            let product = rows[0].product;
            ("A transformer layer by number of rows", format!("GFLOP/s of M×{}×{} by M", product.n, product.k))
        }
    };
    figure(&format!("{title}, {}", counted(threads, "thread")), &subtitle, "", |heading, width| {
        let (x, y) = (Axis::log2(label), Axis::linear("GFLOP/s"));
        LineChart { heading: heading.clone(), x, y, series: series.clone(), marks: Vec::new() }.draw(width)
    })
}

fn peaks(report: &Report) -> Markup {
    let threads = &report.about.threads;
    let group = |arithmetic: Arithmetic| {
        let values: Vec<_> = threads.iter().map(|&threads| report.machine.peak(arithmetic, threads)).collect();
        let is_there = values.iter().any(Option::is_some);
        is_there.then(|| BarGroup { label: arithmetic.name().to_owned(), values, limit: None })
    };
    let groups: Vec<BarGroup> = Arithmetic::ALL.into_iter().filter_map(group).collect();
    let series = threads.iter().enumerate().map(|(i, &threads)| (counted(threads, "thread"), thread_ink(report, i)));
    let series: Vec<_> = series.collect();
    figure("Multiply-add peak", "10⁹ operations per second, measured on registers", "", |heading, width| {
        let (heading, series, groups) = (heading.clone(), series.clone(), groups.clone());
        BarChart { heading, format: NumberFormat::Plain, series, groups }.draw(width)
    })
}

/// Where each cache level ends.
fn cache_marks(report: &Report) -> Vec<Mark> {
    let mark = |(level, bytes): (&str, usize)| Mark {
        x: bytes as f64,
        label: format!("{level} {}", format_bytes(bytes as u64)),
    };
    report.machine.caches().map(mark).collect()
}

fn bandwidth(report: &Report) -> Markup {
    let series = report.machine.bandwidth_curves.iter().enumerate().rev().map(|(i, curve)| {
        let name = counted(curve.threads, "thread");
        curve.points.iter().fold(Series::new(&name, thread_ink(report, i)), |series, point| {
            let size = format_bytes(point.bytes_per_thread as u64);
            let title = format!("{name}, {size}: {} GB/s", number(point.gb_per_s));
            series.point(point.bytes_per_thread as f64, point.gb_per_s, title)
        })
    });
    let series: Vec<Series> = series.collect();
    let (x, y) = (Axis::log2("bytes that each thread reads repeatedly").format(NumberFormat::Bytes), Axis::log("GB/s"));
    figure(
        "Read bandwidth by working set",
        "GB/s of all threads together, sequential reads",
        "Each step down marks a cache level that the working set no longer fits into.",
        |heading, width| {
            let (heading, x, y) = (heading.clone(), x.clone(), y.clone());
            LineChart { heading, x, y, series: series.clone(), marks: cache_marks(report) }.draw(width)
        },
    )
}

fn latency(report: &Report) -> Markup {
    let of = |pages: Pages, name: &str, ink: Ink| {
        let latencies = report.machine.latencies.iter().filter(|latency| latency.pages == pages);
        latencies.fold(Series::new(name, ink), |series, latency| {
            let title = format!("{name}, {}: {} ns", format_bytes(latency.bytes as u64), number(latency.nanoseconds));
            series.point(latency.bytes as f64, latency.nanoseconds, title)
        })
    };
    let series = vec![of(Pages::Huge, "huge pages", Ink::OURS), of(Pages::Small, "small pages", Ink::other(0))];
    let (x, y) = (Axis::log2("bytes visited in random order").format(NumberFormat::Bytes), Axis::log("ns"));
    figure(
        "Load latency by working set",
        "nanoseconds per dependent load, one thread",
        "Where the lines diverge, loads from small pages wait for page-table walks.",
        |heading, width| {
            let (heading, x, y) = (heading.clone(), x.clone(), y.clone());
            LineChart { heading, x, y, series: series.clone(), marks: cache_marks(report) }.draw(width)
        },
    )
}

/// Only if there is more to see than two points.
fn scaling(report: &Report) -> Markup {
    let scaling = &report.machine.scaling;
    let Some(one) = scaling.first().filter(|_| scaling.len() > 2) else { return Markup::default() };
    let of = |name: &str, ink: Ink, value: &dyn Fn(usize) -> f64| {
        (0..scaling.len()).fold(Series::new(name, ink), |series, i| {
            let (threads, factor) = (scaling[i].threads, value(i) / value(0));
            series.point(
                threads as f64,
                factor,
                format!("{name}, {}: {} times", counted(threads, "thread"), number(factor)),
            )
        })
    };
    let ideal = scaling.iter().fold(Series::new("linear scaling", Ink::REFERENCE).dashed(), |series, entry| {
        series.point(entry.threads as f64, entry.threads as f64 / one.threads as f64, "")
    });
    let series = vec![
        ideal,
        of("read from memory", Ink::other(0), &|i| scaling[i].memory_gb_per_s),
        of("multiply-add peak", Ink::OURS, &|i| scaling[i].peak_gflops),
    ];
    figure("Scaling with threads", "rate relative to one thread", "", |heading, width| {
        let (x, y) = (Axis::log2("threads"), Axis::log2("speedup"));
        LineChart { heading: heading.clone(), x, y, series: series.clone(), marks: Vec::new() }.draw(width)
    })
}
