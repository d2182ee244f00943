//! Headers of safetensors files.

use cke_engine::formats::safetensors::HeaderError;
use cke_engine::load_error::LoadError;
use cke_engine::weights::Checkpoint;

use crate::{entry, safetensors};

/// What is wrong with a safetensors file; its message must hold all of `named`.
#[track_caller]
fn header_error(file: Vec<u8>, named: &[&str]) -> HeaderError {
    let error = Checkpoint::from_bytes(file, "bad.safetensors").unwrap_err();
    let message = error.to_string();
    assert!(message.starts_with("bad.safetensors: "), "{message}");
    assert!(!message.contains('\n'), "{message}");
    for part in named {
        assert!(message.contains(part), "{message:?} does not name {part:?}");
    }
    match error {
        LoadError::Header { problem, .. } => problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn safetensors_shorter_than_8_bytes_is_refused() {
    for length in 0..8 {
        let error = header_error(vec![0; length], &[&format!("found {length}")]);
        assert!(matches!(error, HeaderError::TooShort { found } if found == length));
    }
}

#[test]
fn safetensors_header_over_the_limit_is_refused() {
    for length in [100_000_001, 1 << 40, u64::MAX] {
        let error = header_error(length.to_le_bytes().to_vec(), &["100000000", &length.to_string()]);
        assert!(matches!(error, HeaderError::HeaderTooLarge { .. }));
    }
}

#[test]
fn safetensors_header_longer_than_the_file_is_refused() {
    let mut file = safetensors("{}", 0);
    file[0] = 3;
    assert!(matches!(header_error(file, &["3", "2"]), HeaderError::HeaderPastEnd { wanted: 3, found: 2 }));
    let largest = 100_000_000u64.to_le_bytes().to_vec();
    assert!(matches!(header_error(largest, &[]), HeaderError::HeaderPastEnd { wanted: 100_000_000, found: 0 }));
}

#[test]
fn safetensors_header_not_utf8_is_refused() {
    let error = header_error(safetensors(b"{\"\xff\":1}", 0), &["byte 2"]);
    assert!(matches!(error, HeaderError::NotUtf8 { at: 2 }));
}

#[test]
fn safetensors_header_not_json_is_refused() {
    let truncated = format!("{{{}", entry("a", "F32", "[1]", 0, 4));
    for header in ["", "not json", "{", "{} {}", "{\"a\":{\"dtype\":", "\0\0", "{\"__metadata__\":{\"a\":", &truncated]
    {
        let error = header_error(safetensors(header, 4), &["not JSON", "line 1"]);
        assert!(matches!(error, HeaderError::NotJson { .. }), "{header:?}: {error:?}");
    }
}

#[test]
fn safetensors_root_not_an_object_is_refused() {
    for header in ["[]", "1", "\"text\"", "null", "true"] {
        let error = header_error(safetensors(header, 0), &["an object at the root"]);
        assert!(matches!(error, HeaderError::RootNotObject { .. }), "{header:?}: {error:?}");
    }
}

#[test]
fn safetensors_nested_10000_deep_is_refused() {
    let (open, close) = ("[".repeat(10_000), "]".repeat(10_000));
    let objects = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    for value in [format!("{open}{close}"), objects.clone()] {
        header_error(safetensors(format!("{{\"deep\":{value}}}"), 0), &["deep"]);
        header_error(safetensors(format!("{{\"__metadata__\":{{\"deep\":{value}}}}}"), 0), &["__metadata__", "deep"]);
        let entry = format!("{{\"deep\":{{\"dtype\":\"F32\",\"shape\":{value},\"data_offsets\":[0,4]}}}}");
        header_error(safetensors(entry, 4), &["deep"]);
    }
    header_error(safetensors(format!("{open}{close}"), 0), &["an object at the root"]);
    header_error(safetensors(open, 0), &[]);
    header_error(safetensors(objects, 0), &["`a`"]);
}

#[test]
fn safetensors_duplicate_name_is_refused() {
    let distinct = [entry("w", "F32", "[1]", 0, 4), entry("w", "F32", "[1]", 4, 8)].join(",");
    let same = [entry("w", "F32", "[1]", 0, 4), entry("w", "F32", "[1]", 0, 4)].join(",");
    let escaped = [entry("w", "F32", "[1]", 0, 4), entry("\\u0077", "F32", "[1]", 4, 8)].join(",");
    for (entries, data) in [(distinct, 8), (same, 4), (escaped, 8)] {
        let error = header_error(safetensors(format!("{{{entries}}}"), data), &["`w`", "twice"]);
        assert!(matches!(error, HeaderError::DuplicateName { .. }), "{error:?}");
    }
    let metadata = r#"{"__metadata__":{},"__metadata__":{}}"#;
    assert!(matches!(header_error(safetensors(metadata, 0), &["__metadata__"]), HeaderError::DuplicateName { .. }));
}

#[test]
fn safetensors_hole_before_a_tensor_is_refused() {
    let first = format!("{{{}}}", entry("w", "F32", "[1]", 4, 8));
    let error = header_error(safetensors(first, 8), &["`w`", "4", "hole"]);
    assert!(matches!(error, HeaderError::Hole { begin: 4, previous_end: 0, .. }));
    let second = format!("{{{},{}}}", entry("a", "U8", "[3]", 0, 3), entry("b", "F32", "[1]", 5, 9));
    let error = header_error(safetensors(second, 9), &["`b`"]);
    assert!(matches!(error, HeaderError::Hole { begin: 5, previous_end: 3, .. }));
}

#[test]
fn safetensors_overlap_is_refused() {
    let entries = format!("{{{},{}}}", entry("b", "F32", "[2]", 2, 10), entry("a", "F32", "[1]", 0, 4));
    let error = header_error(safetensors(entries, 10), &["`b`", "`a`", "2", "4"]);
    assert!(matches!(error, HeaderError::Overlap { begin: 2, previous_end: 4, .. }));
    let twins = format!("{{{},{}}}", entry("a", "F32", "[1]", 0, 4), entry("b", "F32", "[1]", 0, 4));
    assert!(matches!(header_error(safetensors(twins, 4), &["`a`", "`b`"]), HeaderError::Overlap { .. }));
}

#[test]
fn safetensors_end_before_begin_is_refused() {
    let header = format!("{{{}}}", entry("w", "F32", "[1]", 8, 4));
    let error = header_error(safetensors(header, 8), &["`w`", "8", "4"]);
    assert!(matches!(error, HeaderError::EndBeforeBegin { begin: 8, end: 4, .. }));
}

#[test]
fn safetensors_end_past_the_file_is_refused() {
    for end in [5, 1 << 40, u64::MAX] {
        let header = format!("{{{}}}", entry("w", "F32", "[1]", 0, end));
        let error = header_error(safetensors(header, 4), &["`w`", &end.to_string(), "4 bytes"]);
        assert!(matches!(error, HeaderError::PastEnd { available: 4, .. }), "{error:?}");
    }
}

#[test]
fn safetensors_bytes_after_the_last_tensor_are_refused() {
    let header = format!("{{{}}}", entry("w", "F32", "[1]", 0, 4));
    let error = header_error(safetensors(header, 7), &["3 bytes", "7"]);
    assert!(matches!(error, HeaderError::TrailingBytes { count: 3, end: 4, available: 7 }));
    assert!(matches!(header_error(safetensors("{}", 1), &[]), HeaderError::TrailingBytes { count: 1, .. }));
}

#[test]
fn safetensors_shape_times_dtype_unlike_size_is_refused() {
    let header = format!("{{{}}}", entry("w", "BF16", "[2,3]", 0, 24));
    let error = header_error(safetensors(header, 24), &["`w`", "[2, 3]", "BF16", "12", "24"]);
    assert!(matches!(error, HeaderError::SizeMismatch { wanted: 12, found: 24, .. }));
    let empty = format!("{{{}}}", entry("w", "F32", "[0]", 0, 4));
    assert!(matches!(header_error(safetensors(empty, 4), &[]), HeaderError::SizeMismatch { wanted: 0, found: 4, .. }));
    let halves = format!("{{{}}}", entry("w", "F4", "[3]", 0, 1));
    assert!(matches!(header_error(safetensors(halves, 1), &["12 bits"]), HeaderError::NotWholeBytes { bits: 12, .. }));
}

#[test]
fn safetensors_shape_that_overflows_is_refused() {
    let max = u64::MAX;
    for shape in [
        format!("[{max}]"),
        format!("[{max},{max}]"),
        "[4294967296,4294967296]".to_owned(),
        "[2305843009213693952,8,0]".to_owned(),
        "[0,4294967296,4294967296]".to_owned(),
    ] {
        let header = format!("{{{}}}", entry("w", "F32", &shape, 0, 4));
        let error = header_error(safetensors(header, 4), &["`w`", "overflows"]);
        assert!(matches!(error, HeaderError::ShapeOverflow { .. }), "{shape}: {error:?}");
    }
}

#[test]
fn safetensors_unknown_dtype_is_refused() {
    for dtype in ["Q4_0", "f32", ""] {
        let header = format!("{{{}}}", entry("w", dtype, "[1]", 0, 4));
        let error = header_error(safetensors(header, 4), &["`w`", dtype]);
        assert!(matches!(error, HeaderError::UnknownDtype { .. }), "{error:?}");
    }
}

#[test]
fn safetensors_metadata_not_strings_is_refused() {
    for metadata in [r#"{"format":1}"#, r#"{"format":null}"#, r#"{"format":{"a":"b"}}"#] {
        let error = header_error(safetensors(format!("{{\"__metadata__\":{metadata}}}"), 0), &["`format`"]);
        assert!(matches!(error, HeaderError::Metadata { .. }), "{error:?}");
    }
    for metadata in ["[]", "\"x\"", "null"] {
        let error = header_error(safetensors(format!("{{\"__metadata__\":{metadata}}}"), 0), &["__metadata__"]);
        assert!(matches!(error, HeaderError::Metadata { .. }), "{error:?}");
    }
}

#[test]
fn safetensors_entry_of_wrong_form_is_refused() {
    let ones = format!("[{}1]", "1,".repeat(8));
    for value in [
        "null".to_owned(),
        "{}".to_owned(),
        r#"{"dtype":"F32","shape":[1]}"#.to_owned(),
        r#"{"dtype":"F32","shape":[1],"data_offsets":[0]}"#.to_owned(),
        r#"{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}"#.to_owned(),
        r#"{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}"#.to_owned(),
        r#"{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}"#.to_owned(),
        r#"{"dtype":"F32","shape":"1","data_offsets":[0,4]}"#.to_owned(),
        r#"{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}"#.to_owned(),
        r#"{"dtype":"F32","shape":[1],"data_offsets":[0,4],"extra":1}"#.to_owned(),
        r#"{"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,4]}"#.to_owned(),
        format!(r#"{{"dtype":"F32","shape":{ones},"data_offsets":[0,4]}}"#),
    ] {
        let error = header_error(safetensors(format!("{{\"w\":{value}}}"), 4), &["`w`"]);
        assert!(matches!(error, HeaderError::Entry { .. }), "{value}: {error:?}");
    }
}

#[test]
fn safetensors_more_tensors_than_allowed_are_refused() {
    let entries: Vec<String> = (0..=1 << 17).map(|i| entry(&i.to_string(), "U8", "[0]", 0, 0)).collect();
    let error = header_error(safetensors(format!("{{{}}}", entries.join(",")), 0), &["131072"]);
    assert!(matches!(error, HeaderError::TooManyTensors));
}
