//! The pictures of a phase.

use super::super::recording::Kind;
use super::super::report::{OperationRow, Phase, Report};
use super::timelines;
use crate::page::markup::figure;
use crate::words::{number, percent};
use cke_chart::bars::{BarChart, BarGroup};
use cke_chart::heat::{HeatCell, HeatMap, HeatRow};
use cke_chart::lines::Series;
use cke_chart::roofline::{Ceiling, PointLabel, RooflineChart};
use cke_chart::timeline::{Lane, Span, Timeline};
use cke_chart::{Ink, NumberFormat};
use maud::{Markup, html};

/// Every picture.
pub(crate) fn all(report: &Report, phase: &Phase) -> Markup {
    html! {
        (composition(phase))
        (times(phase))
        (timelines::all(phase, report.about.threads))
        (roofline(report, phase))
        (layers(phase))
    }
}

/// Each product has a colour of its own, attention has one, and all else is grey.
pub(crate) fn ink(phase: &Phase, name: &str) -> Ink {
    let products = || phase.by_name.iter().filter(|row| row.kind == Kind::Product);
    match phase.by_name.iter().find(|row| row.name == name).map(|row| row.kind) {
        Some(Kind::Product) => Ink::other(products().position(|row| row.name == name).unwrap_or(0)),
        Some(Kind::Attention) => Ink::OURS,
        _ => Ink::REFERENCE,
    }
}

pub(crate) fn legend(phase: &Phase) -> Vec<(String, Ink)> {
    let coloured = phase.by_name.iter().filter(|row| row.kind != Kind::Other);
    let mut legend: Vec<_> = coloured.map(|row| (row.name.to_owned(), ink(phase, row.name))).collect();
    legend.push(("everything else".to_owned(), Ink::REFERENCE));
    legend
}

/// One bar for the whole time.
fn composition(phase: &Phase) -> Markup {
    let mut start = 0.0;
    let mut span = |name: &str, ink: Ink, seconds: f64, share: f64| {
        let (milliseconds, label) = (1e3 * seconds, format!("{name} {}", percent(share)));
        let title = format!("{name}: {} ms, {}", number(milliseconds), percent(share));
        let span = Span { start, end: start + milliseconds, ink, label, title };
        start = span.end;
        span
    };
    let (rest, weighty): (Vec<&OperationRow>, Vec<&OperationRow>) =
        phase.by_name.iter().partition(|row| row.kind == Kind::Other);
    let mut spans: Vec<Span> = Vec::new();
    for row in weighty.into_iter().chain(rest) {
        spans.push(span(row.name, ink(phase, row.name), row.sums.seconds, row.sums.share_of_time));
    }
    let between = phase.between;
    spans.push(span("between operations", Ink::REFERENCE, between.seconds, between.share_of_time));
    let lanes = vec![Lane { label: String::new(), spans }];
    figure("Time breakdown", "ms, all layers and passes", "", |heading, width| {
        let (heading, axis, range) = (heading.clone(), "ms".to_owned(), (0.0, 1e3 * phase.total.seconds));
        Timeline { heading, axis, range, legend: legend(phase), lanes: lanes.clone() }.draw(width)
    })
}

/// A bar for each operation, the longest first, with the time that the roofline allows.
fn times(phase: &Phase) -> Markup {
    let group = |row: &OperationRow| BarGroup {
        label: row.name.to_owned(),
        values: vec![Some(1e3 * row.sums.seconds)],
        limit: (row.sums.least_seconds > 0.0).then_some(1e3 * row.sums.least_seconds),
    };
    let mut rows: Vec<&OperationRow> = phase.by_name.iter().collect();
    rows.sort_by(|x, y| y.sums.seconds.total_cmp(&x.sums.seconds));
    let mut groups: Vec<BarGroup> = rows.into_iter().map(group).collect();
    let between = vec![Some(1e3 * phase.between.seconds)];
    groups.push(BarGroup { label: "between operations".to_owned(), values: between, limit: None });
    figure(
        "Time by operation",
        "ms, all layers and passes; the line marks the time that the roofline allows",
        "If a bar ends before its line, operands came from a cache.",
        |heading, width| {
            let series = vec![("time".to_owned(), Ink::OURS)];
            BarChart { heading: heading.clone(), format: NumberFormat::Plain, series, groups: groups.clone() }
                .draw(width)
        },
    )
}

/// Each operation as a point.
fn roofline(report: &Report, phase: &Phase) -> Markup {
    let with_work = || phase.by_name.iter().filter(|row| row.sums.flops > 0 && row.sums.bytes > 0);
    let intensity = |row: &OperationRow| row.sums.flops as f64 / row.sums.bytes as f64;
    let series = |row: &OperationRow| {
        let sums = &row.sums;
        let title = format!(
            "{}: {} GFLOP/s, {} of the roofline",
            row.name,
            number(sums.gflops),
            percent(sums.share_of_roofline)
        );
        Series::new(row.name, ink(phase, row.name)).point(intensity(row), sums.gflops, title)
    };
    let label = |row: &OperationRow| PointLabel {
        intensity: intensity(row),
        gflops: row.sums.gflops,
        text: row.name.to_owned(),
    };
    let series: Vec<Series> = with_work().map(series).collect();
    if series.is_empty() {
        return Markup::default();
    }
    let labels: Vec<PointLabel> = with_work().map(label).collect();
    let (peak, bandwidth) = (report.roofline.peak_gflops, report.roofline.bandwidth_gb_s);
    figure(
        "Roofline",
        "each point is one operation, all its calls together; the lines are the machine's limits with these threads",
        "Left of the ridge, memory sets the limit; right of it, the multiply-add units. Operations above the slope read \
         operands from a cache.",
        |heading, width| {
            let ceiling = |label: String, value: f64| Ceiling { label, value };
            RooflineChart {
                heading: heading.clone(),
                peak: ceiling(format!("multiply-add peak {} GFLOP/s", number(peak)), peak),
                bandwidths: vec![ceiling(format!("memory {} GB/s", number(bandwidth)), bandwidth)],
                series: series.clone(),
                labels: labels.clone(),
            }
            .draw(width)
        },
    )
}

/// The share of the roofline of each operation in each layer.
fn layers(phase: &Phase) -> Markup {
    let layers = phase.operations.iter().filter_map(|operation| operation.layer).max().map_or(0, |last| last + 1);
    if layers < 2 {
        return Markup::default();
    }
    let is_in_layers = |row: &&OperationRow| {
        let mut own = phase.operations.iter().filter(|operation| operation.name == row.name);
        row.kind != Kind::Other && row.sums.least_seconds > 0.0 && own.any(|operation| operation.layer.is_some())
    };
    let names: Vec<&str> = phase.by_name.iter().filter(is_in_layers).map(|row| row.name).collect();
    let cell = |name: &str, layer: usize| {
        let own = || phase.operations.iter().filter(|o| o.name == name && o.layer == Some(layer));
        let seconds = own().map(|operation| operation.nanoseconds() as f64 / 1e9).sum::<f64>();
        let least = own().map(|operation| operation.least_seconds).sum::<f64>();
        let title =
            format!("{name}, layer {layer}: {} ms, the roofline allows {}", number(1e3 * seconds), number(1e3 * least));
        (seconds > 0.0 && least > 0.0).then(|| HeatCell { share: least / seconds, title })
    };
    let row = |layer: usize| HeatRow {
        label: format!("layer {layer}"),
        cells: names.iter().map(|name| cell(name, layer)).collect(),
    };
    let rows: Vec<HeatRow> = (0..layers).map(row).collect();
    let columns: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    figure("Layer by layer", "share of the roofline", "", |heading, width| {
        let (heading, columns, rows) = (heading.clone(), columns.clone(), rows.clone());
        HeatMap { heading, columns, subject: None, rows }.draw(width)
    })
}
