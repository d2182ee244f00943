//! `cke profile`. Nothing here depends on how fast the machine is.

use crate::support::{Outcome, arg, cke, keys};
use cke_testkit::tiny_models::{Bert, Gpt2, ModelDir};
use serde_json::Value;

const PHASE_KEYS: [&str; 15] = [
    "batch",
    "between",
    "by_name",
    "counters",
    "logits",
    "name",
    "operations",
    "recording_cost",
    "recording_cost_is_noise",
    "seconds_unrecorded",
    "shares",
    "test",
    "tokens",
    "tokens_per_second",
    "total",
];

fn gpt2() -> ModelDir {
    Gpt2::default().write().expect("a directory")
}

fn profile(model: &ModelDir, flags: &[&str]) -> Outcome {
    cke(&[&["profile", "--model", arg(model.path()), "-r", "1", "-t", "2"], flags].concat())
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().expect("a list")
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("no number {key} in {value}"))
}

#[test]
fn profile_table_has_a_row_for_each_operation() {
    let outcome = profile(&gpt2(), &["-p", "7", "-g", "3"]);
    let text = outcome.success();
    assert!(text.contains("2 threads") && text.contains("GB/s read from memory"), "{text}");
    for part in ["\nprefill (pp7, last logits): ", "\ndecode (tg3, all logits): ", "| attention ", "| total ", "% |"] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    assert_eq!(text.matches("| between operations |").count(), 2, "{text}");
    assert_eq!(text.matches("\nproducts ").count(), 2, "{text}");
    let is_counted = text.contains("\nhardware counters of all threads: ");
    assert_ne!(is_counted, outcome.stderr.contains("no hardware counters: "), "{outcome:?}");
}

#[test]
fn profile_json_has_every_operation_of_every_layer() {
    let report = profile(&gpt2(), &["-p", "7", "-g", "3", "--json"]).json();
    assert_eq!(keys(&report), ["about", "format", "phases", "roofline"]);
    assert!(number(&report["roofline"], "peak_gflops") > 0.0 && number(&report["roofline"], "bandwidth_gb_s") > 0.0);
    assert_eq!((&report["about"]["threads"], &report["about"]["weights"]), (&2.into(), &"stored".into()));
    let phases = list(&report, "phases");
    assert_eq!([&phases[0]["name"], &phases[1]["name"]], ["prefill", "decode"]);
    for phase in phases {
        assert_eq!(keys(phase), PHASE_KEYS);
        assert!(["counted", "unavailable"].contains(&phase["counters"]["is"].as_str().expect("a word")), "{phase}");
        assert_rows_add_up(phase);
        assert_operations_are_in_order(phase);
    }
    let (prefill, decode) = (list(&phases[0], "operations").len(), list(&phases[1], "operations").len());
    assert_eq!(decode, 3 * prefill, "a pass for each token");
}

fn assert_rows_add_up(phase: &Value) {
    let rows = list(phase, "by_name");
    let total = &phase["total"];
    let sum = |key: &str| rows.iter().map(|row| number(row, key)).sum::<f64>();
    assert_eq!(sum("calls"), list(phase, "operations").len() as f64);
    let seconds = sum("seconds") + number(&phase["between"], "seconds");
    assert!((seconds - number(total, "seconds")).abs() < 1e-9, "{phase}");
    assert!(rows.iter().chain([total]).all(|row| (0.0..=1.0).contains(&number(row, "waiting"))), "{phase}");
    let products: Vec<&Value> = rows.iter().filter(|row| row["kind"] == "product").collect();
    assert!(products.len() >= 4, "{phase}");
    for row in products {
        assert!(number(row, "gflops") > 0.0 && number(row, "share_of_roofline") > 0.0, "{row}");
        assert!(!list(row, "kernels").is_empty() && !list(row, "shapes").is_empty(), "{row}");
    }
}

fn assert_operations_are_in_order(phase: &Value) {
    let mut reached = 0.0;
    for operation in list(phase, "operations") {
        let (start, end) = (number(operation, "start_ns"), number(operation, "end_ns"));
        assert!(reached <= start && start <= end, "{operation}");
        reached = end;
        for interval in list(operation, "intervals") {
            assert!(start <= number(interval, "start_ns") && number(interval, "end_ns") <= end, "{operation}");
            assert!(number(interval, "thread") < 2.0 && number(interval, "tasks") >= 1.0, "{operation}");
        }
    }
}

#[test]
fn profile_trace_is_a_trace_event_document() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("trace.json");
    let outcome = profile(&gpt2(), &["-p", "7", "-g", "3", "--trace", arg(&path)]);
    assert!(outcome.success().contains("prefill"), "the table is there all the same");
    let trace: Value = serde_json::from_slice(&std::fs::read(&path).expect("the trace")).expect("JSON");
    let events = list(&trace, "traceEvents");
    let complete: Vec<&Value> = events.iter().filter(|event| event["ph"] == "X").collect();
    assert_eq!(complete.len() + events.iter().filter(|event| event["ph"] == "M").count(), events.len());
    assert!(complete.windows(2).all(|pair| pair[0]["pid"].as_u64() <= pair[1]["pid"].as_u64()));
    let mut around = (0.0, 0.0);
    for event in complete {
        let (start, end) = (number(event, "ts"), number(event, "ts") + number(event, "dur"));
        if event["tid"] == 0 {
            assert!(around.1 <= start + 1e-6, "{event} begins before {around:?} ends");
            around = (start, end);
        } else {
            assert!(around.0 <= start && end <= around.1 + 1e-6, "{event} is not within {around:?}");
        }
    }
}

#[test]
fn profile_page_needs_nothing_else() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("profile.html");
    profile(&gpt2(), &["-p", "7", "-g", "3", "--html", arg(&path)]).success();
    let page = std::fs::read_to_string(&path).expect("the page");
    assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"));
    let without_namespace = page.replace("http://www.w3.org/2000/svg", "");
    for forbidden in ["http:", "https:", "src=", "href=", "url(", "@import", "<script", "NaN"] {
        assert!(!without_namespace.contains(forbidden), "{forbidden} in the page");
    }
    for expected in ["prefers-color-scheme: dark", "Thread by thread", "Roofline", "attention"] {
        assert!(page.contains(expected), "no {expected} in the page");
    }
}

#[test]
fn profile_bert_has_a_prefill_only() {
    let model = Bert::default().write().expect("a directory");
    let report = profile(&model, &["-p", "16", "-b", "2", "--json"]).json();
    let phases = list(&report, "phases");
    assert_eq!((phases.len(), &phases[0]["test"], &phases[0]["logits"]), (1, &"pp16x2".into(), &Value::Null));
    assert_rows_add_up(&phases[0]);
    profile(&model, &["-g", "4"]).failure(2, &["-g: wanted a model that generates"]);
}

#[test]
fn profile_impossible_arguments_are_misuse() {
    let model = gpt2();
    profile(&model, &["-p", "41"]).failure(2, &["-p 41: wanted at most 40 tokens, the model's context"]);
    profile(&model, &["-p", "0", "-g", "0"]).failure(2, &["no -p and no -g above 0"]);
    profile(&model, &["--trace", "same", "--html", "same"]).failure(2, &["wanted two files, found one"]);
    for case in [["-b", "0"], ["-b", "513"], ["-p", "-1"], ["-g", "many"], ["--synthetic", "gpt5"]] {
        profile(&model, &case).failure(2, &[case[0]]);
    }
    for case in [["-r", "0"], ["-r", "10001"], ["-t", "0"]] {
        cke(&[&["profile", "--model", arg(model.path())][..], &case].concat()).failure(2, &[case[0]]);
    }
}

#[test]
fn profile_file_that_cannot_be_written_fails_before_measuring() {
    for flag in ["--trace", "--html"] {
        profile(&gpt2(), &[flag, "/no/such/directory/file"]).failure(1, &["/no/such/directory/file: "]);
    }
}
