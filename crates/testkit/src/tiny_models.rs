//! Model directories small enough for a test: random weights in the safetensors format, `config.json`, and a tokenizer.
//!
//! The files are written by hand from the description of the format (8 bytes of header length, little-endian; the
//! header in JSON; the data), so that the code under test reads what another wrote.

use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use half::{bf16, f16};
use tempfile::TempDir;

use crate::data::Data;

mod bert;
mod byte_level;
mod gpt2;
mod llama;

pub use bert::Bert;
pub use gpt2::Gpt2;
pub use llama::Llama;

/// A number format of tensors on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dtype {
    /// IEEE 754 binary32.
    #[default]
    F32,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of binary32.
    Bf16,
}

impl Dtype {
    /// Its name in a safetensors header.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
        }
    }

    fn append(self, value: f32, bytes: &mut Vec<u8>) {
        match self {
            Self::F32 => bytes.extend(value.to_le_bytes()),
            Self::F16 => bytes.extend(f16::from_f32(value).to_le_bytes()),
            Self::Bf16 => bytes.extend(bf16::from_f32(value).to_le_bytes()),
        }
    }
}

/// One named tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Its name in the file.
    pub name: String,
    /// Its dimensions, the slowest first.
    pub shape: Vec<usize>,
    /// Its elements.
    pub values: Vec<f32>,
}

impl Tensor {
    /// A tensor of normal values.
    pub fn normal(data: &mut Data, name: impl Into<String>, shape: &[usize], mean: f32, deviation: f32) -> Self {
        let values = data.normal(shape.iter().product(), mean, deviation);
        Self { name: name.into(), shape: shape.into(), values }
    }
}

/// A safetensors file of any header and data, right or wrong: the header's length in 8 bytes, the header, the data.
pub fn safetensors_bytes(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

/// A correct safetensors file of `tensors`, one after the other in the given order.
pub fn safetensors(tensors: &[Tensor], dtype: Dtype) -> Vec<u8> {
    let mut header = String::from(r#"{"__metadata__":{"format":"pt"}"#);
    let mut data = Vec::new();
    for Tensor { name, shape, values } in tensors {
        let begin = data.len();
        values.iter().for_each(|&value| dtype.append(value, &mut data));
        let (dtype, end) = (dtype.name(), data.len());
        write!(header, r#","{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{begin},{end}]}}"#)
            .expect("a string takes all text");
    }
    header.push('}');
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len())); // the data starts at a multiple of 8
    safetensors_bytes(&header, &data)
}

/// Writes `tensors` as `model.safetensors`, or as `shards` files `model-00001-of-….safetensors` and their index.
///
/// # Errors
/// Fails if a file cannot be written.
pub fn write_weights(dir: &Path, tensors: &[Tensor], dtype: Dtype, shards: usize) -> io::Result<()> {
    if shards <= 1 {
        return fs::write(dir.join("model.safetensors"), safetensors(tensors, dtype));
    }
    let mut map = Vec::new();
    for (i, part) in tensors.chunks(tensors.len().div_ceil(shards).max(1)).enumerate() {
        let file = format!("model-{:05}-of-{shards:05}.safetensors", i + 1);
        map.extend(part.iter().map(|tensor| format!(r#""{}":"{file}""#, tensor.name)));
        fs::write(dir.join(&file), safetensors(part, dtype))?;
    }
    let bytes: usize = tensors.iter().map(|tensor| tensor.values.len() * if dtype == Dtype::F32 { 4 } else { 2 }).sum();
    let index = format!(r#"{{"metadata":{{"total_size":{bytes}}},"weight_map":{{{}}}}}"#, map.join(","));
    fs::write(dir.join("model.safetensors.index.json"), index)
}

/// A directory with a model, removed when dropped.
#[derive(Debug)]
pub struct ModelDir {
    dir: TempDir,
    /// The weights as they were before they were rounded to the format on disk.
    pub tensors: Vec<Tensor>,
}

impl ModelDir {
    fn write(tensors: Vec<Tensor>, dtype: Dtype, shards: usize, texts: &[(&str, String)]) -> io::Result<Self> {
        let dir = TempDir::with_prefix("cke-tiny-model-")?;
        write_weights(dir.path(), &tensors, dtype, shards)?;
        for (name, text) in texts {
            fs::write(dir.path().join(name), text)?;
        }
        Ok(Self { dir, tensors })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The tensor of that name.
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    /// Replaces one file, or adds it: to spoil a directory in one place.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    pub fn replace(&self, file: &str, contents: impl AsRef<[u8]>) -> io::Result<()> {
        fs::write(self.path().join(file), contents)
    }
}

/// The weight and bias of a layer `name` with the weight's shape; the bias has `bias` values.
fn layer(data: &mut Data, name: &str, weight: &[usize], bias: usize) -> [Tensor; 2] {
    let deviation = 1.0 / (weight.iter().product::<usize>() as f32 / bias as f32).sqrt();
    [
        Tensor::normal(data, format!("{name}.weight"), weight, 0.0, deviation),
        Tensor::normal(data, format!("{name}.bias"), &[bias], 0.0, 0.1),
    ]
}

/// The scale and shift of a layer normalisation.
fn norm(data: &mut Data, name: &str, width: usize) -> [Tensor; 2] {
    [
        Tensor::normal(data, format!("{name}.weight"), &[width], 1.0, 0.1),
        Tensor::normal(data, format!("{name}.bias"), &[width], 0.0, 0.1),
    ]
}

#[cfg(test)]
mod tests;
