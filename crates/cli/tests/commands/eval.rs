//! `cke eval`.

use crate::support::{arg, byte_gpt2, cke, command, file, golden, golden_floats, golden_ids, keys, run};
use serde_json::Value;

fn numbers(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).expect("a list of numbers")
}

#[test]
fn eval_golden_tokens_gives_the_likelihoods_of_the_transformers_library() {
    let tokens = file(".json", serde_json::to_string(&golden_ids("gpt2-odd", "nll.ids")).unwrap());
    let wanted = golden_floats("gpt2-odd", "nll.per_token");
    let outcome = cke(&["eval", "-m", arg(&golden("gpt2-odd")), "--tokens-file", arg(tokens.path()), "--json"]);
    let report = outcome.json();
    assert_eq!(
        keys(&report),
        ["attention_kernels", "layer_kernels", "nll", "nll_total", "per_token", "perplexity", "tokens"]
    );
    let found = numbers(&report["per_token"]);
    assert_eq!((found.len(), &report["tokens"]), (wanted.len(), &(wanted.len() + 1).into()));
    for (found, wanted) in found.iter().zip(wanted) {
        assert!((found - f64::from(wanted)).abs() <= 1e-4 * f64::from(wanted), "{found} for {wanted}");
    }
    let (sum, nll) = (found.iter().sum::<f64>(), report["nll"].as_f64().unwrap());
    assert!((report["nll_total"].as_f64().unwrap() - sum).abs() < 1e-9 * sum);
    assert!((nll - sum / found.len() as f64).abs() < 1e-9 * nll);
    assert!((report["perplexity"].as_f64().unwrap() - nll.exp()).abs() < 1e-9 * nll.exp());
}

#[test]
fn eval_text_from_file_and_stdin_agree() {
    let model = byte_gpt2();
    let text = file(".txt", "A text.\n");
    let from_file = cke(&["eval", "-m", arg(model.path()), arg(text.path())]);
    let lines: Vec<&str> = from_file.success().lines().collect();
    assert_eq!(lines.len(), 5);
    assert_eq!(lines[0], "tokens      8");
    for (line, name) in lines.iter().zip(["tokens", "nll", "nll total", "perplexity", "window"]) {
        assert!(line.starts_with(name), "{line}");
    }
    assert!(lines[3].contains(" ± ") && lines[4] == "window      40 tokens, all scored", "{from_file:?}");
    assert!(from_file.stderr.contains("8 tokens in ") && from_file.stderr.contains("tokens/s"), "{from_file:?}");
    let from_stdin = run(command(&["eval", "-m", arg(model.path())]), b"A text.\n");
    assert_eq!(from_stdin.success(), from_file.success());
}

#[test]
fn eval_longer_text_is_read_in_windows_of_the_context() {
    let model = byte_gpt2();
    let text = file(".txt", "0123456789".repeat(10));
    let args = ["eval", "-m", arg(model.path()), arg(text.path()), "--json"];
    let outcome = cke(&args);
    let windowed = numbers(&outcome.json()["per_token"]);
    assert!(outcome.stderr.contains("100 tokens in "), "{outcome:?}");
    assert_eq!(windowed, numbers(&cke(&[&args[..], &["--window", "40"]].concat()).json()["per_token"]));
    cke(&[&args[..], &["--window", "41"]].concat()).failure(2, &["--window", "40", "41"]);
    assert_eq!(windowed.len(), 99);
    // The second piece begins with token 39, the last of the first one.
    let second = file(".txt", &"0123456789".repeat(10)[39..79]);
    let alone = numbers(&cke(&["eval", "-m", arg(model.path()), arg(second.path()), "--json"]).json()["per_token"]);
    assert_eq!(windowed[39..78], alone);
}

#[cfg(feature = "demo-model")]
#[test]
fn eval_first_example_of_its_own_help_works() {
    let readme = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let outcome = cke(&["eval", arg(&readme)]);
    assert!(outcome.success().contains("perplexity"), "{outcome:?}");
}

#[test]
fn eval_text_begins_with_the_token_that_the_tokenizer_puts_there() {
    let model = byte_gpt2();
    model.replace("tokenizer_config.json", r#"{"add_bos_token":true}"#).unwrap();
    let per_token = |args: &[&str], stdin: &[u8]| {
        let args = [&["eval", "-m", arg(model.path()), "--json"], args].concat();
        numbers(&run(command(&args), stdin).json()["per_token"])
    };
    let ids = file(".json", "[256, 97, 98, 99]");
    assert_eq!(per_token(&[], b"abc"), per_token(&["--tokens-file", arg(ids.path())], b""));
}

#[test]
fn eval_smallest_window_sees_one_token_back() {
    let model = byte_gpt2();
    let per_token = |text: &str| {
        let args = ["eval", "-m", arg(model.path()), "--window", "2", "--json"];
        numbers(&run(command(&args), text.as_bytes()).json()["per_token"])
    };
    assert_eq!(per_token("abc"), [per_token("ab"), per_token("bc")].concat());
}

#[test]
fn eval_fewer_than_two_tokens_fails() {
    let model = byte_gpt2();
    run(command(&["eval", "-m", arg(model.path())]), b"").failure(1, &["at least 2 tokens", "found 0"]);
    run(command(&["eval", "-m", arg(model.path())]), b"x").failure(1, &["at least 2 tokens", "found 1"]);
}

#[test]
fn eval_unknown_token_is_named() {
    let tokens = file(".json", "[1, 2, 211]");
    let outcome = cke(&["eval", "-m", arg(&golden("gpt2-odd")), "--tokens-file", arg(tokens.path())]);
    outcome.failure(1, &["token 211 at position 2", "below the vocabulary's size 211"]);
}
