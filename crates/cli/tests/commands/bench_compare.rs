//! `cke bench compare`.

use crate::support::{arg, byte_gpt2, cke, command, file, keys, run};
use std::path::Path;

fn row(test: &str, rates: &[f64]) -> String {
    format!(
        r#"{{"model":"m","weights":"stored","threads":1,"test":"{test}","logits":null,"isa":"avx2","dtype":"f32",
            "peak_gflops":50.0,"tokens_per_second":1.0,"rates":{rates:?}}}"#
    )
}

const STEADY: [f64; 5] = [100.0, 101.0, 99.0, 100.5, 99.5];
const TWICE: [f64; 5] = [200.0, 202.0, 198.0, 201.0, 199.0];

#[test]
fn compare_tells_a_difference_from_noise() {
    let old = file(".json", format!("[{},{}]", row("pp8", &STEADY), row("tg8", &STEADY)));
    let new = file(".json", format!("[{},{}]", row("pp8", &TWICE), row("tg8", &STEADY)));
    let files = ["bench", "compare", arg(old.path()), arg(new.path())];
    let text = cke(&files).success().to_owned();
    for expected in ["m, pp8, 1 thread", "2.000", "faster", "within noise", "1 of 2 differ", "| geometric mean"] {
        assert!(text.contains(expected), "no {expected} in {text}");
    }
    let json = cke(&[&files[..], &["--json"]].concat()).json();
    assert_eq!(keys(&json), ["differences", "geometric_mean", "only_new", "only_old", "rows"]);
    assert_eq!(keys(&json["rows"][0]["ratio"]), ["confidence", "estimate", "high", "low"]);
    assert_eq!((&json["rows"][0]["verdict"], &json["rows"][1]["verdict"]), (&"faster".into(), &"unclear".into()));
}

#[test]
fn compare_reads_what_bench_and_peers_wrote() {
    let model = byte_gpt2();
    let bench = ["bench", "model", "-m", arg(model.path()), "-p", "4", "-g", "0", "-r", "2", "-t", "1", "--json"];
    let written = cke(&bench);
    let results = file(".json", written.success());
    let mut compare = command(&["bench", "compare", "-", arg(results.path())]);
    assert!(run(compare, written.success().as_bytes()).success().contains("pp4"));
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/results");
    for name in ["models.json", "gemm-1-threads.json"] {
        let path = docs.join(name);
        let text = cke(&["bench", "compare", arg(&path), arg(&path)]).success().to_owned();
        assert!(text.contains("0 of ") && text.contains("1.000"), "{text}");
    }
    compare = command(&["bench", "compare", "-", "-"]);
    run(compare, b"[]").failure(2, &["standard input for both"]);
}

#[test]
fn compare_of_what_is_no_results_names_the_file() {
    let good = file(".json", format!("[{}]", row("pp8", &STEADY)));
    for bad in ["", "{}", "[]", "[1]", "{\"tests\":[]}", &format!("[{}]", row("pp8", &STEADY).replace("50.0", "\"x\""))]
    {
        let bad = file(".json", bad);
        cke(&["bench", "compare", arg(bad.path()), arg(good.path())]).failure(1, &[arg(bad.path()), "wanted "]);
        cke(&["bench", "compare", arg(good.path()), arg(bad.path())]).failure(1, &[arg(bad.path()), "wanted "]);
    }
    let other = file(".json", format!("[{}]", row("pp9", &STEADY)));
    cke(&["bench", "compare", arg(good.path()), arg(other.path())]).failure(1, &[arg(other.path()), "pp9"]);
    cke(&["bench", "compare", "/no/such.json", arg(other.path())]).failure(1, &["/no/such.json"]);
}
