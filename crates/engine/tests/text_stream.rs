//! Streaming must give the text that one would get all at once, however it is cut into tokens.

use cke_engine::text_stream::{EmptyStop, TextStream};
use proptest::prelude::*;

/// The text of `pieces`, each fed as one token, and whether a stop string was found.
fn streamed(pieces: &[Vec<u8>], stops: &[String]) -> (String, bool) {
    let mut stream = TextStream::new(stops.to_vec()).unwrap();
    let mut text = String::new();
    for piece in pieces {
        text.push_str(stream.push(piece));
    }
    text.push_str(stream.finish());
    (text, stream.stopped())
}

/// The text before the stop string that is complete first, by looking at every end in turn.
fn cut_at_stop(text: &str, stops: &[String]) -> (String, bool) {
    for end in 0..=text.len() {
        let complete = stops.iter().filter(|stop| text.as_bytes()[..end].ends_with(stop.as_bytes()));
        if let Some(longest) = complete.map(|stop| stop.len()).max() {
            return (text[..end - longest].to_owned(), true);
        }
    }
    (text.to_owned(), false)
}

#[test]
fn character_over_several_tokens_comes_when_complete() {
    let mut stream = TextStream::new(Vec::new()).unwrap();
    let outputs: Vec<String> = "a€🦀".bytes().map(|byte| stream.push(&[byte]).to_owned()).collect();
    assert_eq!(outputs, ["a", "", "", "€", "", "", "", "🦀"]);
    assert_eq!(stream.finish(), "");
}

#[test]
fn incomplete_character_at_the_end_becomes_one_replacement() {
    let mut stream = TextStream::new(Vec::new()).unwrap();
    assert_eq!(stream.push(b"x\xF0\x9F\xA6"), "x");
    assert_eq!(stream.finish(), "\u{FFFD}");
    assert_eq!(stream.finish(), "");
}

#[test]
fn impossible_byte_becomes_a_replacement_at_once() {
    let mut stream = TextStream::new(Vec::new()).unwrap();
    assert_eq!(stream.push(b"\xFFa"), "\u{FFFD}a");
    assert_eq!(stream.push(b"\xE2\x82"), "");
    assert_eq!(stream.push(b"b"), "\u{FFFD}b");
}

#[test]
fn stop_over_several_tokens_is_never_shown() {
    let mut stream = TextStream::new(vec!["END".to_owned()]).unwrap();
    assert_eq!(stream.push(b"the E"), "the ");
    assert_eq!(stream.push(b"N"), "");
    assert!(!stream.stopped());
    assert_eq!(stream.push(b"D of it"), "");
    assert!(stream.stopped());
    assert_eq!(stream.push(b"more"), "");
    assert_eq!(stream.finish(), "");
}

#[test]
fn beginning_of_a_stop_that_does_not_come_is_shown() {
    let mut stream = TextStream::new(vec!["END".to_owned()]).unwrap();
    assert_eq!(stream.push(b"EN"), "");
    assert_eq!(stream.push(b"EN"), "EN");
    assert_eq!(stream.finish(), "EN");
}

#[test]
fn stop_within_replacements_at_the_end_is_found() {
    let mut stream = TextStream::new(vec!["\u{FFFD}".to_owned()]).unwrap();
    assert_eq!(stream.push(b"a\xE2"), "a");
    assert_eq!(stream.finish(), "");
    assert!(stream.stopped());
}

#[test]
fn empty_stop_is_refused_by_place() {
    let error = TextStream::new(vec!["a".to_owned(), String::new()]).unwrap_err();
    assert_eq!(error, EmptyStop { index: 1 });
}

#[test]
fn reset_stream_begins_anew() {
    let mut stream = TextStream::new(vec!["b".to_owned()]).unwrap();
    assert_eq!(stream.push(b"ab"), "a");
    stream.reset();
    assert_eq!(stream.push(b"aa"), "aa");
    assert!(!stream.stopped());
}

/// Bytes that often make, and often break, characters and stop strings.
fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let byte = prop_oneof![
        4 => prop::sample::select(b"abc".to_vec()),
        3 => prop::sample::select("é€🦀".bytes().collect::<Vec<u8>>()),
        1 => any::<u8>(),
    ];
    prop::collection::vec(prop::collection::vec(byte, 0..4), 0..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn stream_without_stops_is_the_whole_lossy_text(pieces in pieces()) {
        let whole = String::from_utf8_lossy(&pieces.concat()).into_owned();
        prop_assert_eq!(streamed(&pieces, &[]), (whole, false));
    }

    #[test]
    fn stream_with_stops_is_the_text_before_the_first(
        pieces in pieces(),
        stops in prop::collection::vec("[abcé🦀\u{FFFD}]{1,4}", 0..4),
    ) {
        let whole = String::from_utf8_lossy(&pieces.concat()).into_owned();
        prop_assert_eq!(streamed(&pieces, &stops), cut_at_stop(&whole, &stops));
    }

    #[test]
    fn valid_text_never_shows_a_replacement(text in "[ -~é€🦀]{0,20}", cut in 1usize..4) {
        let pieces: Vec<Vec<u8>> = text.as_bytes().chunks(cut).map(<[u8]>::to_vec).collect();
        let mut stream = TextStream::new(Vec::new()).unwrap();
        for piece in &pieces {
            let shown = stream.push(piece).contains(char::REPLACEMENT_CHARACTER);
            prop_assert!(!shown);
        }
        prop_assert_eq!(stream.finish(), "");
    }
}
