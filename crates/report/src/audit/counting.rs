//! What hardware counters said of CKE's own products.

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
    /// Instructions per cycle of the core.
    pub instructions_per_cycle: Option<f64>,
    /// Flops per cycle of the core.
    pub flops_per_cycle: Option<f64>,
    /// Misses of the first level per thousand instructions.
    pub l1d_misses: Option<f64>,
    /// The same of the last level.
    pub last_level_misses: Option<f64>,
    /// The same of the address translation.
    pub tlb_misses: Option<f64>,
}
