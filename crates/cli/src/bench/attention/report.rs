//! The rows of `cke bench attention`.

use super::measure::{Measured, Outcome};
use super::task::{Case, Rows};
use cke_kernels::Cpu;
use cke_kernels::attention::KvDtype;
use cke_perf::counters::{Counting, Ratios};
use cke_perf::report::{Align, Column, Record};
use serde::Serialize;

/// A case with a number of threads.
#[derive(Clone, Debug, Serialize)]
pub(super) struct AttentionRow {
    /// `prompt` or `one query`.
    attention: &'static str,
    positions: usize,
    heads: usize,
    key_heads: usize,
    head_size: usize,
    kv: &'static str,
    threads: usize,
    cpu: String,
    isa: &'static str,
    kernel: &'static str,
    rounds: usize,
    /// The median over the rounds of each round's median call.
    seconds: f64,
    best_seconds: f64,
    /// `(slowest − fastest) / median` of the rounds.
    spread: f64,
    gflops: f64,
    /// Keys and values read once, GB/s; of a single query.
    gb_per_s: Option<f64>,
    /// The rate over that with keys and values in f32, if that was measured.
    of_f32: Option<f64>,
    /// Share of the machine's CPUs that other programs took meanwhile.
    busy_others: Option<f64>,
    /// Of a call: all threads, their waiting included.
    pub(super) counters: Counting,
    /// The median call of each round, calls per second.
    rates: Vec<f64>,
}

/// The rows of all cases.
pub(super) fn rows(cpu: &Cpu, threads: usize, measured: &Measured) -> Vec<AttentionRow> {
    measured.outcomes.iter().map(|outcome| row(cpu, threads, outcome, measured)).collect()
}

fn row(cpu: &Cpu, threads: usize, outcome: &Outcome, Measured { outcomes, others }: &Measured) -> AttentionRow {
    let &Outcome { case, kernel, bytes, best_seconds, seconds, .. } = outcome;
    let Case { rows, positions, heads, kv } = case;
    let is_same_in_f32 = |other: &&Outcome| other.case == Case { kv: KvDtype::F32, ..case };
    let in_f32 = outcomes.iter().find(is_same_in_f32);
    AttentionRow {
        attention: rows.name(),
        positions,
        heads: heads.queries,
        key_heads: heads.keys,
        head_size: heads.size,
        kv: kv.name(),
        threads,
        cpu: cpu.brand().to_owned(),
        isa: cpu.isa().name(),
        kernel,
        rounds: seconds.n,
        seconds: seconds.median,
        best_seconds,
        spread: (seconds.max - seconds.min) / seconds.median,
        gflops: case.flops() / seconds.median / 1e9,
        gb_per_s: (rows == Rows::Query).then(|| bytes as f64 / seconds.median / 1e9),
        of_f32: in_f32.map(|in_f32| in_f32.seconds.median / seconds.median),
        busy_others: others.map(|others| others.share),
        counters: outcome.counters.clone(),
        rates: outcome.rounds.iter().map(|seconds| 1.0 / seconds).collect(),
    }
}

/// What hardware counters said of these cases; `None` if there are none.
pub(super) fn counters(rows: &[AttentionRow]) -> Option<String> {
    let cells = |row: &AttentionRow| {
        vec![row.attention.to_owned(), row.positions.to_string(), row.kv.to_owned(), row.threads.to_string()]
    };
    let counted: Vec<_> = rows.iter().filter_map(|row| Some((cells(row), &row.counters.counted()?.ratios))).collect();
    Ratios::text(&["attention", "positions", "keys and values", "threads"], &counted)
}

impl Record for AttentionRow {
    fn columns() -> Vec<Column> {
        let left = |title| Column::new(title, Align::Left);
        let right = |title| Column::new(title, Align::Right);
        vec![
            left("attention"),
            right("positions"),
            right("heads"),
            left("keys and values"),
            right("threads"),
            right("ms"),
            right("spread"),
            right("GFLOP/s"),
            right("GB/s"),
            right("of f32"),
            left("kernel"),
        ]
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.attention.to_owned(),
            self.positions.to_string(),
            format!("{}/{}×{}", self.heads, self.key_heads, self.head_size),
            self.kv.to_owned(),
            self.threads.to_string(),
            format!("{:.3}", 1e3 * self.seconds),
            format!("{:.0}%", 100.0 * self.spread),
            format!("{:.1}", self.gflops),
            self.gb_per_s.map(|rate| format!("{rate:.1}")).unwrap_or_default(),
            self.of_f32.map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
            self.kernel.to_owned(),
        ]
    }
}
