//! Edits of GGUF files of tiny models: no panic, memory bounded, and a model that is accepted runs.
//!
//! An input is a byte that chooses the model, one that chooses the format of its weights, and edits of keys and tensors.

#![no_main]

use std::sync::{Arc, LazyLock};

use cke_engine::formats::gguf::{GgufFile, GgufModel};
use cke_engine::model_files::ModelFiles;
use cke_engine::weight_format::WeightFormat;
use cke_fuzz::edit::Edit;
use cke_fuzz::model;
use cke_testkit::{Gguf, GgufLlama, GgufTensor, GgufValue};
use libfuzzer_sys::fuzz_target;

/// Bytes that an edited tensor may grow to.
const MOST_BYTES: u64 = 1 << 17;

const ARCHITECTURES: [&str; 9] = ["llama", "smollm3", "qwen2", "qwen3", "gemma2", "gemma3", "phi3", "mamba", "gpt2"];

const FORMATS: [WeightFormat; 6] = [
    WeightFormat::Stored,
    WeightFormat::F32,
    WeightFormat::Int8,
    WeightFormat::Int4,
    WeightFormat::Bf16,
    WeightFormat::F16,
];

/// Keys that a Llama has not; those without a dot before them belong to an architecture.
const KEYS: [&str; 32] = [
    "vocab_size",
    "attention.key_length",
    "attention.value_length",
    "attention.sliding_window",
    "attention.sliding_window_pattern",
    "attention.scale",
    "attention.causal",
    "attn_logit_softcapping",
    "final_logit_softcapping",
    "attention.layer_norm_epsilon",
    "rope.scaling.type",
    "rope.scaling.factor",
    "rope.scaling.original_context_length",
    "rope.scaling.attn_factor",
    "rope.freq_base_swa",
    "expert_count",
    "logit_scale",
    "residual_scale",
    "embedding_scale",
    ".general.alignment",
    ".general.type",
    ".general.file_type",
    ".general.quantization_version",
    ".general.sampling.temp",
    ".split.no",
    ".split.count",
    ".tokenizer.ggml.model",
    ".tokenizer.ggml.pre",
    ".tokenizer.ggml.eot_token_id",
    ".tokenizer.ggml.padding_token_id",
    ".tokenizer.chat_template",
    ".tokenizer.ggml.add_bos_token",
];

const TEXTS: [&str; 12] =
    ["", "llama", "gpt2", "model", "adapter", "none", "linear", "yarn", "longrope", "qwen2", "{{ x }}", "\u{0}é"];

/// Tensors that a Llama may have, or others have.
const TENSORS: [&str; 16] = [
    "output.weight",
    "rope_freqs.weight",
    "rope_factors_long.weight",
    "rope_factors_short.weight",
    "blk.0.attn_q.bias",
    "blk.0.attn_k.bias",
    "blk.0.attn_v.bias",
    "blk.0.attn_output.bias",
    "blk.0.attn_q_norm.weight",
    "blk.0.attn_k_norm.weight",
    "blk.0.post_attention_norm.weight",
    "blk.0.post_ffw_norm.weight",
    "blk.0.attn_qkv.weight",
    "blk.0.ffn_gate_inp.weight",
    "blk.1.attn_q.weight",
    "unknown.weight",
];

/// Weights and bytes of a block of the types that have one, by the number of the type.
fn block(type_id: u32) -> Option<(u64, u64)> {
    Some(match type_id {
        0 | 26 => (1, 4),
        1 | 25 | 30 => (1, 2),
        24 => (1, 1),
        27 | 28 => (1, 8),
        2 | 20 => (32, 18),
        3 => (32, 20),
        6 => (32, 22),
        7 => (32, 24),
        8 => (32, 34),
        10 => (256, 84),
        11 => (256, 110),
        12 => (256, 144),
        13 => (256, 176),
        14 => (256, 210),
        23 => (256, 136),
        _ => return None,
    })
}

static MODELS: LazyLock<[Gguf; 16]> = LazyLock::new(|| std::array::from_fn(base));

/// A model: with a tokenizer of either kind or without, tied or not, the last one with rows of 256.
fn base(choice: usize) -> Gguf {
    let wide = choice == 15;
    let tied = choice & 4 == 0;
    let sizes = match wide {
        true => GgufLlama { width: 256, heads: 2, key_heads: 1, ..GgufLlama::default() },
        false => GgufLlama::default(),
    };
    let file = GgufLlama { tied, ..sizes }.gguf();
    match choice % 4 {
        0 => file,
        1 => with_tokens(file, "gpt2").key("tokenizer.ggml.merges", &["a b", "Ġ a"][..]),
        _ => with_tokens(file, "llama")
            .key("tokenizer.ggml.scores", GgufValue::F32s((0..40).map(|id| -(id as f32)).collect()))
            .key("tokenizer.ggml.unknown_token_id", 0u32),
    }
}

fn with_tokens(file: Gguf, model: &str) -> Gguf {
    let mut tokens: Vec<String> =
        ["<unk>", "<s>", "</s>", "▁", "Ġ", "a", "b", "ab", "▁a", "Ġa"].map(str::to_owned).into();
    tokens.extend((tokens.len()..40).map(|id| format!("<0x{id:02X}>")));
    file.key("tokenizer.ggml.model", model)
        .key("tokenizer.ggml.tokens", GgufValue::Texts(tokens))
        .key("tokenizer.ggml.token_type", GgufValue::I32s((0..40).map(|id| [2, 3, 3, 1][id.min(3)]).collect()))
}

/// The same value with another number, or another kind of value.
fn changed(value: &GgufValue, edit: &Edit) -> GgufValue {
    let as_is = edit.what % 2 == 0;
    match value {
        GgufValue::U32(old) if as_is => GgufValue::U32(edit.number(u64::from(*old)) as u32),
        GgufValue::F32(_) if as_is => GgufValue::F32(edit.float()),
        GgufValue::Bool(old) if as_is => GgufValue::Bool(!old),
        GgufValue::Texts(old) if as_is => GgufValue::Texts(changed_list(old, edit, &TEXTS.map(str::to_owned))),
        GgufValue::F32s(old) if as_is => GgufValue::F32s(changed_list(old, edit, &[edit.float()])),
        GgufValue::I32s(old) if as_is => GgufValue::I32s(changed_list(old, edit, &[edit.number(1) as i32])),
        _ => new_value(edit),
    }
}

/// A list without an element, with one more or with another one.
fn changed_list<T: Clone>(old: &[T], edit: &Edit, others: &[T]) -> Vec<T> {
    let mut list = old.to_vec();
    let (Some(at), Some(other)) = (edit.far_place(list.len()), edit.detail(others.len())) else { return list };
    match edit.byte() % 4 {
        0 => drop(list.remove(at)),
        1 => list.insert(at, others[other].clone()),
        2 => list[at] = old[usize::from(edit.byte() / 4) % old.len()].clone(),
        _ => list[at] = others[other].clone(),
    }
    list
}

fn new_value(edit: &Edit) -> GgufValue {
    let number = edit.number(8);
    match edit.detail(12).unwrap_or(0) {
        0..4 => GgufValue::U32(number as u32),
        4 => GgufValue::I32(number as i32),
        5 => GgufValue::U64(number),
        6 => GgufValue::F32(edit.float()),
        7 => GgufValue::F64(f64::from_bits(number)),
        8 => GgufValue::Bool(number % 2 == 1),
        9 => GgufValue::Bools(vec![true; (number % 8) as usize]),
        10 => GgufValue::I32s(vec![number as i32; edit.byte().into()]),
        _ => GgufValue::Text(TEXTS[(number % TEXTS.len() as u64) as usize].to_owned()),
    }
}

/// Gives a tensor the bytes that its shape and type take, if they are few.
fn fit(tensor: &mut GgufTensor) {
    let elements = tensor.shape.iter().try_fold(1u64, |product, &size| product.checked_mul(size));
    let Some((elements, (len, bytes))) = elements.zip(block(tensor.type_id)) else { return };
    let Some(wanted) = (elements / len).checked_mul(bytes).filter(|&wanted| wanted <= MOST_BYTES) else { return };
    let old = if tensor.data.is_empty() { vec![0] } else { std::mem::take(&mut tensor.data) };
    tensor.data = old.into_iter().cycle().take(wanted as usize).collect();
}

fn change_tensor(tensor: &mut GgufTensor, edit: &Edit) {
    match edit.what % 8 {
        0 | 1 => {
            let Some(at) = edit.detail(tensor.shape.len()) else { return };
            tensor.shape[at] = edit.number(tensor.shape[at]);
        }
        2 => tensor.shape.reverse(),
        3 => tensor.shape.push(edit.number(1)),
        4 => drop(tensor.shape.pop()),
        5 => tensor.type_id = edit.number(u64::from(tensor.type_id)) as u32 % 45,
        6 => {
            let Some(at) = edit.far_place(tensor.data.len()) else { return };
            tensor.data[at] = edit.byte();
            return;
        }
        _ => tensor.offset = Some(edit.number(0)),
    }
    fit(tensor);
}

/// Gives the keys of an architecture another prefix.
fn rename(file: &mut Gguf, architecture: &str) {
    for (key, value) in &mut file.keys {
        let own = ARCHITECTURES.iter().find_map(|name| key.strip_prefix(name)?.strip_prefix('.'));
        if let Some(own) = own {
            *key = format!("{architecture}.{own}");
        } else if key == "general.architecture" {
            *value = architecture.into();
        }
    }
}

fn apply(file: &mut Gguf, edit: &Edit) {
    let (key, tensor) = (edit.place(file.keys.len()), edit.place(file.tensors.len()));
    match (edit.what / 8 % 16, key, tensor) {
        (0..4, Some(key), _) => file.keys[key].1 = changed(&file.keys[key].1, edit),
        (4, Some(key), _) => drop(file.keys.remove(key)),
        (5 | 6, ..) => {
            let name = KEYS[edit.place(KEYS.len()).unwrap_or(0)];
            let architecture = file.keys.iter().find_map(|(key, value)| match value {
                GgufValue::Text(text) if key == "general.architecture" => Some(text.clone()),
                _ => None,
            });
            let own = || format!("{}.{name}", architecture.unwrap_or_default());
            let name = name.strip_prefix('.').map_or_else(own, str::to_owned);
            file.keys.push((name, new_value(edit)));
        }
        (7, ..) => rename(file, ARCHITECTURES[edit.place(ARCHITECTURES.len()).unwrap_or(0)]),
        (8..12, _, Some(tensor)) => change_tensor(&mut file.tensors[tensor], edit),
        (12, _, Some(tensor)) => drop(file.tensors.remove(tensor)),
        (13, _, Some(tensor)) => {
            TENSORS[edit.detail(TENSORS.len()).unwrap_or(0)].clone_into(&mut file.tensors[tensor].name)
        }
        (14, ..) => {
            let mut tensor = GgufTensor {
                name: TENSORS[edit.place(TENSORS.len()).unwrap_or(0)].to_owned(),
                shape: vec![edit.number(64)],
                type_id: 0,
                data: edit.float().to_le_bytes().to_vec(),
                offset: None,
            };
            fit(&mut tensor);
            file.tensors.push(tensor);
        }
        _ if edit.what % 2 == 0 => file.version = edit.number(3) as u32,
        _ => file.alignment = (edit.number(32) as usize).clamp(1, 256),
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&[choice, format], rest)) = input.split_first_chunk::<2>() else { return };
    let mut file = MODELS[usize::from(choice) % MODELS.len()].clone();
    Edit::all(rest).for_each(|edit| apply(&mut file, &edit));
    let Ok(file) = GgufFile::from_bytes(file.bytes(), "fuzzed") else { return };
    let Ok(gguf) = GgufModel::new(file) else { return };
    model::run(&ModelFiles::of_gguf(Arc::new(gguf)), FORMATS[usize::from(format) % FORMATS.len()]);
});
