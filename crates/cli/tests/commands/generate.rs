//! `cke generate`.

use crate::support::{arg, byte_gpt2, cke, command, file, golden, golden_ids, keys, run};
use serde_json::Value;

fn ids(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).expect("a list of token ids")
}

/// The greedy continuation that `cke` makes of a golden prompt.
fn continue_golden(prompt: &str, tokens: usize, flags: &[&str]) -> Vec<u32> {
    let prompt = golden_ids("gpt2-odd", prompt);
    let prompt_file = file(".json", serde_json::to_string(&prompt).unwrap());
    let (model, count) = (golden("gpt2-odd"), tokens.to_string());
    let fixed = ["generate", "--greedy", "--json", "--ignore-eos", "-n", &count, "--model", arg(&model)];
    let outcome = cke(&[&fixed[..], &["--tokens-file", arg(prompt_file.path())], flags].concat());
    let report = outcome.json();
    assert_eq!(report["prompt_tokens"], prompt.len());
    assert_eq!((&report["prompt"], &report["text"]), (&Value::Null, &Value::Null));
    ids(&report["tokens"])
}

#[test]
fn generate_golden_prompts_gives_the_tokens_of_the_transformers_library() {
    for i in 0..2 {
        let wanted = golden_ids("gpt2-odd", &format!("greedy{i}.tokens"));
        assert_eq!(continue_golden(&format!("greedy{i}.prompt"), wanted.len(), &[]), wanted);
        let wanted = golden_ids("gpt2-odd", &format!("penalty{i}.tokens"));
        let flags = ["--repetition-penalty", "1.3"];
        assert_eq!(continue_golden(&format!("penalty{i}.prompt"), wanted.len(), &flags), wanted);
    }
}

#[test]
fn generate_without_tokenizer_prints_ids() {
    let wanted = golden_ids("gpt2-odd", "greedy0.tokens")[..3].to_vec();
    let prompt = serde_json::to_string(&golden_ids("gpt2-odd", "greedy0.prompt")).unwrap();
    let model = golden("gpt2-odd");
    let args = ["generate", "--greedy", "--ignore-eos", "-n3", "--tokens-file", "-", "--model", arg(&model)];
    let outcome = run(command(&args), prompt.as_bytes());
    let line = wanted.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
    assert_eq!(outcome.success(), format!("{line}\n"));
}

#[test]
fn generate_text_goes_to_stdout_and_speed_to_stderr() {
    let model = byte_gpt2();
    let outcome = cke(&["generate", "--model", arg(model.path()), "-n", "6", "--ignore-eos", "abc"]);
    assert!(outcome.success().ends_with('\n'), "{outcome:?}");
    let stderr: Vec<&str> = outcome.stderr.lines().collect();
    assert_eq!(stderr.len(), 2, "{outcome:?}");
    assert!(stderr[0].starts_with("prompt: 3 tokens in "), "{outcome:?}");
    assert!(stderr[0].contains("generation: 6 tokens in ") && stderr[0].contains("tokens/s"), "{outcome:?}");
    assert!(stderr[1].contains("loaded in ") && stderr[1].contains("thread"), "{outcome:?}");
}

#[test]
fn generate_quiet_leaves_stderr_empty() {
    let model = byte_gpt2();
    let outcome = cke(&["generate", "--model", arg(model.path()), "-n", "4294967295", "--quiet", "abc"]);
    outcome.success();
    assert_eq!(outcome.stderr, "");
}

#[test]
fn generate_json_has_its_keys_and_the_text_of_its_tokens() {
    let model = byte_gpt2();
    let args = ["generate", "--model", arg(model.path()), "-n", "5", "--seed", "7", "--ignore-eos", "--json", "Hi"];
    let report = cke(&args).json();
    let wanted = [
        "attention_kernels",
        "finish",
        "layer_kernels",
        "prompt",
        "prompt_tokens",
        "seed",
        "text",
        "timings",
        "tokens",
    ];
    assert_eq!(keys(&report), wanted);
    assert!(report["layer_kernels"][0].as_str().is_some_and(|kernel| kernel.contains("_f32_")), "{report}");
    assert_eq!((&report["prompt"], &report["finish"]), (&"Hi".into(), &"length".into()));
    assert_eq!((&report["prompt_tokens"], &report["seed"]), (&2.into(), &7.into()));
    assert!(report["timings"]["generation_tokens_per_second"].as_f64().unwrap() > 0.0);
    // A token of this model is the byte of its id; 256 and above are no text.
    let bytes: Vec<u8> = ids(&report["tokens"]).into_iter().filter_map(|id| u8::try_from(id).ok()).collect();
    assert_eq!(report["text"], String::from_utf8_lossy(&bytes).into_owned());
}

#[test]
fn generate_prompt_from_stdin_and_argument_agree() {
    let model = byte_gpt2();
    let args = ["generate", "--model", arg(model.path()), "-n", "8", "abc"];
    let wanted = cke(&args);
    for stdin in ["abc", "abc\n", "abc\r\n"] {
        assert_eq!(run(command(&args[..5]), stdin.as_bytes()).success(), wanted.success());
    }
    let dash = [&args[..5], &["-"]].concat();
    assert_eq!(run(command(&dash), b"abc").success(), wanted.success());
}

#[test]
fn generate_empty_prompt_begins_with_the_start_token() {
    let model = byte_gpt2();
    let args = ["generate", "--model", arg(model.path()), "-n", "4", "--json"];
    let empty = cke(&[&args[..], &[""]].concat()).json();
    let start = file(".json", "[256]");
    let explicit = cke(&[&args[..], &["--tokens-file", arg(start.path())]].concat()).json();
    assert_eq!(empty["tokens"], explicit["tokens"]);
    assert_eq!(empty["prompt_tokens"], 1);
}

#[test]
fn generate_same_seed_same_text_for_any_threads() {
    let model = byte_gpt2();
    let text = |flags: &[&str]| {
        let args = [&["generate", "--model", arg(model.path()), "-n", "30", "--ignore-eos", "x"], flags].concat();
        cke(&args).success().to_owned()
    };
    let wanted = text(&["--seed", "3"]);
    assert_eq!(text(&["--seed", "3", "--threads", "1"]), wanted);
    assert_eq!(text(&["--seed", "3", "--threads", "3"]), wanted);
    assert_ne!(text(&["--seed", "4"]), wanted);
}

#[test]
fn generate_stop_string_ends_the_text_before_it() {
    let model = byte_gpt2();
    let args = ["generate", "--model", arg(model.path()), "-n", "30", "--ignore-eos", "--json", "stop"];
    let whole = cke(&args).json()["text"].as_str().unwrap().to_owned();
    let stop: String = whole.chars().skip(5).take(2).collect();
    let report = cke(&[&args[..], &["--stop", "no such text", "--stop", &stop]].concat()).json();
    assert_eq!(report["text"], whole[..whole.find(&stop).unwrap()]);
    assert_eq!(report["finish"], "stop");
}

#[test]
fn generate_max_tokens_0_prints_nothing() {
    let model = byte_gpt2();
    let args = ["generate", "--model", arg(model.path()), "--max-tokens", "0", "abc"];
    assert_eq!(cke(&args).success(), "");
    let report = cke(&[&args[..], &["--json"]].concat()).json();
    assert_eq!((&report["text"], &report["tokens"]), (&"".into(), &Value::Array(Vec::new())));
}

#[test]
fn generate_echo_prints_the_prompt_first() {
    let model = byte_gpt2();
    let args = ["generate", "--model", arg(model.path()), "-n", "4", "abc"];
    let continuation = cke(&args);
    let outcome = cke(&[&args[..], &["--echo"]].concat());
    assert_eq!(outcome.success().trim_end(), format!("abc{}", continuation.success()).trim_end());
}

#[test]
fn generate_full_context_stops_with_a_note_or_slides() {
    let model = byte_gpt2();
    let prompt = "0123456789".repeat(3);
    let args = ["generate", "--model", arg(model.path()), "-n", "20", "--ignore-eos", "--json", &prompt];
    let outcome = cke(&args);
    let report = outcome.json();
    assert_eq!(report["finish"], "context");
    // The last token needs no position: nothing is predicted from it.
    assert_eq!(ids(&report["tokens"]).len(), 40 - 30 + 1);
    assert!(outcome.stderr.contains("context of 40 tokens is full; use --sliding-window"), "{outcome:?}");
    let report = cke(&[&args[..], &["--sliding-window"]].concat()).json();
    assert_eq!((&report["finish"], ids(&report["tokens"]).len()), (&"length".into(), 20));
}

#[test]
fn generate_prompt_beyond_the_context_fails_or_slides() {
    let model = byte_gpt2();
    let prompt = "x".repeat(41);
    let args = ["generate", "--model", arg(model.path()), "-n", "3", &prompt];
    cke(&args).failure(1, &["prompt has 41 tokens", "context has 40", "--sliding-window"]);
    cke(&[&args[..], &["--sliding-window"]].concat()).success();
}

#[test]
fn generate_prompts_file_gives_what_each_prompt_gets_alone() {
    let model = byte_gpt2();
    let prompts = ["one", "", "three of them", "4"];
    let lines = file(".txt", prompts.join("\n"));
    let list = file(".json", serde_json::to_string(&prompts).unwrap());
    let args = ["generate", "--model", arg(model.path()), "-n", "9", "--json"];
    let alone: Vec<Value> = (5..)
        .zip(prompts)
        .map(|(seed, prompt)| cke(&[&args[..], &["--seed", &format!("{seed}"), prompt]].concat()).json())
        .collect();
    for (file, batch) in [(&lines, "3"), (&list, "1"), (&list, "1024")] {
        let flags = ["--seed", "5", "--batch-size", batch, "--prompts-file", arg(file.path())];
        let outcome = cke(&[&args[..], &flags].concat());
        let together: Vec<Value> =
            outcome.success().lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
        assert_eq!(together.len(), prompts.len());
        for (together, alone) in together.iter().zip(&alone) {
            for key in ["prompt", "text", "tokens", "finish", "seed"] {
                assert_eq!(together[key], alone[key], "{key}");
            }
        }
    }
}

#[test]
fn generate_prompts_file_as_text_has_a_head_for_each() {
    let model = byte_gpt2();
    let prompts = file(".txt", "a\nb\n");
    let outcome =
        cke(&["generate", "-m", arg(model.path()), "-n", "0", "--echo", "--prompts-file", arg(prompts.path())]);
    assert_eq!(outcome.success(), "==> prompt 1 <==\na\n==> prompt 2 <==\nb\n");
}

#[test]
fn generate_prompt_of_a_file_beyond_the_context_is_named() {
    let model = byte_gpt2();
    let prompts = file(".txt", format!("a\n{}\n", "x".repeat(40)));
    let outcome = cke(&["generate", "-m", arg(model.path()), "--prompts-file", arg(prompts.path())]);
    outcome.failure(1, &["prompt 2 has 40 tokens", "context has 40"]);
}

#[cfg(feature = "demo-model")]
#[test]
fn generate_demo_model_writes_text() {
    let outcome = cke(&["generate", "A vector is"]);
    assert!(outcome.success().split_whitespace().count() > 20, "{outcome:?}");
}

#[test]
fn generate_names_what_is_not_followed_once_each() {
    let model = byte_gpt2();
    model.replace("generation_config.json", r#"{"num_beams":4,"eos_token_id":[-1,99999]}"#).unwrap();
    model.replace("tokenizer_config.json", r#"{"colour":"red"}"#).unwrap();
    let args = ["generate", "--model", arg(model.path()), "-n", "2", "x"];
    let outcome = cke(&args);
    outcome.success();
    let warnings: Vec<&str> = outcome.stderr.lines().filter(|line| line.starts_with("warning: ")).collect();
    let parts = ["`colour` \"red\"", "`num_beams` 4", "`eos_token_id` has id -1", "`eos_token_id` has id 99999"];
    assert_eq!(warnings.len(), parts.len(), "{outcome:?}");
    for (warning, part) in warnings.iter().zip(parts) {
        assert!(warning.contains(part), "no {part} in {warning}");
    }
    assert_eq!(cke(&[&args[..], &["--quiet"]].concat()).stderr, "");
    // They matter to generation alone.
    let outcome = run(command(&["eval", "-m", arg(model.path())]), b"text");
    assert_eq!(outcome.stderr.matches("warning: ").count(), 1, "{outcome:?}");
}

#[test]
fn generate_ends_at_no_token_that_no_file_of_the_model_names() {
    let model = byte_gpt2();
    model.replace("generation_config.json", "{}").unwrap();
    let outcome = cke(&["generate", "--model", arg(model.path()), "-n", "2", "--json", "x"]);
    outcome.success();
    let warning = "`eos_token` \"<|endoftext|>\" is not followed: no `eos_token_id` of the model names it";
    assert!(outcome.stderr.contains(warning), "{outcome:?}");
}

#[test]
fn generate_follows_the_wishes_of_the_model_and_flags_come_first() {
    let model = byte_gpt2();
    let args = ["generate", "--model", arg(model.path()), "--json", "--ignore-eos", "abcdef"];
    let tokens = |flags: &[&str]| ids(&cke(&[&args[..], flags].concat()).json()["tokens"]);
    let greedy = tokens(&["--greedy", "-n", "9"]);
    model.replace("generation_config.json", r#"{"do_sample":false,"temperature":0.7,"max_length":15}"#).unwrap();
    assert_eq!(tokens(&[]), greedy);
    assert_eq!(tokens(&["-n", "4"]), greedy[..4]);
    assert_ne!(tokens(&["--temperature", "1", "--seed", "3"]), greedy);
    let wishes = format!(r#"{{"do_sample":false,"max_new_tokens":3,"suppress_tokens":[{}]}}"#, greedy[0]);
    model.replace("generation_config.json", wishes).unwrap();
    let suppressed = tokens(&[]);
    assert!(suppressed.len() == 3 && !suppressed.contains(&greedy[0]), "{suppressed:?}");
    model.replace("generation_config.json", r#"{"max_length":4,"eos_token_id":256}"#).unwrap();
    cke(&args).failure(1, &["the prompt has 6 tokens", "`max_length` allows 4"]);
}

#[test]
fn generate_stop_strings_of_the_model_end_the_text() {
    let model = byte_gpt2();
    let args = ["generate", "--model", arg(model.path()), "-n", "30", "--ignore-eos", "--json", "stop"];
    let whole = cke(&args).json()["text"].as_str().unwrap().to_owned();
    let stop: String = whole.chars().skip(5).take(2).collect();
    model
        .replace("generation_config.json", serde_json::json!({ "stop_strings": ["no such text", stop] }).to_string())
        .unwrap();
    let report = cke(&args).json();
    assert_eq!((&report["text"], &report["finish"]), (&whole[..whole.find(&stop).unwrap()].into(), &"stop".into()));
    let other = cke(&[&args[..], &["--stop", "another text"]].concat()).json();
    assert_eq!(other["text"], whole);
}

#[test]
fn generate_prompt_begins_with_the_token_that_the_tokenizer_puts_there() {
    let model = byte_gpt2();
    model.replace("tokenizer_config.json", r#"{"add_bos_token":true}"#).unwrap();
    let args = ["generate", "--model", arg(model.path()), "-n", "6", "--greedy", "--json"];
    let ids = file(".json", "[256, 97, 98, 99]");
    let explicit = cke(&[&args[..], &["--tokens-file", arg(ids.path())]].concat()).json();
    let text = cke(&[&args[..], &["abc"]].concat()).json();
    assert_eq!((&text["tokens"], &text["prompt_tokens"]), (&explicit["tokens"], &4.into()));
    // A prompt of nothing but that token.
    assert_eq!(cke(&[&args[..], &[""]].concat()).json()["prompt_tokens"], 1);
}

#[test]
fn generate_prompt_of_10_megabytes_is_refused_before_it_is_tokenized_whole() {
    let model = byte_gpt2();
    let prompt = "word ".repeat(2_000_000);
    let outcome = run(command(&["generate", "-m", arg(model.path())]), prompt.as_bytes());
    // More than a bound, which does not say how many: whole it was not tokenized.
    outcome.failure(1, &["prompt has more than 16384 tokens", "context has 40"]);
}
