//! Each operation that ran, and what each thread did of it.

use super::recording::{Kind, RecordedOperation, Recording};
use cke_perf::roofline::{Roofline, Work};
use serde::Serialize;
use std::ops::Range;

/// An operation of one layer. Times are nanoseconds since the first one began.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// `None` outside of the layers.
    pub(crate) layer: Option<usize>,
    pub(crate) kind: Kind,
    /// Of a product.
    pub(crate) shape: Option<Shape>,
    pub(crate) kernel: Option<&'static str>,
    pub(crate) flops: u64,
    pub(crate) bytes: u64,
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
    /// The time that the roofline allows.
    pub(crate) least_seconds: f64,
    /// Nanoseconds of all threads in which they had no part in it.
    pub(crate) waiting_ns: u64,
    pub(crate) intervals: Vec<Interval>,
}

/// The size of a product: C (m, n) = A (m, k) · B (k, n).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Shape {
    /// Rows of C.
    pub m: usize,
    /// Columns of C.
    pub n: usize,
    /// Length of each sum.
    pub k: usize,
}

/// A time that one thread worked on an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Interval {
    /// 0 is the caller.
    pub thread: usize,
    /// Tasks that it ran.
    pub tasks: u32,
    /// When it began, nanoseconds.
    pub start_ns: u64,
    /// When it ended.
    pub end_ns: u64,
}

impl Operation {
    pub(crate) fn nanoseconds(&self) -> u64 {
        self.end_ns - self.start_ns
    }

    pub(crate) fn work(&self) -> Work {
        Work { flops: self.flops, bytes: self.bytes }
    }

    /// The name, with the layer if it has one.
    pub(crate) fn title(&self) -> String {
        match self.layer {
            Some(layer) => format!("{}, layer {layer}", self.name),
            None => self.name.to_owned(),
        }
    }

    /// Whether the two are the same step of a model.
    pub(crate) fn is_same_step(&self, other: &Operation) -> bool {
        (self.name, self.layer) == (other.name, other.layer)
    }
}

/// The operations of a recording, with what each thread did of them.
pub(crate) fn operations(recording: &Recording, roofline: &Roofline) -> Vec<Operation> {
    let first_ns = recording.operations.first().map_or(0, |operation| operation.start_ns);
    let operation = |ran: &RecordedOperation| Operation {
        name: ran.name,
        layer: ran.layer,
        kind: ran.kind,
        shape: ran.shape,
        kernel: ran.kernel,
        flops: ran.flops,
        bytes: ran.bytes,
        start_ns: ran.start_ns - first_ns,
        end_ns: ran.end_ns - first_ns,
        least_seconds: roofline.least_seconds(Work { flops: ran.flops, bytes: ran.bytes }),
        waiting_ns: 0,
        intervals: Vec::new(),
    };
    let mut operations: Vec<Operation> = recording.operations.iter().map(operation).collect();
    for &(index, interval) in &recording.intervals {
        let Some(operation) = operations.get_mut(index) else { continue };
        // What runs after an operation and belongs to none is noted under it: that part is left out.
        let start_ns = interval.start_ns.saturating_sub(first_ns).max(operation.start_ns);
        let end_ns = interval.end_ns.saturating_sub(first_ns).min(operation.end_ns);
        if start_ns < end_ns {
            operation.intervals.push(Interval { start_ns, end_ns, ..interval });
        }
    }
    for operation in &mut operations {
        operation.intervals.sort_by_key(|interval| (interval.start_ns, interval.thread));
        operation.waiting_ns = waiting_ns(operation, recording.threads);
    }
    operations
}

/// Nanoseconds of all threads without a part in an operation. While no thread works on a task, the caller works alone.
fn waiting_ns(operation: &Operation, threads: usize) -> u64 {
    let length = |interval: &Interval| interval.end_ns - interval.start_ns;
    let of_caller = operation.intervals.iter().filter(|interval| interval.thread == 0).map(length).sum::<u64>();
    let of_all = operation.intervals.iter().map(length).sum::<u64>();
    let caller_waits = covered_ns(&operation.intervals).saturating_sub(of_caller);
    let others = operation.nanoseconds() * threads.saturating_sub(1) as u64;
    others.saturating_sub(of_all - of_caller) + caller_waits
}

/// Nanoseconds in which at least one thread works; `intervals` in the order of their beginnings.
fn covered_ns(intervals: &[Interval]) -> u64 {
    let (mut covered, mut reached) = (0, 0);
    for interval in intervals.iter().filter(|interval| interval.start_ns < interval.end_ns) {
        covered += interval.end_ns.saturating_sub(interval.start_ns.max(reached));
        reached = reached.max(interval.end_ns);
    }
    covered
}

/// The forward passes among the operations: a new one begins when the first step comes again.
pub(crate) fn passes(operations: &[Operation]) -> Vec<Range<usize>> {
    let Some(first) = operations.first() else { return Vec::new() };
    let is_first = |i: usize| operations[i].is_same_step(first) && !(i > 0 && operations[i - 1].is_same_step(first));
    let mut starts: Vec<usize> = (0..operations.len()).filter(|&i| is_first(i)).collect();
    starts.push(operations.len());
    starts.windows(2).map(|pair| pair[0]..pair[1]).collect()
}

#[cfg(test)]
mod tests {
    use super::super::example;
    use super::super::recording::PhaseKind;
    use super::*;

    fn all() -> Vec<Operation> {
        operations(&example::recording(PhaseKind::Prefill), &example::ROOFLINE)
    }

    #[test]
    fn operations_begin_at_0_and_hold_their_stretches() {
        let operations = all();
        assert_eq!(operations[0].start_ns, 0);
        for operation in &operations {
            for interval in &operation.intervals {
                assert!(
                    operation.start_ns <= interval.start_ns && interval.end_ns <= operation.end_ns,
                    "{operation:?}"
                );
            }
        }
        assert_eq!(operations[1].intervals.len(), 2);
    }

    #[test]
    fn waiting_is_what_threads_do_not_work() {
        let operations = all();
        // No other thread has a part in the first: the other thread waits all the time.
        assert_eq!(operations[0].waiting_ns, operations[0].nanoseconds());
        // 1000 ns: the caller works from 100 to 900, the other from 200 to 1000. The caller waits for 100, the other 200.
        assert_eq!(operations[1].waiting_ns, 100 + 200);
    }

    #[test]
    fn waiting_of_one_thread_is_0() {
        let mut recording = example::recording(PhaseKind::Prefill);
        recording.threads = 1;
        recording.intervals.retain(|(_, interval)| interval.thread == 0);
        let operations = operations(&recording, &example::ROOFLINE);
        assert!(operations.iter().all(|operation| operation.waiting_ns == 0), "{operations:?}");
    }

    #[test]
    fn stretch_after_its_operation_is_left_out() {
        let mut recording = example::recording(PhaseKind::Prefill);
        let end_ns = recording.operations[1].end_ns;
        for (_, interval) in recording.intervals.iter_mut().filter(|(operation, _)| *operation == 1) {
            (interval.start_ns, interval.end_ns) = (end_ns + 5, end_ns + 10);
        }
        assert!(operations(&recording, &example::ROOFLINE)[1].intervals.is_empty());
    }

    #[test]
    fn passes_begin_with_the_first_step() {
        let operations = all();
        let passes = passes(&operations);
        assert_eq!(passes.len(), example::PASSES);
        assert_eq!((passes[0].start, passes[example::PASSES - 1].end), (0, operations.len()));
        assert!(passes.iter().all(|pass| operations[pass.start].name == "embed"));
        assert!(super::passes(&[]).is_empty());
    }
}
