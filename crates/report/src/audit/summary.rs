//! The summary in the terminal.

use super::report::Report;
use super::units::{UnitEntry, UnitRow};
use crate::words::{number, percent};
use cke_perf::report::{Align, Column, Table};

/// Findings first, then what the machine does and where everybody stands.
pub fn text(report: &Report) -> String {
    let findings: String =
        report.findings.iter().map(|finding| format!("{:>14}  {}\n", finding.kind.label(), finding.headline)).collect();
    format!(
        "{}, products drawn with --seed {}\n\n{findings}\n{}\n{}\n{}",
        report.machine.name(),
        report.about.seed,
        machine_table(report).to_markdown(),
        standings_table(report).to_markdown(),
        units_table(report).to_markdown()
    )
}

fn machine_table(report: &Report) -> Table {
    let right = |title: &str| Column::new(title, Align::Right);
    let mut table = Table::new(vec![right("threads"), right("GHz"), right("f32 GFLOP/s"), right("memory GB/s")]);
    for entry in &report.machine.scaling {
        let clock = entry.clock_ghz.map(number).unwrap_or_default();
        table.push(vec![entry.threads.to_string(), clock, number(entry.peak_gflops), number(entry.memory_gb_per_s)]);
    }
    table
}

fn standings_table(report: &Report) -> Table {
    let mut table = Table::new(vec![
        Column::new("threads", Align::Right),
        Column::new("library", Align::Left),
        Column::new("of hardware limit", Align::Right),
        Column::new("fastest", Align::Right),
        Column::new("cliffs", Align::Right),
    ]);
    for standing in &report.standings {
        let of = |count: usize| format!("{count} of {}", standing.products);
        table.push(vec![
            standing.threads.to_string(),
            standing.name.clone(),
            percent(standing.share_of_ceiling),
            of(standing.fastest),
            of(standing.cliffs),
        ]);
    }
    table
}

/// The best share of each unit's peak that a contestant reached on one of the layers.
fn units_table(report: &Report) -> Table {
    let mut table = Table::new(vec![
        Column::new("threads", Align::Right),
        Column::new("unit", Align::Left),
        Column::new("peak, GOP/s", Align::Right),
        Column::new("library", Align::Left),
        Column::new("of the peak", Align::Right),
    ]);
    for (i, row) in report.units.iter().enumerate() {
        let is_same = |other: &&UnitRow| (other.dtype, other.threads) == (row.dtype, row.threads);
        if report.units[..i].iter().any(|before| is_same(&before)) {
            continue;
        }
        let layers = || report.units.iter().filter(is_same);
        let peak = layers().map(|row| row.peak_gflops).fold(0.0, f64::max);
        for UnitEntry { name, .. } in &row.entries {
            let shares = layers().filter_map(|row| row.entry(name)?.share_of_peak);
            if let Some(best) = shares.max_by(f64::total_cmp) {
                let (threads, unit) = (row.threads.to_string(), row.dtype.name().to_owned());
                table.push(vec![threads, unit, number(peak), name.clone(), percent(best)]);
            }
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::suite::Family;
    use super::super::{example, report::OURS};
    use super::*;

    #[test]
    fn text_names_machine_findings_and_standings() {
        let row = example::row(Family::Rows, "1 3072 768 n t", &[(OURS, 49.0), ("OpenBLAS", 7.0)], 50.0);
        let text = text(&example::report(vec![row]));
        for expected in [
            "Example CPU <9000>",
            " loss  OpenBLAS reaches 7 GFLOP/s at 1×3072×768 nt",
            "|       1 | 3.12 |",
            "| CKE      |               98% |  1 of 1 | 0 of 1 |",
            "| int8 |         800 | CKE     |         90% |",
        ] {
            assert!(text.contains(expected), "no {expected:?} in {text}");
        }
    }
}
