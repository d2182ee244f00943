//! The measured products.

use super::ceiling::{Ceiling, ceiling};
use super::machine::Machine;
use super::suite::{Family, label};
use cke_perf::peers::{Product, Roofs, ShapeResult, Verdict};
use serde::Serialize;

/// One product with one number of threads.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub(crate) family: Family,
    #[serde(flatten)]
    pub(crate) product: Product,
    /// The product in short notation.
    pub(crate) label: String,
    pub(crate) threads: usize,
    /// Flops per byte of A, B and C.
    pub(crate) intensity: f64,
    /// Measured beside the product, GFLOP/s.
    pub(crate) peak_gflops: f64,
    pub(crate) ceiling: Ceiling,
    /// CKE first.
    pub(crate) entries: Vec<RowEntry>,
}

/// One contestant on one product.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RowEntry {
    pub(crate) name: String,
    /// Whether it takes part in rankings.
    pub(crate) is_ranked: bool,
    /// The routine of a library that was timed: `gemm` or `gemv`.
    pub(crate) routine: Option<String>,
    /// Rate of the fastest call; `None` if it failed or the product was wrong.
    pub(crate) gflops: Option<f64>,
    /// `gflops` over the ceiling.
    pub(crate) share_of_ceiling: Option<f64>,
    /// Median over the rounds, and how far the rounds lay apart as a share of it.
    pub(crate) median_gflops: Option<f64>,
    pub(crate) spread: Option<f64>,
    pub(crate) verdict: Verdict,
}

impl Row {
    /// A contest's result under the roofs of the same rounds. `is_ranked` says which contestants take part in rankings.
    pub fn new(
        machine: &Machine,
        family: Family,
        (result, roofs): (ShapeResult, Roofs),
        is_ranked: impl Fn(&str) -> bool,
    ) -> Row {
        let ShapeResult { product, dtype, threads, peak_gflops, entries, .. } = result;
        let work = product.work(dtype);
        let ceiling = ceiling(machine, work, threads, &roofs);
        let entry = |entry: cke_perf::peers::Entry| {
            let gflops = entry.valid_rate();
            RowEntry {
                is_ranked: is_ranked(&entry.name),
                routine: entry.kernel,
                gflops,
                share_of_ceiling: gflops.map(|gflops| gflops / ceiling.gflops),
                median_gflops: entry.rate.map(|rate| rate.median),
                spread: entry.rate.map(|rate| rate.spread),
                name: entry.name,
                verdict: entry.verdict,
            }
        };
        let entries = entries.into_iter().map(entry).collect();
        let (label, intensity) = (label(&product), work.intensity());
        Row { family, product, label, threads, intensity, peak_gflops, ceiling, entries }
    }

    /// The rate of this contestant, if its product was right.
    pub(crate) fn rate(&self, name: &str) -> Option<f64> {
        self.entries.iter().find(|entry| entry.name == name)?.gflops
    }

    /// The entries that take part in rankings.
    pub(crate) fn ranked(&self) -> impl Iterator<Item = &RowEntry> {
        self.entries.iter().filter(|entry| entry.is_ranked)
    }

    /// The fastest right ranked entry that is not called `name`.
    pub(crate) fn fastest_but(&self, name: &str) -> Option<&RowEntry> {
        let others = self.ranked().filter(|entry| entry.name != name && entry.gflops.is_some());
        others.max_by(|x, y| x.gflops.unwrap_or(0.0).total_cmp(&y.gflops.unwrap_or(0.0)))
    }

    /// The fastest right ranked entry.
    pub(crate) fn fastest(&self) -> Option<&RowEntry> {
        self.fastest_but("")
    }

    /// Whether `name` is faster than every other ranked entry, by more than the rounds lay apart.
    pub(crate) fn is_won_by(&self, name: &str) -> bool {
        let Some(entry) = self.ranked().find(|entry| entry.name == name) else { return false };
        entry.gflops.is_some() && self.fastest_but(name).is_none_or(|other| entry.exceeds(other))
    }
}

impl RowEntry {
    /// How far the rounds lay apart, as a share of the rate; 0 if that is not known.
    pub(crate) fn spread(&self) -> f64 {
        self.spread.unwrap_or(0.0)
    }

    /// Whether it is faster than `other` by more than the rounds of either lay apart.
    pub(crate) fn exceeds(&self, other: &RowEntry) -> bool {
        let (Some(own), Some(others)) = (self.gflops, other.gflops) else { return false };
        own > others * (1.0 + self.spread().max(other.spread()))
    }

    /// Whether it is above the ceiling that was measured in the same rounds.
    pub(crate) fn is_above_ceiling(&self) -> bool {
        self.share_of_ceiling.is_some_and(|share| share > 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::example;
    use super::*;

    #[test]
    fn row_is_won_only_by_more_than_the_spread() {
        let mut row = example::row(Family::Odd, "3 5 7", &[("a", 110.0), ("b", 100.0)], 200.0);
        assert!(row.is_won_by("a") && !row.is_won_by("b"));
        row.entries[1].spread = Some(0.2);
        assert!(!row.is_won_by("a") && !row.is_won_by("b"));
    }

    #[test]
    fn row_of_an_unranked_library_is_won_by_another() {
        let mut row = example::row(Family::Odd, "3 5 7", &[("a", 100.0), ("reference", 150.0)], 200.0);
        row.entries[1].is_ranked = false;
        assert!(row.is_won_by("a") && !row.is_won_by("reference"));
    }
}
