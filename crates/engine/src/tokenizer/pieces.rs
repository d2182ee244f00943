//! Long texts in pieces, so that what is cut off is never tokenized and memory does not grow with the text.
//!
//! A text may be cut before a space or line break that follows a visible character, if the tokenizer cuts there too and looks at
//! nothing beyond: then the tokens of the pieces are those of the text. A tokenizer that puts a space before each text that does
//! not begin with one would add it to each piece: there a piece must begin with a space.

use super::model::ModelTokenizer;
use super::patterns;
use serde_json::Value;

/// Least length of a piece in bytes, unless it is the last.
const PIECE: usize = 1 << 16;

/// Normalizers that change each character, with its accents, by itself.
const LOCAL_NORMALIZERS: [&str; 7] = ["BertNormalizer", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "StripAccents"];

/// Pre-tokenizers that split before white space that follows something else.
const SPLITTING: [&str; 3] = ["BertPreTokenizer", "Whitespace", "WhitespaceSplit"];

/// Pre-tokenizers that split by neighbouring characters alone.
const LOCAL: [&str; 3] = ["ByteLevel", "Digits", "Punctuation"];

/// Where a text may be cut so that its tokens are those of its pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cuts {
    /// Nowhere.
    None,
    /// Before a space.
    Spaces,
    /// Before a space or a line break.
    SpacesAndLines,
}

impl Cuts {
    /// What the parts of a tokenizer allow.
    pub(super) fn of(tokenizer: &ModelTokenizer) -> Self {
        let pre_tokenizer = tokenizer.get_pre_tokenizer().map(|part| serde_json::to_value(part).unwrap_or(Value::Null));
        let adds_space = |part: &Value| part.get("add_prefix_space").and_then(Value::as_bool) == Some(true);
        match pre_tokenizer {
            _ if !splits_at_spaces(tokenizer) => Self::None,
            Some(part) if members(&part).any(|part| adds_space(part) || begins_at_spaces(part)) => Self::Spaces,
            _ => Self::SpacesAndLines,
        }
    }

    fn allow(self, byte: u8) -> bool {
        byte == b' ' && self != Self::None || byte == b'\n' && self == Self::SpacesAndLines
    }
}

/// Whether the tokens of a text are those of its pieces.
fn splits_at_spaces(tokenizer: &ModelTokenizer) -> bool {
    let json = |part: Result<Value, serde_json::Error>| part.unwrap_or(Value::Null);
    let normalizer = tokenizer.get_normalizer().map(|part| json(serde_json::to_value(part)));
    let pre_tokenizer = tokenizer.get_pre_tokenizer().map(|part| json(serde_json::to_value(part)));
    // A token that holds or swallows white space could reach over the end of a piece.
    let reaches_over = |content: &str, rstrip: bool| rstrip || content.contains(char::is_whitespace);
    let mut added = tokenizer.get_added_tokens_decoder().into_values();
    normalizer.is_none_or(|part| members(&part).all(|part| LOCAL_NORMALIZERS.contains(&kind(part))))
        && pre_tokenizer.is_some_and(|part| members(&part).all(is_local) && members(&part).any(is_splitting))
        && !added.any(|token| reaches_over(&token.content, token.rstrip))
}

/// The parts of a sequence, or the part itself.
fn members(part: &Value) -> impl Iterator<Item = &Value> {
    let list = ["normalizers", "pretokenizers"].iter().find_map(|key| part.get(*key)).and_then(Value::as_array);
    list.map_or(std::slice::from_ref(part), Vec::as_slice).iter()
}

fn kind(part: &Value) -> &str {
    part.get("type").and_then(Value::as_str).unwrap_or_default()
}

fn is_local(part: &Value) -> bool {
    LOCAL.contains(&kind(part)) || SPLITTING.contains(&kind(part)) || begins_at_spaces(part)
}

/// Whether a part splits by a regular expression that begins a word at each space that follows a visible character. A line break
/// may be part of the word before it.
fn begins_at_spaces(part: &Value) -> bool {
    let pattern = part.get("pattern").and_then(|pattern| pattern.get("Regex")).and_then(Value::as_str);
    let is_known = pattern.is_some_and(|pattern| patterns::BEGINNING_AT_SPACES.contains(&pattern));
    kind(part) == "Split" && is_known && part["behavior"] == "Isolated" && part["invert"] == false
}

fn is_splitting(part: &Value) -> bool {
    let by_words = || part.get("use_regex").and_then(Value::as_bool).unwrap_or(true);
    SPLITTING.contains(&kind(part)) || begins_at_spaces(part) || (kind(part) == "ByteLevel" && by_words())
}

/// The pieces of a text, in order.
pub(super) fn pieces(text: &str, cuts: Cuts) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (piece, later) = rest.split_at(piece_end(rest, cuts));
        rest = later;
        (!piece.is_empty()).then_some(piece)
    })
}

/// The end of the first piece.
fn piece_end(text: &str, cuts: Cuts) -> usize {
    let bytes = text.as_bytes();
    let is_end = |&at: &usize| cuts.allow(bytes[at]) && bytes[at - 1].is_ascii_graphic();
    (PIECE..bytes.len()).find(is_end).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_end_before_white_space_after_a_visible_character() {
        let text = "word  \n".repeat(PIECE);
        let found: Vec<&str> = pieces(&text, Cuts::SpacesAndLines).collect();
        assert_eq!(found.concat(), text);
        assert!(found.len() > 5);
        for (piece, next) in found.iter().zip(&found[1..]) {
            assert!(piece.ends_with('d') && next.starts_with(' '), "{:?}", &piece[piece.len() - 9..]);
        }
    }

    #[test]
    fn text_without_such_a_place_is_one_piece() {
        for text in ["x".repeat(3 * PIECE), " ".repeat(3 * PIECE), "é ".repeat(PIECE), "short text".to_owned()] {
            assert_eq!(pieces(&text, Cuts::SpacesAndLines).collect::<Vec<_>>(), [text.as_str()]);
        }
        assert_eq!(pieces("", Cuts::SpacesAndLines).count(), 0);
    }

    #[test]
    fn line_break_ends_a_piece_only_where_no_space_would_be_put_before_the_next() {
        let text = ["word"; PIECE].join("\n");
        assert!(pieces(&text, Cuts::SpacesAndLines).count() > 3);
        assert_eq!(pieces(&text, Cuts::Spaces).count(), 1);
        assert!(pieces(&text.replace('\n', " "), Cuts::Spaces).count() > 3);
        assert_eq!(pieces(&text.replace('\n', " "), Cuts::None).count(), 1);
    }
}
