//! Headers of GGUF files.

use cke_engine::formats::gguf::{GgufError, GgufFile, MAX_TENSORS};
use cke_engine::load_error::LoadError;
use cke_testkit::gguf::gguf_string;
use cke_testkit::{Gguf, GgufValue};

/// What is wrong with a GGUF file; its message must hold all of `named`.
#[track_caller]
fn gguf_error(file: Vec<u8>, named: &[&str]) -> GgufError {
    let error = GgufFile::from_bytes(file, "bad.gguf").unwrap_err();
    let message = error.to_string();
    assert!(message.starts_with("bad.gguf: GGUF: "), "{message}");
    assert!(!message.contains('\n'), "{message}");
    for part in named {
        assert!(message.contains(part), "{message:?} does not name {part:?}");
    }
    match error {
        LoadError::Gguf { problem, .. } => problem,
        other => panic!("{other:?}"),
    }
}

/// Magic, version, counts of tensors and keys, and what follows.
fn header(tensors: u64, keys: u64, rest: &[u8]) -> Vec<u8> {
    [b"GGUF\x03\0\0\0", &tensors.to_le_bytes()[..], &keys.to_le_bytes(), rest].concat()
}

/// The entry of a tensor, dimensions as the file has them.
fn tensor(name: &str, dimensions: &[u64], type_id: u32, offset: u64) -> Vec<u8> {
    let mut entry = gguf_string(name);
    entry.extend((dimensions.len() as u32).to_le_bytes());
    entry.extend(dimensions.iter().flat_map(|dimension| dimension.to_le_bytes()));
    entry.extend(type_id.to_le_bytes());
    entry.extend(offset.to_le_bytes());
    entry
}

/// A file of one tensor and 4096 bytes of data.
fn one_tensor(dimensions: &[u64], type_id: u32, offset: u64) -> Vec<u8> {
    let mut file = header(1, 0, &tensor("w", dimensions, type_id, offset));
    file.resize(file.len().next_multiple_of(32) + 4096, 0);
    file
}

#[test]
fn gguf_magic_version_and_byte_order_are_checked() {
    assert!(matches!(
        gguf_error(b"GGML\x03\0\0\0".to_vec(), &["magic `GGUF`", "47, 47, 4d, 4c"]),
        GgufError::Magic { .. }
    ));
    for version in [0, 1, 4, u32::MAX] {
        let file = Gguf { version, ..Gguf::new() }.bytes();
        let error = gguf_error(file, &["version 2 or 3", &version.to_string()]);
        assert!(matches!(error, GgufError::Version { found } if found == version));
    }
    let swapped = Gguf { version: 3u32.swap_bytes(), ..Gguf::new() }.bytes();
    assert!(matches!(gguf_error(swapped, &["big-endian", "version 3"]), GgufError::BigEndian { version: 3 }));
}

#[test]
fn gguf_cut_anywhere_in_its_header_is_refused() {
    let file = Gguf::new().key("a", 1u32).key("b", &["x", "yz"][..]).f32("w", &[2], &[1.0, 2.0]).bytes();
    for length in 0..file.len() - 28 {
        let error = gguf_error(file[..length].to_vec(), &[]);
        let is_expected = matches!(
            error,
            GgufError::PastEnd { .. } | GgufError::TooManyKeys { .. } | GgufError::TooManyTensors { .. }
        ) || matches!(error, GgufError::TensorPastEnd { .. });
        assert!(is_expected, "{length}: {error:?}");
    }
}

#[test]
fn gguf_counts_beyond_the_file_are_refused() {
    for count in [1, 1 << 20, 1 << 63, u64::MAX] {
        let found = count.to_string();
        assert!(matches!(
            gguf_error(header(0, count, &[0; 12]), &[&found, "room for 0"]),
            GgufError::TooManyKeys { .. }
        ));
        assert!(matches!(
            gguf_error(header(count, 0, &[0; 23]), &[&found, "room for 0"]),
            GgufError::TooManyTensors { .. }
        ));
    }
    let many = MAX_TENSORS as u64 + 1;
    let file = header(many, 0, &vec![0; 24 * many as usize]);
    assert!(matches!(gguf_error(file, &["131072"]), GgufError::TooManyTensors { .. }));
}

#[test]
fn gguf_string_or_array_longer_than_the_file_is_refused() {
    let text = |length: u64| [&gguf_string("k")[..], &8u32.to_le_bytes(), &length.to_le_bytes(), b"abc"].concat();
    let array = |element: u32, count: u64| {
        [&gguf_string("k")[..], &9u32.to_le_bytes(), &element.to_le_bytes(), &count.to_le_bytes(), b"abc"].concat()
    };
    for length in [4, 1 << 62, u64::MAX] {
        let error = gguf_error(header(0, 1, &text(length)), &["key `k`", &length.to_string(), "at byte"]);
        assert!(matches!(error, GgufError::PastEnd { wanted, .. } if wanted == length));
        for element in [0, 2, 6, 8, 12] {
            gguf_error(header(0, 1, &array(element, length)), &["key `k`"]);
        }
        gguf_error(header(0, 1, &array(7, length)), &["key `k`"]);
    }
    for length in [1 << 62, u64::MAX] {
        let name = [&length.to_le_bytes()[..], &[0; 20]].concat();
        gguf_error(header(0, 1, &name), &["key 0"]);
        gguf_error(header(1, 0, &[&name[..], &[0; 20]].concat()), &["tensor 0"]);
    }
}

#[test]
fn gguf_value_of_wrong_form_is_refused() {
    let raw = |number, bytes: &[u8]| Gguf::new().key("k", GgufValue::Raw(number, bytes.to_vec())).bytes();
    assert!(matches!(gguf_error(raw(13, &[0; 8]), &["`k`", "13"]), GgufError::ValueType { found: 13, .. }));
    let element = [&13u32.to_le_bytes()[..], &1u64.to_le_bytes(), &[0; 8]].concat();
    assert!(matches!(gguf_error(raw(9, &element), &["`k`", "13"]), GgufError::ValueType { found: 13, .. }));
    let nested = [9u32.to_le_bytes(), [1, 0, 0, 0], [0; 4]].concat();
    assert!(matches!(gguf_error(raw(9, &nested), &["`k`", "array of arrays"]), GgufError::NestedArray { .. }));
    assert!(matches!(gguf_error(raw(7, &[2]), &["`k`", "found 2"]), GgufError::NotBool { found: 2, .. }));
    let twice = Gguf::new().key("k", 1u32).key("l", 1u32).bytes();
    let twice = String::from_utf8_lossy(&twice).replace('l', "k").into_bytes();
    assert!(matches!(gguf_error(twice, &["`k`", "twice"]), GgufError::DuplicateKey { .. }));
    let key = [&1u64.to_le_bytes()[..], b"\xff", &7u32.to_le_bytes(), &[1]].concat();
    assert!(matches!(gguf_error(header(0, 1, &key), &["key 0", "byte 0"]), GgufError::NotUtf8 { at: 0, .. }));
}

#[test]
fn gguf_alignment_of_wrong_size_or_type_is_refused() {
    let with = |value: GgufValue| Gguf::new().key("general.alignment", value).bytes();
    for alignment in [0, 1, 4, 13, 24, u32::MAX] {
        let error = gguf_error(with(alignment.into()), &["`general.alignment`", &format!("UINT32 {alignment}")]);
        assert!(matches!(error, GgufError::Alignment { .. }));
    }
    for value in [GgufValue::U64(32), GgufValue::I32(32), 32f32.into(), "32".into(), GgufValue::I32s(vec![32])] {
        assert!(matches!(gguf_error(with(value), &["`general.alignment`"]), GgufError::Alignment { .. }));
    }
    for alignment in [8, 64] {
        let file = Gguf { alignment, ..Gguf::new() }.key("general.alignment", alignment as u32).f32("w", &[1], &[5.0]);
        let file = GgufFile::from_bytes(file.bytes(), "good.gguf").unwrap();
        assert_eq!(file.get("w").unwrap().read_f32().unwrap(), [5.0]);
    }
}

#[test]
fn gguf_dimensions_that_are_too_many_or_overflow_are_refused() {
    let error = gguf_error(one_tensor(&[1; 5], 0, 0), &["`w`", "at most 4", "found 5"]);
    assert!(matches!(error, GgufError::Dimensions { found: 5, .. }));
    let mut claimed = one_tensor(&[1], 0, 0);
    claimed[33..37].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(gguf_error(claimed, &["4294967295"]), GgufError::Dimensions { .. }));
    // The second and the last are negative as signed numbers.
    for dimensions in [
        &[1 << 62][..],
        &[u64::MAX],
        &[1 << 32, 1 << 32],
        &[1 << 31, 1 << 31, 0],
        &[0, 1 << 40, 1 << 40],
        &[1, 1 << 63],
    ] {
        let error = gguf_error(one_tensor(dimensions, 0, 0), &["`w`", "overflows"]);
        assert!(matches!(error, GgufError::ShapeOverflow { .. }), "{dimensions:?}");
    }
    let largest = gguf_error(one_tensor(&[1 << 60], 0, 0), &["`w`"]);
    assert!(matches!(largest, GgufError::TensorPastEnd { .. }));
    for shape in [&[][..], &[1, 1, 1, 1], &[0, 5]] {
        assert!(GgufFile::from_bytes(one_tensor(shape, 0, 0), "good.gguf").is_ok(), "{shape:?}");
    }
}

#[test]
fn gguf_unknown_type_or_part_of_a_block_is_refused() {
    for (id, name) in [(9, "Q8_1"), (16, "IQ2_XXS"), (34, "TQ1_0"), (39, "MXFP4")] {
        let error = gguf_error(one_tensor(&[256], id, 0), &["`w`", name, &id.to_string(), "not supported"]);
        assert!(matches!(error, GgufError::UnsupportedType { .. }));
    }
    for id in [42, 1 << 31, u32::MAX] {
        assert!(matches!(gguf_error(one_tensor(&[256], id, 0), &["`w`"]), GgufError::UnknownType { .. }));
    }
    for (id, name, len, row) in [(2, "Q4_0", "32", 33), (12, "Q4_K", "256", 32), (23, "IQ4_XS", "256", 255)] {
        let error = gguf_error(one_tensor(&[row, 8], id, 0), &["`w`", name, len, &row.to_string()]);
        assert!(matches!(error, GgufError::PartOfBlock { .. }));
    }
    // 8 rows of a quarter of a block each are no blocks, although all of them are two.
    assert!(matches!(gguf_error(one_tensor(&[8, 8], 2, 0), &[]), GgufError::PartOfBlock { row: 8, .. }));
}

#[test]
fn gguf_tensor_of_wrong_place_or_name_is_refused() {
    let two = |names: [&str; 2], offsets: [u64; 2], data: usize| {
        let entries = [tensor(names[0], &[8], 0, offsets[0]), tensor(names[1], &[8], 0, offsets[1])].concat();
        let mut file = header(2, 0, &entries);
        file.resize(file.len().next_multiple_of(32) + data, 0);
        file
    };
    assert!(GgufFile::from_bytes(two(["b", "a"], [32, 0], 64), "good.gguf").is_ok());
    let error = gguf_error(two(["a", "a"], [0, 32], 64), &["`a`", "twice"]);
    assert!(matches!(error, GgufError::DuplicateTensor { .. }));
    let error = gguf_error(two(["a", "b"], [0, 8], 64), &["`b`", "32", "found 8"]);
    assert!(matches!(error, GgufError::Misaligned { offset: 8, alignment: 32, .. }));
    let error = gguf_error(two(["a", "b"], [0, 0], 64), &["`a`", "`b`", "inside"]);
    assert!(matches!(error, GgufError::Overlap { .. }));
    let error = gguf_error(two(["a", "b"], [0, 64], 96), &["`b`", "hole", "64", "32"]);
    assert!(matches!(error, GgufError::Hole { begin: 64, previous_end: 32, .. }));
    let (whole, cut) = (two(["a", "b"], [0, 32], 64).len(), two(["a", "b"], [0, 32], 63));
    for (offset, end) in
        [(32, Some(whole as u64)), (1 << 40, Some(whole as u64 - 32 + (1 << 40))), (u64::MAX - 31, None)]
    {
        let named = end.map_or("2^64".to_owned(), |end| end.to_string());
        let of_file = format!("the file at byte {}: it is incomplete", cut.len());
        let error = gguf_error(two(["a", "b"], [0, offset], 63), &["`b`", &named, &of_file]);
        assert!(matches!(error, GgufError::TensorPastEnd { end: found, .. } if found == end), "{error:?}");
    }
}

#[test]
fn gguf_name_beyond_the_limit_is_refused_and_a_long_one_is_not() {
    let named = |length: usize| Gguf::new().f32(&"n".repeat(length), &[1], &[1.0]).bytes();
    assert!(GgufFile::from_bytes(named(65_535), "good.gguf").is_ok());
    assert!(matches!(gguf_error(named(65_536), &["tensor 0", "65535"]), GgufError::NameTooLong { found: 65_536, .. }));
}

#[test]
fn gguf_that_shrinks_while_open_is_an_error_not_a_crash() {
    let dir = crate::Dir::with(&[("m.gguf", &Gguf::new().key("k", "v").f32("w", &[4096], &[1.0; 4096]).bytes())]);
    let file = GgufFile::open(&dir.file("m.gguf")).unwrap();
    let tensor = file.get("w").unwrap();
    tensor.read_f32().unwrap();
    std::fs::OpenOptions::new().write(true).open(dir.file("m.gguf")).unwrap().set_len(40).unwrap();
    assert!(matches!(tensor.read_f32().unwrap_err(), LoadError::Changed { .. }));
    assert!(matches!(file.value("k").unwrap_err(), LoadError::Changed { .. }));
}
