//! What hardware counters said of CKE's own products.

use cke_perf::counters::Ratios;
use serde::Serialize;

/// What the counters said.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Counting {
    /// They could be read.
    Counted {
        /// One for each product.
        products: Vec<CountedProduct>,
    },
    /// They could not.
    Unavailable {
        /// Why, in words.
        reason: String,
    },
}

/// One product of CKE on one thread.
#[derive(Clone, Debug, Serialize)]
pub struct CountedProduct {
    /// The product.
    pub label: String,
    /// What its counts say.
    #[serde(flatten)]
    pub ratios: Ratios,
}
