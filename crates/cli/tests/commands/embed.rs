//! `cke embed`.

use crate::support::{arg, byte_gpt2, chat_gguf, cke, command, file, golden, golden_floats, run};
use cke_testkit::tiny_models::Bert;
use serde_json::Value;

/// Every text of `st-mean` with the vector that the transformers library computes.
fn expected() -> (Vec<String>, Vec<f32>) {
    let texts = std::fs::read_to_string(golden("st-mean").join("texts.json")).unwrap();
    (serde_json::from_str(&texts).unwrap(), golden_floats("st-mean", "embeddings"))
}

#[track_caller]
fn assert_close(found: &[f32], wanted: &[f32]) {
    assert_eq!(found.len(), wanted.len());
    found.iter().zip(wanted).for_each(|(f, w)| assert!((f - w).abs() < 1e-5, "{f} for {w}"));
}

#[test]
fn embed_golden_texts_as_json_gives_the_vectors_of_the_transformers_library() {
    let (texts, wanted) = expected();
    let list = golden("st-mean").join("texts.json");
    let found = cke(&["embed", "-m", arg(&golden("st-mean")), "--file", arg(&list), "--json"]).json();
    let found: Vec<(String, Vec<f32>)> = found
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| {
            let embedding = serde_json::from_value(entry["embedding"].clone()).expect("a list of numbers");
            (entry["text"].as_str().expect("a text").to_owned(), embedding)
        })
        .collect();
    assert_eq!(found.iter().map(|(text, _)| text).collect::<Vec<_>>(), texts.iter().collect::<Vec<_>>());
    assert_close(&found.into_iter().flat_map(|(_, vector)| vector).collect::<Vec<_>>(), &wanted);
}

#[test]
fn embed_text_output_is_a_line_of_numbers_for_each_text() {
    let (texts, wanted) = expected();
    let width = wanted.len() / texts.len();
    let model = golden("st-mean");
    // Texts with line breaks cannot be lines.
    let lines: Vec<(&String, &[f32])> =
        texts.iter().zip(wanted.chunks(width)).filter(|(text, _)| !text.contains(['\n', '\r'])).collect();
    let stdin: String = lines.iter().map(|(text, _)| format!("{text}\n")).collect();
    let outcome = run(command(&["embed", "-m", arg(&model)]), stdin.as_bytes());
    assert!(outcome.stderr.contains("texts/s"), "{outcome:?}");
    let found: Vec<Vec<f32>> = outcome
        .success()
        .lines()
        .map(|line| line.split(' ').map(|number| number.parse().expect("a number")).collect())
        .collect();
    assert_eq!(found.len(), lines.len());
    found.iter().zip(&lines).for_each(|(found, (_, wanted))| assert_close(found, wanted));

    let first = cke(&["embed", "-m", arg(&model), "-q", lines[0].0]);
    assert_eq!(first.success().lines().next(), outcome.success().lines().next());
    assert_eq!(first.stderr, "");
}

#[test]
fn embed_flags_come_before_the_files() {
    let model = golden("st-mean");
    let vector = |flags: &[&str]| {
        let report = cke(&[&["embed", "-m", arg(&model), "--json", "some text"], flags].concat()).json();
        serde_json::from_value::<Vec<f32>>(report[0]["embedding"].clone()).unwrap()
    };
    let length = |vector: &[f32]| vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    let (mean, raw) = (vector(&[]), vector(&["--no-normalize"]));
    assert!((length(&mean) - 1.0).abs() < 1e-5 && (length(&raw) - 1.0).abs() > 1e-2);
    assert_eq!(vector(&["--pooling", "mean"]), mean);
    assert_ne!(vector(&["--pooling", "cls"]), mean);
    assert_ne!(vector(&["--pooling", "max"]), vector(&["--pooling", "cls"]));
}

#[test]
fn embed_more_texts_than_go_together_keeps_their_order() {
    let model = Bert::default().write().unwrap();
    let stdin: String = (0..600).map(|i| format!("text {i}\n")).collect();
    let all = run(command(&["embed", "-m", arg(model.path())]), stdin.as_bytes());
    let one = cke(&["embed", "-m", arg(model.path()), "text 599"]);
    assert_eq!(all.success().lines().count(), 600);
    assert_eq!(all.success().lines().last(), one.success().lines().last());
    let json = run(command(&["embed", "-m", arg(model.path()), "--json"]), stdin.as_bytes()).json();
    assert_eq!(json[300]["text"], "text 300");
    assert_eq!(json.as_array().map(Vec::len), Some(600));
}

#[test]
fn embed_empty_line_is_a_text() {
    let model = Bert::default().write().unwrap();
    let outcome = run(command(&["embed", "-m", arg(model.path()), "--json"]), b"a\n\nb\n");
    let texts: Vec<Value> = outcome.json().as_array().unwrap().iter().map(|entry| entry["text"].clone()).collect();
    assert_eq!(texts, ["a", "", "b"]);
}

#[test]
fn embed_without_texts_fails() {
    let model = Bert::default().write().unwrap();
    cke(&["embed", "-m", arg(model.path())]).failure(1, &["standard input", "at least one line", "none"]);
    let empty = file(".json", "[]");
    let outcome = cke(&["embed", "-m", arg(model.path()), "--file", arg(empty.path())]);
    outcome.failure(1, &["a JSON list of strings", "an empty one"]);
}

#[test]
fn embed_with_a_gpt2_or_no_model_fails() {
    let model = byte_gpt2();
    cke(&["embed", "-m", arg(model.path()), "a"]).failure(1, &["gpt2", "BERT"]);
    cke(&["embed", "a"]).failure(2, &["--model <MODEL>"]);
    let (_dir, file) = chat_gguf("{{ messages[0].content }}");
    let outcome = cke(&["embed", "-m", arg(&golden("st-mean")), arg(&file)]);
    outcome.failure(2, &["wanted a text, found the model file", "did you mean --model"]);
}

/// The vector of a text.
fn vector(model: &std::path::Path, flags: &[&str]) -> Vec<f32> {
    let report = cke(&[&["embed", "-m", arg(model), "--json"], flags].concat()).json();
    serde_json::from_value(report[0]["embedding"].clone()).expect("a list of numbers")
}

#[test]
fn embed_says_how_many_texts_were_cut_and_where_the_limit_comes_from() {
    let model = golden("st-mean");
    let args = ["embed", "-m", arg(&model)];
    let long = "don't ".repeat(30);
    let stdin = format!("short\n{long}\n{long}\n");
    let outcome = run(command(&args), stdin.as_bytes());
    outcome.success();
    let wanted = "2 of 3 texts were cut at 24 tokens (`max_seq_length` of sentence_bert_config.json): number 2, 3";
    assert!(outcome.stderr.lines().any(|line| line == wanted), "{outcome:?}");
    let outcome = run(command(&args), b"short\n");
    assert!(!outcome.stderr.contains("cut"), "{outcome:?}");
}

#[test]
fn embed_prompt_and_dims_are_as_in_the_text_and_its_vector() {
    let model = golden("st-mean");
    let whole = vector(&model, &["the river bank"]);
    assert_eq!(vector(&model, &["--prompt", "the river ", "bank"]), whole);
    assert_eq!(vector(&model, &["--dims", "5", "the river bank"]), whole[..5]);
    assert_eq!(vector(&model, &["--dims", "4294967295", "the river bank"]), whole);
    assert_eq!(vector(&model, &["--prompt-name", "query", "the river bank"]), whole);
    cke(&["embed", "-m", arg(&model), "--prompt-name", "no such", "x"])
        .failure(1, &["\"no such\"", "`document`, `query`"]);
    let both = ["embed", "-m", arg(&model), "--prompt", "a", "--prompt-name", "query", "x"];
    cke(&both).failure(2, &["cannot be used with"]);
    for dims in ["0", "-1", "all"] {
        cke(&["embed", "-m", arg(&model), "--dims", dims, "x"]).failure(2, &["--dims", "from 1"]);
    }
}

#[test]
fn embed_names_what_is_not_followed() {
    let model = Bert::default().write().unwrap();
    model.replace("sentence_bert_config.json", r#"{"max_seq_length":8}"#).unwrap();
    let outcome = cke(&["embed", "-m", arg(model.path()), "x"]);
    outcome.success();
    let warning = "sentence_bert_config.json: not read: the directory has no modules.json";
    assert!(outcome.stderr.lines().any(|line| line.starts_with("warning: ") && line.ends_with(warning)), "{outcome:?}");
    assert_eq!(cke(&["embed", "-m", arg(model.path()), "-q", "x"]).stderr, "");
}

#[test]
fn embed_text_of_10_megabytes_is_cut() {
    let model = golden("st-mean");
    let text = "the river bank ".repeat(700_000);
    let outcome = run(command(&["embed", "-m", arg(&model), "--json"]), text.as_bytes());
    let report = outcome.json();
    assert!(outcome.stderr.contains("1 of 1 text was cut at 24 tokens"), "{}", outcome.stderr);
    let start = vector(&model, &[&"the river bank ".repeat(50)]);
    assert_eq!(serde_json::from_value::<Vec<f32>>(report[0]["embedding"].clone()).unwrap(), start);
}

#[test]
fn embed_npy_holds_the_vectors_of_the_transformers_library() {
    let (texts, wanted) = expected();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("vectors.npy");
    let list = golden("st-mean").join("texts.json");
    let outcome = cke(&["embed", "-m", arg(&golden("st-mean")), "--file", arg(&list), "--npy", arg(&path)]);
    assert_eq!(outcome.success(), "");
    let bytes = std::fs::read(&path).expect("the array");
    let (header, numbers) = bytes.split_at(bytes.len() - 4 * wanted.len());
    let header = String::from_utf8_lossy(header);
    let shape = format!("'shape': ({}, {})", texts.len(), wanted.len() / texts.len());
    assert!(header.contains("'<f4'") && header.contains(&shape) && header.ends_with('\n'), "{header}");
    let found: Vec<f32> = numbers.chunks_exact(4).map(|x| f32::from_le_bytes(x.try_into().unwrap())).collect();
    assert_close(&found, &wanted);

    cke(&["embed", "-m", arg(&golden("st-mean")), "--npy", "/no/such/x.npy", "a"]).failure(1, &["/no/such/x.npy: "]);
    cke(&["embed", "-m", arg(&golden("st-mean")), "--npy", "x.npy", "--json", "a"]).failure(2, &["--json"]);
}
