//! The report on drawn products as Markdown.

use super::report::{ClassSummary, Report, WorstProduct};
use crate::bench::gemm::table::{libraries, percent, ratio_cell};
use cke_perf::report::{Align, Column, Table};

/// A table of the classes, one of the worst products of each, then one of the libraries, if any.
pub(super) fn markdown(report: &Report) -> String {
    let tables = [Some(classes(report)), Some(worst(report)), libraries(&report.contestants)];
    tables.into_iter().flatten().map(|table| table.to_markdown()).collect::<Vec<_>>().join("\n")
}

fn columns<const L: usize, const R: usize>(left: [&str; L], right: [&str; R]) -> Vec<Column> {
    let left = left.into_iter().map(|title| Column::new(title, Align::Left));
    left.chain(right.into_iter().map(|title| Column::new(title, Align::Right))).collect()
}

fn classes(report: &Report) -> Table {
    let right = [
        "threads",
        "measured",
        "timed again",
        "ratio: geometric mean",
        "ratio: 5th percentile",
        "A/A: geometric mean",
        "A/A: 5th percentile",
        "of peak",
    ];
    let mut table = Table::new(columns(["class"], right));
    for summary in &report.summaries {
        let ClassSummary { threads, drawn, measured, timed_again, ratio, own_ratio, share_of_peak, .. } = summary;
        table.push(vec![
            class(summary),
            threads.to_string(),
            if measured == drawn { drawn.to_string() } else { format!("{measured} of {drawn}") },
            timed_again.to_string(),
            ratio_cell(ratio.geometric_mean),
            ratio_cell(ratio.fifth_percentile),
            ratio_cell(own_ratio.geometric_mean),
            ratio_cell(own_ratio.fifth_percentile),
            percent(*share_of_peak),
        ]);
    }
    table
}

fn worst(report: &Report) -> Table {
    let left = ["worst of", "class", "M×N×K @ LDA:LDB:LDC", "fastest library", "kernel", "path"];
    let mut table = Table::new(columns(left, ["threads", "ratio", "A/A", "of peak"]));
    for summary in &report.summaries {
        for product in &summary.worst {
            let WorstProduct { class: of, product, ratio, own_ratio, share_of_peak, fastest_library, kernel, path } =
                product;
            table.push(vec![
                class(summary),
                of.to_string(),
                product.clone(),
                fastest_library.clone().unwrap_or_default(),
                kernel.clone().unwrap_or_default(),
                path.clone().unwrap_or_default(),
                summary.threads.to_string(),
                ratio_cell(*ratio),
                ratio_cell(*own_ratio),
                percent(*share_of_peak),
            ]);
        }
    }
    table
}

fn class(summary: &ClassSummary) -> String {
    summary.class.map_or("all".to_owned(), |class| class.to_string())
}
