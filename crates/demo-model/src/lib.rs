//! The demo model of C-Kernel-Engine as constants: a GPT-2 of 7 million parameters that was trained on Rust's documentation. The feature
//! `demo-model` of `cke-engine` loads it.
#![no_std]
#![forbid(unsafe_code)]

/// The files of the model directory by name: configuration, tokenizer and weights in bf16.
pub static FILES: [(&str, &[u8]); 5] = [
    ("config.json", include_bytes!("../config.json")),
    ("generation_config.json", include_bytes!("../generation_config.json")),
    ("tokenizer.json", include_bytes!("../tokenizer.json")),
    // `tokenizer.json` has everything, as the class says.
    ("tokenizer_config.json", br#"{"tokenizer_class":"TokenizersBackend"}"#),
    ("model.safetensors", include_bytes!(concat!(env!("OUT_DIR"), "/model.safetensors"))),
];

#[cfg(test)]
mod tests {
    use super::FILES;

    #[test]
    fn weights_are_a_whole_safetensors_file() {
        let (_, weights) = FILES[4];
        let (length, rest) = weights.split_first_chunk().expect("the length of the header");
        let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
        assert!(header.starts_with(b"{") && header.trim_ascii_end().ends_with(b"}"), "{header:?}");
        // 6,967,296 parameters in bf16.
        assert_eq!(data.len(), 2 * 6_967_296);
    }
}
