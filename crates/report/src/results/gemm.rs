//! Results of `cke bench gemm -o json`, as far as they are drawn.

use super::ResultsError;
use super::figure::{Choice, Figure, Group, distinct};
use crate::words::counted;
use cke_perf::peers::{Dtype, Product};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct GemmResults {
    cpu: String,
    core_family: Option<String>,
    date: String,
    dtype: Dtype,
    rounds: usize,
    contestants: Vec<Contestant>,
    rows: Vec<ProductRow>,
}

#[derive(Debug, Deserialize)]
struct Contestant {
    name: String,
    role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Role {
    Own,
    Prepared,
    Library,
    Kernel,
}

#[derive(Debug, Deserialize)]
struct ProductRow {
    product: Product,
    threads: usize,
    peak_gflops: f64,
    entries: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    name: String,
    rate: Option<Rate>,
    verdict: Verdict,
}

/// GFLOP/s of the median round, and how far the rounds differ, as a share of it.
#[derive(Debug, Deserialize)]
struct Rate {
    median: f64,
    spread: f64,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
enum Verdict {
    Right,
    Wrong,
    Failed,
}

impl ProductRow {
    /// The rate of a contestant, if its product was right.
    fn rate(&self, name: &str) -> Option<&Rate> {
        let entry = self.entries.iter().find(|entry| entry.name == name)?;
        entry.rate.as_ref().filter(|_| entry.verdict == Verdict::Right)
    }
}

impl GemmResults {
    /// The chosen products; all if none is chosen.
    ///
    /// # Errors
    /// If what is chosen was not measured.
    pub(crate) fn figure(&self, choice: &Choice) -> Result<Figure, ResultsError> {
        let names = distinct(self.rows.iter().map(|row| row.product.to_string()));
        choice.check(&names, &distinct(self.rows.iter().map(|row| row.threads)))?;
        // Single kernels are measured for dispatch, not for comparison with libraries.
        let shown: Vec<&str> =
            self.contestants.iter().filter(|it| it.role != Role::Kernel).map(|it| it.name.as_str()).collect();
        let is_chosen = |row: &&ProductRow| {
            let name = row.product.to_string();
            choice.has_threads(row.threads) && choice.only.as_ref().is_none_or(|only| only.contains(&name))
        };
        let group = |row: &ProductRow| Group {
            label: row.product.to_string(),
            threads: row.threads,
            rates: shown.iter().map(|name| row.rate(name).map(|rate| rate.median)).collect(),
            limit: Some(row.peak_gflops),
        };
        let chosen: Vec<&ProductRow> = self.rows.iter().filter(is_chosen).collect();
        let spreads =
            chosen.iter().flat_map(|row| shown.iter().filter_map(|name| row.rate(name))).map(|rate| rate.spread);
        let GemmResults { cpu, core_family, date, dtype, rounds, .. } = self;
        Ok(Figure {
            title: format!("Matrix products M×N×K, {dtype}"),
            conditions: format!(
                "GFLOP/s, median of {} (spread up to {:.0}%); {}, {}",
                counted(*rounds, "interleaved round"),
                100.0 * spreads.fold(0.0, f64::max),
                processor(cpu, core_family.as_deref()),
                day(date)
            ),
            limit: "The line marks the multiply-add peak measured in the same rounds.",
            contestants: shown.iter().map(|&name| title(name).to_owned()).collect(),
            groups: chosen.into_iter().map(group).collect(),
        })
    }
}

/// A processor with the family of its cores, which its own name may leave open.
pub(crate) fn processor(cpu: &str, core_family: Option<&str>) -> String {
    core_family.map_or_else(|| cpu.to_owned(), |family| format!("{cpu} ({family})"))
}

/// The day of a date with a time.
pub(crate) fn day(date: &str) -> &str {
    date.split(' ').next().unwrap_or_default()
}

/// Libraries have the names that they were given; ours is written as its documents write it.
fn title(name: &str) -> &str {
    match name {
        "cke" => "CKE",
        "cke-packed" => "CKE, B packed ahead",
        "cke-prepared" => "CKE, rows of A prepared and B packed ahead",
        library => library,
    }
}
