//! Each operation that ran, and what each thread did of it.

use cke_engine::profile::{Kind, Profile, Step};
use cke_perf::roofline::{Roofline, Work};
use serde::{Serialize, Serializer};
use std::ops::Range;

/// An operation of one layer. Times are nanoseconds since the first one began.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Operation {
    pub(super) name: &'static str,
    /// `None` outside of the layers.
    pub(super) layer: Option<usize>,
    #[serde(serialize_with = "kind_name")]
    pub(super) kind: Kind,
    /// Of a product.
    pub(super) shape: Option<Shape>,
    pub(super) kernel: Option<&'static str>,
    pub(super) flops: u64,
    pub(super) bytes: u64,
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
    /// The time that the roofline allows.
    pub(super) least_seconds: f64,
    /// Nanoseconds of all threads in which they had no part in it.
    pub(super) waiting_ns: u64,
    pub(super) stretches: Vec<Stretch>,
}

/// The size of a product: C (m, n) = A (m, k) · B (k, n).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Shape {
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
}

/// A time that one thread worked on an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Stretch {
    /// 0 is the caller.
    pub(super) thread: usize,
    pub(super) tasks: u32,
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
}

/// What JSON and traces call the sort of work.
pub(super) fn kind_text(kind: Kind) -> &'static str {
    match kind {
        Kind::Product => "product",
        Kind::Attention => "attention",
        Kind::Other => "other",
    }
}

pub(super) fn kind_name<S: Serializer>(kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind_text(*kind))
}

impl Operation {
    pub(super) fn nanoseconds(&self) -> u64 {
        self.end_ns - self.start_ns
    }

    pub(super) fn work(&self) -> Work {
        Work { flops: self.flops, bytes: self.bytes }
    }

    /// The name, with the layer where it has one.
    pub(super) fn title(&self) -> String {
        match self.layer {
            Some(layer) => format!("{}, layer {layer}", self.name),
            None => self.name.to_owned(),
        }
    }

    /// Whether the two are the same step of a model.
    pub(super) fn is_same_step(&self, other: &Operation) -> bool {
        (self.name, self.layer) == (other.name, other.layer)
    }
}

/// The operations of a recording, with what each thread did of them.
pub(super) fn operations(profile: &Profile, roofline: &Roofline) -> Vec<Operation> {
    let first_ns = profile.operations.first().map_or(0, |operation| operation.start_ns);
    let operation = |ran: &cke_engine::profile::Operation| {
        let Step { name, layer, kind, shape, kernel, flops, bytes } = ran.step;
        Operation {
            name,
            layer,
            kind,
            shape: shape.map(|shape| Shape { m: shape.m, n: shape.n, k: shape.k }),
            kernel,
            flops,
            bytes,
            start_ns: ran.start_ns - first_ns,
            end_ns: ran.end_ns - first_ns,
            least_seconds: roofline.least_seconds(Work { flops, bytes }),
            waiting_ns: 0,
            stretches: Vec::new(),
        }
    };
    let mut operations: Vec<Operation> = profile.operations.iter().map(operation).collect();
    for stretch in &profile.stretches {
        let Some(operation) = operations.get_mut(stretch.operation) else { continue };
        // What runs after an operation and belongs to none is noted under it: that part is left out.
        let start_ns = stretch.start_ns.saturating_sub(first_ns).max(operation.start_ns);
        let end_ns = stretch.end_ns.saturating_sub(first_ns).min(operation.end_ns);
        if start_ns < end_ns {
            let (thread, tasks) = (stretch.thread, stretch.tasks);
            operation.stretches.push(Stretch { thread, tasks, start_ns, end_ns });
        }
    }
    for operation in &mut operations {
        operation.stretches.sort_by_key(|stretch| (stretch.start_ns, stretch.thread));
        operation.waiting_ns = waiting_ns(operation, profile.threads);
    }
    operations
}

/// Nanoseconds of all threads without a part in an operation. While no thread works on a task, the caller works alone.
fn waiting_ns(operation: &Operation, threads: usize) -> u64 {
    let length = |stretch: &Stretch| stretch.end_ns - stretch.start_ns;
    let of_caller = operation.stretches.iter().filter(|stretch| stretch.thread == 0).map(length).sum::<u64>();
    let of_all = operation.stretches.iter().map(length).sum::<u64>();
    let caller_waits = covered_ns(&operation.stretches).saturating_sub(of_caller);
    let others = operation.nanoseconds() * threads.saturating_sub(1) as u64;
    others.saturating_sub(of_all - of_caller) + caller_waits
}

/// Nanoseconds in which at least one thread works; `stretches` in the order of their beginnings.
fn covered_ns(stretches: &[Stretch]) -> u64 {
    let (mut covered, mut reached) = (0, 0);
    for stretch in stretches.iter().filter(|stretch| stretch.start_ns < stretch.end_ns) {
        covered += stretch.end_ns.saturating_sub(stretch.start_ns.max(reached));
        reached = reached.max(stretch.end_ns);
    }
    covered
}

/// The forward passes among the operations: a new one begins where the first step comes again.
pub(super) fn passes(operations: &[Operation]) -> Vec<Range<usize>> {
    let Some(first) = operations.first() else { return Vec::new() };
    let is_first = |i: usize| operations[i].is_same_step(first) && !(i > 0 && operations[i - 1].is_same_step(first));
    let mut starts: Vec<usize> = (0..operations.len()).filter(|&i| is_first(i)).collect();
    starts.push(operations.len());
    starts.windows(2).map(|pair| pair[0]..pair[1]).collect()
}

#[cfg(test)]
mod tests {
    use super::super::example;
    use super::*;

    fn all() -> Vec<Operation> {
        operations(&example::profile(), &example::ROOFLINE)
    }

    #[test]
    fn operations_begin_at_0_and_hold_their_stretches() {
        let operations = all();
        assert_eq!(operations[0].start_ns, 0);
        for operation in &operations {
            for stretch in &operation.stretches {
                assert!(operation.start_ns <= stretch.start_ns && stretch.end_ns <= operation.end_ns, "{operation:?}");
            }
        }
        assert_eq!(operations[1].stretches.len(), 2);
    }

    #[test]
    fn waiting_is_what_threads_do_not_work() {
        let operations = all();
        // Nobody shares the first: the other thread waits all the time.
        assert_eq!(operations[0].waiting_ns, operations[0].nanoseconds());
        // 1000 ns: the caller works from 100 to 900, the other from 200 to 1000. The caller waits for 100, the other 200.
        assert_eq!(operations[1].waiting_ns, 100 + 200);
    }

    #[test]
    fn waiting_of_one_thread_is_0() {
        let mut profile = example::profile();
        profile.threads = 1;
        profile.stretches.retain(|stretch| stretch.thread == 0);
        let operations = operations(&profile, &example::ROOFLINE);
        assert!(operations.iter().all(|operation| operation.waiting_ns == 0), "{operations:?}");
    }

    #[test]
    fn stretch_after_its_operation_is_left_out() {
        let mut profile = example::profile();
        let end_ns = profile.operations[1].end_ns;
        for stretch in profile.stretches.iter_mut().filter(|stretch| stretch.operation == 1) {
            (stretch.start_ns, stretch.end_ns) = (end_ns + 5, end_ns + 10);
        }
        assert!(operations(&profile, &example::ROOFLINE)[1].stretches.is_empty());
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
