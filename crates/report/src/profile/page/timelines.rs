//! Which thread did what when.

use super::super::operations::{Operation, passes};
use super::super::report::Phase;
use super::figures::{ink, legend};
use crate::page::markup::figure;
use crate::words::{counted, number};
use cke_chart::timeline::{Lane, Span, Timeline};
use maud::{Markup, html};

/// Lanes of threads that are drawn at most.
const MOST_THREADS: usize = 32;
/// Intervals of one step that lie closer together than this share of the picture are drawn as one.
const CLOSE: f64 = 1.0 / 1500.0;

/// The last forward pass, and one layer of it enlarged.
pub(crate) fn all(phase: &Phase, threads: usize) -> Markup {
    let passes = passes(&phase.operations);
    let Some(pass) = passes.last().map(|range| &phase.operations[range.clone()]) else { return Markup::default() };
    let which = if passes.len() > 1 {
        format!("the last of {} forward passes", passes.len())
    } else {
        "the forward pass".to_owned()
    };
    let layers = pass.iter().filter_map(|operation| operation.layer).max().map_or(0, |last| last + 1);
    let middle = layers / 2;
    let layer: Vec<&Operation> = pass.iter().filter(|operation| operation.layer == Some(middle)).collect();
    let whole = drawn("Thread by thread", &which, phase, threads, &pass.iter().collect::<Vec<_>>());
    let one = if layers > 1 {
        drawn("One layer", &format!("layer {middle} of 0 to {}, enlarged", layers - 1), phase, threads, &layer)
    } else {
        Markup::default()
    };
    html! { (whole) (one) }
}

/// A timeline of these operations.
fn drawn(title: &str, which: &str, phase: &Phase, threads: usize, operations: &[&Operation]) -> Markup {
    let (Some(first), Some(last)) = (operations.first(), operations.last()) else { return Markup::default() };
    let (start_ns, length_ns) = (first.start_ns, last.end_ns - first.start_ns);
    let (unit, ns_per_unit) = if length_ns < 1_000_000 { ("µs", 1e3) } else { ("ms", 1e6) };
    let clock = Clock { start_ns, ns_per_unit, unit };
    let close_ns = (length_ns as f64 * CLOSE) as u64;
    let lanes = lanes(phase, threads, operations, close_ns, clock);
    let subtitle = format!("{which}; {unit} from its start");
    let hidden = threads.saturating_sub(MOST_THREADS);
    let caption = if hidden > 0 { format!("{} not shown.", counted(hidden, "more thread")) } else { String::new() };
    figure(title, &subtitle, &caption, |heading, width| {
        Timeline {
            heading: heading.clone(),
            axis: unit.to_owned(),
            range: (0.0, length_ns as f64 / ns_per_unit),
            legend: legend(phase),
            lanes: lanes.clone(),
        }
        .draw(width)
    })
}

fn lanes(phase: &Phase, threads: usize, operations: &[&Operation], close_ns: u64, clock: Clock) -> Vec<Lane> {
    let whole = operations.iter().map(|&operation| TimedOperation {
        operation,
        start_ns: operation.start_ns,
        end_ns: operation.end_ns,
    });
    let of_thread = |thread: usize| {
        let own = operations.iter().flat_map(|&operation| {
            let intervals = operation.intervals.iter().filter(move |interval| interval.thread == thread);
            intervals.map(move |interval| TimedOperation {
                operation,
                start_ns: interval.start_ns,
                end_ns: interval.end_ns,
            })
        });
        lane(&format!("thread {thread}"), phase, own, close_ns, clock)
    };
    let threads = (0..threads.min(MOST_THREADS)).map(of_thread);
    [lane("operations", phase, whole, close_ns, clock)].into_iter().chain(threads).collect()
}

/// From nanoseconds to the axis.
#[derive(Clone, Copy, Debug)]
struct Clock {
    start_ns: u64,
    ns_per_unit: f64,
    unit: &'static str,
}

impl Clock {
    fn at(self, ns: u64) -> f64 {
        (ns - self.start_ns) as f64 / self.ns_per_unit
    }
}

/// Time spent on an operation.
#[derive(Clone, Copy, Debug)]
struct TimedOperation<'p> {
    operation: &'p Operation,
    start_ns: u64,
    end_ns: u64,
}

fn lane<'p>(
    label: &str,
    phase: &Phase,
    works: impl Iterator<Item = TimedOperation<'p>>,
    close_ns: u64,
    clock: Clock,
) -> Lane {
    let mut joined: Vec<TimedOperation<'_>> = Vec::new();
    for work in works {
        match joined.last_mut() {
            Some(last) if last.operation.is_same_step(work.operation) && work.start_ns <= last.end_ns + close_ns => {
                last.end_ns = last.end_ns.max(work.end_ns);
            }
            _ => joined.push(work),
        }
    }
    let span = |work: TimedOperation<'_>| {
        let (start, end) = (clock.at(work.start_ns), clock.at(work.end_ns));
        let title = format!(
            "{}: {} {}, from {} to {}",
            work.operation.title(),
            number(end - start),
            clock.unit,
            number(start),
            number(end)
        );
        Span { start, end, ink: ink(phase, work.operation.name), label: work.operation.name.to_owned(), title }
    };
    Lane { label: label.to_owned(), spans: joined.into_iter().map(span).collect() }
}
