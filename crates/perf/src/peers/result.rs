//! What a contest gave.

use super::dtype::Dtype;
use super::product::Product;
use crate::counters::Counted;
use crate::roofline::Roofline;
use serde::{Deserialize, Serialize};

/// Rates of one contestant over all rounds, GFLOP/s; a multiply-add counts as two.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// That of the fastest call.
    pub best: f64,
    /// The median over the rounds of each round's median call.
    pub median: f64,
    /// `(largest − smallest) / median` of the rounds' median calls: 0.05 says that they lay within 5%.
    pub spread: f64,
}

/// What is to be thought of a contestant's product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Verdict {
    /// It agrees with the independent check.
    Right,
    /// It does not, before or after the timing.
    Wrong {
        /// The deviation as a multiple of the one that rounding explains; `None` if the product has elements that are not
        /// finite, as those that were never written are, or if something was written between the rows of C.
        error: Option<f64>,
    },
    /// The contestant refused the product, or its process ended: then it takes no further part in the contest.
    Failed {
        /// Why.
        reason: String,
    },
}

/// One contestant on one product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The contestant's name.
    pub name: String,
    /// The kernel that our own product ran on, if it is known; the routine of a library: `gemm` or `gemv`.
    pub kernel: Option<String>,
    /// The path of our one-off product to the kernel: small, in place, with packed panels; with operands turned.
    pub path: Option<String>,
    /// `None` if it failed.
    pub rate: Option<Rate>,
    /// The median call of each round, GFLOP/s; none in results of older versions.
    #[serde(default)]
    pub rounds: Vec<f64>,
    /// Seconds in which the rows of A are prepared, at best; only of a product that reads rows which were prepared ahead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_seconds: Option<f64>,
    /// What hardware counters said of one call; see [`add_counts`](super::add_counts).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<Counted>,
    /// Whether the product was right.
    pub verdict: Verdict,
}

/// All contestants on one product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShapeResult {
    /// The product.
    pub product: Product,
    /// Its numbers.
    pub dtype: Dtype,
    /// Threads that each contestant had.
    pub threads: usize,
    /// The machine's multiply-add peak with as many threads, GFLOP/s: the best of the same rounds.
    pub peak_gflops: f64,
    /// The machine's read bandwidth from memory with as many threads, GB/s; only for products with a vector, and for those whose weights
    /// come from memory.
    pub read_gb_per_s: Option<f64>,
    /// In the order of the entrants.
    pub entries: Vec<Entry>,
}

impl Entry {
    /// The best rate if the product was right.
    pub fn valid_rate(&self) -> Option<f64> {
        self.rate.filter(|_| self.verdict == Verdict::Right).map(|rate| rate.best)
    }
}

impl ShapeResult {
    /// The entry of this name.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// `best / peak`: the share of the measured peak that `rate` (GFLOP/s) is.
    pub fn share_of_peak(&self, rate: f64) -> f64 {
        rate / self.peak_gflops
    }

    /// The fastest right one among the entries whose names `is_wanted` accepts.
    pub fn fastest(&self, is_wanted: impl Fn(&str) -> bool) -> Option<&Entry> {
        let wanted = self.entries.iter().filter(|entry| is_wanted(&entry.name) && entry.valid_rate().is_some());
        wanted.max_by(|x, y| x.valid_rate().unwrap_or(0.0).total_cmp(&y.valid_rate().unwrap_or(0.0)))
    }

    /// GB/s at which the operands are read and C is written once at `rate` (GFLOP/s).
    pub fn gb_per_s(&self, rate: f64) -> f64 {
        let work = self.product.work(self.dtype);
        rate * work.bytes as f64 / work.flops as f64
    }

    /// The share of what peak and read bandwidth allow that `rate` (GFLOP/s) is, whichever allows less; `None` if the bandwidth is not known.
    pub fn share_of_limit(&self, rate: f64) -> Option<f64> {
        let roofline = Roofline { peak_gflops: self.peak_gflops, bandwidth_gb_s: self.read_gb_per_s? };
        Some(rate / roofline.attainable_gflops(self.product.work(self.dtype)))
    }

    /// Whether a contestant computed something wrong.
    pub fn has_wrong(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.verdict, Verdict::Wrong { .. }))
    }
}

/// `exp(mean(ln xᵢ))`; `None` without values.
pub fn geometric_mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0);
    for value in values {
        sum += value.ln();
        count += 1;
    }
    (count > 0).then(|| (sum / f64::from(count)).exp())
}
