//! The measured products.

use super::ceiling::{Ceiling, ceiling};
use super::machine::Machine;
use super::suite::{Family, label};
use cke_perf::peers::{Product, ShapeResult, Verdict};
use serde::Serialize;

/// One product with one number of threads.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub(crate) family: Family,
    #[serde(flatten)]
    pub(crate) product: Product,
    /// The product as people write it.
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
    /// Rate of the fastest call; `None` where it failed or the product was wrong.
    pub(crate) gflops: Option<f64>,
    /// `gflops` over the ceiling.
    pub(crate) share_of_ceiling: Option<f64>,
    /// Median over the rounds, and how far the rounds lay apart as a share of it.
    pub(crate) median_gflops: Option<f64>,
    pub(crate) spread: Option<f64>,
    pub(crate) verdict: Verdict,
}

impl Row {
    /// A contest's result under the ceilings of the machine.
    pub fn new(machine: &Machine, family: Family, result: ShapeResult) -> Row {
        let ShapeResult { product, dtype, threads, peak_gflops, entries, .. } = result;
        let work = product.work(dtype);
        let ceiling = ceiling(machine, work, threads, peak_gflops);
        let entry = |entry: cke_perf::peers::Entry| {
            let gflops = entry.valid_rate();
            RowEntry {
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

    /// The rate of this contestant, where its product was right.
    pub(crate) fn rate(&self, name: &str) -> Option<f64> {
        self.entries.iter().find(|entry| entry.name == name)?.gflops
    }

    /// The fastest right entry that is not called `name`.
    pub(crate) fn fastest_but(&self, name: &str) -> Option<(&str, f64)> {
        let others = self.entries.iter().filter(|entry| entry.name != name);
        let rates = others.filter_map(|entry| Some((entry.name.as_str(), entry.gflops?)));
        rates.max_by(|x, y| x.1.total_cmp(&y.1))
    }

    /// The fastest right entry.
    pub(crate) fn fastest(&self) -> Option<(&str, f64)> {
        self.fastest_but("")
    }
}
