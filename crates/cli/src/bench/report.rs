//! The rows of `cke bench model`.

use super::measure::{Measured, TestOutcome};
use crate::workload::test_plan::TestKind;
use cke_perf::counters::{Counting, Ratios};
use cke_perf::report::{Align, Column, Record};
use cke_report::profile::Subject;
use cke_report::words::number;
use serde::Serialize;

/// A test with a number of threads. Rates that are compared with a ceiling are the best ones, because ceilings are best rates too.
#[derive(Clone, Debug, Serialize)]
pub(super) struct TestRow {
    #[serde(flatten)]
    pub(super) subject: Subject,
    pub(super) threads: usize,
    pub(super) test: String,
    /// Tokens of each sequence, and sequences that run together.
    pub(super) tokens: usize,
    pub(super) batch: usize,
    /// Tokens of each sequence that were read before.
    pub(super) depth: usize,
    /// Of which positions logits are computed: `last` or `all`; `None` for an encoder.
    pub(super) logits: Option<&'static str>,
    pub(super) repetitions: usize,
    /// Mean, maximum and standard deviation of the repetitions.
    pub(super) tokens_per_second: f64,
    pub(super) best: f64,
    pub(super) stddev: f64,
    /// Rate of the best repetition, the measured peak, and their ratio.
    pub(super) gflops: f64,
    pub(super) peak_gflops: f64,
    pub(super) share_of_peak: f64,
    /// What the best repetition read of weights, keys and values, the measured read bandwidth, and their ratio; only if tokens come one by
    /// one.
    pub(super) read_gb_per_s: Option<f64>,
    pub(super) bandwidth_gb_per_s: Option<f64>,
    pub(super) share_of_bandwidth: Option<f64>,
    /// Share of the machine's CPUs that other programs took meanwhile.
    pub(super) busy_others: Option<f64>,
    /// Of one more repetition: all threads, their waiting included.
    pub(super) counters: Counting,
    /// The repetitions, tokens per second.
    pub(super) rates: Vec<f64>,
}

impl TestRow {
    /// The row of an outcome.
    pub(super) fn new(
        subject: &Subject,
        threads: usize,
        all_logits: bool,
        outcome: &TestOutcome,
        Measured { ceiling, others, .. }: &Measured,
    ) -> TestRow {
        let &TestOutcome { test, rate, flops_per_token, bytes_per_token, .. } = outcome;
        let gflops = rate.max * flops_per_token / 1e9;
        let read_gb_per_s = bytes_per_token.map(|bytes| rate.max * bytes / 1e9);
        let has_all_logits = all_logits || test.kind == TestKind::Generation;
        let logits = if has_all_logits { "all" } else { "last" };
        TestRow {
            threads,
            test: test.to_string(),
            tokens: test.tokens,
            batch: test.batch,
            depth: test.depth,
            logits: (subject.architecture != "bert").then_some(logits),
            repetitions: rate.n,
            tokens_per_second: rate.mean,
            best: rate.max,
            stddev: rate.stddev,
            gflops,
            peak_gflops: ceiling.peak_gflops,
            share_of_peak: gflops / ceiling.peak_gflops,
            read_gb_per_s,
            bandwidth_gb_per_s: read_gb_per_s.map(|_| ceiling.bandwidth_gb_per_s),
            share_of_bandwidth: read_gb_per_s.map(|rate| rate / ceiling.bandwidth_gb_per_s),
            busy_others: others.map(|others| others.share),
            counters: outcome.counters.clone(),
            rates: outcome.rates.clone(),
            subject: subject.clone(),
        }
    }
}

/// What hardware counters said of these tests; `None` if there are none.
pub(super) fn counters(rows: &[TestRow]) -> Option<String> {
    let cells = |row: &TestRow| vec![row.test.clone(), row.threads.to_string()];
    let counted: Vec<_> = rows.iter().filter_map(|row| Some((cells(row), &row.counters.counted()?.ratios))).collect();
    Ratios::text(&["test", "threads"], &counted)
}

impl Record for TestRow {
    fn columns() -> Vec<Column> {
        let right = |title| Column::new(title, Align::Right);
        vec![
            right("threads"),
            Column::new("test", Align::Left),
            right("t/s"),
            right("best"),
            right("GFLOP/s"),
            right("of peak"),
            right("GB/s"),
            right("of bandwidth"),
        ]
    }

    fn cells(&self) -> Vec<String> {
        let percent = |share: f64| format!("{:.0}%", 100.0 * share);
        vec![
            self.threads.to_string(),
            self.test.clone(),
            format!("{} ± {}", number(self.tokens_per_second), number(self.stddev)),
            number(self.best),
            format!("{:.1}", self.gflops),
            percent(self.share_of_peak),
            self.read_gb_per_s.map(|rate| format!("{rate:.1}")).unwrap_or_default(),
            self.share_of_bandwidth.map(percent).unwrap_or_default(),
        ]
    }
}
