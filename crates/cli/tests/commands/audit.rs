//! `cke audit`. Nothing here depends on how fast the machine is.

use crate::support::{arg, cke, keys};
use serde_json::Value;

/// A quick audit of CKE alone with one thread.
const QUICK: [&str; 5] = ["audit", "--quick", "--no-peers", "-t", "1"];

fn array<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().expect("a list")
}

#[test]
fn audit_writes_a_page_and_a_summary() {
    let directory = tempfile::tempdir().expect("a directory");
    let html = directory.path().join("audit.html");
    let outcome = cke(&[&QUICK[..], &["--html", arg(&html)]].concat());
    let summary = outcome.success();
    for expected in ["One core peaks at ", "| CKE ", " memory GB/s |"] {
        assert!(summary.contains(expected), "no {expected} in {summary}");
    }
    assert_page(&std::fs::read_to_string(&html).expect("the page"));
}

/// One page that loads nothing and runs nothing.
fn assert_page(page: &str) {
    assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"));
    let without_namespace = page.replace("http://www.w3.org/2000/svg", "");
    for forbidden in ["http:", "https:", "//cdn", "src=", "href=", "url(", "@import", "<script", "NaN"] {
        assert!(!without_namespace.contains(forbidden), "{forbidden} in the page");
    }
    for expected in
        ["prefers-color-scheme: dark", "@media print", "Roofline, 1 thread", "Read bandwidth by working set"]
    {
        assert!(page.contains(expected), "no {expected} in the page");
    }
}

fn assert_report(report: &Value) {
    let sections = [
        "about",
        "cliffs",
        "contestants",
        "counters",
        "findings",
        "format",
        "left_out",
        "machine",
        "products",
        "standings",
        "units",
        "unusable_libraries",
    ];
    assert_eq!(keys(report), sections);
    assert_eq!((&report["format"], &report["about"]["is_quick"]), (&2.into(), &true.into()));
    assert_eq!(report["about"]["threads"], serde_json::json!([1]));
    assert!(report["about"]["seed"].is_u64());
    let machine = &report["machine"];
    assert!(array(machine, "scaling")[0]["peak_gflops"].as_f64() > Some(0.0));
    assert_eq!(array(machine, "peaks")[0]["arithmetic"], "f32");
    assert_eq!(array(machine, "bandwidths").last().expect("memory")["level"], "memory");
    assert!(array(&array(machine, "bandwidth_curves")[0], "points").len() > 5);
    for row in array(report, "products") {
        let entry = &array(row, "entries")[0];
        assert_eq!((&entry["name"], &entry["verdict"]["is"]), (&"CKE".into(), &"right".into()), "{row}");
        let (rate, share) = (entry["gflops"].as_f64().expect("a rate"), entry["share_of_ceiling"].as_f64());
        let ceiling = row["ceiling"]["gflops"].as_f64().expect("a ceiling");
        assert!(rate > 0.0 && (share.expect("a share") - rate / ceiling).abs() < 1e-9, "{row}");
    }
    assert!(array(report, "findings").iter().all(|finding| keys(finding) == ["detail", "headline", "kind"]));
    assert!(["counted", "unavailable"].contains(&report["counters"]["is"].as_str().expect("a word")));
}

#[test]
fn audit_json_is_nothing_but_json_beside_the_page() {
    let directory = tempfile::tempdir().expect("a directory");
    let html = directory.path().join("audit.html");
    let report = cke(&[&QUICK[..], &["--seed", "7", "--html", arg(&html), "--json"]].concat()).json();
    assert_report(&report);
    assert_eq!(report["contestants"][0]["name"], "CKE");
    assert_eq!(report["about"]["seed"], 7);
    assert!(std::fs::read_to_string(&html).expect("the page").contains("--seed 7"));
}

#[test]
fn audit_page_that_cannot_be_written_fails_before_measuring() {
    cke(&["audit", "--html", "/no/such/directory/page.html"]).failure(1, &["/no/such/directory/page.html: "]);
}

#[test]
fn audit_library_that_cannot_be_opened_is_an_error() {
    let directory = tempfile::tempdir().expect("a directory");
    let html = directory.path().join("audit.html");
    let flags = ["--against", "none=/no/such/library.so", "--html", arg(&html)];
    let outcome = cke(&[&QUICK[..], &flags].concat());
    outcome.failure(1, &["/no/such/library.so: it cannot be loaded"]);
}

#[test]
fn audit_absurd_flags_are_misuse() {
    for case in [["--against", "mkl"], ["-t", "0"], ["-t", "1,0"], ["--seed", "-1"], ["--against", "=x.so"]] {
        cke(&[&["audit"][..], &case].concat()).failure(2, &[case[0]]);
    }
    let same = ["audit", "--no-peers", "--html", "/dev/null", "--against", "a=x.so", "a=y.so"];
    cke(&same).failure(2, &["--against: wanted different names, found a twice"]);
}
