//! Any tokens, merges and switches as the tokenizer of a GGUF file: no panic when it is loaded, nor when one that is accepted meets a
//! text.
//!
//! An input is four bytes of switches, then tokens, merges and a text with a zero between them; tokens and merges are lines.

#![no_main]

use std::sync::{Arc, LazyLock};

use cke_engine::formats::gguf::{GgufFile, GgufModel};
use cke_engine::model_files::ModelFiles;
use cke_engine::tokenizer::Tokenizer;
use cke_testkit::{Gguf, GgufLlama, GgufValue};
use libfuzzer_sys::fuzz_target;

const VOCABULARY: usize = 512;

/// A model that the tokenizer is put into.
static MODEL: LazyLock<Gguf> = LazyLock::new(|| {
    GgufLlama { vocabulary: VOCABULARY as u64, width: 32, heads: 2, key_heads: 1, ..GgufLlama::default() }.gguf()
});

const WORDS: [&str; 8] =
    ["default", "gpt-2", "llama-bpe", "qwen2", "smollm", "tekken", "deepseek-llm", "none of these"];

fn lines(bytes: &[u8]) -> Vec<String> {
    bytes.split(|&byte| byte == b'\n').map(|line| String::from_utf8_lossy(line).into_owned()).collect()
}

/// The file, and the text for it.
fn file_of(input: &[u8]) -> Option<(Gguf, String)> {
    let (&[switches, words, bos, unknown], rest) = input.split_first_chunk::<4>()?;
    let mut parts = rest.splitn(3, |&byte| byte == 0);
    let (mut tokens, merges) = (lines(parts.next()?), parts.next().map(lines));
    let text = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let is_on = |bit: u8| switches >> bit & 1 == 1;
    if is_on(0) {
        tokens.extend((0..=u8::MAX).map(|byte| format!("<0x{byte:02X}>")));
    }
    let count = tokens.len();
    let mut file = MODEL
        .clone()
        .key("tokenizer.ggml.model", if is_on(1) { "gpt2" } else { "llama" })
        .key("tokenizer.ggml.pre", WORDS[usize::from(words) % WORDS.len()])
        .key("tokenizer.ggml.bos_token_id", u32::from(bos))
        .key("tokenizer.ggml.add_bos_token", is_on(2))
        .key("tokenizer.ggml.add_space_prefix", is_on(3));
    if is_on(4) {
        file = file.key("tokenizer.ggml.unknown_token_id", u32::from(unknown));
    }
    if is_on(5) {
        let scores = (0..count).map(|at| [-1.0, 0.0, f32::NAN, -(at as f32)][at % 4]).collect();
        file = file.key("tokenizer.ggml.scores", GgufValue::F32s(scores));
    }
    if is_on(6) {
        let types = (0..count as i32).map(|at| if at < 8 { at } else { 1 }).collect();
        file = file.key("tokenizer.ggml.token_type", GgufValue::I32s(types));
    }
    if let Some(merges) = merges {
        file = file.key("tokenizer.ggml.merges", GgufValue::Texts(merges));
    }
    Some((file.key("tokenizer.ggml.tokens", GgufValue::Texts(tokens)), text))
}

fuzz_target!(|input: &[u8]| {
    let Some((file, text)) = file_of(input) else { return };
    let file = GgufFile::from_bytes(file.bytes(), "fuzzed").expect("a file that was written right");
    let Ok(model) = GgufModel::new(file) else { return };
    let Ok(tokenizer) = Tokenizer::load(ModelFiles::of_gguf(Arc::new(model)), VOCABULARY) else { return };
    for text in ["", "Hello,  world", "naïve 🦀\n\n  x", &text] {
        let Ok(ids) = tokenizer.encode_truncated(text, true, 64) else { continue };
        assert!(ids.len() <= 64 && ids.iter().all(|&id| (id as usize) < VOCABULARY));
        let _ = tokenizer.decode(&ids, true);
        for &id in &ids {
            let _ = tokenizer.token_bytes(id);
        }
    }
});
