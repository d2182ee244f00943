//! The bytes that each token stands for.

/// For each id, the exact bytes that the token adds to a text.
///
/// Byte-level BPE writes each byte as a printable character, so a token may hold part of a character; here the bytes
/// are restored. A token with a character outside that alphabet (an added token such as `"<a b>"`), and any token of
/// another kind of tokenizer, stands for its own text.
#[derive(Debug)]
pub(super) struct TokenBytes {
    bytes: Vec<u8>,
    /// Token i is `bytes[starts[i]..starts[i + 1]]`.
    starts: Vec<usize>,
}

impl TokenBytes {
    /// The bytes of `tokens`, an iterator over all ids from 0; an id without a token stands for nothing.
    pub(super) fn new(tokens: impl Iterator<Item = Option<String>>, byte_level: bool) -> Self {
        let alphabet = byte_alphabet();
        let byte_of = |c: char| alphabet.iter().position(|&letter| letter == c).map(|byte| byte as u8);
        let of_char: Vec<Option<u8>> = (0..LAST_LETTER + 1).map(|c| char::from_u32(c).and_then(byte_of)).collect();
        let (mut bytes, mut starts) = (Vec::new(), vec![0]);
        for token in tokens {
            let token = token.unwrap_or_default();
            let start = bytes.len();
            let letters = token.chars().map(|c| of_char.get(c as usize).copied().flatten());
            let spelled =
                byte_level && letters.map(|byte| byte.map(|byte| bytes.push(byte))).all(|byte| byte.is_some());
            if !spelled {
                bytes.truncate(start);
                bytes.extend_from_slice(token.as_bytes());
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
        let tokens = [Some("Ġa".to_owned()), None, Some("Ã".to_owned()), Some("<a b>".to_owned())];
        let bytes = TokenBytes::new(tokens.into_iter(), true);
        assert_eq!(bytes.get(0), b" a");
        assert_eq!(bytes.get(1), b"");
        assert_eq!(bytes.get(2), [0xC3]);
        assert_eq!(bytes.get(3), b"<a b>");
        assert_eq!(bytes.get(4), b"");
        assert_eq!(bytes.get(u32::MAX), b"");
    }
}
