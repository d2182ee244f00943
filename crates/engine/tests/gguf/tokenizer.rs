//! The tokenizer that keys describe.

use cke_engine::formats::gguf::GgufFile;
use cke_engine::tokenizer::gguf::GgufTokenizer;
use cke_testkit::{Gguf, GgufValue};

#[test]
fn tokenizer_has_what_the_keys_say() {
    let file = Gguf::new()
        .key("tokenizer.ggml.model", "llama")
        .key("tokenizer.ggml.tokens", &["<unk>", "a", "▁b"][..])
        .key("tokenizer.ggml.scores", GgufValue::F32s(vec![0.0, -1.0, -2.5]))
        .key("tokenizer.ggml.token_type", GgufValue::I32s(vec![2, 1, 1]))
        .key("tokenizer.ggml.unknown_token_id", 0u32)
        .key("tokenizer.ggml.add_bos_token", true)
        .key("tokenizer.chat_template", "{{ x }}");
    let read = |file: &Gguf| GgufFile::from_bytes(file.bytes(), "t.gguf").unwrap().tokenizer();
    let wanted = GgufTokenizer {
        model: "llama".to_owned(),
        tokens: ["<unk>", "a", "▁b"].map(str::to_owned).to_vec(),
        scores: Some(vec![0.0, -1.0, -2.5]),
        token_types: Some(vec![2, 1, 1]),
        unk: Some(0),
        add_bos: Some(true),
        chat_template: Some("{{ x }}".to_owned()),
        ..GgufTokenizer::default()
    };
    assert_eq!(read(&file).unwrap(), Some(wanted));
    assert_eq!(read(&Gguf::new()).unwrap(), None);
    let malformed = [&8u32.to_le_bytes()[..], &1u64.to_le_bytes(), &1u64.to_le_bytes(), b"\xff"].concat();
    for (key, value, part) in [
        ("scores", GgufValue::F32s(vec![0.0]), "wanted an array of 3 FLOAT32, one for each token, found 1 of them"),
        (
            "token_type",
            GgufValue::F32s(vec![0.0; 3]),
            "wanted an array of 3 INT32, one for each token, found ARRAY of 3 FLOAT32",
        ),
        ("tokens", GgufValue::U32(1), "wanted an array of STRING, found UINT32 1"),
        (
            "tokens",
            GgufValue::Raw(9, malformed),
            "wanted an array of STRING, found element 0: not UTF-8 from byte 0 of it on",
        ),
        ("add_bos_token", GgufValue::U8(1), "wanted a BOOL, found UINT8 1"),
    ] {
        let message = read(&file.clone().key(&format!("tokenizer.ggml.{key}"), value)).unwrap_err().to_string();
        assert!(message.contains(&format!("`tokenizer.ggml.{key}`: {part}")), "{message}");
    }
}
