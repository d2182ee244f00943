//! `cke chart`.

use crate::support::{arg, cke, command, file, run};

/// Two suites; a name with markup, a peer that is missing in one test.
const MODELS: &str = r#"{
  "kind": "models", "machine": {"cpu": "Some <CPU>", "core_family": "Zen 5", "cpus": 2, "system": "Linux"}, "date": "2025-03-31 17:05 UTC", "rounds": 5,
  "contestants": [
    {"name": "cke", "title": "CKE", "version": "0.1.0"},
    {"name": "ort", "title": "ONNX Runtime", "version": "1.0"},
    {"name": "absent", "title": "Absent", "version": ""}
  ],
  "tests": [
    {"suite": "bert", "title": "BERT", "label": "1 × 128", "unit": "tokens/s", "threads": 1, "limit": 1400.5,
     "entries": [{"contestant": "cke", "median": 1234.0, "spread": 0.04}, {"contestant": "ort", "median": 987.0, "spread": 0.125}]},
    {"suite": "bert", "title": "BERT", "label": "1 × 128", "unit": "tokens/s", "threads": 2, "limit": null,
     "entries": [{"contestant": "cke", "median": 2345.0, "spread": 0.01}]},
    {"suite": "minilm", "title": "MiniLM", "label": "sentences", "unit": "sentences/s", "threads": 1, "limit": null,
     "entries": [{"contestant": "cke", "median": 333.0, "spread": 0.0}]}
  ]
}"#;

/// Results of two products with one and two threads.
fn gemm() -> String {
    let flags = ["--shapes", "3x4x5,1x9x9nt", "-t", "1,2", "--rounds", "1", "--secs", "0.001", "-o", "json"];
    cke(&[&["bench", "gemm"][..], &flags].concat()).success().to_owned()
}

#[test]
fn chart_models_shows_one_suite_with_its_conditions() {
    let results = file(".json", MODELS);
    let svg = cke(&["chart", arg(results.path()), "--only", "bert"]).success().to_owned();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
    for part in [
        "BERT",
        "CKE 0.1.0",
        "ONNX Runtime 1.0",
        "1 × 128, 2 threads",
        "1234",
        "987",
        "2345",
        "2025-03-31",
        "1 and 2 threads",
    ] {
        assert!(svg.contains(part), "no {part}: {svg}");
    }
    assert!(
        svg.contains("Some &lt;CPU&gt; (Zen 5) with 2 CPUs") && !svg.contains("Absent") && !svg.contains("333"),
        "{svg}"
    );
}

#[test]
fn chart_threads_choose_and_drop_what_has_no_bar() {
    let results = file(".json", MODELS);
    let svg = cke(&["chart", arg(results.path()), "--only", "bert", "-t", "2"]).success().to_owned();
    assert!(svg.contains("2345") && !svg.contains("1234") && !svg.contains("ONNX Runtime"), "{svg}");
    assert!(!svg.contains("The line marks"), "no limit is known: {svg}");
}

#[test]
fn chart_choice_that_was_not_measured_is_misuse() {
    let results = file(".json", MODELS);
    let chart = |flags: &[&str]| cke(&[&["chart", arg(results.path())], flags].concat());
    chart(&[]).failure(2, &["--only", "bert, minilm"]);
    chart(&["--only", "bert,minilm"]).failure(2, &["--only", "wanted one of bert, minilm"]);
    chart(&["--only", "gpt2"]).failure(2, &["--only", "bert, minilm", "gpt2"]);
    chart(&["--only", "minilm", "-t", "2"]).failure(2, &["--threads", "minilm"]);
    chart(&["--only", "bert", "-t", "4"]).failure(2, &["--threads", "1 and 2 threads", "4"]);
    chart(&["-t", "0"]).failure(2, &["--threads"]);
}

#[test]
fn chart_gemm_results_are_read_as_bench_gemm_writes_them() {
    let results = gemm();
    let svg = run(command(&["chart", "-"]), results.as_bytes()).success().to_owned();
    for part in [
        "3x4x5, 1 thread",
        "1x9x9nt, 2 threads",
        "CKE",
        "Matrix products",
        "multiply-add peak",
        "median of 1 interleaved round",
    ] {
        assert!(svg.contains(part), "no {part}: {svg}");
    }
    let svg = run(command(&["chart", "-", "--only", "3x4x5", "-t", "2"]), results.as_bytes()).success().to_owned();
    assert!(svg.contains(">3x4x5<") && !svg.contains("1x9x9nt"), "{svg}");
    run(command(&["chart", "-", "--only", "3x4x6"]), results.as_bytes()).failure(2, &["3x4x5, 1x9x9nt", "3x4x6"]);
}

#[test]
fn chart_out_writes_the_file_and_nothing_else() {
    let (results, directory) = (file(".json", MODELS), tempfile::tempdir().expect("a directory"));
    let out = directory.path().join("bert.svg");
    let outcome = cke(&["chart", arg(results.path()), "--only", "bert", "--out", arg(&out)]);
    assert_eq!(outcome.success(), "");
    assert!(std::fs::read_to_string(&out).expect("the chart").starts_with("<svg "));
    let nowhere = directory.path().join("no/such/bert.svg");
    cke(&["chart", arg(results.path()), "--only", "bert", "--out", arg(&nowhere)]).failure(1, &["bert.svg"]);
}

#[test]
fn chart_file_that_holds_no_results_is_refused() {
    let renamed = MODELS.replace("\"median\"", "\"worst\"");
    let cases: [(&str, &str); 7] = [
        ("", "results in JSON"),
        ("text", "results in JSON"),
        ("[]", "neither"),
        (r#"{"tests": 1}"#, "neither"),
        (r#"{"tests": []}"#, "missing field"),
        (r#"{"rows": [], "contestants": []}"#, "missing field"),
        (&renamed, "missing field `median`"),
    ];
    for (content, part) in cases {
        let results = file(".json", content);
        cke(&["chart", arg(results.path())]).failure(1, &[arg(results.path()), part]);
    }
    let deep = file(".json", "[".repeat(100_000));
    cke(&["chart", arg(deep.path())]).failure(1, &["results in JSON"]);
    cke(&["chart", "/no/such/file"]).failure(1, &["/no/such/file", "No such file"]);
}
