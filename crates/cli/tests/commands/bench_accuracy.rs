//! `cke bench accuracy`: seeded, so that its errors are the same on every machine with the same instruction set.

use crate::support::{Outcome, cke};
use crate::toy_library::toy;
use serde_json::Value;

fn accuracy(flags: &[&str]) -> Outcome {
    cke(&[&["bench", "accuracy", "--elements", "20000", "--seeds", "2"], flags].concat())
}

/// Every error of the report: data, K, what computed it, root mean square, maximum.
fn errors(report: &Value) -> Vec<(String, u64, String, f64, f64)> {
    let list = |value: &Value| value.as_array().expect("a list").clone();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let mut all = Vec::new();
    for finding in list(&report["findings"]) {
        for entry in list(&finding["errors"]) {
            let (rms, max) = (entry[1]["rms"].as_f64().expect("a number"), entry[1]["max"].as_f64().expect("a number"));
            assert!(entry[1]["count"].as_u64().expect("a number") >= 20000, "{entry}");
            all.push((text(&finding["data"]), finding["k"].as_u64().expect("a number"), text(&entry[0]), rms, max));
        }
    }
    all
}

/// Root mean squares of OpenBLAS 0.3.34 in f32, at most 1.25 times of which may come of any way to multiply here.
const OPENBLAS: [(&str, u64, f64); 6] = [
    ("normal", 512, 2.0e-8),
    ("normal", 2048, 1.3e-8),
    ("normal", 4096, 9.2e-9),
    ("positive", 512, 1.5e-7),
    ("positive", 2048, 1.1e-7),
    ("positive", 4096, 9.1e-8),
];

#[test]
fn bench_accuracy_errors_fall_with_k_as_those_of_openblas_do() {
    let errors = errors(&accuracy(&["--lengths", "512,2048,4096", "-o", "json"]).json());
    for (data, k, openblas) in OPENBLAS {
        for way in ["packed", "unpacked", "batch", "batch-reduce", "rows"] {
            let found =
                errors.iter().find(|(d, found_k, name, ..)| (d.as_str(), *found_k, name.as_str()) == (data, k, way));
            let &(.., rms, max) = found.expect("a way of that name");
            assert!(rms > 0.0 && rms <= 1.25 * openblas, "{data}, K = {k}, {way}: {rms:e}");
            assert!(max >= rms && max < 10.0 * rms, "{data}, K = {k}, {way}: {max:e}");
        }
    }
}

#[test]
fn bench_accuracy_of_one_chain_is_worse_than_ours() {
    let report = accuracy(&["--lengths", "4096", "--against", &toy("cblas"), "-o", "json"]).json();
    let errors = errors(&report);
    for data in ["normal", "positive"] {
        let rms =
            |way: &str| errors.iter().find(|(d, _, name, ..)| d == data && name == way).expect("a way of that name").3;
        assert!(rms("cblas") > 2.0 * rms("packed"), "{data}: {errors:?}");
    }
    assert_eq!(report["libraries"][0]["library"]["name"], "toy_cblas");
}

#[test]
fn bench_accuracy_table_has_ratios_to_a_library_and_without_one_errors() {
    let errors = accuracy(&["--lengths", "64", "--dtype", "f64"]);
    let errors = errors.success();
    assert_eq!(errors.lines().count(), 4, "two lines of head, two distributions: {errors}");
    assert!(!errors.contains("attention") && !errors.contains(" packed"), "neither is there in f64: {errors}");
    let ratios = accuracy(&["--lengths", "64", "--against", &toy("cblas"), &toy("wide")]);
    let ratios = ratios.success();
    assert_eq!(ratios.matches("| f32").count(), 2, "a table for each library: {ratios}");
    assert!(ratios.contains("attention") && ratios.contains(" packed"), "{ratios}");
}

#[test]
fn bench_accuracy_more_than_the_memory_is_refused() {
    let large = ["bench", "accuracy", "--lengths", "4000000", "--elements", "1000000000", "--dtype", "f64"];
    cke(&large).failure(1, &["of memory", "fewer --elements"]);
}
