//! The tables in the terminal.

use super::report::{About, Phase, Report};
use super::sums::Totals;
use crate::words::{counted, number, percent};
use cke_perf::counters::Ratios;
use cke_perf::report::{Align, Column, Table, format_bytes};

/// Model and machine, then a table for each phase.
pub fn text(report: &Report) -> String {
    let phases = report.phases.iter().map(|phase| format!("\n{}\n\n{}\n{}", head(phase), table(phase), summary(phase)));
    format!("{}\n{}{}", subject(report), phases.collect::<String>(), counters(report))
}

/// What hardware counters said; nothing if there are none.
fn counters(report: &Report) -> String {
    let phases = report.phases.iter().filter_map(Phase::ratios);
    let rows: Vec<_> = phases.map(|(name, ratios)| (vec![name.to_owned()], ratios)).collect();
    Ratios::text(&["phase"], &rows).map(|text| format!("\n{text}")).unwrap_or_default()
}

fn subject(report: &Report) -> String {
    let About { subject, threads, .. } = &report.about;
    format!(
        "{}, {} {}, {}, {}; the machine: {} GFLOP/s, {} GB/s read from memory",
        subject.title(),
        format_bytes(subject.weight_bytes as u64),
        subject.dtype,
        subject.isa,
        counted(*threads, "thread"),
        number(report.roofline.peak_gflops),
        number(report.roofline.bandwidth_gb_s),
    )
}

fn head(phase: &Phase) -> String {
    let logits = phase.logits.map(|logits| format!(", {logits} logits")).unwrap_or_default();
    format!(
        "{} ({}{logits}): {} ms, {} tokens/s; recorded {} ms, recording overhead {}",
        phase.name,
        phase.test,
        number(1e3 * phase.seconds_unrecorded),
        number(phase.tokens_per_second),
        number(1e3 * phase.total.seconds),
        recording_cost(phase),
    )
}

/// By how much the recording slowed the work down, and whether repetitions differ by as much anyway.
pub(crate) fn recording_cost(phase: &Phase) -> String {
    let noise = if phase.recording_cost_is_noise { " (noise)" } else { "" };
    format!("{:+.1}%{noise}", 100.0 * phase.recording_cost)
}

fn table(phase: &Phase) -> String {
    let right = |title: &str| Column::new(title, Align::Right);
    let left = |title: &str| Column::new(title, Align::Left);
    let mut table = Table::new(vec![
        left("operation"),
        right("calls"),
        right("ms"),
        right("of time"),
        right("GFLOP/s"),
        right("GB/s"),
        right("of roofline"),
        right("waiting"),
        left("kernel"),
    ]);
    for row in &phase.by_name {
        table.push(cells(row.name, &row.sums, &row.kernels.join(", ")));
    }
    table.push(cells("between operations", &phase.between, ""));
    table.push(cells("total", &phase.total, ""));
    table.to_markdown()
}

/// The cells of a row; what was not done stays empty.
fn cells(name: &str, sums: &Totals, kernel: &str) -> Vec<String> {
    let if_any = |is_there: bool, text: String| if is_there { text } else { String::new() };
    vec![
        name.to_owned(),
        if_any(sums.calls > 0, sums.calls.to_string()),
        format!("{:.3}", 1e3 * sums.seconds),
        format!("{:.1}%", 100.0 * sums.share_of_time),
        if_any(sums.flops > 0, format!("{:.1}", sums.gflops)),
        if_any(sums.bytes > 0, format!("{:.1}", sums.gb_per_s)),
        if_any(sums.least_seconds > 0.0, percent(sums.share_of_roofline)),
        percent(sums.waiting),
        kernel.to_owned(),
    ]
}

/// Where the time goes, in one line.
pub(crate) fn summary(phase: &Phase) -> String {
    let shares = phase.shares;
    let [products, attention, rest, between, waiting] =
        [shares.products, shares.attention, shares.everything_else, phase.between.share_of_time, phase.total.waiting]
            .map(|share| format!("{:.1}%", 100.0 * share));
    format!(
        "products {products}, attention {attention}, everything else {rest} (between operations {between}); \
         threads wait {waiting} of their time\n"
    )
}

#[cfg(test)]
mod tests {
    use super::super::{Recording, example};
    use super::*;
    use cke_perf::stats::Ratio;

    #[test]
    fn recording_cost_that_cannot_be_is_called_noise() {
        let mut recording = example::recording(super::super::PhaseKind::Prefill);
        let cost = |recording: &Recording| recording_cost(&Phase::new(recording, &example::ROOFLINE));
        assert_eq!(cost(&recording), "+1.0%");
        recording.cost = Ratio::of(&[1.0, 1.4, 1.2], &[1.1, 1.3, 1.5]);
        assert_eq!(cost(&recording), "+1.0% (noise)");
        recording.seconds_unrecorded = recording.seconds * 1.5;
        assert_eq!(cost(&recording), "-33.3% (noise)");
    }

    #[test]
    fn text_has_a_table_for_each_phase() {
        let text = text(&example::report());
        for expected in [
            "tiny <3>, 1 MiB f32, avx512, 2 threads; the machine: 200 GFLOP/s, 40 GB/s read from memory\n",
            "\nprefill (pp3, last logits): ",
            "\ndecode (tg3, all logits): ",
            "recorded 0.0187 ms, recording overhead +1.0%\n",
            "| qkv                |     6 | 0.006 |   32.1% |   150.0 |  0.5 |         75% |     15% | avx512_f32_6x64 |",
            "| embed              |     3 | 0.003 |   16.1% |         |  0.9 |        2.2% |     50% |                 |",
            "| total              |    18 | 0.019 |  100.0% |",
            "products 48.2%, attention 32.1%, everything else 19.7% (between operations 3.6%); threads wait 21.9%",
            "\nhardware counters of all threads: misses per 1000 instructions, ",
            "| prefill |               2.50 |       22.50 |      8.00 |",
        ] {
            assert!(text.contains(expected), "no {expected:?} in\n{text}");
        }
    }
}
