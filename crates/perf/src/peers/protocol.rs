//! What a contest and its processes say to each other: one line of JSON each way.

use super::accuracy::Sample;
use super::dtype::Dtype;
use super::library::{Library, Subject};
use super::product::Product;
use super::weights::Weights;
use crate::counters::Counts;
use serde::{Deserialize, Serialize};

/// To the process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Request {
    /// Stay on one CPU from now on.
    Bind { cpu: usize },
    /// Open hardware counters for all threads that are started later.
    OpenCounters,
    /// Become a contestant. Answer: [`Answer::Opened`].
    Open { subject: Subject, dtype: Dtype, threads: usize, weights: Weights },
    /// Make operands and compute the product. Answer: [`Answer::Prepared`].
    Prepare(Product),
    /// Compute the product again and again for about this time. Answer: [`Answer::Timed`].
    Time { seconds: f64 },
    /// As `Time`, with hardware counters. Answer: [`Answer::Counted`].
    Count { seconds: f64 },
    /// Check what the timing left. Answer: [`Answer::Checked`].
    Check,
    /// Compute a sample. Answer: [`Answer::Computed`].
    Compute(Sample),
    /// Measure the machine's multiply-add peak. Answer: [`Answer::Peak`].
    Peak { dtype: Dtype, threads: usize },
    /// Measure the machine's read bandwidth from memory. Answer: [`Answer::Bandwidth`].
    Bandwidth { threads: usize },
    /// Measure the read bandwidth of a working set of `bytes_per_thread`. Answer: [`Answer::Bandwidth`].
    WorkingSet { threads: usize, bytes_per_thread: usize },
}

/// From the process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// Nothing to say.
    Done,
    /// The library, if the subject is one.
    Opened(Option<Library>),
    /// The product was computed once.
    Prepared(Prepared),
    /// As [`super::operands::Operands::error`] says.
    Checked { error: Option<f64> },
    /// What calls took.
    Timed(Timed),
    /// Of one call.
    Counted(Counts),
    /// The elements of C, as the bits of f64, which holds every number of every format; JSON's own numbers have no NaN.
    Computed { bits: Vec<u64> },
    /// GFLOP/s.
    Peak { gflops: f64 },
    /// GB/s.
    Bandwidth { gb_per_s: f64 },
    /// The request cannot be carried out.
    Failed { reason: String },
}

/// Seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Timed {
    /// The fastest call.
    pub(super) best: f64,
    /// The median one.
    pub(super) median: f64,
    /// To prepare the rows of A, if calls read such ones.
    pub(super) rows: Option<f64>,
}

/// What the first call of a product showed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Prepared {
    /// As in [`Answer::Checked`].
    pub(super) error: Option<f64>,
    /// Our kernel.
    pub(super) kernel: Option<String>,
    /// The path of our one-off product to the kernel.
    pub(super) path: Option<String>,
}
