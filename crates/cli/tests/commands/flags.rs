//! Misuse of flags: exit status 2 and a message that names the flag.

use crate::support::{Outcome, arg, byte_gpt2, chat_llama, cke, command, file, run};

#[test]
fn generate_flag_out_of_range_is_misuse() {
    let whole = "wanted a whole number from";
    let cases: &[(&str, &[&str], &str)] = &[
        ("--max-tokens", &["-1", "-5000000000", "4294967296", "99999999999999999999999", "1.5", "many", ""], whole),
        ("--threads", &["0", "-1", "1025", "18446744073709551616", "two", "nan"], whole),
        ("--top-k", &["-1", "1e3", "4294967296"], whole),
        ("--seed", &["-1", "18446744073709551616", "0x10"], whole),
        ("--temperature", &["-0.1", "nan", "NaN", "inf", "-inf", "1e39", "hot"], "wanted a finite number, 0 or above"),
        ("--top-p", &["0", "-1", "1.01", "nan", "inf"], "wanted a number above 0 and up to 1"),
        ("--min-p", &["-0.1", "1", "nan"], "wanted a number from 0 to below 1"),
        ("--repetition-penalty", &["0", "-1", "nan", "inf"], "wanted a finite number above 0"),
    ];
    // Also as a separate word, which could be taken for a flag.
    cke(&["generate", "x", "-n", "-1"]).failure(2, &["--max-tokens", whole]);
    for (flag, values, wanted) in cases {
        for value in *values {
            cke(&["generate", "x", &format!("{flag}={value}")]).failure(2, &[flag, wanted, value]);
        }
    }
}

#[test]
fn other_flag_out_of_range_is_misuse() {
    let model = byte_gpt2();
    let model = arg(model.path());
    cke(&["generate", "-m", model, "x", "--stop", ""]).failure(2, &["--stop"]);
    for size in ["0", "-1", "1025"] {
        let args = ["generate", "-m", model, "--prompts-file", "x", "--batch-size", size];
        cke(&args).failure(2, &["--batch-size", "from 1 to 1024"]);
    }
    cke(&["generate", "-m", model, "x", "--batch-size", "2"]).failure(2, &["cannot be used with"]);
    cke(&["generate", "-m", model, "--batch-size", "2"]).failure(2, &["--prompts-file"]);
    for window in ["-1", "0", "1", "4294967296", "nan"] {
        cke(&["eval", "-m", model, "--window", window]).failure(2, &["--window", "from 2"]);
    }
    cke(&["embed", "-m", model, "--pooling", "median", "x"]).failure(2, &["--pooling", "mean, cls, max"]);
}

#[test]
fn flags_that_exclude_each_other_are_misuse() {
    let model = byte_gpt2();
    let ids = file(".json", "[1, 2]");
    let (model, ids) = (arg(model.path()), arg(ids.path()));
    cke(&["generate", "-m", model, "x", "--tokens-file", ids]).failure(2, &["cannot be used with"]);
    cke(&["generate", "-m", model, "x", "--prompts-file", ids]).failure(2, &["cannot be used with"]);
    cke(&["generate", "-m", model, "--tokens-file", ids, "--prompts-file", ids]).failure(2, &["cannot be used with"]);
    cke(&["generate", "-m", model, "x", "--greedy", "--temperature", "1"]).failure(2, &["cannot be used with"]);
    cke(&["generate", "-m", model, "x", "--echo", "--json"]).failure(2, &["cannot be used with"]);
    cke(&["eval", "-m", model, ids, "--tokens-file", ids]).failure(2, &["cannot be used with"]);
    cke(&["embed", "-m", model, "x", "--file", ids]).failure(2, &["cannot be used with"]);
}

#[test]
fn synthetic_with_model_is_misuse_but_not_with_a_model_of_the_environment() {
    let model = byte_gpt2();
    for name in [&["bench", "model"][..], &["profile"]] {
        let flags = ["--model", arg(model.path()), "--synthetic", "gpt2"];
        cke(&[name, &flags].concat()).failure(2, &["cannot be used with", "--synthetic"]);
    }
    // The directory of the environment is not looked at.
    let mut bench = command(&["bench", "model", "--synthetic", "minilm", "-p", "1", "-r", "1", "-t", "1"]);
    bench.env("CKE_MODEL", "/no/such/model");
    run(bench, b"").success();
    let mut stored = command(&["bench", "model", "-p", "4", "-g", "0", "-r", "1", "-t", "1"]);
    stored.env("CKE_MODEL", "/no/such/model");
    run(stored, b"").failure(1, &["/no/such/model: wanted a model directory"]);
}

#[test]
fn unknown_command_and_flag_are_misuse() {
    cke(&["dance"]).failure(2, &["dance"]);
    cke(&["generate", "--warmth", "1"]).failure(2, &["--warmth"]);
    cke(&["generate", "two", "prompts"]).failure(2, &["prompts"]);
    assert_eq!(cke(&[] as &[&str]).code, Some(2));
}

#[test]
fn refused_argument_that_is_a_model_or_a_flag_of_other_programs_has_a_tip() {
    for (args, tip) in [
        (&["chat", "a.gguf"][..], "did you mean --model a.gguf?"),
        (&["profile", "a.gguf"], "did you mean --model a.gguf?"),
        (&["bench", "a.gguf"], "did you mean cke bench model --model a.gguf?"),
        (&["generate", "a.gguf", "Hi"], "did you mean --model a.gguf?"),
        (&["embed", "a.gguf"], "did you mean --model a.gguf?"),
        (&["embed", "--json", "a.cke", "Hi"], "did you mean --model a.cke?"),
        (&["doctor", "a.gguf"], "doctor takes no model; cke inspect a.gguf describes it"),
        (&["generate", "x", "--ctx", "5"], "generate takes no --ctx"),
        (&["generate", "x", "-c", "5"], "generate takes no --ctx"),
    ] {
        let outcome = cke(args);
        outcome.failure(2, &[tip]);
        assert_eq!(outcome.stderr.matches("tip: ").count(), 1, "{outcome:?}");
    }
}

#[test]
fn flags_of_llama_cpp_mean_the_same() {
    let model = byte_gpt2();
    let model = arg(model.path());
    let text = |args: &[&str]| cke(&[&["generate", "-q", "-m", model], args].concat()).success().to_owned();
    let wanted = text(&["x", "-n", "5", "--temperature", "0", "--repetition-penalty", "1.1"]);
    assert_eq!(text(&["-p", "x", "--n-predict", "5", "--temp", "0", "--repeat-penalty", "1.1"]), wanted);
    cke(&["generate", "-m", model, "x", "-p", "x"]).failure(2, &["cannot be used with"]);
    let model = chat_llama();
    let answer = |args: &[&str]| {
        cke(&[&["chat", "-q", "-m", arg(model.path()), "-n", "5", "--greedy"], args].concat()).success().to_owned()
    };
    assert_eq!(answer(&["-p", "Hi", "-c", "50"]), answer(&["--prompt", "Hi", "--ctx-size", "50"]));
}

#[cfg(unix)]
#[test]
fn prompt_that_is_not_utf8_is_misuse() {
    use std::os::unix::ffi::OsStrExt as _;
    let args = ["generate".as_ref(), std::ffi::OsStr::from_bytes(b"\xff\xfe")];
    let outcome = cke(&args);
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
}

#[test]
fn environment_variables_stand_for_flags_and_are_checked() {
    let model = byte_gpt2();
    let with = |variable: &str, value: &str| {
        let mut command = command(&["generate", "-n", "2", "x"]);
        command.env("CKE_MODEL", model.path()).env(variable, value);
        run(command, b"")
    };
    let outcome = with("CKE_NUM_THREADS", "3");
    outcome.success();
    assert!(outcome.stderr.contains("3 threads"), "{outcome:?}");
    with("CKE_NUM_THREADS", "0").failure(2, &["CKE_NUM_THREADS", "--threads", "from 1 to 1024"]);
    with("CKE_ISA", "sse9").failure(1, &["CKE_ISA", "sse9", cke_kernels::Isa::SETTINGS]);
    with("CKE_REQUIRE_ISA", "mmx").failure(1, &["CKE_REQUIRE_ISA", "mmx", cke_kernels::Isa::SETTINGS]);
    assert!(with("CKE_ISA", "scalar").stderr.contains("scalar") || std::env::var("CKE_REQUIRE_ISA").is_ok());
}

#[test]
fn help_names_flags_and_environment() {
    let settings = format!("CKE_REQUIRE_ISA  {}", cke_kernels::Isa::SETTINGS);
    for (args, parts) in [
        (&["--help"][..], &["CKE_MODEL", "CKE_NUM_THREADS", "CKE_ISA", &settings, "130"][..]),
        (&["generate", "--help"], &["CKE_MODEL", "CKE_NUM_THREADS", "CKE_ISA", "Examples:", "--tokens-file"]),
        (&["chat", "--help"], &["CKE_MODEL", "CKE_ISA", "Examples:", "--drop-oldest", "reused_tokens", "backslash"]),
        (&["eval", "--help"], &["CKE_MODEL", "CKE_REQUIRE_ISA", "Examples:", "per_token"]),
        (&["embed", "--help"], &["CKE_MODEL", "CKE_ISA", "Examples:", "--no-normalize", "--prompt-name", "--dims"]),
        (&["bench", "model", "--help"], &["CKE_MODEL", "--synthetic"]),
    ] {
        let outcome = cke(args);
        parts.iter().for_each(|part| assert!(outcome.success().contains(part), "no {part} for {args:?}"));
    }
}

/// The flag line of each command's help.
fn flag_line(help: &str, flag: &str) -> Option<String> {
    help.lines().map(str::trim_start).find(|line| line.contains(flag) && line.starts_with('-')).map(str::to_owned)
}

#[test]
fn flags_of_several_commands_mean_the_same_everywhere() {
    let models: [&[&str]; 8] = [
        &["generate"],
        &["chat"],
        &["embed"],
        &["eval"],
        &["inspect"],
        &["quantize"],
        &["bench", "model"],
        &["profile"],
    ];
    let others: [&[&str]; 6] = [
        &["bench", "gemm"],
        &["bench", "attention"],
        &["bench", "accuracy"],
        &["bench", "compare"],
        &["audit"],
        &["doctor"],
    ];
    for command in models.into_iter().chain(others) {
        let outcome = cke(&[command, &["-h"]].concat());
        let help = outcome.success();
        // A switch, without a value of its own.
        let json = flag_line(help, "--json").unwrap_or_else(|| panic!("no --json in {command:?}"));
        assert!(json.starts_with("--json  ") || json == "--json", "{command:?}: {json}");
        let is_model = models.contains(&command);
        assert_eq!(flag_line(help, "-m, --model <MODEL>").is_some(), is_model, "{command:?}");
        assert!(!is_model || flag_line(help, "--dtype <TYPE>").is_some(), "{command:?}");
        // The same words about the default, too.
        let threads = ["-t, --threads <N>", "-t, --threads <N,…>"].iter().find_map(|flag| flag_line(help, flag));
        assert_eq!(threads.is_some(), command != ["bench", "compare"], "{command:?}");
    }
}

#[test]
fn model_is_an_argument_or_a_flag_of_inspect_and_quantize() {
    let model = byte_gpt2();
    let path = arg(model.path());
    // What memory is available changes from run to run.
    let lasting = |outcome: &Outcome| -> Vec<String> {
        let lines = outcome.success().lines().filter(|line| !line.contains("available now"));
        lines.map(str::to_owned).collect()
    };
    let by_argument = lasting(&cke(&["inspect", path, "-t", "1"]));
    assert_eq!(by_argument, lasting(&cke(&["inspect", "--model", path, "-t", "1"])));
    let mut by_variable = command(&["inspect", "-t", "1"]);
    by_variable.env("CKE_MODEL", path);
    assert_eq!(by_argument, lasting(&run(by_variable, b"")));
    // An argument counts, whatever the environment names.
    let mut both = command(&["inspect", path, "-t", "1"]);
    both.env("CKE_MODEL", "/no/such/model");
    assert_eq!(by_argument, lasting(&run(both, b"")));
    cke(&["inspect", path, "--model", path]).failure(2, &["cannot be used with"]);
    let packed = model.path().join("packed.cke");
    cke(&["quantize", "--model", path, "-t", "1", "-o", arg(&packed)]).success();
    assert!(cke(&["inspect", arg(&packed)]).success().contains("packed"));
}

#[test]
fn inspect_dtype_changes_the_memory_that_is_shown() {
    let model = byte_gpt2();
    let memory =
        |dtype: &str| cke(&["inspect", arg(model.path()), "--dtype", dtype, "--json"]).json()["memory"].clone();
    let (f32, int8) = (memory("f32"), memory("int8"));
    assert_eq!((&f32["dtype"], &int8["dtype"]), (&"f32".into(), &"int8".into()));
    assert!(int8["weights"].as_u64() < f32["weights"].as_u64());
}
