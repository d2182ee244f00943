//! A writer of GGUF files, right or wrong, from the description of the format.
//!
//! `"GGUF" | version | tensors | keys | keys with values | tensors' names, shapes, types and offsets | padding | data`; every number is
//! little-endian, a string is its length in 8 bytes and its text.

use half::{bf16, f16};

use crate::data::Data;

/// A value of a key.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the format")]
pub enum GgufValue {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    Text(String),
    U64(u64),
    I64(i64),
    F64(f64),
    Texts(Vec<String>),
    F32s(Vec<f32>),
    I32s(Vec<i32>),
    Bools(Vec<bool>),
    /// Any type's number and bytes.
    Raw(u32, Vec<u8>),
}

impl From<u32> for GgufValue {
    fn from(value: u32) -> Self {
        Self::U32(value)
    }
}

impl From<f32> for GgufValue {
    fn from(value: f32) -> Self {
        Self::F32(value)
    }
}

impl From<bool> for GgufValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for GgufValue {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<&[&str]> for GgufValue {
    fn from(values: &[&str]) -> Self {
        Self::Texts(values.iter().map(|value| (*value).to_owned()).collect())
    }
}

impl GgufValue {
    /// The type's number, and the bytes.
    fn encode(&self) -> (u32, Vec<u8>) {
        match self {
            Self::U8(value) => (0, value.to_le_bytes().to_vec()),
            Self::I8(value) => (1, value.to_le_bytes().to_vec()),
            Self::U16(value) => (2, value.to_le_bytes().to_vec()),
            Self::I16(value) => (3, value.to_le_bytes().to_vec()),
            Self::U32(value) => (4, value.to_le_bytes().to_vec()),
            Self::I32(value) => (5, value.to_le_bytes().to_vec()),
            Self::F32(value) => (6, value.to_le_bytes().to_vec()),
            Self::Bool(value) => (7, vec![u8::from(*value)]),
            Self::Text(value) => (8, gguf_string(value)),
            Self::U64(value) => (10, value.to_le_bytes().to_vec()),
            Self::I64(value) => (11, value.to_le_bytes().to_vec()),
            Self::F64(value) => (12, value.to_le_bytes().to_vec()),
            Self::Texts(values) => (9, array(8, values, |value| gguf_string(value))),
            Self::F32s(values) => (9, array(6, values, |value| value.to_le_bytes())),
            Self::I32s(values) => (9, array(5, values, |value| value.to_le_bytes())),
            Self::Bools(values) => (9, array(7, values, |value| [u8::from(*value)])),
            Self::Raw(number, bytes) => (*number, bytes.clone()),
        }
    }
}

/// A string as GGUF has it.
pub fn gguf_string(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

fn array<T, B: AsRef<[u8]>>(element: u32, values: &[T], bytes: impl Fn(&T) -> B) -> Vec<u8> {
    let mut array = [&element.to_le_bytes()[..], &(values.len() as u64).to_le_bytes()].concat();
    for value in values {
        array.extend_from_slice(bytes(value).as_ref());
    }
    array
}

/// A tensor of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct GgufTensor {
    /// Its name.
    pub name: String,
    /// Its dimensions, the outermost first; the file has them the other way round.
    pub shape: Vec<u64>,
    /// The number of its type.
    pub type_id: u32,
    /// Its bytes.
    pub data: Vec<u8>,
    /// Its offset, if it is not where the tensors before it end.
    pub offset: Option<u64>,
}

/// A GGUF file that is being written. Whatever is set is written, right or wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Gguf {
    /// The version of the format.
    pub version: u32,
    /// What tensors are aligned to; the key `general.alignment` is not written by itself.
    pub alignment: usize,
    /// Keys and values.
    pub keys: Vec<(String, GgufValue)>,
    /// Tensors.
    pub tensors: Vec<GgufTensor>,
}

impl Default for Gguf {
    fn default() -> Self {
        Self { version: 3, alignment: 32, keys: Vec::new(), tensors: Vec::new() }
    }
}

impl Gguf {
    /// A file of version 3 with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a key; one of the same name is replaced.
    #[must_use]
    pub fn key(mut self, key: &str, value: impl Into<GgufValue>) -> Self {
        self.keys.retain(|(name, _)| name != key);
        self.keys.push((key.to_owned(), value.into()));
        self
    }

    /// Without a key.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        self.keys.retain(|(name, _)| name != key);
        self
    }

    /// With a tensor of any type.
    #[must_use]
    pub fn tensor(mut self, name: &str, shape: &[u64], type_id: u32, data: Vec<u8>) -> Self {
        self.tensors.push(GgufTensor { name: name.to_owned(), shape: shape.to_vec(), type_id, data, offset: None });
        self
    }

    /// With a tensor of f32.
    #[must_use]
    pub fn f32(self, name: &str, shape: &[u64], values: &[f32]) -> Self {
        self.tensor(name, shape, 0, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    /// With a tensor of f16.
    #[must_use]
    pub fn f16(self, name: &str, shape: &[u64], values: &[f32]) -> Self {
        self.tensor(name, shape, 1, values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect())
    }

    /// With a tensor of bf16.
    #[must_use]
    pub fn bf16(self, name: &str, shape: &[u64], values: &[f32]) -> Self {
        self.tensor(name, shape, 30, values.iter().flat_map(|value| bf16::from_f32(*value).to_le_bytes()).collect())
    }

    /// With a tensor of Q8_0, its values rounded to the nearest level.
    #[must_use]
    pub fn q8_0(self, name: &str, shape: &[u64], values: &[f32]) -> Self {
        self.tensor(name, shape, 8, values.chunks(32).flat_map(q8_0_block).collect())
    }

    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut file = b"GGUF".to_vec();
        file.extend(self.version.to_le_bytes());
        file.extend((self.tensors.len() as u64).to_le_bytes());
        file.extend((self.keys.len() as u64).to_le_bytes());
        for (key, value) in &self.keys {
            let (number, bytes) = value.encode();
            file.extend(gguf_string(key));
            file.extend(number.to_le_bytes());
            file.extend(bytes);
        }
        let mut data = Vec::new();
        for tensor in &self.tensors {
            let offset = tensor.offset.unwrap_or(data.len() as u64);
            file.extend(gguf_string(&tensor.name));
            file.extend((tensor.shape.len() as u32).to_le_bytes());
            file.extend(tensor.shape.iter().rev().flat_map(|dimension| dimension.to_le_bytes()));
            file.extend(tensor.type_id.to_le_bytes());
            file.extend(offset.to_le_bytes());
            data.extend(&tensor.data);
            data.resize(data.len().next_multiple_of(self.alignment), 0);
        }
        file.resize(file.len().next_multiple_of(self.alignment), 0);
        file.extend(data);
        file
    }
}

/// d: f16 | 32 levels of i8
fn q8_0_block(values: &[f32]) -> Vec<u8> {
    let scale = values.iter().fold(0f32, |most, value| most.max(value.abs())) / 127.0;
    let level = |value: &f32| if scale == 0.0 { 0 } else { (value / scale).round() as i8 as u8 };
    f16::from_f32(scale).to_le_bytes().into_iter().chain(values.iter().map(level)).collect()
}

/// Sizes of a Llama with random weights as a GGUF file: matrices in Q8_0, norms in f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GgufLlama {
    /// Seed of the weights.
    pub seed: u64,
    /// Number of tokens.
    pub vocabulary: u64,
    /// Width of the hidden state, a multiple of 32.
    pub width: u64,
    /// Number of attention heads; divides the width into an even number.
    pub heads: u64,
    /// Number of heads of keys and values.
    pub key_heads: u64,
    /// Width of the feed-forward network, a multiple of 32.
    pub inner: u64,
    /// Number of layers.
    pub layers: u64,
    /// Without it the model has an output projection of its own.
    pub tied: bool,
}

impl Default for GgufLlama {
    fn default() -> Self {
        Self { seed: 1, vocabulary: 40, width: 64, heads: 4, key_heads: 2, inner: 32, layers: 1, tied: true }
    }
}

impl GgufLlama {
    /// The file, without a tokenizer.
    pub fn gguf(&self) -> Gguf {
        let Self { seed, vocabulary, width, heads, key_heads, inner, layers, tied } = *self;
        let data = &mut Data::new(seed);
        let key_width = width / heads * key_heads;
        let mut file = Gguf::new().key("general.architecture", "llama").key("general.type", "model");
        for (key, size) in [
            ("block_count", layers),
            ("context_length", 128),
            ("embedding_length", width),
            ("feed_forward_length", inner),
            ("attention.head_count", heads),
            ("attention.head_count_kv", key_heads),
            ("rope.dimension_count", width / heads),
        ] {
            file = file.key(&format!("llama.{key}"), u32::try_from(size).expect("a size of 32 bits"));
        }
        file = file.key("llama.attention.layer_norm_rms_epsilon", 1e-5).key("llama.rope.freq_base", 10_000.0);
        file = file.key("tokenizer.ggml.bos_token_id", 1u32).key("tokenizer.ggml.eos_token_id", 2u32);
        let mut matrix = |file: Gguf, name: &str, rows: u64, cols: u64| {
            file.q8_0(name, &[rows, cols], &data.normal((rows * cols) as usize, 0.0, 0.2))
        };
        let norm = |file: Gguf, name: &str| file.f32(name, &[width], &vec![1.0; width as usize]);
        file = norm(matrix(file, "token_embd.weight", vocabulary, width), "output_norm.weight");
        if !tied {
            file = matrix(file, "output.weight", vocabulary, width);
        }
        for layer in 0..layers {
            for (name, rows, cols) in [
                ("attn_q", width, width),
                ("attn_k", key_width, width),
                ("attn_v", key_width, width),
                ("attn_output", width, width),
                ("ffn_gate", inner, width),
                ("ffn_up", inner, width),
                ("ffn_down", width, inner),
            ] {
                file = matrix(file, &format!("blk.{layer}.{name}.weight"), rows, cols);
            }
            for name in ["attn_norm", "ffn_norm"] {
                file = norm(file, &format!("blk.{layer}.{name}.weight"));
            }
        }
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_file_has_the_bytes_of_the_format() {
        let file = Gguf::new().key("a", 7u32).f32("w", &[2, 1], &[1.0, 2.0]).bytes();
        let header = [
            &b"GGUF\x03\0\0\0"[..],
            &[1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
            &[1, 0, 0, 0, 0, 0, 0, 0, b'a', 4, 0, 0, 0, 7, 0, 0, 0],
            &[1, 0, 0, 0, 0, 0, 0, 0, b'w', 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0],
            &[0; 12],
        ]
        .concat();
        assert_eq!(file[..header.len()], header);
        assert_eq!(file.len(), header.len().next_multiple_of(32) + 32);
        assert_eq!(file[file.len() - 32..][..8], [0, 0, 0x80, 0x3f, 0, 0, 0, 0x40]);
    }

    #[test]
    fn q8_0_levels_reach_127() {
        let block = q8_0_block(&[[-2.0, 1.0].as_slice(), &[0.0; 30]].concat());
        assert_eq!((block.len(), block[2] as i8, block[3] as i8), (34, -127, 64));
    }
}
