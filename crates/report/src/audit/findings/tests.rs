//! Findings on results that were never measured.

use super::super::example;
use super::super::report::OURS;
use super::super::suite::Family;
use super::*;
use cke_perf::peers::Verdict;

fn headlines(report: &Report, kind: FindingKind) -> Vec<&str> {
    let of_kind = report.findings.iter().filter(|finding| finding.kind == kind);
    of_kind.map(|finding| finding.headline.as_str()).collect()
}

#[test]
fn findings_name_the_deepest_cliff_of_each_library_in_numbers() {
    let rows = vec![
        example::row(Family::Rows, "1 3072 768 n t", &[(OURS, 49.0), ("OpenBLAS", 7.0)], 50.0),
        example::row(Family::Rows, "8 3072 768 n t", &[(OURS, 180.0), ("OpenBLAS", 53.0)], 200.0),
    ];
    let report = example::report(rows);
    assert_eq!(
        headlines(&report, FindingKind::Loss)[0],
        "OpenBLAS reaches 7 GFLOP/s at 1×3072×768 nt; the limit of the multiply-add units is 50"
    );
    let detail = &report.findings.iter().find(|finding| finding.kind == FindingKind::Loss).expect("a loss").detail;
    assert!(detail.contains("CKE reaches 49 GFLOP/s on the same product, 7 times as fast."), "{detail}");
    assert!(detail.ends_with("on 2 of 2 products."), "{detail}");
    assert_eq!(headlines(&report, FindingKind::Strength).len(), 1);
}

#[test]
fn findings_suspect_narrow_vectors_only_below_half_of_the_peak() {
    let rows = |best: f64| vec![example::row(Family::Squares, "64 64 64", &[(OURS, 190.0), ("MKL", best)], 200.0)];
    let suspects = |best: f64| {
        let report = example::report(rows(best));
        report.findings.iter().filter(|finding| finding.headline.contains("never exceeds")).count()
    };
    assert_eq!((suspects(90.0), suspects(150.0)), (1, 0));
}

#[test]
fn findings_wrong_product_comes_first() {
    let mut row = example::row(Family::Squares, "64 64 64", &[(OURS, 190.0), ("bad", 199.0)], 200.0);
    row.entries[1].verdict = Verdict::Wrong { error: Some(7.0) };
    row.entries[1].gflops = None;
    let report = example::report(vec![row]);
    assert_eq!(report.findings[0].kind, FindingKind::Alarm);
    assert_eq!(report.findings[0].headline, "bad computes wrong results, for instance at 64³");
}

#[test]
fn findings_without_libraries_still_describe_machine_and_pages() {
    let report = example::report(Vec::new());
    let all: String =
        report.findings.iter().map(|finding| format!("{} {}\n", finding.headline, finding.detail)).collect();
    for expected in [
        "One core peaks at 200 GFLOP/s",
        "64 flops per cycle",
        "Memory delivers 40 GB/s to one thread",
        "at least 25 ms",
        "takes 150 ns on small pages, 100 ns on huge pages",
        "int8 4 times",
        "Hardware counters are unavailable",
    ] {
        assert!(all.contains(expected), "no {expected} in {all}");
    }
}

#[test]
fn findings_tell_of_a_busy_machine() {
    let busy = |load_average: Option<f64>, spread: f64| {
        let mut row = example::row(Family::Squares, "64 64 64", &[(OURS, 190.0)], 200.0);
        row.entries[0].spread = Some(spread);
        let mut report = example::report(vec![row]);
        report.about.load_average = load_average;
        super::findings(&report).iter().any(|finding| finding.headline.contains("busy"))
    };
    assert!(busy(Some(2.0), 0.0) && busy(Some(0.1), 0.4));
    assert!(!busy(Some(0.1), 0.05) && !busy(None, 0.05));
}

#[test]
fn findings_compare_nothing_while_the_machine_is_busy() {
    let mut report = example::report(vec![
        example::row(Family::Rows, "1 3072 768 n t", &[(OURS, 49.0), ("OpenBLAS", 7.0)], 50.0),
        example::row(Family::Rows, "8 3072 768 n t", &[(OURS, 180.0), ("OpenBLAS", 53.0)], 200.0),
    ]);
    assert!(!headlines(&report, FindingKind::Loss).is_empty());
    report.about.load_average = Some(2.0);
    report.findings = super::findings(&report);
    assert!(headlines(&report, FindingKind::Loss).is_empty() && headlines(&report, FindingKind::Strength).is_empty());
    let doubted = headlines(&report, FindingKind::NotConclusive);
    assert!(doubted.iter().any(|headline| headline.starts_with("OpenBLAS reaches 7 GFLOP/s")), "{doubted:?}");
}

#[test]
fn findings_within_the_spread_are_not_conclusive() {
    let report = |spread: f64| {
        let mut row = example::row(Family::Squares, "64 64 64", &[(OURS, 190.0), ("x", 180.0), ("y", 175.0)], 200.0);
        row.entries.iter_mut().for_each(|entry| entry.spread = Some(spread));
        example::report(vec![row])
    };
    assert_eq!(headlines(&report(0.01), FindingKind::NotConclusive).len(), 0);
    let noisy = report(0.2);
    let found = headlines(&noisy, FindingKind::NotConclusive);
    assert!(found[0].starts_with("CKE reaches 95%") && found[1].starts_with("x (90%) and y (88%)"), "{found:?}");
}

#[test]
fn findings_say_nothing_of_the_reference_but_wrong_results() {
    let mut row = example::row(Family::Squares, "64 64 64", &[(OURS, 190.0), ("slow", 2.0)], 200.0);
    row.entries[1].is_ranked = false;
    let mut with_two = row.clone();
    with_two.threads = 2;
    with_two.entries[1].gflops = Some(1.0);
    let mut report = example::report(vec![row, with_two]);
    report.about.threads = vec![1, 2];
    let found = super::findings(&report);
    assert!(found.iter().all(|finding| !finding.headline.contains("slow")), "{found:?}");
}

#[test]
fn findings_lose_by_threads_only_beyond_the_spread() {
    let slower = |spread: f64| {
        let one = example::row(Family::Squares, "64 64 64", &[("x", 150.0)], 200.0);
        let mut two = example::row(Family::Squares, "64 64 64", &[("x", 110.0)], 200.0);
        (two.threads, two.entries[0].spread) = (2, Some(spread));
        let mut report = example::report(vec![one, two]);
        report.about.threads = vec![1, 2];
        super::findings(&report).iter().any(|finding| finding.headline.starts_with("More threads"))
    };
    assert!(slower(0.05) && !slower(0.15));
}
