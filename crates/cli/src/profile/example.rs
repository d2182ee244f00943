//! A recording that was never made, for tests.

use super::record::{Measured, Recording};
use super::report::{About, Report};
use crate::workload::origin::Subject;
use crate::workload::test_plan::{Test, TestKind};
use cke_engine::profile::{Kind, Operation, Profile, Step, Stretch};
use cke_kernels::gemm::Shape;
use cke_perf::roofline::Roofline;

/// 200 GFLOP/s and 40 GB/s.
pub(super) const ROOFLINE: Roofline = Roofline { peak_gflops: 200.0, bandwidth_gb_s: 40.0 };
/// Forward passes of [`profile`].
pub(super) const PASSES: usize = 3;
const LAYERS: usize = 2;
const START_NS: u64 = 7_000_000;

/// Two threads, two layers. Every operation takes 1000 ns with 10 ns before the next; in all but `embed` the caller works from
/// 100 to 900 and the other thread from 200 to 1000.
pub(super) fn profile() -> Profile {
    let (mut operations, mut stretches) = (Vec::new(), Vec::new());
    let mut add = |step: Step| {
        let index = operations.len();
        let start_ns = START_NS + index as u64 * 1010;
        operations.push(Operation { step, start_ns, end_ns: start_ns + 1000 });
        if step.name != "embed" {
            let stretch = |thread: usize, from: u64, to: u64| Stretch {
                operation: index,
                thread,
                tasks: 3,
                start_ns: start_ns + from,
                end_ns: start_ns + to,
            };
            stretches.extend([stretch(0, 100, 900), stretch(1, 200, 1000)]);
        }
    };
    let product = Step {
        name: "qkv",
        layer: None,
        kind: Kind::Product,
        shape: Some(Shape { m: 4, n: 6, k: 8 }),
        kernel: Some("avx512_f32_6x64"),
        flops: 150_000,
        bytes: 500,
    };
    let other = Step { name: "embed", kind: Kind::Other, shape: None, kernel: None, flops: 0, bytes: 900, ..product };
    for _ in 0..PASSES {
        add(other);
        for layer in 0..LAYERS {
            add(Step { layer: Some(layer), ..product });
            let kind = Kind::Attention;
            add(Step { name: "attention", kind, layer: Some(layer), shape: None, kernel: None, ..product });
        }
        add(Step { name: "head", ..product });
    }
    Profile { threads: 2, operations, stretches }
}

/// Prefill and decode of the same recording.
pub(super) fn report() -> Report {
    let profile = profile();
    let seconds = (profile.operations.len() * 1010 + 500) as f64 / 1e9;
    let recording = |kind| Recording {
        test: Test { kind, tokens: 3, batch: 1 },
        profile: profile.clone(),
        seconds,
        seconds_unrecorded: seconds * 0.99,
    };
    let subject = Subject {
        model: "tiny <3>".to_owned(),
        architecture: "gpt2",
        weights: "stored",
        weight_bytes: 1 << 20,
        dtype: "f32",
        isa: "avx512",
    };
    let about = About {
        cke_version: "0.0.0",
        release_build: true,
        date: "2025-03-31 17:05 UTC".to_owned(),
        cpu: Some("Example CPU <9000>".to_owned()),
        subject,
        threads: 2,
        repetitions: 5,
    };
    let recordings = vec![recording(TestKind::Prompt), recording(TestKind::Generation)];
    Report::new(about, Measured { roofline: ROOFLINE, recordings }, false)
}
