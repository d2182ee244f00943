//! A recording that was never made, for tests.

use super::operations::{Interval, Shape};
use super::recording::{Kind, PhaseKind, RecordedOperation, Recording};
use super::report::{About, Report};
use super::subject::Subject;
use cke_perf::counters::{Counted, Counting, Event};
use cke_perf::roofline::Roofline;
use cke_perf::stats::Ratio;

/// 200 GFLOP/s and 40 GB/s.
pub(crate) const ROOFLINE: Roofline = Roofline { peak_gflops: 200.0, bandwidth_gb_s: 40.0 };
/// Forward passes of a recording.
pub(crate) const PASSES: usize = 3;
const LAYERS: usize = 2;
const START_NS: u64 = 7_000_000;

/// Two threads, two layers. Every operation takes 1000 ns with 10 ns before the next; in all but `embed` the caller works from
/// 100 to 900 and the other thread from 200 to 1000.
pub(crate) fn recording(phase: PhaseKind) -> Recording {
    let (mut operations, mut intervals) = (Vec::new(), Vec::new());
    let mut add = |operation: RecordedOperation| {
        let index = operations.len();
        let start_ns = START_NS + index as u64 * 1010;
        operations.push(RecordedOperation { start_ns, end_ns: start_ns + 1000, ..operation });
        if operation.name != "embed" {
            let interval = |thread: usize, from: u64, to: u64| {
                (index, Interval { thread, tasks: 3, start_ns: start_ns + from, end_ns: start_ns + to })
            };
            intervals.extend([interval(0, 100, 900), interval(1, 200, 1000)]);
        }
    };
    let product = RecordedOperation {
        name: "qkv",
        layer: None,
        kind: Kind::Product,
        shape: Some(Shape { m: 4, n: 6, k: 8 }),
        kernel: Some("avx512_f32_6x64"),
        flops: 150_000,
        bytes: 500,
        start_ns: 0,
        end_ns: 0,
    };
    let other = RecordedOperation {
        name: "embed",
        kind: Kind::Other,
        shape: None,
        kernel: None,
        flops: 0,
        bytes: 900,
        ..product
    };
    for _ in 0..PASSES {
        add(other);
        for layer in 0..LAYERS {
            add(RecordedOperation { layer: Some(layer), ..product });
            let kind = Kind::Attention;
            add(RecordedOperation {
                name: "attention",
                kind,
                layer: Some(layer),
                shape: None,
                kernel: None,
                ..product
            });
        }
        add(RecordedOperation { name: "head", ..product });
    }
    let seconds = (operations.len() * 1010 + 500) as f64 / 1e9;
    let (test, logits) = match phase {
        PhaseKind::Prefill => ("pp3", "last"),
        PhaseKind::Decode => ("tg3", "all"),
    };
    Recording {
        phase,
        test: test.to_owned(),
        tokens: 3,
        batch: 1,
        logits: Some(logits),
        threads: 2,
        operations,
        intervals,
        seconds,
        seconds_unrecorded: seconds * 0.99,
        cost: Ratio::of(&[seconds * 0.99; 5], &[seconds; 5]),
        counters: Counting::Counted(Counted::new(
            [(Event::Cycles, 40_000.0), (Event::Instructions, 100_000.0), (Event::L1dMisses, 800.0)]
                .into_iter()
                .collect(),
            900_000.0,
        )),
    }
}

/// Prefill and decode of the same recording.
pub(crate) fn report() -> Report {
    let subject = Subject {
        model: "tiny <3>".to_owned(),
        architecture: "gpt2",
        weights: "stored",
        weight_bytes: 1 << 20,
        dtype: "f32",
        formats: Vec::new(),
        isa: "avx512",
        kernel: "avx512_f32_6x64",
        layer_kernels: vec!["avx512_f32_6x64"],
        attention_kernels: vec!["avx512_f32_6x64"],
    };
    let about = About {
        cke_version: "0.0.0",
        release_build: true,
        date: "2025-03-31 17:05 UTC".to_owned(),
        cpu: Some("Example CPU <9000>".to_owned()),
        subject,
        threads: 2,
        peak_numbers: "f32",
        repetitions: 5,
        others: None,
    };
    Report::new(about, ROOFLINE, &[recording(PhaseKind::Prefill), recording(PhaseKind::Decode)])
}
