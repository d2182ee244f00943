//! Files that are damaged, cut, foreign or newer: errors, never panics.

use super::{int8, open, pack, use_all};
use cke_engine::error::Error;
use cke_engine::formats::packed_file::{MAGIC, PackedFileError, VERSION};
use cke_engine::load_error::LoadError;
use cke_engine::runtime::Runtime;
use cke_testkit::tiny_models::Gpt2;
use serde_json::{Value, json};
use std::sync::LazyLock;
use twox_hash::XxHash3_64;

/// Bytes of the header.
const HEADER: usize = 128;

/// A small model with a tokenizer, packed.
static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let model = Gpt2 { vocabulary: 260, ..Gpt2::default() }.write().unwrap();
    pack(model.path(), &int8()).unwrap()
});
static RUNTIME: LazyLock<Runtime> = LazyLock::new(int8);

/// Where the table begins, as the book says.
fn table_offset(file: &[u8]) -> usize {
    u64::from_le_bytes(file[24..32].try_into().unwrap()) as usize
}

fn table(file: &[u8]) -> Value {
    serde_json::from_slice(&file[table_offset(file)..]).unwrap()
}

/// A file of this payload and table, with a header that is right.
fn sealed(payload: &[u8], table: &[u8]) -> Vec<u8> {
    let mut file = [payload, table].concat();
    let fields = [file.len() as u64, payload.len() as u64, XxHash3_64::oneshot(table)];
    for (field, out) in fields.iter().zip(file[16..40].chunks_exact_mut(8)) {
        out.copy_from_slice(&field.to_le_bytes());
    }
    let own = XxHash3_64::oneshot(&file[..40]);
    file[40..48].copy_from_slice(&own.to_le_bytes());
    file
}

/// The file with another table.
fn with_table(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut table = table(&FILE);
    change(&mut table);
    sealed(&FILE[..table_offset(&FILE)], table.to_string().as_bytes())
}

/// An entry of a table by name.
fn entry<'t>(table: &'t mut Value, name: &str) -> &'t mut Value {
    let entries = table["entries"].as_array_mut().unwrap();
    entries.iter_mut().find(|entry| entry["name"] == name).unwrap()
}

fn problem(file: &[u8]) -> PackedFileError {
    match use_all(file, &RUNTIME) {
        Err(Error::Load(LoadError::Packed { problem, .. })) => problem,
        other => panic!("wanted an error of the format, found {other:?}"),
    }
}

#[test]
fn file_as_it_was_written_is_used() {
    use_all(&FILE, &RUNTIME).unwrap();
    assert_eq!(with_table(|_| ()), *FILE, "the test writes what the library does");
}

#[test]
fn every_changed_byte_of_header_and_table_is_an_error() {
    let mut file = FILE.clone();
    for at in (0..HEADER).chain(table_offset(&FILE)..FILE.len()) {
        for bit in [0x01, 0x80] {
            file[at] ^= bit;
            open(&file).map(drop).expect_err("a changed byte");
            file[at] ^= bit;
        }
    }
}

#[test]
fn changed_byte_of_any_entry_or_between_two_is_an_error() {
    let (mut file, end) = (FILE.clone(), table_offset(&FILE));
    let entries = table(&FILE)["entries"].as_array().unwrap().clone();
    let first_and_last = entries.iter().flat_map(|entry| {
        let (offset, bytes) = (entry["offset"].as_u64().unwrap(), entry["bytes"].as_u64().unwrap());
        [offset, offset + bytes - 1, (offset + bytes).next_multiple_of(128) - 1]
    });
    for at in first_and_last.map(|at| at as usize).chain((HEADER..end).step_by(4999)) {
        file[at] ^= 0x10;
        let error = problem(&file);
        assert!(matches!(error, PackedFileError::Checksum { .. }), "byte {at}: {error}");
        file[at] ^= 0x10;
    }
}

#[test]
fn every_shorter_file_is_an_error() {
    let (end, all) = (table_offset(&FILE), FILE.len());
    for len in (0..1024).chain((1024..end).step_by(997)).chain(end..all) {
        open(&FILE[..len]).map(drop).expect_err("a file cut short");
    }
    open(&[&FILE[..], b"\0"].concat()).map(drop).expect_err("a file with one byte more");
}

#[test]
fn errors_say_what_to_run() {
    let error = use_all(&FILE[..FILE.len() / 2], &RUNTIME).unwrap_err().to_string();
    assert!(error.starts_with("model.cke: wanted ") && error.contains("the file was cut"), "{error}");
    assert!(error.ends_with(" (`cke quantize MODEL -o FILE` rewrites it; if `--cache` made it, remove it)"), "{error}");
}

#[test]
fn foreign_translated_and_newer_files_are_told_apart() {
    let mut text = FILE.clone();
    text.remove(5); // the line break of one system is not that of another
    assert!(matches!(problem(&text), PackedFileError::ChangedMagic));
    for version in [VERSION - 1, VERSION + 1] {
        let mut other = FILE.clone();
        other[8..16].copy_from_slice(&version.to_le_bytes());
        assert!(matches!(problem(&other), PackedFileError::Version { found } if found == version));
    }
    let unknown = with_table(|table| table["dtype"] = json!("int3"));
    assert!(matches!(problem(&unknown), PackedFileError::UnknownDtype { found } if found == "int3"));
    assert!(matches!(problem(&MAGIC), PackedFileError::TooShort { found: 8, .. }));
}

#[test]
fn panels_of_another_kernel_are_never_read() {
    for (key, value) in [("layout", json!("int8 in pairs")), ("cols", json!(32)), ("block_k", json!(64))] {
        let file = with_table(|table| {
            let panels = &mut entry(table, "h.0.attn.c_attn.weight")["holds"]["panels"];
            panels[key] = value;
            // The bytes stay as many as the sizes say.
            let size = |key: &str| panels[key].as_u64().unwrap();
            let blocks = size("n").div_ceil(size("cols")) * size("k").div_ceil(size("block_k"));
            let bytes = entry_bytes("h.0.attn.c_attn.weight");
            if bytes.is_multiple_of(blocks) {
                panels["block_bytes"] = json!(bytes / blocks);
            }
        });
        let error = problem(&file);
        let is_refused = matches!(error, PackedFileError::OtherContent { .. } | PackedFileError::Size { .. });
        assert!(is_refused, "{key}: {error}");
    }
}

fn entry_bytes(name: &str) -> u64 {
    entry(&mut table(&FILE), name)["bytes"].as_u64().unwrap()
}

#[test]
fn entries_that_are_missing_or_of_another_kind_are_named() {
    let renamed = with_table(|table| entry(table, "h.0.ln_1.bias")["name"] = json!("h.0.ln_1.bia"));
    let error = use_all(&renamed, &RUNTIME).unwrap_err().to_string();
    assert!(error.contains("wanted entry `h.0.ln_1.bias`, found no such name"), "{error}");
    let file = with_table(|table| entry(table, "h.0.ln_1.bias")["holds"] = json!("file"));
    assert!(problem(&file).to_string().contains("as f32, found a file"));
    let turned = with_table(|table| {
        let sizes = &mut entry(table, "wpe.weight")["holds"]["f32"];
        *sizes = json!({"rows": sizes["cols"], "cols": sizes["rows"]});
    });
    assert!(matches!(problem(&turned), PackedFileError::OtherContent { entry, .. } if entry == "wpe.weight"));
    let no_settings = with_table(|table| entry(table, "config.json")["name"] = json!("config.jso"));
    assert!(use_all(&no_settings, &RUNTIME).unwrap_err().to_string().contains("`config.json`"));
}

#[test]
fn tables_that_contradict_the_file_are_refused() {
    type Change = fn(&mut Value);
    type IsWanted = fn(&PackedFileError) -> bool;
    let cases: [(Change, IsWanted); 9] = [
        (
            |t| entry(t, "wpe.weight")["name"] = json!("ln_f.bias"),
            |e| matches!(e, PackedFileError::DuplicateName { .. }),
        ),
        (|t| t["entries"][1]["offset"] = json!(128), |e| matches!(e, PackedFileError::Offset { .. })),
        (|t| t["entries"][0]["bytes"] = json!(u64::MAX), |e| matches!(e, PackedFileError::PastEnd { .. })),
        (|t| t["entries"][0]["bytes"] = json!(1u64 << 40), |e| matches!(e, PackedFileError::PastEnd { .. })),
        (
            |t| entry(t, "wpe.weight")["holds"]["f32"]["rows"] = json!(u64::MAX),
            |e| matches!(e, PackedFileError::Overflow { .. }),
        ),
        (|t| entry(t, "wpe.weight")["holds"]["f32"]["rows"] = json!(1), |e| matches!(e, PackedFileError::Size { .. })),
        (
            |t| entry(t, "h.0.attn.c_attn.weight")["holds"]["panels"]["cols"] = json!(0),
            |e| matches!(e, PackedFileError::Overflow { .. }),
        ),
        (|t| drop(t["entries"].as_array_mut().unwrap().pop()), |e| matches!(e, PackedFileError::Hole { .. })),
        (|t| t["more"] = json!(1), |e| matches!(e, PackedFileError::Table { .. })),
    ];
    for (index, (change, is_wanted)) in cases.into_iter().enumerate() {
        let error = problem(&with_table(change));
        assert!(is_wanted(&error), "case {index}: {error}");
    }
}

#[test]
fn tables_that_are_not_json_of_that_form_are_refused() {
    let payload = &FILE[..table_offset(&FILE)];
    let deep = "[".repeat(10_000);
    for table in ["", "{}", "[]", "{\"dtype\":\"int8\"", "{\"dtype\":\"int8\",\"entries\":[1]}", "\u{1}", &deep] {
        let error = problem(&sealed(payload, table.as_bytes()));
        assert!(matches!(error, PackedFileError::Table { .. }), "{table:.20}: {error}");
    }
    let mut misplaced = FILE.clone();
    misplaced[24] += 1;
    let own = XxHash3_64::oneshot(&misplaced[..40]);
    misplaced[40..48].copy_from_slice(&own.to_le_bytes());
    assert!(matches!(problem(&misplaced), PackedFileError::TablePlace { .. }));
}
