//! Any tokens, merges, scores, types and switches as the tokenizer of a GGUF file, of SentencePiece's kind or byte-level: no panic when
//! it is loaded, nor when one that is accepted meets a text.
//!
//! An input is four bytes of switches, then tokens, merges, a text, scores and types with a zero between them; tokens and merges are
//! lines, a score or type is a byte.

#![no_main]

use std::sync::{Arc, LazyLock};

use cke_engine::formats::gguf::{GgufFile, GgufModel};
use cke_engine::model_files::ModelFiles;
use cke_engine::tokenizer::Tokenizer;
use cke_fuzz::model::tokenize;
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

/// A score for each byte: whole numbers below 0, infinity and what is no number.
fn score(byte: u8) -> f32 {
    match byte {
        255 => f32::NAN,
        254 => f32::INFINITY,
        253 => f32::NEG_INFINITY,
        _ => -f32::from(byte),
    }
}

/// The file, and the text for its tokenizer.
fn file_of(input: &[u8]) -> Option<(Gguf, String)> {
    let (&[switches, words, bos, unknown], rest) = input.split_first_chunk::<4>()?;
    let mut parts = rest.split(|&byte| byte == 0);
    let mut tokens = lines(parts.next()?);
    let mut part = || parts.next().unwrap_or_default();
    let (merges, text, scores, types) = (part(), String::from_utf8_lossy(part()).into_owned(), part(), part());
    let is_on = |bit: u8| switches >> bit & 1 == 1;
    let written = tokens.len();
    if is_on(0) {
        tokens.extend((0..=u8::MAX).map(|byte| format!("<0x{byte:02X}>")));
    }
    let mut file = MODEL
        .clone()
        .key("tokenizer.ggml.model", if is_on(7) { "gpt2" } else { "llama" })
        .key("tokenizer.ggml.pre", WORDS[usize::from(words) % WORDS.len()])
        .key("tokenizer.ggml.bos_token_id", u32::from(bos))
        .key("tokenizer.ggml.add_bos_token", is_on(1))
        .key("tokenizer.ggml.add_eos_token", is_on(2))
        .key("tokenizer.ggml.add_space_prefix", is_on(3));
    if is_on(4) {
        file = file.key("tokenizer.ggml.unknown_token_id", u32::from(unknown));
    }
    if is_on(5) {
        let of = |at: usize| scores.get(at).map_or(-(at as f32), |&byte| score(byte));
        file = file.key("tokenizer.ggml.scores", GgufValue::F32s((0..tokens.len()).map(of).collect()));
    }
    if is_on(6) {
        let other = |at| if at < written { 1 } else { 6 };
        let of = |at: usize| types.get(at).map_or(other(at), |&byte| i32::from(byte % 8));
        file = file.key("tokenizer.ggml.token_type", GgufValue::I32s((0..tokens.len()).map(of).collect()));
    }
    if !merges.is_empty() {
        file = file.key("tokenizer.ggml.merges", GgufValue::Texts(lines(merges)));
    }
    Some((file.key("tokenizer.ggml.tokens", GgufValue::Texts(tokens)), text))
}

fuzz_target!(|input: &[u8]| {
    let Some((file, text)) = file_of(input) else { return };
    let file = GgufFile::from_bytes(file.bytes(), "fuzzed").expect("a file that was written right");
    let Ok(model) = GgufModel::new(file) else { return };
    let Ok(tokenizer) = Tokenizer::load(ModelFiles::of_gguf(Arc::new(model)), VOCABULARY) else { return };
    tokenize(&tokenizer, &["", "Hello,  world", "naïve 🦀\n\n  x", &text], VOCABULARY);
});
