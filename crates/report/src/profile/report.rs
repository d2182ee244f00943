//! All that a profile found.

use super::operations::{Operation, Shape, operations};
use super::recording::{Kind, Recording};
use super::subject::Subject;
use super::sums::{Totals, Whole};
use cke_perf::busy::Busy;
use cke_perf::counters::{Counting, Ratios};
use cke_perf::roofline::Roofline;
use serde::{Serialize, Serializer};

/// The number of this layout of the JSON document; it grows when a field changes its meaning or goes away.
const FORMAT: u32 = 1;

/// The whole report, as it is written as JSON.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub(crate) format: u32,
    pub(crate) about: About,
    /// What the machine can do with these threads.
    pub(crate) roofline: Roofline,
    /// Prefill and decode, as far as they were wanted.
    pub(crate) phases: Vec<Phase>,
}

/// When, by what and how it was measured.
#[derive(Clone, Debug, Serialize)]
pub struct About {
    /// Version of this program.
    pub cke_version: &'static str,
    /// Whether this program was built with optimisations that a release has.
    pub release_build: bool,
    /// UTC.
    pub date: String,
    /// The CPU's name, if it has one.
    pub cpu: Option<String>,
    /// The model.
    #[serde(flatten)]
    pub subject: Subject,
    /// Threads that worked.
    pub threads: usize,
    /// The numbers whose multiply-add peak was measured: `f32`, `bf16`, `int8` or `int4`.
    pub peak_numbers: &'static str,
    /// Repetitions of each phase.
    pub repetitions: usize,
    /// What other programs took of the machine meanwhile; `None` if that is not known.
    #[serde(rename = "busy_others", serialize_with = "share_alone")]
    pub others: Option<Busy>,
}

/// A number, as in the results of `cke bench`.
fn share_alone<S: Serializer>(others: &Option<Busy>, serializer: S) -> Result<S::Ok, S::Error> {
    others.map(|others| others.share).serialize(serializer)
}

/// Reading a prompt, or generating tokens: the fastest repetition.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Phase {
    /// `prefill` or `decode`.
    pub(crate) name: &'static str,
    /// As `cke bench model` names it.
    pub(crate) test: String,
    /// Tokens of each sequence, and sequences that run together.
    pub(crate) tokens: usize,
    pub(crate) batch: usize,
    /// Of which positions logits are computed: `last` or `all`; `None` for an encoder.
    pub(crate) logits: Option<&'static str>,
    /// The fastest repetition that was not recorded, and the rate that follows from it.
    pub(crate) seconds_unrecorded: f64,
    pub(crate) tokens_per_second: f64,
    /// By how much the recorded repetition was slower: a share of the unrecorded one, below 0 if it was faster.
    pub(crate) recording_cost: f64,
    /// Whether that is no more than the repetitions differ by anyway.
    pub(crate) recording_cost_is_noise: bool,
    pub(crate) total: Totals,
    /// What lies between operations.
    pub(crate) between: Totals,
    pub(crate) shares: Shares,
    /// Of one more repetition: all threads, their waiting included.
    pub(crate) counters: Counting,
    /// Operations of the same name together, in the order in which each ran first.
    pub(crate) by_name: Vec<OperationRow>,
    /// Every operation, in the order of time.
    pub(crate) operations: Vec<Operation>,
}

/// Shares of the time of a phase; together 1.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Shares {
    pub(crate) products: f64,
    pub(crate) attention: f64,
    /// Also what lies between operations.
    pub(crate) everything_else: f64,
}

/// Operations of one name.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct OperationRow {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Each that occurs.
    pub(crate) shapes: Vec<Shape>,
    pub(crate) kernels: Vec<&'static str>,
    #[serde(flatten)]
    pub(crate) sums: Totals,
}

impl Report {
    /// Adds up what was recorded on a machine with this roofline.
    pub fn new(about: About, roofline: Roofline, recordings: &[Recording]) -> Report {
        let phases = recordings.iter().map(|recording| Phase::new(recording, &roofline)).collect();
        Report { format: FORMAT, about, roofline, phases }
    }

    /// Why there are no counts, if there are none.
    pub fn refusal_of_counters(&self) -> Option<String> {
        self.phases.iter().find_map(|phase| phase.counters.refusal())
    }
}

impl Phase {
    pub(super) fn new(recording: &Recording, roofline: &Roofline) -> Phase {
        let &Recording { phase, tokens, batch, logits, threads, seconds, seconds_unrecorded, .. } = recording;
        let operations = operations(recording, roofline);
        let whole = Whole { nanoseconds: (seconds * 1e9) as u64, threads };
        let (total, between) = Totals::of_whole(&operations, whole);
        Phase {
            name: phase.name(),
            test: recording.test.clone(),
            tokens,
            batch,
            logits,
            seconds_unrecorded,
            tokens_per_second: (tokens * batch) as f64 / seconds_unrecorded,
            recording_cost: seconds / seconds_unrecorded - 1.0,
            recording_cost_is_noise: seconds <= seconds_unrecorded
                || recording.cost.is_none_or(|cost| !cost.is_clear() || cost.estimate < 1.0),
            total,
            between,
            shares: Shares::of(&operations, whole),
            counters: recording.counters.clone(),
            by_name: rows(&operations, whole),
            operations,
        }
    }

    /// The ratios of its counters under its name, if it was counted.
    pub(crate) fn ratios(&self) -> Option<(&'static str, &Ratios)> {
        Some((self.name, &self.counters.counted()?.ratios))
    }

    /// What it is, for a heading.
    pub(crate) fn title(&self) -> String {
        let sequences = if self.batch > 1 { format!("{} sequences of ", self.batch) } else { String::new() };
        let tokens = crate::words::counted(self.tokens, "token");
        match self.name {
            "decode" => format!("Decode: {sequences}{tokens}, one by one"),
            _ => format!("Prefill: {sequences}{tokens}"),
        }
    }
}

impl Shares {
    fn of(operations: &[Operation], whole: Whole) -> Shares {
        let of = |kind| Totals::of(operations.iter().filter(|operation| operation.kind == kind), whole).share_of_time;
        let (products, attention) = (of(Kind::Product), of(Kind::Attention));
        Shares { products, attention, everything_else: 1.0 - products - attention }
    }
}

fn rows(operations: &[Operation], whole: Whole) -> Vec<OperationRow> {
    let mut names: Vec<(&'static str, Kind)> = Vec::new();
    for operation in operations {
        if names.iter().all(|(name, _)| *name != operation.name) {
            names.push((operation.name, operation.kind));
        }
    }
    let row = |(name, kind): (&'static str, Kind)| {
        let own = || operations.iter().filter(|operation| operation.name == name);
        OperationRow {
            name,
            kind,
            shapes: distinct(own().filter_map(|operation| operation.shape)),
            kernels: distinct(own().filter_map(|operation| operation.kernel)),
            sums: Totals::of(own(), whole),
        }
    };
    names.into_iter().map(row).collect()
}

/// Each value once, in the order in which they come first.
fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    values.fold(Vec::new(), |mut found, value| {
        if !found.contains(&value) {
            found.push(value);
        }
        found
    })
}

#[cfg(test)]
mod tests {
    use super::super::example;

    #[test]
    fn phase_rows_are_the_names_in_order_and_add_up() {
        let report = example::report();
        let phase = &report.phases[0];
        let names: Vec<&str> = phase.by_name.iter().map(|row| row.name).collect();
        assert_eq!(names, ["embed", "qkv", "attention", "head"]);
        let inside: f64 = phase.by_name.iter().map(|row| row.sums.share_of_time).sum();
        assert!((inside + phase.between.share_of_time - 1.0).abs() < 1e-12);
        let shares = phase.shares;
        assert!((shares.products + shares.attention + shares.everything_else - 1.0).abs() < 1e-12);
        assert!(shares.everything_else >= phase.between.share_of_time);
    }

    #[test]
    fn phase_recording_cost_is_set_against_the_unrecorded_time() {
        let phase = &example::report().phases[0];
        assert!((phase.recording_cost - (phase.total.seconds / phase.seconds_unrecorded - 1.0)).abs() < 1e-6);
        assert!((phase.tokens_per_second - phase.tokens as f64 / phase.seconds_unrecorded).abs() < 1e-6);
    }
}
