//! `--dtype`.

use crate::support::{arg, cke, command, file, golden, golden_ids, run};

#[test]
fn dtypes_of_few_bits_give_likelihoods_close_to_those_of_f32() {
    let tokens = file(".json", serde_json::to_string(&golden_ids("gpt2-odd", "nll.ids")).unwrap());
    let model = golden("gpt2-odd");
    let nll = |dtype: &str| {
        let outcome =
            cke(&["eval", "-m", arg(&model), "--tokens-file", arg(tokens.path()), "--json", "--dtype", dtype]);
        outcome.json()["nll"].as_f64().unwrap()
    };
    let plain = nll("f32");
    for (dtype, share) in [("bf16", 0.001), ("f16", 0.0001), ("int8", 0.01), ("int4", 0.03)] {
        let found = nll(dtype);
        assert!(plain != found && (plain - found).abs() < share * plain, "{dtype}: {found} beside {plain}");
    }
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
    for args in commands {
        for dtype in ["bf16", "f16", "int8", "int4"] {
            let outcome = cke(&[&args[..], &["--dtype", dtype]].concat());
            let text = format!("{}{}", outcome.success(), outcome.stderr);
            assert!(text.contains(dtype), "{args:?}: {text}");
        }
    }
}

#[test]
fn names_of_types_ignore_case() {
    let (model, tokens) = (golden("gpt2-odd"), file(".json", "[1, 2, 3]"));
    let text = |dtype, kv| {
        let fixed = ["generate", "--greedy", "-n", "4", "-m", arg(&model), "--tokens-file", arg(tokens.path())];
        cke(&[&fixed[..], &["--dtype", dtype, "--kv", kv]].concat()).success().to_owned()
    };
    assert_eq!(text("INT8", "Bf16"), text("int8", "bf16"));
    cke(&["inspect", arg(&model), "--dtype", "BF16", "--kv", "F32"]).success();
}

#[test]
fn dtype_that_the_cpu_has_no_instructions_for_is_said_with_its_kernel_unless_quiet() {
    let (model, tokens) = (golden("gpt2-odd"), file(".json", "[1, 2, 3]"));
    let stderr = |flags: &[&str]| {
        let fixed = ["eval", "-m", arg(&model), "--tokens-file", arg(tokens.path())];
        let mut command = command(&[&fixed, flags].concat());
        command.env("CKE_ISA", "scalar").env_remove("CKE_REQUIRE_ISA");
        let outcome = run(command, b"");
        outcome.success();
        outcome.stderr
    };
    for (dtype, kernel) in [
        ("bf16", "scalar_bf16_widen_4x16"),
        ("f16", "scalar_f16_widen_4x16"),
        ("int8", "scalar_int8_4x16"),
        ("int4", "scalar_q4_1_2x16"),
    ] {
        let notice = format!("{dtype} runs on `{kernel}`");
        assert!(stderr(&["--dtype", dtype]).contains(&notice));
        assert!(!stderr(&["--dtype", dtype, "--quiet"]).contains(&notice));
    }
    assert!(!stderr(&[]).contains("runs on"));
}

#[test]
fn dtype_that_does_not_exist_is_refused_with_those_that_do() {
    let outcome = cke(&["generate", "x", "--dtype", "fp4"]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("possible values: f32, bf16, f16, int8, int4"), "{}", outcome.stderr);
}
