//! The tables in the terminal.

use super::meanings::meanings;
use super::report::{About, Phase, Report};
use super::sums::Totals;
use crate::words::{counted, number, percent};
use cke_perf::counters::Ratios;
use cke_perf::report::{Align, Column, Table};

/// Model and machine, then a table for each phase.
pub fn text(report: &Report) -> String {
    let phase = |phase| format!("\n{}\n\n{}\n{}{}", head(phase), table(phase), summary(phase), kernels(phase));
    let phases = report.phases.iter().map(phase).collect::<String>();
    format!("{}\n{phases}{}{}", subject(report), explanations(report), counters(report))
}

/// What hardware counters said; nothing if there are none.
fn counters(report: &Report) -> String {
    let phases = report.phases.iter().filter_map(Phase::ratios);
    let rows: Vec<_> = phases.map(|(name, ratios)| (vec![name.to_owned()], ratios)).collect();
    Ratios::text(&["phase"], &rows).map(|text| format!("\n{text}")).unwrap_or_default()
}

/// A line for each operation that runs a kernel.
fn kernels(phase: &Phase) -> String {
    let rows = phase.by_name.iter().filter(|row| !row.kernels.is_empty());
    let lines = rows.map(|row| format!("  {}: {}\n", row.name, row.kernels.join(", "))).collect::<String>();
    if lines.is_empty() { lines } else { format!("kernels\n{lines}") }
}

/// A line for each operation.
fn explanations(report: &Report) -> String {
    let line = |(name, meaning)| format!("  {name}: {meaning}\n");
    format!("\noperations\n{}", meanings(&report.phases).into_iter().map(line).collect::<String>())
}

fn subject(report: &Report) -> String {
    let About { subject, threads, peak_numbers, .. } = &report.about;
    format!(
        "{}, {}; the machine: {} GFLOP/s in {peak_numbers}, {} GB/s read from memory",
        subject.line(),
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
    let cost = 100.0 * phase.recording_cost;
    // More digits would say more than is known.
    if phase.recording_cost_is_noise {
        format!("{cost:+.0}% (less than the spread of repetitions)")
    } else {
        format!("{cost:+.1}%")
    }
}

fn table(phase: &Phase) -> String {
    let right = |title: &str| Column::new(title, Align::Right);
    let mut table = Table::new(vec![
        Column::new("operation", Align::Left),
        right("calls"),
        right("ms"),
        right("of time"),
        right("GFLOP/s"),
        right("GB/s"),
        right("of roofline"),
        right("waiting"),
    ]);
    for row in &phase.by_name {
        table.push(cells(row.name, &row.sums));
    }
    table.push(cells("between operations", &phase.between));
    table.push(cells("total", &phase.total));
    table.to_markdown()
}

/// The cells of a row; what was not done stays empty.
fn cells(name: &str, sums: &Totals) -> Vec<String> {
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
    fn recording_cost_within_the_spread_of_repetitions_says_so() {
        let mut recording = example::recording(super::super::PhaseKind::Prefill);
        let cost = |recording: &Recording| recording_cost(&Phase::new(recording, &example::ROOFLINE));
        assert_eq!(cost(&recording), "+1.0%");
        recording.cost = Ratio::of(&[1.0, 1.4, 1.2], &[1.1, 1.3, 1.5]);
        assert_eq!(cost(&recording), "+1% (less than the spread of repetitions)");
        recording.seconds_unrecorded = recording.seconds * 1.5;
        assert_eq!(cost(&recording), "-33% (less than the spread of repetitions)");
    }

    #[test]
    fn text_has_a_table_for_each_phase() {
        let text = text(&example::report());
        for expected in [
            "tiny <3>, 1 MiB in f32, avx512, 2 threads; the machine: 200 GFLOP/s in f32, 40 GB/s read from memory\n",
            "\nprefill (pp3, last logits): ",
            "\ndecode (tg3, all logits): ",
            "recorded 0.0187 ms, recording overhead +1.0%\n",
            "| qkv                |     6 | 0.006 |   32.1% |   150.0 |  0.5 |         75% |     15% |\n",
            "| embed              |     3 | 0.003 |   16.1% |         |  0.9 |        2.2% |     50% |\n",
            "\nkernels\n  qkv: avx512_f32_6x64\n",
            "\noperations\n  embed: looks up the vectors of tokens\n",
            "| total              |    18 | 0.019 |  100.0% |",
            "products 48.2%, attention 32.1%, everything else 19.7% (between operations 3.6%); threads wait 21.9%",
            "\nhardware counters of all threads: misses per 1000 instructions, ",
            "| prefill |               2.50 |       22.50 |      8.00 |",
        ] {
            assert!(text.contains(expected), "no {expected:?} in\n{text}");
        }
    }
}
