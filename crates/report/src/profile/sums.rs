//! What operations add up to.

use super::operations::Operation;
use cke_perf::roofline::Work;
use serde::Serialize;

/// The whole that operations are a part of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole {
    pub(crate) nanoseconds: u64,
    pub(crate) threads: usize,
}

/// Several operations together. Rates and shares are 0 if there was no work.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Totals {
    pub(crate) calls: usize,
    pub(crate) seconds: f64,
    /// Of the time of the whole.
    pub(crate) share_of_time: f64,
    pub(crate) flops: u64,
    pub(crate) bytes: u64,
    pub(crate) gflops: f64,
    pub(crate) gb_per_s: f64,
    /// The time that the roofline allows, and its share of the time that was taken.
    pub(crate) least_seconds: f64,
    pub(crate) share_of_roofline: f64,
    /// Share of the threads' time in which a thread had no part in the work.
    pub(crate) waiting: f64,
}

/// What is added up.
#[derive(Clone, Copy, Debug, Default)]
struct Parts {
    calls: usize,
    nanoseconds: u64,
    work: Work,
    least_seconds: f64,
    waiting_ns: u64,
}

/// 0 if there is nothing to divide by.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

impl Parts {
    fn of<'o>(operations: impl Iterator<Item = &'o Operation>) -> Parts {
        operations.fold(Parts::default(), |sum, operation| Parts {
            calls: sum.calls + 1,
            nanoseconds: sum.nanoseconds + operation.nanoseconds(),
            work: sum.work + operation.work(),
            least_seconds: sum.least_seconds + operation.least_seconds,
            waiting_ns: sum.waiting_ns + operation.waiting_ns,
        })
    }

    fn sums(self, whole: Whole) -> Totals {
        let seconds = self.nanoseconds as f64 / 1e9;
        Totals {
            calls: self.calls,
            seconds,
            share_of_time: ratio(self.nanoseconds as f64, whole.nanoseconds as f64),
            flops: self.work.flops,
            bytes: self.work.bytes,
            gflops: ratio(self.work.flops as f64 / 1e9, seconds),
            gb_per_s: ratio(self.work.bytes as f64 / 1e9, seconds),
            least_seconds: self.least_seconds,
            share_of_roofline: ratio(self.least_seconds, seconds),
            waiting: ratio(self.waiting_ns as f64, self.nanoseconds as f64 * whole.threads as f64),
        }
    }
}

impl Totals {
    /// Of these operations.
    pub(crate) fn of<'o>(operations: impl Iterator<Item = &'o Operation>, whole: Whole) -> Totals {
        Parts::of(operations).sums(whole)
    }

    /// Of the whole with all its operations, and of the time between these, in which the caller is alone.
    pub(crate) fn of_whole(operations: &[Operation], whole: Whole) -> (Totals, Totals) {
        let inside = Parts::of(operations.iter());
        let nanoseconds = whole.nanoseconds.saturating_sub(inside.nanoseconds);
        let waiting_ns = nanoseconds * whole.threads.saturating_sub(1) as u64;
        let between = Parts { nanoseconds, waiting_ns, ..Parts::default() };
        let total = Parts {
            nanoseconds: inside.nanoseconds + nanoseconds,
            waiting_ns: inside.waiting_ns + waiting_ns,
            ..inside
        };
        (total.sums(whole), between.sums(whole))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{example, operations::operations, recording::PhaseKind};
    use super::*;

    #[test]
    fn sums_follow_from_times_and_work() {
        let operations = operations(&example::recording(PhaseKind::Prefill), &example::ROOFLINE);
        let whole = Whole { nanoseconds: 10_000, threads: 2 };
        let product = Totals::of([&operations[1]].into_iter(), whole);
        // 1000 ns of 10000; 150000 flops and 500 bytes where 200 GFLOP/s and 40 GB/s would need 750 and 12.5 ns.
        assert_eq!((product.calls, product.seconds, product.share_of_time), (1, 1e-6, 0.1));
        assert!((product.gflops - 150.0).abs() < 1e-9 && (product.gb_per_s - 0.5).abs() < 1e-9, "{product:?}");
        assert!(
            (product.share_of_roofline - 0.75).abs() < 1e-9 && (product.waiting - 0.15).abs() < 1e-9,
            "{product:?}"
        );
    }

    #[test]
    fn sums_of_the_whole_are_its_operations_and_the_time_between() {
        let operations = operations(&example::recording(PhaseKind::Prefill), &example::ROOFLINE);
        let inside: u64 = operations.iter().map(Operation::nanoseconds).sum();
        let whole = Whole { nanoseconds: inside + 1000, threads: 2 };
        let (total, between) = Totals::of_whole(&operations, whole);
        assert_eq!((total.calls, total.share_of_time), (operations.len(), 1.0));
        assert_eq!((between.calls, between.seconds, between.waiting), (0, 1e-6, 0.5));
        let shares: f64 =
            operations.iter().map(|operation| Totals::of([operation].into_iter(), whole).share_of_time).sum();
        assert!((shares + between.share_of_time - 1.0).abs() < 1e-12);
    }

    #[test]
    fn sums_of_nothing_are_finite() {
        let whole = Whole { nanoseconds: 0, threads: 1 };
        let (total, between) = Totals::of_whole(&[], whole);
        assert_eq!(total, between);
        assert_eq!((total.share_of_time, total.gflops, total.waiting), (0.0, 0.0, 0.0));
    }
}
