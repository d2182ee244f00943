//! Edits of packed files whose checksums are right again afterwards: no panic, memory bounded, and a model that is accepted runs.
//!
//! An input is the number of a model and edits of its entries.

#![no_main]

use std::io::Cursor;
use std::sync::{Arc, LazyLock};

use cke_engine::formats::packed_file::{ALIGNMENT, MAGIC, PackedFile, VERSION};
use cke_engine::model_files::ModelFiles;
use cke_engine::quantize::Quantizer;
use cke_engine::runtime::Runtime;
use cke_engine::weight_format::WeightFormat;
use cke_fuzz::edit::Edit;
use cke_fuzz::model;
use cke_testkit::tiny_models::{Bert, Gpt2, Llama, ModelDir};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use twox_hash::XxHash3_64;

/// Bytes that an edited entry may grow to.
const MOST_BYTES: usize = 1 << 16;

/// An entry of a packed file.
#[derive(Clone)]
struct Part {
    name: String,
    holds: Value,
    content: Vec<u8>,
}

/// A packed file in its parts.
#[derive(Clone)]
struct Parts {
    dtype: String,
    entries: Vec<Part>,
}

static MODELS: LazyLock<Vec<Parts>> = LazyLock::new(|| {
    let gpt2 = Gpt2 { vocabulary: 260, context: 8, width: 6, layers: 1, ..Gpt2::default() }.write().expect("a model");
    let llama = Llama { context: 8, ..Llama::default() }.write().expect("a model");
    let bert = Bert { context: 8, width: 6, intermediate: 9, layers: 1, ..Bert::default() }.write().expect("a model");
    let with = |dir: &ModelDir, format| Parts::of(&packed(dir, format));
    vec![
        with(&gpt2, WeightFormat::Int8),
        with(&llama, WeightFormat::Int8),
        with(&llama, WeightFormat::Int4),
        with(&gpt2, WeightFormat::Bf16),
        with(&bert, WeightFormat::Int8),
        with(&llama, WeightFormat::F16),
    ]
});

/// The bytes of a model's packed file.
fn packed(dir: &ModelDir, format: WeightFormat) -> Vec<u8> {
    let runtime = Runtime::new(Some(1)).expect("one thread").with_weights(format);
    let mut file = Cursor::new(Vec::new());
    let quantizer = Quantizer::open(dir.path().into()).expect("a model that is right");
    quantizer.write(&runtime, &mut file, &|_| ()).expect("a model that is right");
    file.into_inner()
}

impl Parts {
    /// The parts of a file, by the description of the format.
    fn of(file: &[u8]) -> Parts {
        let table = u64::from_le_bytes(file[24..32].try_into().expect("8 bytes")) as usize;
        let table: Value = serde_json::from_slice(&file[table..]).expect("a table");
        let number = |value: &Value| value.as_u64().expect("a number") as usize;
        let entry = |entry: &Value| Part {
            name: entry["name"].as_str().expect("a name").to_owned(),
            holds: entry["holds"].clone(),
            content: file[number(&entry["offset"])..][..number(&entry["bytes"])].to_vec(),
        };
        let entries = table["entries"].as_array().expect("entries").iter().map(entry).collect();
        Parts { dtype: table["dtype"].as_str().expect("a format").to_owned(), entries }
    }

    /// Changes entries.
    fn apply(&mut self, edit: &Edit) {
        const FORMATS: [&str; 7] = ["f32", "bf16", "f16", "int8", "int4", "auto", "none"];
        let len = self.entries.len();
        let (Some(at), Some(other)) = (edit.place(len), edit.far_place(len)) else { return };
        match edit.what % 16 {
            0..4 => change_content(&mut self.entries[at].content, edit),
            4 | 5 => change_sizes(&mut self.entries[at].holds, edit),
            6 | 7 => self.entries[at].change_json(edit),
            8 => self.entries[at].fit(),
            9 => self.entries[at].name = self.entries[other].name.clone(),
            10 => self.entries[at].name.push('x'),
            11 => self.entries[at].holds = self.entries[other].holds.clone(),
            12 => self.entries.swap(at, other),
            13 => drop(self.entries.remove(at)),
            14 if len < 100 => self.entries.push(self.entries[at].clone()),
            _ => FORMATS[edit.detail(FORMATS.len()).unwrap_or(0)].clone_into(&mut self.dtype),
        }
    }

    /// The file with its table changed by `edits`, except for the checksums.
    fn file(&self, edits: &[Edit]) -> Vec<u8> {
        let (mut payload, mut entries) = (vec![0; ALIGNMENT], Vec::new());
        for Part { name, holds, content } in &self.entries {
            let offset = payload.len();
            payload.extend_from_slice(content);
            payload.resize(payload.len().next_multiple_of(ALIGNMENT), 0);
            let xxh3 = XxHash3_64::oneshot(&payload[offset..]);
            entries.push(json!({"name": name, "holds": holds, "offset": offset, "bytes": content.len(), "xxh3": xxh3}));
        }
        for edit in edits {
            let Some(at) = edit.place(entries.len()) else { break };
            let field = ["offset", "bytes", "xxh3"][edit.detail(3).unwrap_or(0)];
            entries[at][field] = edit.number(entries[at][field].as_u64().unwrap_or(0)).into();
        }
        seal(payload, json!({"dtype": self.dtype, "entries": entries}).to_string().as_bytes())
    }
}

/// A file of header, entries and a table, the header filled in.
fn seal(mut file: Vec<u8>, table: &[u8]) -> Vec<u8> {
    let start = file.len() as u64;
    file.extend_from_slice(table);
    file[..8].copy_from_slice(&MAGIC);
    let fields = [VERSION, file.len() as u64, start, XxHash3_64::oneshot(table)];
    for (out, field) in file[8..40].chunks_exact_mut(8).zip(fields) {
        out.copy_from_slice(&field.to_le_bytes());
    }
    let own = XxHash3_64::oneshot(&file[..40]);
    file[40..48].copy_from_slice(&own.to_le_bytes());
    file
}

fn change_content(content: &mut Vec<u8>, edit: &Edit) {
    let Some(at) = edit.far_place(content.len()) else { return };
    match edit.what % 4 {
        0 | 1 => content[at] = edit.byte(),
        2 => {
            if let Some(number) = content.as_chunks_mut::<4>().0.get_mut(at / 4) {
                *number = edit.float().to_le_bytes();
            }
        }
        _ => content.resize((edit.number(content.len() as u64) as usize).min(MOST_BYTES), 0),
    }
}

/// Changes a number, or the layout, of what an entry says that it holds.
fn change_sizes(holds: &mut Value, edit: &Edit) {
    let Some(sizes) = holds.as_object_mut().and_then(|kinds| kinds.values_mut().next()?.as_object_mut()) else {
        return;
    };
    let Some(value) = edit.detail(sizes.len()).and_then(|at| sizes.values_mut().nth(at)) else { return };
    *value = match value {
        Value::Number(number) => edit.number(number.as_u64().unwrap_or(0)).into(),
        _ => "another layout".into(),
    };
}

impl Part {
    /// Changes a value of a JSON file, such as the configuration.
    fn change_json(&mut self, edit: &Edit) {
        let Ok(mut json) = serde_json::from_slice::<Value>(&self.content) else { return };
        let count = leaves(&mut json).len();
        let Some(at) = edit.far_place(count) else { return };
        let leaf = leaves(&mut json).swap_remove(at);
        *leaf = match (edit.detail(8), &*leaf) {
            (Some(0), _) => Value::Null,
            (Some(1), _) => Value::from(edit.byte() % 2 == 0),
            (Some(2), _) => Value::from(f64::from(edit.float())),
            (Some(3), _) => Value::from("x"),
            (Some(4), _) => Value::from(edit.number(0).cast_signed()),
            (_, old) => Value::from(edit.number(old.as_u64().unwrap_or(0))),
        };
        self.content = json.to_string().into_bytes();
    }

    /// Gives it as many bytes as its sizes say.
    fn fit(&mut self) {
        let size = |kind: &str, key: &str| self.holds[kind][key].as_u64();
        let f32 = || size("f32", "rows")?.checked_mul(size("f32", "cols")?)?.checked_mul(4);
        let panels = || {
            let size = |key| size("panels", key);
            let panels = size("n")?.checked_next_multiple_of(size("cols")?)?.checked_div(size("cols")?)?;
            let blocks = size("k")?.checked_next_multiple_of(size("block_k")?)?.checked_div(size("block_k")?)?;
            panels.checked_mul(blocks)?.checked_mul(size("block_bytes")?)
        };
        if let Some(bytes) = f32().or_else(panels).filter(|&bytes| bytes <= MOST_BYTES as u64) {
            self.content.resize(bytes as usize, 0);
        }
    }
}

/// All values that have no others inside.
fn leaves(json: &mut Value) -> Vec<&mut Value> {
    match json {
        Value::Array(items) => items.iter_mut().flat_map(leaves).collect(),
        Value::Object(items) => items.values_mut().flat_map(leaves).collect(),
        leaf => vec![leaf],
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&model, rest)) = input.split_first() else { return };
    let mut parts = MODELS[usize::from(model) % MODELS.len()].clone();
    let (of_table, of_entries): (Vec<Edit>, _) = Edit::all(rest).partition(|edit| edit.what >= 240);
    of_entries.iter().for_each(|edit| parts.apply(edit));
    let bytes = parts.file(&of_table);
    let Ok(file) = PackedFile::from_bytes(&bytes, "fuzzed") else { return };
    let tiled: usize = file.infos().map(|info| info.bytes.next_multiple_of(ALIGNMENT)).sum();
    assert!(tiled < bytes.len(), "entries of {tiled} bytes in a file of {}", bytes.len());
    model::run(&ModelFiles::of_packed(Arc::new(file)), WeightFormat::F32);
});
