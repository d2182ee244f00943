//! Results of `cke bench gemm -o json`, as far as they are drawn.

use super::ResultsError;
use super::figure::{Choice, Figure, Group, distinct};
use crate::words::counted;
use cke_perf::peers::{Dtype, Product};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct GemmResults {
    cpu: String,
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

/// GFLOP/s.
#[derive(Debug, Deserialize)]
struct Rate {
    best: f64,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
enum Verdict {
    Right,
    Wrong,
    Failed,
}

impl ProductRow {
    /// The best rate of a contestant, if its product was right.
    fn rate(&self, name: &str) -> Option<f64> {
        let entry = self.entries.iter().find(|entry| entry.name == name)?;
        entry.rate.as_ref().filter(|_| entry.verdict == Verdict::Right).map(|rate| rate.best)
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
            rates: shown.iter().map(|name| row.rate(name)).collect(),
            limit: Some(row.peak_gflops),
        };
        let GemmResults { cpu, date, dtype, rounds, .. } = self;
        Ok(Figure {
            title: format!("Matrix products M×N×K, {dtype}"),
            conditions: format!(
                "GFLOP/s of the fastest call in {}; {cpu}, {}",
                counted(*rounds, "interleaved round"),
                day(date)
            ),
            limit: "The line marks the multiply-add peak measured in the same rounds.",
            contestants: shown.iter().map(|&name| title(name).to_owned()).collect(),
            groups: self.rows.iter().filter(is_chosen).map(group).collect(),
        })
    }
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
