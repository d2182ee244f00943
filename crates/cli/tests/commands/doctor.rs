//! `cke doctor`.

use crate::support::{cke, command, keys, run};
use serde_json::Value;

#[test]
fn doctor_json_has_every_fact() {
    let report = cke(&["doctor", "--no-measure", "--json"]).json();
    assert_eq!(
        keys(&report),
        [
            "advice",
            "counters",
            "environment",
            "families",
            "kernels",
            "machine",
            "measured",
            "release_build",
            "threads",
            "version"
        ]
    );
    assert_eq!((&report["version"], &report["measured"]), (&Value::from(env!("CARGO_PKG_VERSION")), &Value::Null));
    assert!(report["machine"]["usable_threads"].as_u64() >= Some(1));
    let kernel = &report["kernels"][0];
    assert_eq!(keys(kernel), ["candidates", "equal_bits_on", "k", "kernel", "m", "n", "scheme"]);
    assert_eq!(kernel["scheme"], "f32");
    let candidates = kernel["candidates"].as_array().expect("a list");
    assert!(candidates.iter().any(|other| other["kernel"] == kernel["kernel"]), "{kernel}");
}

#[test]
fn doctor_text_is_what_a_user_needs() {
    let text = cke(&["doctor", "--no-measure"]).success().to_owned();
    for expected in ["| CPU", "| instruction set", "| threads", "| memory", "| computed by", "cke doctor --all"] {
        assert!(text.contains(expected), "no {expected} in {text}");
    }
    for internal in ["scheme", "_f32_", "core family"] {
        assert!(!text.contains(internal), "{internal} in {text}");
    }
    assert!(text.lines().count() < 28, "{text}");
    assert!(!text.contains("tokens per second"), "{text}");
}

#[test]
fn doctor_all_has_every_section() {
    let text = cke(&["doctor", "--no-measure", "--all"]).success().to_owned();
    for expected in [
        "| machine",
        "core family",
        "extensions in use",
        "extensions not in use",
        "level-2 cache",
        "transparent huge pages",
        "| scheme",
        "128 3072 768",
        "_f32_",
        "_bf16_",
        "_f16_",
        "_int8_",
        "_int4_",
    ] {
        assert!(text.contains(expected), "no {expected} in {text}");
    }
    assert!(!text.contains("multiply-add peak"));
    let (is_counted, is_refused) =
        (text.contains("| available         | cycles"), text.contains("| none              |"));
    assert!(text.contains("| hardware counters |") && is_counted != is_refused, "{text}");
}

#[test]
fn doctor_measures_one_thread_and_all() {
    let measured = cke(&["doctor", "--json"]).json()["measured"].clone();
    let measured = measured.as_array().expect("a list");
    assert_eq!(measured[0]["threads"], 1);
    for row in measured {
        assert_eq!(keys(row), ["isa", "peak_gflops", "read_gb_per_s", "threads"]);
        assert!(row["peak_gflops"].as_f64() > Some(0.0) && row["read_gb_per_s"].as_f64() > Some(0.0), "{row}");
    }
}

#[test]
fn doctor_capped_isa_is_shown_and_advised_against() {
    let mut command = command(&["doctor", "--no-measure", "--json"]);
    command.env("CKE_ISA", "scalar").env_remove("CKE_REQUIRE_ISA");
    let report = run(command, b"").json();
    assert_eq!(
        (&report["environment"]["CKE_ISA"], &report["machine"]["isa_used"]),
        (&"scalar".into(), &"scalar".into())
    );
    assert!(
        report["kernels"]
            .as_array()
            .expect("a list")
            .iter()
            .all(|choice| choice["kernel"].as_str().is_some_and(|name| name.starts_with("scalar_")))
    );
    let is_capped = report["machine"]["isa_detected"] != "scalar";
    let is_advised = report["advice"].to_string().contains("CKE_ISA=scalar");
    assert_eq!(is_advised, is_capped);
}

#[test]
fn doctor_threads_are_those_of_the_flag() {
    let mut limited = command(&["doctor", "--no-measure", "--threads", "1", "--json"]);
    limited.env("CKE_NUM_THREADS", "7");
    let report = run(limited, b"").json();
    assert_eq!(report["threads"], serde_json::json!({ "count": 1, "variable": null }));
    assert!(!report["advice"].to_string().contains("unset it"), "{report}");
    assert!(cke(&["doctor", "--no-measure", "-t", "1"]).success().contains("1, from --threads"));
}

#[cfg(target_arch = "x86_64")]
#[test]
fn doctor_says_if_amx_was_asked_for_in_vain() {
    let mut command = command(&["doctor", "--no-measure", "--json"]);
    command.env("CKE_ISA", "amx").env_remove("CKE_REQUIRE_ISA");
    let report = run(command, b"").json();
    let is_in_use = report["machine"]["features"].to_string().contains("amx");
    assert_eq!(report["advice"].to_string().contains("CKE_ISA=amx has no effect"), !is_in_use, "{report}");
}

#[test]
fn doctor_unknown_isa_is_an_error() {
    let mut command = command(&["doctor"]);
    command.env("CKE_ISA", "sse9");
    run(command, b"").failure(1, &["CKE_ISA value \"sse9\"", cke_kernels::Isa::SETTINGS]);
}

#[test]
fn doctor_unknown_flag_is_misuse() {
    cke(&["doctor", "--fast"]).failure(2, &["--fast"]);
}
