//! `cke chat`.

use crate::support::{Outcome, arg, byte_gpt2, chat_gguf, chat_llama, cke, command, file, keys, run};
#[cfg(target_os = "linux")]
use crate::support::{command_within, file_limit};
use cke_testkit::tiny_models::{Llama, ModelDir};
use serde_json::Value;

/// What a chat answers to some lines.
fn chat(model: &ModelDir, flags: &[&str], lines: &str) -> Outcome {
    let args = [&["chat", "--model", arg(model.path()), "-n", "12"], flags].concat();
    run(command(&args), lines.as_bytes())
}

/// The objects of `--json`.
#[track_caller]
fn records(outcome: &Outcome) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).expect("each line is JSON");
    outcome.success().lines().map(parse).collect()
}

/// What was answered, without timings and what was reused.
fn contents(records: &[Value]) -> Vec<[Value; 4]> {
    let keys = ["content", "tokens", "seed", "prompt_tokens"];
    records.iter().map(|record| keys.map(|key| record[key].clone())).collect()
}

#[test]
fn chat_json_has_a_line_with_its_keys_for_each_question() {
    let model = chat_llama();
    let records = records(&chat(&model, &["--json"], "Hi\n\n  And\\\nyou?\r\n"));
    assert_eq!(records.len(), 2);
    let wanted = ["content", "dropped_turns", "finish", "prompt_tokens", "reused_tokens", "role", "seed", "thinking"];
    assert_eq!(keys(&records[0]), [&wanted[..], &["timings", "tokens"]].concat());
    assert_eq!((&records[0]["role"], &records[0]["thinking"]), (&"assistant".into(), &Value::Null));
    assert_eq!((&records[0]["prompt_tokens"], &records[0]["reused_tokens"]), (&21.into(), &0.into()));
    assert_eq!((&records[0]["seed"], &records[1]["seed"]), (&0.into(), &1.into()));
    assert!(records[1]["reused_tokens"].as_u64() > Some(20), "{records:?}");
    // "user", "And\nyou?" and "assistant" with what stands round them, after the first turn.
    let first = 21 + records[0]["content"].as_str().unwrap().len() + 2;
    assert_eq!(records[1]["prompt_tokens"], first + 1 + 5 + 8 + 2 + 11);
}

#[test]
fn chat_prints_each_answer_with_an_empty_line_between() {
    let model = chat_llama();
    let outcome = chat(&model, &[], "Hi\nAnd you?\n");
    let records = records(&chat(&model, &["--json"], "Hi\nAnd you?"));
    let texts: Vec<&str> = records.iter().map(|record| record["content"].as_str().unwrap()).collect();
    let ended = |text: &str| if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") };
    assert_eq!(outcome.success(), format!("{}\n{}", ended(texts[0]), ended(texts[1])));
    let stderr: Vec<&str> = outcome.stderr.lines().collect();
    assert!(stderr[0].starts_with("memory: weights ") && stderr[0].contains("cache of 400 tokens"), "{outcome:?}");
    assert!(outcome.stderr.contains("\nprompt: ") && stderr.last().unwrap().contains("loaded in"), "{outcome:?}");
    assert_eq!(chat(&model, &["--quiet"], "Hi\n/clear\n").stderr, "");
    assert!(outcome.stderr.contains("; seed 0 (of the last answer: 1)\n"), "{outcome:?}");
}

#[test]
fn chat_without_questions_says_so() {
    let model = chat_llama();
    for lines in ["", "\n \n"] {
        let outcome = chat(&model, &[], lines);
        assert_eq!(outcome.success(), "");
        assert!(outcome.stderr.ends_with("no questions on standard input\n"), "{outcome:?}");
        assert!(!outcome.stderr.contains("prompt: "), "{outcome:?}");
    }
}

#[test]
fn chat_same_seed_same_answers_for_any_threads() {
    let model = chat_llama();
    let answers = |flags: &[&str]| contents(&records(&chat(&model, &[&["--json"], flags].concat(), "Hi\nAnd you?\n")));
    let wanted = answers(&["--seed", "3"]);
    assert_eq!(answers(&["--seed", "3", "-t", "1"]), wanted);
    assert_eq!(answers(&["--seed", "3", "-t", "3"]), wanted);
    assert_ne!(answers(&["--seed", "4"]), wanted);
}

#[test]
fn chat_prompt_asks_one_question() {
    let model = chat_llama();
    let wanted = chat(&model, &["--greedy"], "Hi\n");
    assert_eq!(chat(&model, &["--greedy", "--prompt", "Hi"], "And you?\n").success(), wanted.success());
}

#[test]
fn chat_conversation_is_saved_and_goes_on_when_loaded() {
    let model = chat_llama();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("my chat.json");
    let lines = format!("Hi\n/system Be brief.\nAnd you?\n/save {}\nWhy?\n", arg(&path));
    let whole = contents(&records(&chat(&model, &["--json", "--system", "S"], &lines)));
    let saved: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let roles = saved["messages"].as_array().unwrap().iter().map(|message| message["role"].as_str().unwrap());
    assert_eq!(roles.collect::<Vec<_>>(), ["system", "user", "assistant", "user", "assistant"]);
    assert_eq!(
        (&saved["messages"][0]["content"], &saved["messages"][2]["content"]),
        (&"Be brief.".into(), &whole[0][0])
    );

    let lines = format!("x\n/load {}\nWhy?\n", arg(&path));
    let loaded = contents(&records(&chat(&model, &["--json"], &lines)));
    assert_eq!(loaded[1], whole[2]);
    // A saved conversation is replaced, any other file is not.
    chat(&model, &["-q"], &format!("Hi\n/save {}\n", arg(&path))).success();
    let script = file(".py", "import json\n");
    let outcome = chat(&model, &["-q"], &format!("/save {}\n", arg(script.path())));
    outcome.failure(1, &[arg(script.path()), "is not a saved conversation: choose another name"]);
    assert_eq!(std::fs::read_to_string(script.path()).unwrap(), "import json\n");
    // Nothing but the file is left.
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn chat_regen_and_clear_answer_anew() {
    let model = chat_llama();
    let answers = records(&chat(&model, &["--json"], "Hi\n/regen\n/clear\nHi\n/exit\nHi\n"));
    assert_eq!(answers.len(), 3);
    assert_ne!(answers[0]["tokens"], answers[1]["tokens"]);
    assert_eq!(contents(&answers[..1]), contents(&answers[2..]));
    let stats = chat(&model, &[], "/stats\nHi\n/stats\n/help\n");
    assert!(stats.stderr.contains("conversation: 2 messages\ncontext: ") && stats.stderr.contains("of 400 tokens"));
    assert!(stats.stderr.contains("/load FILE") && stats.stderr.contains("\nin this session: prompt: "), "{stats:?}");
    let cleared = chat(&model, &["--system", "S"], "/clear\n/system\n/clear\n").stderr;
    assert!(cleared.contains("\nthe conversation is cleared; the system prompt stays\n"), "{cleared}");
    assert!(cleared.contains("\nno system prompt\nthe conversation is cleared\n"), "{cleared}");
}

#[test]
fn chat_line_that_is_wrong_ends_a_script() {
    let model = chat_llama();
    for (line, code, parts) in [
        ("/dance", 2, &["/dance", "/clear, /regen"][..]),
        ("/save", 2, &["name of a file"]),
        ("/save /no/such/directory/x", 1, &["/no/such/directory/x"]),
        ("/load /no/such/file", 1, &["/no/such/file"]),
        ("/regen", 1, &["wanted a question"]),
    ] {
        chat(&model, &["-q"], &format!("{line}\nHi\n")).failure(code, parts);
    }
    let mut command = command(&["chat", "-q", "-m", arg(model.path())]);
    command.arg("--json");
    run(command, b"\xff\n").failure(1, &["standard input", "UTF-8"]);
    let broken = file(".json", r#"{"messages":[{"role":"user"}]}"#);
    chat(&model, &["-q"], &format!("/load {}", arg(broken.path()))).failure(1, &[arg(broken.path()), "content"]);
}

#[test]
fn chat_that_outgrows_the_context_keeps_what_was_said() {
    let model = chat_llama();
    let lines = format!("Hi\n{}\n", "x".repeat(80));
    let outcome = chat(&model, &["-q", "--ctx", "90"], &lines);
    assert_eq!((outcome.code, outcome.stdout.lines().count()), (Some(1), 1), "{outcome:?}");
    for part in ["context has 90", "--ctx", "/clear", "--drop-oldest"] {
        assert!(outcome.stderr.contains(part), "{outcome:?}");
    }
    let lines = format!("Hi\n{}\n", "x".repeat(50));
    let outcome = chat(&model, &["--json", "--ctx", "90", "--drop-oldest"], &lines);
    let records = records(&outcome);
    assert_eq!((&records[0]["dropped_turns"], &records[1]["dropped_turns"]), (&0.into(), &1.into()));
    assert_eq!(records[1]["prompt_tokens"], 19 + 50);
    assert!(outcome.stderr.contains("1 more turn dropped from the beginning"), "{outcome:?}");
}

#[test]
fn chat_advice_for_a_full_context_names_what_helps() {
    let model = chat_llama();
    // So that no answer ends by itself.
    let settings = format!(r#"{{"suppress_tokens":[{}]}}"#, Llama::TURN_END);
    model.replace("generation_config.json", settings).unwrap();
    for flags in [&["--prompt", "Hi"][..], &["--prompt", "Hi", "--drop-oldest"]] {
        let outcome = chat(&model, &[flags, &["-q", "--ctx", "5"]].concat(), "");
        outcome.failure(1, &["the context has 5 ", ": shorten the question, or choose a larger --ctx\n"]);
        let outcome = chat(&model, &[flags, &["-q", "--ctx", "5", "--system", "Be brief."]].concat(), "");
        outcome.failure(1, &[": shorten the question or the system prompt, or choose a larger --ctx\n"]);
        // The prompt has 21 tokens.
        let outcome = chat(&model, &[flags, &["--ctx", "22"]].concat(), "");
        let advice =
            "the answer was cut at the context of 22 tokens: ask for a shorter answer, or choose a larger --ctx\n";
        assert!(outcome.stderr.contains(advice), "{outcome:?}");
    }
}

#[test]
fn chat_thinking_is_apart_from_the_answer() {
    let model = chat_llama();
    let thinking = &records(&chat(&model, &["--json", "--thinking"], "Hi\n"))[0];
    assert!(!thinking["thinking"].as_str().unwrap().is_empty());
    assert_eq!(thinking["content"], "");
    assert_eq!(chat(&model, &["--thinking"], "Hi\n").success(), "\n");
    assert_eq!(records(&chat(&model, &["--json", "--no-thinking"], "Hi\n"))[0]["thinking"], Value::Null);
    chat(&model, &["--thinking", "--no-thinking"], "").failure(2, &["cannot be used with"]);
}

#[test]
fn chat_without_template_is_misuse_that_names_generate() {
    let models = [byte_gpt2(), Llama { template: "", ..Llama::default() }.write().unwrap()];
    for model in &models {
        chat(model, &[], "Hi\n").failure(2, &["chat template", "cke generate"]);
    }
    let outcome = cke(&["chat"]);
    outcome.failure(2, &["chat needs a model: cke chat --model model.gguf (or set CKE_MODEL)"]);
    assert_eq!(outcome.stderr.contains("the demo model only continues texts"), cfg!(feature = "demo-model"));
    assert!(!cke(&["chat", "--help"]).success().contains("default: the demo model"));
}

#[test]
fn chat_template_error_names_file_and_line() {
    let template = |text: &str| {
        let model = chat_llama();
        let settings = serde_json::json!({"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": text});
        model.replace("tokenizer_config.json", settings.to_string()).unwrap();
        model
    };
    let broken = template("{{ messages }}\n{% for %}");
    chat(&broken, &[], "Hi\n").failure(1, &["tokenizer_config.json", "line 2"]);
    let refusing = template(
        "{% for m in messages %}\n{% if m.role == 'system' %}\n{{ raise_exception('no system') }}{% endif %}\
         {{ m.content }}<|im_end|>{% endfor %}",
    );
    chat(&refusing, &["-q", "--system", "S"], "Hi\n").failure(1, &["tokenizer_config.json", "line 3", "no system"]);
    let file = template("{{ messages }}");
    file.replace("chat_template.jinja", "\n\n{{ messages[0].content.no() }}").unwrap();
    chat(&file, &["-q"], "Hi\n").failure(1, &["chat_template.jinja", "line 3"]);
    chat(&template("{% set x = 1 %}"), &["-q"], "Hi\n").failure(1, &["makes an empty text of the conversation"]);
    let long = template(&format!("{{{{ raise_exception('{}the end') }}}}", "x".repeat(100_000)));
    let outcome = chat(&long, &["-q"], "Hi\n");
    assert!(outcome.stderr.len() < 2200, "{}", outcome.stderr.len());
    outcome.failure(1, &["tokenizer_config.json", "xxx … xxx", "the end"]);
}

#[test]
fn chat_forgets_a_byte_order_mark() {
    let model = chat_llama();
    let tokens = |lines| records(&chat(&model, &["--json", "-q"], lines))[0]["prompt_tokens"].clone();
    assert_eq!(tokens("\u{feff}Hi\n"), tokens("Hi\n"));
}

#[test]
fn chat_template_error_of_a_gguf_file_names_file_and_line() {
    let chat = |template: &str| {
        let (_dir, path) = chat_gguf(template);
        run(command(&["chat", "-q", "-n", "2", "-m", arg(&path)]), b"Hi\n")
    };
    chat("{{ messages[0].content }}</s>").success();
    for broken in ["{{ messages }}\n{% for %}", "\n{{ messages[0].content.no() }}", "\n{{ raise_exception('no') }}"] {
        chat(broken).failure(1, &["m.gguf: line 2 of the chat template"]);
    }
}

#[test]
fn chat_flag_out_of_range_is_misuse() {
    let model = chat_llama();
    chat(&model, &["-q", "--ctx", "401"], "Hi\n").failure(2, &["--ctx 401", "at most 400, the context of"]);
    for flag in ["--ctx", "--max-tokens"] {
        for value in ["0", "-1", "4294967296", "all"] {
            let args = ["chat", "-m", arg(model.path()), &format!("{flag}={value}")];
            cke(&args).failure(2, &[flag, "from 1 to 4294967295"]);
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn chat_cache_without_memory_is_an_error_that_names_ctx() {
    let model = Llama { context: 4_000_000, ..Llama::default() }.write().unwrap();
    let args = ["chat", "-q", "-t", "1", "--ctx", "4000000", "-m", arg(model.path())];
    let limited = command_within("ulimit -c 0; ulimit -v 500000", &args);
    run(limited, b"Hi\n").failure(1, &["cache of 4000000 tokens", "--ctx"]);
}

#[cfg(target_os = "linux")]
#[test]
fn chat_conversation_that_cannot_be_saved_leaves_the_one_that_was_there() {
    let (model, directory) = (chat_llama(), tempfile::tempdir().unwrap());
    let path = directory.path().join("chat.json");
    let save = format!("/save {}\n", arg(&path));
    chat(&model, &["-q"], &format!("Hi\n{save}")).success();
    let before = std::fs::read(&path).unwrap();
    let limited = command_within(&file_limit(0), &["chat", "-q", "-m", arg(model.path())]);
    run(limited, save.as_bytes()).failure(1, &[arg(&path), "cannot be written"]);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing else is left");
}
