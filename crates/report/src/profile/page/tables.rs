//! The numbers of a phase.

use super::super::operations::Shape;
use super::super::report::{OperationRow, Phase};
use super::super::sums::Totals;
use crate::page::markup::{Cell, table};
use crate::words::percent;
use maud::Markup;

/// Every operation, and all of them together.
pub(crate) fn all(phase: &Phase) -> Markup {
    let row = |row: &OperationRow| cells(row.name, &row.sums, shape(&row.shapes), row.kernels.join(", "));
    let mut rows: Vec<Vec<Cell>> = phase.by_name.iter().map(row).collect();
    rows.push(cells("between operations", &phase.between, String::new(), String::new()));
    rows.push(cells("total", &phase.total, String::new(), String::new()));
    let heads = ["operation", "calls", "ms", "of time", "GFLOP/s", "GB/s", "of roofline", "waiting", "M×N×K", "kernel"];
    table("All numbers", &heads, &rows)
}

fn cells(name: &str, sums: &Totals, shape: String, kernel: String) -> Vec<Cell> {
    let if_any = |is_there: bool, text: String| Cell::number(if is_there { text } else { String::new() });
    vec![
        Cell::text(name),
        if_any(sums.calls > 0, sums.calls.to_string()),
        Cell::number(format!("{:.3}", 1e3 * sums.seconds)),
        Cell::number(format!("{:.1}%", 100.0 * sums.share_of_time)),
        if_any(sums.flops > 0, format!("{:.1}", sums.gflops)),
        if_any(sums.bytes > 0, format!("{:.1}", sums.gb_per_s)),
        if_any(sums.least_seconds > 0.0, percent(sums.share_of_roofline)),
        Cell::number(percent(sums.waiting)),
        Cell::text(shape),
        Cell::marked(kernel, "prose"),
    ]
}

/// The first size, and whether there are others.
fn shape(shapes: &[Shape]) -> String {
    match shapes {
        [] => String::new(),
        [Shape { m, n, k }] => format!("{m}×{n}×{k}"),
        [Shape { m, n, k }, ..] => format!("{m}×{n}×{k} and others"),
    }
}
