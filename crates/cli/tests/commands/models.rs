//! Models and inputs that cannot be used: exit status 1 and one line that names the file.

use crate::support::{arg, byte_gpt2, cke, command, file, golden, run};
use cke_testkit::tiny_models::{Gpt2, safetensors_bytes};

#[test]
fn missing_model_is_named() {
    for command in ["generate", "embed", "eval"] {
        cke(&[command, "-m", "/no/such/model"]).failure(1, &[]);
    }
    cke(&["generate", "-m", "/no/such/model", "x"])
        .failure(1, &["/no/such/model: wanted a model directory", "No such file"]);
    let empty = tempfile::tempdir().unwrap();
    cke(&["generate", "-m", arg(empty.path()), "x"]).failure(
        1,
        &["wanted a model directory with config.json, a GGUF file or a file of `cke quantize`, found an empty directory"],
    );
}

#[test]
fn what_is_no_file_and_an_empty_one_are_called_that() {
    let empty = file(".gguf", "");
    cke(&["generate", "-m", arg(empty.path()), "x"]).failure(1, &["found an empty file"]);
    #[cfg(unix)]
    cke(&["generate", "-m", "/dev/null", "x"])
        .failure(1, &["/dev/null: wanted a model directory", "found a pipe or device"]);
}

#[test]
fn spoilt_weights_are_refused() {
    let sizes = r#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#;
    let beyond = r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#;
    let whole = std::fs::read(byte_gpt2().path().join("model.safetensors")).unwrap();
    let cases: [(&[u8], &str); 6] = [
        (b"", "8"),
        (&u64::MAX.to_le_bytes(), "header"),
        (&safetensors_bytes("not json", b""), "JSON"),
        (&safetensors_bytes(sizes, &[0; 8]), "`a`"),
        (&safetensors_bytes(beyond, &[0; 8]), "`a`"),
        (&whole[..whole.len() - 1], "end"),
    ];
    for (bytes, part) in cases {
        let model = byte_gpt2();
        model.replace("model.safetensors", bytes).unwrap();
        cke(&["generate", "-m", arg(model.path()), "x"]).failure(1, &["model.safetensors", part]);
    }
}

#[test]
fn configuration_that_does_not_fit_is_refused() {
    let good = Gpt2 { vocabulary: 260, ..Gpt2::default() }.config();
    let cases = [
        (good.replace(r#""n_head":3"#, r#""n_head":4"#), "n_head"),
        (good.replace(r#""n_embd":39"#, r#""n_embd":999999999999"#), "n_embd"),
        (good.replace(r#""n_layer":2"#, r#""n_layer":3"#), "h.2"),
        (good.replace(r#""vocab_size":260"#, r#""vocab_size":261"#), "wte.weight"),
        (good.replace("1e-05", "0"), "layer_norm_epsilon"),
        (good.replace("gpt2", "gpt9"), "model_type"),
        (good.replace('{', "["), "config.json"),
    ];
    for (config, part) in cases {
        let model = byte_gpt2();
        model.replace("config.json", config).unwrap();
        cke(&["generate", "-m", arg(model.path()), "x"]).failure(1, &[part]);
    }
}

#[test]
fn spoilt_tokenizer_is_refused() {
    let model = byte_gpt2();
    model.replace("vocab.json", r#"{"a":0,"b":260}"#).unwrap();
    cke(&["generate", "-m", arg(model.path()), "x"]).failure(1, &["vocab.json", "260"]);
    model.replace("vocab.json", b"\xff{}").unwrap();
    cke(&["generate", "-m", arg(model.path()), "x"]).failure(1, &["vocab.json", "line 1"]);
}

#[test]
fn weights_of_nan_fail_without_a_result() {
    let model = byte_gpt2();
    let mut bytes = std::fs::read(model.path().join("model.safetensors")).unwrap();
    let start = bytes.len() - 39 * 4; // the shift of the last normalisation
    bytes[start..start + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    model.replace("model.safetensors", bytes).unwrap();
    let name = model.path().file_name().unwrap().to_str().unwrap();
    cke(&["generate", "-m", arg(model.path()), "x"]).failure(1, &[name, "NaN"]);
    run(command(&["eval", "-m", arg(model.path())]), b"text").failure(1, &[name, "NaN"]);
}

#[test]
fn model_without_tokenizer_takes_no_text() {
    let model = golden("gpt2-odd");
    cke(&["generate", "-m", arg(&model), "x"]).failure(1, &["tokenizer", "--tokens-file"]);
    run(command(&["eval", "-m", arg(&model)]), b"text").failure(1, &["tokenizer", "--tokens-file"]);
    let ids = file(".json", "[1]");
    let args = ["generate", "-m", arg(&model), "--tokens-file", arg(ids.path()), "--stop", "x"];
    cke(&args).failure(1, &["tokenizer", "--stop"]);
}

#[test]
fn model_of_another_kind_is_refused() {
    let outcome = cke(&["generate", "-m", arg(&golden("st-mean")), "x"]);
    outcome.failure(1, &["st-mean", "bert", "GPT-2"]);
}

#[test]
fn tokens_file_that_is_none_is_refused() {
    let model = golden("gpt2-odd");
    let run = |path: &str| cke(&["generate", "-m", arg(&model), "--tokens-file", path]);
    for content in ["", "text", "{}", "[1, 2", "[-1]", "[1.5]", "[\"1\"]", "[[1]]", "[4294967296]", "[]", "null"] {
        let ids = file(".json", content);
        run(arg(ids.path())).failure(1, &[arg(ids.path()), "wanted a JSON list of token ids"]);
    }
    let deep = file(".json", "[".repeat(100_000));
    run(arg(deep.path())).failure(1, &["wanted a JSON list of token ids"]);
    let unknown = file(".json", "[1, 211]");
    run(arg(unknown.path())).failure(1, &["token 211", "211"]);
    run("/no/such/file").failure(1, &["/no/such/file", "No such file"]);
    run(arg(&model)).failure(1, &["directory"]);
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    let model = byte_gpt2();
    for name in ["generate", "eval"] {
        let outcome = run(command(&[name, "-m", arg(model.path())]), b"ab\xff");
        outcome.failure(1, &["standard input", "UTF-8", "offset 2"]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn endless_input_is_refused() {
    let model = byte_gpt2();
    let outcome = cke(&["eval", "-m", arg(model.path()), "/dev/zero"]);
    outcome.failure(1, &["/dev/zero", "at most 67108864 bytes", "more"]);
}

#[test]
fn file_that_is_not_what_its_name_says_is_called_what_it_is() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:248dfc39\nsize 548105171\n";
    let cases: [(&str, &[u8], &[&str]); 8] = [
        ("model.safetensors", pointer.as_bytes(), &["a git-lfs pointer", "548105171 bytes", "git lfs pull"]),
        ("model.safetensors", b"PK\x03\x04\x14\0\0\0\0\0", &["a zip archive", "PyTorch"]),
        ("model.safetensors", b"\x80\x02}q\0(X\x05\0\0\0", &["a Python pickle"]),
        ("model.safetensors", b"GGUF\x03\0\0\0\0\0\0\0", &["GGUF: number of tensors: wanted 8 bytes"]),
        ("model.safetensors", b"<!DOCTYPE html><html>", &["an HTML page"]),
        ("config.json", pointer.as_bytes(), &["wanted JSON", "a git-lfs pointer"]),
        ("vocab.json", b"<html><body>404</body></html>", &["wanted JSON", "an HTML page"]),
        ("config.json", b"Entry not found", &["a text that begins with \"Entry not found\""]),
    ];
    for (name, content, parts) in cases {
        let model = byte_gpt2();
        model.replace(name, content).unwrap();
        cke(&["generate", "-m", arg(model.path()), "x"]).failure(1, &[&[name], parts].concat());
    }
}

#[test]
fn file_in_place_of_a_model_directory_says_which_directory_was_meant() {
    let model = byte_gpt2();
    let dir = format!("did you mean `{}`?", arg(model.path()));
    for command in [&["generate"][..], &["embed", "x"], &["eval"]] {
        let weights = model.path().join("model.safetensors");
        let outcome = cke(&[command, &["-m", arg(&weights)]].concat());
        outcome.failure(1, &["model.safetensors", "wanted a model directory", "a safetensors file", &dir]);
    }
    cke(&["inspect", arg(&model.path().join("config.json"))]).failure(1, &["found a file", &dir]);
    let gguf = file(".gguf", b"GGUF\x03\0\0\0");
    for args in [["inspect", arg(gguf.path())].as_slice(), &["generate", "-m", arg(gguf.path()), "x"]] {
        cke(args).failure(1, &["GGUF: number of tensors: wanted 8 bytes at byte 8, but the file has 8"]);
    }
    cke(&["inspect", "/no/such/x.gguf"]).failure(1, &["x.gguf", "No such file"]);
}

#[test]
fn cache_in_place_of_a_model_directory_says_which_directory_was_meant() {
    let root = tempfile::tempdir().unwrap();
    let model = root.path().join("models--org--name");
    let snapshot = |revision: &str| model.join("snapshots").join(revision);
    for revision in ["0123456789abcdef", "fedcba9876543210"] {
        std::fs::create_dir_all(snapshot(revision)).unwrap();
        std::fs::write(snapshot(revision).join("config.json"), "{}").unwrap();
    }
    std::fs::create_dir_all(model.join("refs")).unwrap();
    std::fs::write(model.join("refs/main"), "fedcba9876543210").unwrap();
    let meant = format!("did you mean `{}`?", arg(&snapshot("fedcba9876543210")));
    for dir in [model.as_path(), root.path()] {
        cke(&["generate", "-m", arg(dir), "x"]).failure(1, &["Hugging Face cache", &meant]);
        cke(&["inspect", arg(dir)]).failure(1, &["Hugging Face cache", &meant]);
    }
    std::fs::remove_file(model.join("refs/main")).unwrap();
    let both = format!("`{}` or `{}`", arg(&snapshot("0123456789abcdef")), arg(&snapshot("fedcba9876543210")));
    cke(&["embed", "-m", arg(&model), "x"]).failure(1, &[&both]);
}

#[test]
fn directory_of_models_says_which_directory_was_meant() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("tiny")).unwrap();
    std::fs::write(root.path().join("tiny/config.json"), "{}").unwrap();
    let meant = format!("did you mean `{}`?", arg(&root.path().join("tiny")));
    cke(&["eval", "-m", arg(root.path())]).failure(1, &["a directory of models", &meant]);
}

#[test]
fn json_that_is_no_object_is_called_what_it_is() {
    let cases: [(&[u8], &str); 4] = [
        (b"", "wanted JSON, found an empty file"),
        (b"\xef\xbb\xbf{}", "wanted JSON, found a byte order mark before the text"),
        (b"[1]", "wanted a JSON object, found a list"),
        (b"3", "wanted a JSON object, found a number"),
    ];
    for (content, wanted) in cases {
        for name in ["config.json", "generation_config.json"] {
            let model = byte_gpt2();
            model.replace(name, content).unwrap();
            cke(&["generate", "-m", arg(model.path()), "x"]).failure(1, &[name, wanted]);
        }
    }
}

#[test]
fn path_that_is_no_model_says_what_it_is_and_what_was_meant() {
    cke(&["inspect", "openai-community/gpt2"]).failure(1, &["hf download openai-community/gpt2"]);
    let home = tempfile::tempdir().unwrap();
    let snapshot = home.path().join("hub/models--a--b/snapshots/abc");
    std::fs::create_dir_all(&snapshot).unwrap();
    std::fs::write(snapshot.join("config.json"), "{}").unwrap();
    let wanted = format!("found the Hugging Face cache; did you mean `{}`?", snapshot.display());
    cke(&["inspect", arg(home.path())]).failure(1, &[&wanted]);
}

#[cfg(unix)]
#[test]
fn link_that_leads_nowhere_is_called_that() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("model");
    std::os::unix::fs::symlink("/no/such/model", &link).unwrap();
    cke(&["inspect", arg(&link)]).failure(1, &["found a link to `/no/such/model`, which cannot be opened"]);
}

#[test]
fn of_very_many_warnings_the_first_are_printed() {
    let model = byte_gpt2();
    let unknown: Vec<String> = (0..30).map(|i| format!(r#""unknown{i}":1"#)).collect();
    model.replace("generation_config.json", format!("{{{}}}", unknown.join(","))).unwrap();
    let outcome = cke(&["generate", "-m", arg(model.path()), "-n", "1", "x"]);
    outcome.success();
    assert_eq!(outcome.stderr.matches("is an unknown key").count(), 20, "{}", outcome.stderr);
    // One is about its end token.
    assert!(outcome.stderr.contains("\nwarning: and 11 more, which `cke inspect` lists\n"), "{}", outcome.stderr);
}
