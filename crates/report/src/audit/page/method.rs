//! How the report was measured, in words.

use super::super::report::Report;
use crate::page::markup;
use crate::words::counted;
use maud::Markup;

pub(crate) fn paragraphs(report: &Report) -> Markup {
    let texts = [
        Some(rounds(report)),
        Some(products(report)),
        Some(fairness()),
        routines(report),
        unranked(report),
        Some(CEILINGS.to_owned()),
        Some(MACHINE.to_owned()),
        (!report.units.is_empty()).then(|| UNITS.to_owned()),
        (!report.about.release_build).then(|| DEBUG_BUILD.to_owned()),
        skipped(report),
        left_out(report),
    ];
    markup::paragraphs(&texts.into_iter().flatten().collect::<Vec<_>>())
}

fn rounds(report: &Report) -> String {
    format!(
        "All rates were measured on this machine within {:.0} seconds. Rates of a shared machine change from minute to minute, \
         so the best of several short rounds counts. Compare only figures of the same report.",
        report.about.seconds
    )
}

fn products(report: &Report) -> String {
    let quick = if report.about.is_quick { " --quick" } else { "" };
    format!(
        "Products are C = op(A) · op(B) in f32, row-major, M×N×K; the letters say which operand is stored transposed (nt: B is \
         stored N×K, as most models store their weights). The sizes are drawn at random, so that no library can be tuned for \
         them: cke audit{quick} --seed {} measures the same ones. Every contestant runs in its own process. Each round measures \
         the multiply-add peak and the read bandwidth, then runs every contestant briefly while the others are idle. Results \
         are checked against an independent computation, before and after the timing. Operands are warm: small ones are in a \
         cache.",
        report.about.seed
    )
}

fn fairness() -> String {
    "This report comes from the authors of CKE. A finding that compares rates must exceed the spread of the rounds it is based \
     on; otherwise, or if the machine was busy, it is marked as not conclusive. A product counts as won only if the lead \
     exceeds that spread."
        .to_owned()
}

/// Which routine computed the products with a vector.
fn routines(report: &Report) -> Option<String> {
    let rows = || report.products.iter().filter(|row| row.product.has_vector());
    let by = |routine: &str| -> Vec<&str> {
        let calls = |name: &str| {
            let mut entries = rows().flat_map(|row| &row.entries);
            entries.any(|entry| entry.name == name && entry.routine.as_deref() == Some(routine))
        };
        report.contestants.iter().map(|contestant| contestant.name.as_str()).filter(|name| calls(name)).collect()
    };
    let [gemv, gemm] = ["gemv", "gemm"].map(|routine| (routine, by(routine)));
    let parts = [gemv, gemm].into_iter().filter(|(_, names)| !names.is_empty());
    let parts: Vec<String> = parts.map(|(routine, names)| format!("{routine} of {}", names.join(", "))).collect();
    (!parts.is_empty()).then(|| {
        format!(
            "Products of one row or one column were timed by the routine that callers use for them: {}.",
            parts.join("; ")
        )
    })
}

fn unranked(report: &Report) -> Option<String> {
    let is_reference = |contestant: &&super::super::report::Contestant| {
        contestant.library.as_ref().is_some_and(cke_perf::peers::Library::is_reference)
    };
    let names: Vec<&str> =
        report.contestants.iter().filter(is_reference).map(|contestant| contestant.name.as_str()).collect();
    (!names.is_empty()).then(|| {
        format!(
            "Shown but not ranked: {}, which defines what a BLAS computes and uses neither threads nor vectors.",
            names.join(", ")
        )
    })
}

const CEILINGS: &str = "The hardware limit of a product is the smaller of two rates: the multiply-add peak, and the read bandwidth for a working \
     set of its size times its flops per byte. Both are measured in the same rounds; A, B and C count once (the roofline model \
     of Williams, Waterman and Patterson, 2009). Several threads need 5 µs to share work; a product that one thread can finish \
     sooner is compared with the limit of one thread, measured in the same rounds. A rate marked with ↑ is above the limit of \
     its rounds, which noise or data in a nearer cache can explain. Tiny products cannot come near their limit, because a call \
     takes time too. A cliff is a product on which a library stays below half of the limit, or below half of its own share on \
     the neighbouring sizes.";

const MACHINE: &str = "The clock is measured with a chain of dependent additions, peaks with independent multiply-adds on registers, bandwidth \
     with sequential reads, and latency with a chain of loads in random order. A single thread is bound to one CPU.";

const UNITS: &str = "Each number format is compared with its own peak, on layers whose weights are read once for 128 rows. CKE packs its weights \
     before the timing, and rounds the f32 rows within it. In bf16 and int8, oneDNN's matmul takes part, with both operands \
     converted to its own format and layout before the timing; in f32, every library does, with operands as they are.";

const DEBUG_BUILD: &str =
    "This is a debug build: CKE's own rates and the measured limits are lower than in a release build.";

fn skipped(report: &Report) -> Option<String> {
    let skipped = report.about.skipped.iter();
    let names: Vec<String> =
        skipped.map(|skipped| format!("{} ({})", skipped.label, counted(skipped.threads, "thread"))).collect();
    (!names.is_empty()).then(|| format!("Skipped for lack of time: {}.", names.join(", ")))
}

fn left_out(report: &Report) -> Option<String> {
    (!report.left_out.is_empty()).then(|| {
        format!(
            "Standings cover the same products for every library, so they leave out {}: not every library computed them \
             correctly with every number of threads.",
            report.left_out.join(", ")
        )
    })
}
