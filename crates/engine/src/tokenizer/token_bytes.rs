//! The bytes that each token stands for.

use std::borrow::Cow;

use super::bpe_parts::{SPACE, Spelling};

/// For each id, the exact bytes that the token adds to a text.
///
/// Byte-level BPE writes each byte as a printable character, so a token may hold part of a character; here the bytes
/// are restored. A token with a character outside that alphabet (an added token such as `"<a b>"`) stands for its own text.
/// SentencePiece writes a space as U+2581, and a byte of a character that the vocabulary lacks as `<0x0A>`. A word piece stands
/// for its own text.
#[derive(Debug)]
pub(super) struct TokenBytes {
    bytes: Vec<u8>,
    /// Token i is `bytes[starts[i]..starts[i + 1]]`.
    starts: Vec<usize>,
}

impl TokenBytes {
    /// The bytes of `tokens`, an iterator over all ids from 0; an id without a token stands for nothing.
    pub(super) fn new<'a>(tokens: impl Iterator<Item = Option<Cow<'a, str>>>, spelling: Spelling) -> Self {
        let alphabet = byte_alphabet();
        let byte_of = |c: char| alphabet.iter().position(|&letter| letter == c).map(|byte| byte as u8);
        let of_char: Vec<Option<u8>> = (0..LAST_LETTER + 1).map(|c| char::from_u32(c).and_then(byte_of)).collect();
        let (mut bytes, mut starts) = (Vec::new(), vec![0]);
        for token in tokens {
            let token = token.unwrap_or_default();
            match spelling {
                Spelling::ByteLevel => push_byte_level(&mut bytes, &token, &of_char),
                Spelling::SentencePiece { .. } => push_piece(&mut bytes, &token),
                Spelling::WordPiece => bytes.extend_from_slice(token.as_bytes()),
            }
            starts.push(bytes.len());
        }
        Self { bytes, starts }
    }

    /// The bytes of a token; nothing for an id that no token has.
    pub(super) fn get(&self, id: u32) -> &[u8] {
        match self.starts.get(id as usize..id as usize + 2) {
            Some(&[start, end]) => &self.bytes[start..end],
            _ => &[],
        }
    }
}

fn push_byte_level(bytes: &mut Vec<u8>, token: &str, of_char: &[Option<u8>]) {
    let start = bytes.len();
    let letters = token.chars().map(|c| of_char.get(c as usize).copied().flatten());
    let is_spelled = letters.map(|byte| byte.map(|byte| bytes.push(byte))).all(|byte| byte.is_some());
    if !is_spelled {
        bytes.truncate(start);
        bytes.extend_from_slice(token.as_bytes());
    }
}

fn push_piece(bytes: &mut Vec<u8>, token: &str) {
    match byte_piece(token) {
        Some(byte) => bytes.push(byte),
        None => token.split(SPACE).enumerate().for_each(|(index, text)| {
            bytes.extend_from_slice(if index == 0 { b"" } else { b" " });
            bytes.extend_from_slice(text.as_bytes());
        }),
    }
}

/// The byte that a token `<0x0A>` of SentencePiece's stands for.
pub(super) fn byte_piece(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    // A sign would be taken for a digit.
    let is_hex = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| u8::from_str_radix(digits, 16).ok())?
}

/// Largest character of the alphabet.
const LAST_LETTER: u32 = 0x143;

/// The character that stands for each byte: itself where it is printable Latin-1, otherwise the next one from U+0100
/// on. Source: `bytes_to_unicode` of GPT-2's encoder.
fn byte_alphabet() -> [char; 256] {
    let mut next = 0x100;
    std::array::from_fn(|byte| {
        let byte = byte as u8;
        match byte {
            b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF => char::from(byte),
            _ => {
                next += 1;
                char::from_u32(next - 1).unwrap_or_default()
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alphabet_has_256_distinct_letters_up_to_the_last() {
        let mut letters = byte_alphabet().to_vec();
        letters.sort_unstable();
        letters.dedup();
        assert_eq!(letters.len(), 256);
        assert_eq!(letters[255] as u32, LAST_LETTER);
        assert_eq!(byte_alphabet()[usize::from(b' ')], 'Ġ');
        assert_eq!(byte_alphabet()[usize::from(b'\n')], 'Ċ');
    }

    #[test]
    fn token_of_part_of_a_character_gives_its_bytes() {
        let tokens = [Some("Ġa".into()), None, Some("Ã".into()), Some("<a b>".into())];
        let bytes = TokenBytes::new(tokens.into_iter(), Spelling::ByteLevel);
        assert_eq!(bytes.get(0), b" a");
        assert_eq!(bytes.get(1), b"");
        assert_eq!(bytes.get(2), [0xC3]);
        assert_eq!(bytes.get(3), b"<a b>");
        assert_eq!(bytes.get(4), b"");
        assert_eq!(bytes.get(u32::MAX), b"");
    }

    #[test]
    fn pieces_give_spaces_and_the_bytes_of_byte_tokens() {
        let tokens = ["▁▁a▁b", "<0xE4>", "<0x0a>", "<0x+a>", "<0xABC>", "▁", "<s>"].map(|token| Some(token.into()));
        let bytes = TokenBytes::new(tokens.into_iter(), Spelling::SentencePiece { strips_first_space: true });
        let wanted: [&[u8]; 7] = [b"  a b", b"\xE4", b"\n", b"<0x+a>", b"<0xABC>", b" ", b"<s>"];
        for (id, wanted) in (0..).zip(wanted) {
            assert_eq!(bytes.get(id), wanted);
        }
    }
}
