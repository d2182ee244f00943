//! `cke bench attention`. Nothing here depends on how fast the machine is.

use crate::support::{Outcome, arg, cke, file, keys, with_one_thread};
use serde_json::Value;

const KEYS: [&str; 20] = [
    "attention",
    "best_seconds",
    "busy_others",
    "counters",
    "cpu",
    "gb_per_s",
    "gflops",
    "head_size",
    "heads",
    "isa",
    "kernel",
    "key_heads",
    "kv",
    "of_f32",
    "positions",
    "rates",
    "rounds",
    "seconds",
    "spread",
    "threads",
];

fn bench(flags: &[&str]) -> Outcome {
    with_one_thread(
        &[&["bench", "attention", "--rounds", "2", "--secs", "0.001", "--heads", "4", "--head-size", "16"], flags]
            .concat(),
    )
}

#[test]
fn bench_attention_json_has_a_row_for_each_kind_length_and_type() {
    let report = bench(&["-p", "5,37", "--key-heads", "2", "-t", "1,2", "--json"]).json();
    let rows = report.as_array().expect("a list");
    let kinds = ["prompt", "one query"].into_iter().flat_map(|kind| [5, 37].map(|positions| (kind, positions)));
    let wanted: Vec<_> =
        kinds.flat_map(|(kind, positions)| ["f32", "bf16", "int8"].map(|kv| (kind, positions, kv))).collect();
    assert_eq!(rows.len(), 2 * wanted.len());
    for (i, row) in rows.iter().enumerate() {
        assert_eq!(keys(row), KEYS);
        let (kind, positions, kv) = wanted[i % wanted.len()];
        assert_eq!(
            (&row["attention"], &row["positions"], &row["kv"]),
            (&kind.into(), &Value::from(positions), &kv.into())
        );
        assert_eq!(row["threads"], 1 + i / wanted.len());
        let number = |key: &str| row[key].as_f64().expect("a number");
        assert!(number("seconds") >= number("best_seconds") && number("best_seconds") > 0.0, "{row}");
        assert!(number("gflops") > 0.0 && number("spread") >= 0.0, "{row}");
        assert_eq!(row["gb_per_s"].is_f64(), kind == "one query", "{row}");
        assert!(if kv == "f32" { number("of_f32") == 1.0 } else { number("of_f32") > 0.0 }, "{row}");
        assert_eq!(row["rates"].as_array().map(Vec::len), Some(2), "{row}");
        assert!(["counted", "unavailable"].contains(&row["counters"]["is"].as_str().expect("a word")), "{row}");
    }
}

#[test]
fn bench_attention_table_and_csv_name_the_same() {
    let outcome = bench(&["-p", "9"]);
    let table = outcome.success();
    for part in ["| attention", "| prompt", "| one query", "4/4×16", "of f32", "spread"] {
        assert!(table.contains(part), "no {part}: {table}");
    }
    let is_counted = table.contains("\n\nhardware counters of all threads: ");
    assert_ne!(is_counted, outcome.stderr.contains("no hardware counters: "), "{outcome:?}");
    let csv = bench(&["-p", "9", "--kv", "bf16", "-o", "csv"]).success().to_owned();
    assert_eq!(csv.lines().count(), 1 + 2, "{csv}");
}

#[test]
fn bench_attention_results_are_compared() {
    let json = bench(&["-p", "9", "--kv", "bf16", "--json"]).success().to_owned();
    let results = file(".json", &json);
    let table = cke(&["bench", "compare", arg(results.path()), arg(results.path())]).success().to_owned();
    assert!(table.contains("prompt, 9 positions, 4/4×16, bf16, 1 thread") && table.contains("1.000"), "{table}");
}

#[test]
fn bench_attention_sizes_that_do_not_match_are_misuse() {
    bench(&["--key-heads", "3"]).failure(2, &["--key-heads 3", "a divisor of the 4 query heads"]);
    bench(&["-p", "0"]).failure(2, &["--positions"]);
    bench(&["--kv", "int4"]).failure(2, &["--kv"]);
    let endless = ["--heads", "4000000000", "--head-size", "4000000000"];
    cke(&[&["bench", "attention"][..], &endless].concat()).failure(2, &["head dimension"]);
    bench(&["-p", "4000000000"]).failure(1, &["memory", "--positions"]);
}
