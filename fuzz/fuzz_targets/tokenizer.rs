//! Any bytes as a `tokenizer.json`: no panic when it is loaded, nor when one that is accepted meets a text.

#![no_main]

use cke_engine::tokenizer::Tokenizer;
use libfuzzer_sys::fuzz_target;

const VOCABULARY: usize = 512;

fuzz_target!(|json: &[u8]| {
    let Ok(tokenizer) = Tokenizer::from_bytes(json, "fuzzed", VOCABULARY) else { return };
    for text in ["", "Hello, world", "naïve 🦀\n\n  x"] {
        let Ok(ids) = tokenizer.encode_truncated(text, true, 8) else { continue };
        assert!(ids.len() <= 8 && ids.iter().all(|&id| (id as usize) < VOCABULARY));
        let _ = tokenizer.decode(&ids, true);
    }
});
