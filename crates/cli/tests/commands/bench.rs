//! `cke bench model`. Nothing here depends on how fast the machine is.

use crate::support::{Outcome, arg, cke, command, keys, run};
use cke_testkit::tiny_models::{Bert, Gpt2, ModelDir};
use serde_json::Value;

const KEYS: [&str; 28] = [
    "architecture",
    "attention_kernels",
    "bandwidth_gb_per_s",
    "batch",
    "best",
    "busy_others",
    "counters",
    "depth",
    "dtype",
    "gflops",
    "isa",
    "kernel",
    "layer_kernels",
    "logits",
    "model",
    "peak_gflops",
    "rates",
    "read_gb_per_s",
    "repetitions",
    "share_of_bandwidth",
    "share_of_peak",
    "stddev",
    "test",
    "threads",
    "tokens",
    "tokens_per_second",
    "weight_bytes",
    "weights",
];

fn gpt2() -> ModelDir {
    Gpt2::default().write().expect("a directory")
}

fn bench(model: &ModelDir, flags: &[&str]) -> Outcome {
    cke(&[&["bench", "model", "--model", arg(model.path())], flags].concat())
}

fn texts<'a>(rows: &'a Value, key: &str) -> Vec<&'a str> {
    rows.as_array().expect("a list").iter().map(|row| row[key].as_str().expect("a text")).collect()
}

#[test]
fn bench_json_has_a_row_for_each_test_and_number_of_threads() {
    let rows = bench(&gpt2(), &["-p", "7,33", "-g", "5", "-t", "1,2", "-r", "2", "-o", "json"]).json();
    assert_eq!(texts(&rows, "test"), ["pp7", "pp33", "tg5", "pp7", "pp33", "tg5"]);
    for (i, row) in rows.as_array().expect("a list").iter().enumerate() {
        assert_eq!(keys(row), KEYS);
        for list in ["layer_kernels", "attention_kernels"] {
            let kernels = row[list].as_array().expect("a list");
            let is_f32 = |kernel: &Value| kernel.as_str().is_some_and(|name| name.contains("_f32_"));
            assert!(!kernels.is_empty() && kernels.iter().all(is_f32), "{row}");
        }
        assert_eq!(row["threads"], if i < 3 { 1 } else { 2 });
        assert_eq!((&row["dtype"], &row["repetitions"]), (&"f32".into(), &2.into()));
        let number = |key: &str| row[key].as_f64().expect("a number");
        assert!(number("tokens_per_second") > 0.0 && number("best") >= number("tokens_per_second"), "{row}");
        assert!(number("stddev") >= 0.0 && number("share_of_peak") > 0.0, "{row}");
        assert!((number("share_of_peak") - number("gflops") / number("peak_gflops")).abs() < 1e-12, "{row}");
        assert!(["counted", "unavailable"].contains(&row["counters"]["is"].as_str().expect("a word")), "{row}");
        let is_generation = row["test"] == "tg5";
        assert_eq!(row["share_of_bandwidth"].is_f64(), is_generation, "{row}");
        assert_eq!(row["logits"], if is_generation { "all" } else { "last" });
    }
}

#[test]
fn bench_usual_tests_stay_within_the_context() {
    let rows = bench(&gpt2(), &["-t", "1", "-r", "1", "-o", "json"]).json();
    assert_eq!(texts(&rows, "test"), ["pp40", "tg40"]);
    assert_eq!(rows[0]["stddev"], 0.0);
}

#[test]
fn bench_csv_has_a_header_and_a_line_for_each_row() {
    let csv = bench(&gpt2(), &["-p", "3", "-g", "2", "-t", "1", "-r", "1", "-o", "csv"]).success().to_owned();
    // Every second part lies between quotes, where commas belong to a list.
    let unquoted = |line: &str| line.split('"').step_by(2).collect::<String>();
    let lines: Vec<Vec<String>> =
        csv.lines().map(|line| unquoted(line).split(',').map(str::to_owned).collect()).collect();
    assert_eq!(lines.len(), 3, "{csv}");
    assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{csv}");
    for column in ["model", "dtype", "threads", "test", "tokens_per_second", "best", "stddev", "share_of_peak"] {
        assert!(lines[0].iter().any(|head| head == column), "no {column} in {csv}");
    }
}

#[test]
fn bench_markdown_names_tests_and_ceiling() {
    let finished = bench(&gpt2(), &["-p", "3", "-g", "0", "-t", "1", "-r", "2"]);
    assert!(finished.stderr.contains("this machine with 1 thread:"), "{}", finished.stderr);
    let table = finished.success().to_owned();
    assert!(table.contains("| pp3 ") && table.contains(" ± ") && table.contains("of peak"), "{table}");
    let (subject, tables) = table.split_once("\n\n").expect("the model, then its tests");
    assert!(subject.contains(" f32, ") && subject.lines().count() == 1, "{table}");
    let (tests, counters) = tables.split_once("\n\n").unwrap_or((tables, ""));
    assert_eq!(tests.lines().count(), 3, "{table}");
    let is_counted = counters.starts_with("hardware counters of all threads: ") && counters.contains("| pp3 ");
    assert_ne!(is_counted, finished.stderr.contains("no hardware counters: "), "{finished:?}");
}

#[test]
fn bench_all_logits_is_told_in_the_rows() {
    let rows = bench(&gpt2(), &["-p", "9", "-g", "0", "-t", "1", "-r", "1", "--all-logits", "-o", "json"]).json();
    assert_eq!(rows[0]["logits"], "all");
}

#[test]
fn bench_bert_reads_batches_and_does_not_generate() {
    let model = Bert::default().write().expect("a directory");
    let rows = bench(&model, &["-p", "16", "-b", "1,8", "-t", "1", "-r", "1", "-o", "json"]).json();
    assert_eq!(texts(&rows, "test"), ["pp16", "pp16x8"]);
    assert_eq!((&rows[1]["batch"], &rows[1]["logits"]), (&8.into(), &Value::Null));
    bench(&model, &["-g", "4"]).failure(2, &["-g: wanted a model that generates"]);
    bench(&model, &["--all-logits"]).failure(2, &["--all-logits"]);
}

#[test]
fn bench_synthetic_model_needs_no_files() {
    let flags = ["bench", "model", "--synthetic", "minilm", "-p", "8", "-t", "1", "-r", "1", "-o", "json"];
    let rows = cke(&flags).json();
    assert_eq!((texts(&rows, "model"), texts(&rows, "weights")), (vec!["minilm"], vec!["random"]));
}

#[test]
fn bench_environment_names_model_and_threads() {
    let model = gpt2();
    let mut command = command(&["bench", "model", "-p", "3", "-g", "0", "-r", "1", "-o", "json"]);
    command.env("CKE_MODEL", model.path()).env("CKE_NUM_THREADS", "1,2");
    let rows = run(command, b"").json();
    assert_eq!(rows.as_array().map(Vec::len), Some(2));
}

#[test]
fn bench_lengths_beyond_the_context_are_misuse() {
    bench(&gpt2(), &["-p", "8,41"]).failure(2, &["-p 41: wanted at most 40 tokens, the model's context"]);
    bench(&gpt2(), &["-g", "4000000000"]).failure(2, &["-g 4000000000"]);
}

#[test]
fn bench_nothing_to_measure_is_misuse() {
    bench(&gpt2(), &["-p", "0", "-g", "0"]).failure(2, &["no -p and no -g above 0"]);
}

#[test]
fn bench_absurd_flags_are_misuse() {
    let cases = [
        ["--repetitions", "0"],
        ["-r", "1000000000"],
        ["-t", "0"],
        ["-t", "1,0"],
        ["-t", "100000"],
        ["-b", "0"],
        ["-b", "99999"],
        ["--prompt-tokens", "-5"],
        ["-p", "8,"],
        ["-p", "99999999999999999999"],
        ["-g", "many"],
        ["-o", "xml"],
        ["--synthetic", "gpt5"],
    ];
    for case in cases {
        bench(&gpt2(), &case).failure(2, &[case[0]]);
    }
}
