//! `--dtype`.

use crate::support::{arg, cke, file, golden, golden_ids};

#[test]
fn dtype_int8_gives_likelihoods_close_to_those_of_f32() {
    let tokens = file(".json", serde_json::to_string(&golden_ids("gpt2-odd", "nll.ids")).unwrap());
    let model = golden("gpt2-odd");
    let nll = |dtype: &str| {
        let outcome =
            cke(&["eval", "-m", arg(&model), "--tokens-file", arg(tokens.path()), "--json", "--dtype", dtype]);
        outcome.json()["nll"].as_f64().unwrap()
    };
    let (plain, int8) = (nll("f32"), nll("int8"));
    assert!(plain != int8 && (plain - int8).abs() < 0.01 * plain, "{plain} {int8}");
}

#[test]
fn dtype_is_a_flag_of_every_command_that_runs_a_model() {
    let (gpt2, bert) = (golden("gpt2-odd"), golden("st-mean"));
    let tokens = file(".json", "[1, 2, 3]");
    let commands = [
        vec!["generate", "-m", arg(&gpt2), "--tokens-file", arg(tokens.path()), "-n", "2"],
        vec!["embed", "-m", arg(&bert), "A text."],
        vec!["bench", "model", "-m", arg(&gpt2), "-p", "4", "-g", "2", "-r", "1", "-t", "1"],
        vec!["profile", "-m", arg(&gpt2), "-p", "4", "-g", "2", "-r", "1", "-t", "1"],
    ];
    for mut args in commands {
        args.extend(["--dtype", "int8"]);
        let outcome = cke(&args);
        let text = format!("{}{}", outcome.success(), outcome.stderr);
        assert!(text.contains("int8"), "{args:?}: {text}");
    }
}

#[test]
fn dtype_that_does_not_exist_is_refused_with_those_that_do() {
    let outcome = cke(&["generate", "x", "--dtype", "fp4"]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("possible values: f32, int8"), "{}", outcome.stderr);
}
