//! The timeline for trace viewers.
//!
//! Source: Google, "Trace Event Format" (the JSON object format): complete events `X` with `ts` and `dur` in microseconds, and
//! metadata events `M` that name processes and threads. Perfetto and chrome://tracing read it.

use super::operations::{Interval, Operation, Shape};
use super::report::{About, Phase, Report};
use serde::Serialize;
use serde_json::{Map, Value, json};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Trace<'r> {
    trace_events: Vec<TraceEvent>,
    display_time_unit: &'static str,
    /// For readers of the file; viewers pass over it.
    other_data: &'r About,
}

#[derive(Debug, Serialize)]
struct TraceEvent {
    name: String,
    #[serde(rename = "cat", skip_serializing_if = "Option::is_none")]
    category: Option<&'static str>,
    #[serde(rename = "ph")]
    event_type: char,
    pid: usize,
    tid: usize,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    time: Option<Time>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    args: Map<String, Value>,
}

/// Microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
struct Time {
    ts: f64,
    dur: f64,
}

impl Time {
    fn new(offset_ns: u64, start_ns: u64, end_ns: u64) -> Time {
        Time { ts: (offset_ns + start_ns) as f64 / 1e3, dur: (end_ns - start_ns) as f64 / 1e3 }
    }
}

/// The track of the operations; those of the threads follow.
const OPERATIONS: usize = 0;
/// What lies between the phases, so that both can be seen.
const GAP_NS: u64 = 1_000_000;

/// The trace: each phase a process, one after the other.
///
/// # Errors
/// If it cannot be written as JSON.
pub fn json(report: &Report) -> Result<String, serde_json::Error> {
    let mut trace_events = Vec::new();
    let mut offset_ns = 0;
    for (i, phase) in report.phases.iter().enumerate() {
        let track = Track { pid: i + 1, offset_ns };
        trace_events.extend(track.names(phase, report.about.threads));
        trace_events.extend(track.events(phase));
        offset_ns += phase.operations.last().map_or(0, |last| last.end_ns) + GAP_NS;
    }
    let trace = Trace { trace_events, display_time_unit: "ms", other_data: &report.about };
    serde_json::to_string(&trace).map(|text| text + "\n")
}

/// A phase's process, and when it begins.
#[derive(Clone, Copy, Debug)]
struct Track {
    pid: usize,
    offset_ns: u64,
}

impl Track {
    fn metadata(self, tid: usize, what: &str, key: &str, value: impl Into<Value>) -> TraceEvent {
        let args = Map::from_iter([(key.to_owned(), value.into())]);
        TraceEvent { name: what.to_owned(), category: None, event_type: 'M', pid: self.pid, tid, time: None, args }
    }

    fn names(self, phase: &Phase, threads: usize) -> Vec<TraceEvent> {
        let mut events = vec![
            self.metadata(OPERATIONS, "process_name", "name", phase.name),
            self.metadata(OPERATIONS, "process_sort_index", "sort_index", self.pid),
        ];
        for tid in OPERATIONS..=threads {
            let name = if tid == OPERATIONS { "operations".to_owned() } else { format!("thread {}", tid - 1) };
            events.push(self.metadata(tid, "thread_name", "name", name));
            events.push(self.metadata(tid, "thread_sort_index", "sort_index", tid));
        }
        events
    }

    /// The operations and their intervals, in the order of their beginnings.
    fn events(self, phase: &Phase) -> Vec<TraceEvent> {
        let of = |operation: &Operation| {
            let intervals = operation.intervals.iter().map(|interval| self.interval(operation, interval));
            [self.operation(operation)].into_iter().chain(intervals).collect::<Vec<_>>()
        };
        phase.operations.iter().flat_map(of).collect()
    }

    fn operation(self, operation: &Operation) -> TraceEvent {
        let time = Time::new(self.offset_ns, operation.start_ns, operation.end_ns);
        self.complete(operation, OPERATIONS, time, operation_args(operation))
    }

    fn interval(self, operation: &Operation, interval: &Interval) -> TraceEvent {
        let args = Map::from_iter([("tasks".to_owned(), interval.tasks.into())]);
        let time = Time::new(self.offset_ns, interval.start_ns, interval.end_ns);
        self.complete(operation, 1 + interval.thread, time, args)
    }

    fn complete(self, operation: &Operation, tid: usize, time: Time, args: Map<String, Value>) -> TraceEvent {
        let category = Some(operation.kind.name());
        TraceEvent {
            name: operation.name.to_owned(),
            category,
            event_type: 'X',
            pid: self.pid,
            tid,
            time: Some(time),
            args,
        }
    }
}

fn operation_args(operation: &Operation) -> Map<String, Value> {
    let rate = |count: u64| match operation.nanoseconds() {
        0 => None,
        nanoseconds => (count > 0).then(|| json!(count as f64 / nanoseconds as f64)),
    };
    let shape = |Shape { m, n, k }| json!(format!("{m}×{n}×{k}"));
    let args = [
        ("layer", operation.layer.map(Value::from)),
        ("shape (M×N×K)", operation.shape.map(shape)),
        ("kernel", operation.kernel.map(Value::from)),
        ("GFLOP/s", rate(operation.flops)),
        ("GB/s", rate(operation.bytes)),
    ];
    args.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::example;
    use super::*;

    fn events() -> Vec<Value> {
        let text = json(&example::report()).expect("JSON");
        let trace: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&trace["displayTimeUnit"], &trace["otherData"]["model"]), (&"ms".into(), &"tiny <3>".into()));
        trace["traceEvents"].as_array().expect("a list").clone()
    }

    #[test]
    fn trace_names_every_process_and_thread() {
        let events = events();
        let named = |what: &str| -> Vec<(u64, u64, &str)> {
            let events = events.iter().filter(|event| event["ph"] == "M" && event["name"] == what);
            let name = |event: &'_ Value| (event["pid"].as_u64().unwrap(), event["tid"].as_u64().unwrap());
            events.map(|event| (name(event).0, name(event).1, event["args"]["name"].as_str().unwrap())).collect()
        };
        assert_eq!(named("process_name"), [(1, 0, "prefill"), (2, 0, "decode")]);
        let threads = ["operations", "thread 0", "thread 1"];
        let expected: Vec<(u64, u64, &str)> =
            (1..=2).flat_map(|pid| (0..).zip(threads).map(move |(tid, name)| (pid, tid, name))).collect();
        assert_eq!(named("thread_name"), expected);
    }

    #[test]
    fn trace_events_of_a_track_follow_each_other() {
        let events = events();
        for pid in 1..=2 {
            for tid in 0..=2 {
                let own = events.iter().filter(|e| e["ph"] == "X" && e["pid"] == pid && e["tid"] == tid);
                let times: Vec<(f64, f64)> =
                    own.map(|e| (e["ts"].as_f64().expect("µs"), e["dur"].as_f64().expect("µs"))).collect();
                assert!(times.len() >= 5 * example::PASSES, "{times:?}");
                assert!(times.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0 + 1e-6), "{times:?}");
            }
        }
    }

    #[test]
    fn trace_operation_says_shape_kernel_and_rate() {
        let events = events();
        let qkv = events.iter().find(|event| event["name"] == "qkv" && event["tid"] == 0).expect("a product");
        assert_eq!(qkv["cat"], "product");
        let expected =
            json!({"layer": 0, "shape (M×N×K)": "4×6×8", "kernel": "avx512_f32_6x64", "GFLOP/s": 150.0, "GB/s": 0.5});
        assert_eq!(qkv["args"], expected);
        assert_eq!((&qkv["ts"], &qkv["dur"]), (&1.01.into(), &1.0.into()));
    }
}
