//! What a command recorded of a model at work.

use super::operations::{Interval, Shape};
use cke_perf::counters::Counting;
use cke_perf::stats::Ratio;
use serde::Serialize;

/// One phase: its fastest repetition.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Which phase.
    pub phase: PhaseKind,
    /// As `cke bench model` names it.
    pub test: String,
    /// Tokens of each sequence.
    pub tokens: usize,
    /// Sequences that ran together.
    pub batch: usize,
    /// Of which positions logits were computed: `last` or `all`; `None` for an encoder.
    pub logits: Option<&'static str>,
    /// Threads that worked.
    pub threads: usize,
    /// In the order of time.
    pub operations: Vec<RecordedOperation>,
    /// What each thread did, each with the index of its operation.
    pub intervals: Vec<(usize, Interval)>,
    /// Duration of the recorded repetition.
    pub seconds: f64,
    /// The fastest repetition that was not recorded.
    pub seconds_unrecorded: f64,
    /// By which factor repetitions took longer if they were recorded; `None` if that is not known.
    pub cost: Option<Ratio>,
    /// What hardware counters said of one more repetition.
    pub counters: Counting,
}

/// What a model does in a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhaseKind {
    /// It reads a prompt.
    Prefill,
    /// It generates token after token.
    Decode,
}

impl PhaseKind {
    /// `prefill` or `decode`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            PhaseKind::Prefill => "prefill",
            PhaseKind::Decode => "decode",
        }
    }
}

/// An operation as it ran. Times are nanoseconds of one clock.
#[derive(Clone, Copy, Debug)]
pub struct RecordedOperation {
    /// Its name.
    pub name: &'static str,
    /// `None` outside of the layers.
    pub layer: Option<usize>,
    /// The sort of work.
    pub kind: Kind,
    /// Of a product.
    pub shape: Option<Shape>,
    /// The kernel that ran, if there is one.
    pub kernel: Option<&'static str>,
    /// Floating-point operations.
    pub flops: u64,
    /// Bytes of its operands, each counted once.
    pub bytes: u64,
    /// When it began.
    pub start_ns: u64,
    /// When it ended.
    pub end_ns: u64,
}

/// The sort of work of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A matrix product.
    Product,
    /// Attention.
    Attention,
    /// Anything else.
    Other,
}

impl Kind {
    /// The name in JSON and traces.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Product => "product",
            Kind::Attention => "attention",
            Kind::Other => "other",
        }
    }
}
