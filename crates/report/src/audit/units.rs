//! What contestants make of the units that multiply narrower numbers.

use super::suite::label;
use cke_perf::arithmetic::Arithmetic;
use cke_perf::peers::{Dtype, Entry, Product, ShapeResult, Verdict};
use serde::Serialize;

/// Formats whose units an audit looks at, each with what its operations are.
pub const UNITS: [(Dtype, Arithmetic); 5] = [
    (Dtype::F32, Arithmetic::F32),
    (Dtype::F16, Arithmetic::F32),
    (Dtype::Bf16, Arithmetic::Bf16),
    (Dtype::Int8, Arithmetic::Int8),
    (Dtype::INT4, Arithmetic::Int4),
];

/// A layer in one format with one number of threads.
#[derive(Clone, Debug, Serialize)]
pub struct UnitRow {
    pub(crate) dtype: Dtype,
    pub(crate) threads: usize,
    /// The product in short notation.
    pub(crate) label: String,
    /// Measured beside the product, 10⁹ operations a second.
    pub(crate) peak_gflops: f64,
    /// Those that have products of this format, CKE first.
    pub(crate) entries: Vec<UnitEntry>,
}

/// One contestant on one layer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct UnitEntry {
    pub(crate) name: String,
    /// Rate of the fastest call; `None` if it failed or the product was wrong.
    pub(crate) gflops: Option<f64>,
    pub(crate) share_of_peak: Option<f64>,
    pub(crate) verdict: Verdict,
}

impl UnitRow {
    /// What a contest found.
    pub fn new(result: ShapeResult) -> UnitRow {
        let ShapeResult { product, dtype, threads, peak_gflops, entries, .. } = result;
        let entry = |entry: Entry| {
            let gflops = entry.valid_rate();
            let share_of_peak = gflops.map(|gflops| gflops / peak_gflops);
            UnitEntry { name: entry.name, gflops, share_of_peak, verdict: entry.verdict }
        };
        UnitRow {
            dtype,
            threads,
            label: label(&product),
            peak_gflops,
            entries: entries.into_iter().map(entry).collect(),
        }
    }

    /// What this contestant did, if it has products of this format.
    pub(crate) fn entry(&self, name: &str) -> Option<&UnitEntry> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}

/// Layers of a BERT-base or GPT-2 with the rows of a prompt: weights are read once for many rows, so that units are the limit.
pub fn unit_layers(is_quick: bool) -> Vec<Product> {
    let layer = |n: usize, k: usize| Product { m: 128, n, k, transpose_a: false, transpose_b: true, leading: None };
    let layers = [layer(3072, 768), layer(768, 3072), layer(768, 768)];
    layers[..if is_quick { 1 } else { layers.len() }].to_vec()
}
