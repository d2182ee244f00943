//! The report as a picture.

use super::report::{Contestant, Report, Role, Row};
use crate::output::counted;
use cke_perf::chart::bars::{BarChart, BarGroup};
use cke_perf::chart::{Format, Heading, Ink};

/// Width of the picture, CSS pixels.
const WIDTH: f64 = 760.0;

/// Bars for our product and for each library, a group for each product.
pub(super) fn svg(report: &Report) -> String {
    let others = (0..).map(Ink::other);
    let series = shown(report).zip([Ink::OURS].into_iter().chain(others));
    let chart = BarChart {
        heading: heading(report),
        format: Format::Plain,
        series: series.map(|((_, contestant), ink)| (contestant.name.clone(), ink)).collect(),
        groups: report.rows.iter().map(|row| group(report, row)).collect(),
    };
    chart.draw(WIDTH).standalone()
}

fn heading(report: &Report) -> Heading {
    let threads = report.summaries.iter().map(|summary| counted(summary.threads, "thread"));
    let threads = threads.collect::<Vec<_>>().join(", ");
    let subtitle = format!(
        "GFLOP/s of the fastest call; {}, {threads}. The stroke is the multiply-add peak measured in the same rounds.",
        report.cpu
    );
    Heading::new(format!("Matrix products, {}", report.dtype), subtitle)
}

/// All but our single kernels, with their places.
fn shown(report: &Report) -> impl Iterator<Item = (usize, &Contestant)> {
    report.contestants.iter().enumerate().filter(|(_, contestant)| contestant.role != Role::Kernel)
}

fn group(report: &Report, row: &Row) -> BarGroup {
    let product = row.result.product.to_string();
    let has_several = report.summaries.len() > 1;
    BarGroup {
        label: if has_several { format!("{product}, {}", counted(row.result.threads, "thread")) } else { product },
        values: shown(report).map(|(i, _)| row.result.entries[i].valid_rate()).collect(),
        limit: Some(row.result.peak_gflops),
    }
}
