//! The vocabulary of a byte-level tokenizer without merges: the id of a byte is the byte's value.

/// The 256 bytes with their ids, as pairs of JSON.
pub(super) fn byte_entries() -> Vec<String> {
    (0..=u8::MAX).zip(byte_characters()).map(|(byte, c)| entry(c, byte)).collect()
}

fn entry(character: char, byte: u8) -> String {
    let escape = if matches!(character, '"' | '\\') { "\\" } else { "" };
    format!(r#""{escape}{character}":{byte}"#)
}

/// The character that stands for each byte in GPT-2's vocabulary: itself where it prints, else the next unused one
/// from U+0100 on. Source: Radford et al., *Language Models are Unsupervised Multitask Learners*, and its
/// published encoder.
fn byte_characters() -> impl Iterator<Item = char> {
    let mut substitutes = '\u{100}'..;
    (0..=u8::MAX).map(move |byte| match byte {
        b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => char::from(byte),
        _ => substitutes.next().expect("fewer than 256 bytes do not print"),
    })
}
