//! `cke bench gemm --random`. Nothing here depends on how fast the machine is.

use crate::support::{Outcome, arg, cke, with_one_thread};
use crate::toy_library::toy;
use serde_json::Value;
use std::fs;

/// Two small products in one short round.
const QUICK: [&str; 8] = ["bench", "gemm", "--rounds", "1", "--secs", "0.001", "--random", "2"];

fn bench(flags: &[&str]) -> Outcome {
    with_one_thread(&[&QUICK, flags].concat())
}

fn points(report: &Value) -> Vec<Value> {
    report["points"].as_array().expect("a list").clone()
}

fn products(report: &Value) -> Vec<Value> {
    points(report).iter().map(|point| point["product"].clone()).collect()
}

#[test]
fn bench_gemm_random_seed_decides_the_products() {
    let of =
        |seed: &str, threads: &str| bench(&["--class", "small", "--seed", seed, "-t", threads, "-o", "json"]).json();
    let report = of("1", "1");
    for point in points(&report) {
        assert_eq!((&point["class"], &point["threads"]), (&"small".into(), &1.into()), "{point}");
        assert!(["m", "n", "k"].iter().all(|size| (1..=48).contains(&point["product"][size].as_u64().unwrap())));
        assert_eq!(point["entries"].as_array().map(Vec::len), Some(2), "our library, twice: {point}");
        assert!(point["own_ratio"].is_f64() && point["ratio"].is_null(), "{point}");
        assert_eq!(point["entries"][0]["verdict"]["is"], "right", "{point}");
        assert!(point["entries"][0]["kernel"].is_string() && point["entries"][0]["path"].is_string(), "{point}");
    }
    let first = products(&report);
    assert_eq!(first.len(), 2);
    assert_eq!(products(&of("1", "2")), first, "whatever the number of threads");
    assert_ne!(products(&of("2", "1")), first);
}

#[test]
fn bench_gemm_random_reports_each_class_and_all_beside_a_library() {
    let library = toy("cblas");
    let flags = ["--class", "small,small", "--against", &library];
    let table = bench(&flags).success().to_owned();
    for part in ["ratio: geometric mean", "5th percentile", "A/A", "timed again", "worst of", "path", "cblas", "small"]
    {
        assert!(table.contains(part), "no {part}: {table}");
    }
    assert!(!table.contains("| all"), "one class is all: {table}");
    let report = bench(&[&flags[..], &["-o", "json"]].concat()).json();
    let summary = &report["summaries"][0];
    assert_eq!((&summary["drawn"], &summary["measured"]), (&2.into(), &2.into()), "{report}");
    assert_eq!(summary["worst"][0]["fastest_library"], "cblas", "{report}");
    assert!(summary["ratio"]["fifth_percentile"].is_f64(), "{report}");
    // What a report lists can be measured again.
    let product = summary["worst"][0]["product"].as_str().expect("a product");
    cke(&["bench", "gemm", "--rounds", "1", "--secs", "0.001", "--shapes", product]).success();
    let csv = bench(&[&flags[..], &["-o", "csv"]].concat()).success().to_owned();
    assert_eq!(csv.lines().count(), 1 + 2 * 3, "{csv}");
    assert!(csv.starts_with("class,timed_again,threads,m,n,k,"), "{csv}");
}

#[test]
fn bench_gemm_random_goes_on_from_finished_products() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("finished.jsonl");
    let resumed =
        |flags: &[&str]| bench(&[&["--class", "small", "--resume", arg(&path), "-o", "json"], flags].concat());
    let lines = || fs::read_to_string(&path).expect("the file").lines().count();
    let first = points(&resumed(&[]).json());
    assert_eq!(lines(), 1 + 2);
    let second = points(&resumed(&[]).json());
    assert_eq!((second, lines()), (first.clone(), 1 + 2), "nothing is measured again");
    let longer = points(&resumed(&["-t", "1,2"]).json());
    assert_eq!((longer.len(), lines()), (4, 1 + 4), "another number of threads is new");
    assert_eq!(longer[..2], first);
    resumed(&["--seed", "9"]).failure(1, &["finished.jsonl: wanted results with seed 9, found seed 1", "same flags"]);
    resumed(&["--dtype", "f64"]).failure(1, &["wanted results with dtype \"f64\""]);
    fs::write(&path, "something else\n").expect("room");
    resumed(&[]).failure(1, &["wanted a file written by --resume"]);
}

#[test]
fn bench_gemm_random_stops_when_time_is_up() {
    let outcome = bench(&["--class", "small", "--minutes", "1e-9", "-o", "json"]);
    assert_eq!(points(&outcome.json()).len(), 0);
    assert!(outcome.stderr.contains("time is up: measured 0 of 2 products; use --resume FILE"), "{outcome:?}");
}

#[test]
fn bench_gemm_random_absurd_flags_are_misuse() {
    for case in [["--shapes", "8x8x8"], ["--class", "tiny"], ["--seed", "-1"], ["--minutes", "0"]] {
        bench(&case).failure(2, &[case[0]]);
    }
    for flag in ["--packed", "--kernels"] {
        bench(&[flag]).failure(2, &[flag]);
    }
    cke(&["bench", "gemm", "--random", "0"]).failure(2, &["--random"]);
    for case in [["--seed", "2"], ["--class", "small"], ["--minutes", "1"], ["--resume", "x.jsonl"]] {
        cke(&[&["bench", "gemm"][..], &case].concat()).failure(2, &["--random"]);
    }
}
