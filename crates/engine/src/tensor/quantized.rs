//! Weights that a checkpoint has in several tensors: numbers of few bits, and what makes weights of them.

mod fp8;
mod int4;

use std::ops::Range;
use std::sync::Arc;

use self::fp8::Fp8;
use self::int4::Int4;
use crate::config::quantization::Quantization;
use crate::dtype::Dtype;
use crate::formats::tensor_entry::TensorEntry;
use crate::formats::weight_file::WeightFile;
use crate::load_error::LoadError;

/// What is wrong with the tensors of a quantised layer.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message says what its fields mean")]
pub enum QuantizedError {
    #[error("wanted {wanted}, found {found}")]
    Type { wanted: &'static str, found: Dtype },
    #[error("wanted 2 dimensions, found shape {found:?}")]
    NotMatrix { found: Vec<usize> },
    #[error("wanted a number of outputs that is a multiple of 8, found {found}")]
    Outputs { found: usize },
    #[error("input {input} is of group {found}, but there are {groups} groups")]
    Group { input: usize, found: i32, groups: usize },
    #[error(
        "wanted one scale, one for each of {rows} rows, or one for each block of `quantization_config`, found shape {found:?}"
    )]
    Scales { rows: usize, found: Vec<usize> },
    #[error("the file has `{weight}`, too")]
    Both { weight: String },
}

cke_kernels::debug_as_display!(QuantizedError);

/// One tensor of a quantised layer.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) entry: TensorEntry,
    pub(crate) file: Arc<WeightFile>,
}

impl Part {
    fn bytes(&self) -> Result<&[u8], LoadError> {
        Ok(&self.file.bytes()?[self.entry.range.clone()])
    }

    fn wrong(&self, problem: QuantizedError) -> LoadError {
        LoadError::Quantized { file: self.file.path.clone(), tensor: self.entry.name.clone(), problem }
    }

    fn expect_type(&self, types: &[Dtype], wanted: &'static str) -> Result<(), LoadError> {
        let found = self.entry.dtype;
        if types.contains(&found) { Ok(()) } else { Err(self.wrong(QuantizedError::Type { wanted, found })) }
    }

    fn expect_shape(&self, wanted: &[usize]) -> Result<(), LoadError> {
        if self.entry.shape == wanted {
            return Ok(());
        }
        Err(LoadError::Shape {
            file: self.file.path.clone(),
            tensor: self.entry.name.clone(),
            wanted: wanted.to_vec(),
            found: self.entry.shape.clone(),
        })
    }

    fn matrix(&self) -> Result<[usize; 2], LoadError> {
        let shape = &self.entry.shape;
        <[usize; 2]>::try_from(&shape[..]).map_err(|_| self.wrong(QuantizedError::NotMatrix { found: shape.clone() }))
    }

    /// Checks that the numbers are such as scales have.
    fn expect_scales(&self) -> Result<(), LoadError> {
        self.expect_type(&[Dtype::F16, Dtype::BF16, Dtype::F32], "scales as F16, BF16 or F32")
    }

    /// Fills `out` with zeros or fails if there is no memory for them.
    fn room<T: Clone + Default>(&self, out: &mut Vec<T>, len: usize) -> Result<(), LoadError> {
        let bytes = len.saturating_mul(size_of::<T>());
        out.try_reserve_exact(len).map_err(|_| LoadError::OutOfMemory {
            file: self.file.path.clone(),
            tensor: self.entry.name.clone(),
            bytes,
        })?;
        out.resize(len, T::default());
        Ok(())
    }
}

/// Element `index` of numbers of a type that scales have.
fn scale_at(dtype: Dtype, bytes: &[u8], index: usize) -> f32 {
    let mut out = [0.0];
    super::convert(dtype, bytes, index..index + 1, &mut out);
    out[0]
}

/// The weights of a layer: (outputs, inputs).
#[derive(Debug)]
pub(crate) enum Quantized {
    Int4(Int4),
    Fp8(Fp8),
}

/// The tensors of a file by name.
pub(crate) trait Parts {
    /// The tensor of this full name.
    fn part(&self, name: &str) -> Option<Part>;

    /// The same, or the error that it is missing.
    fn required(&self, name: String) -> Result<Part, LoadError>;
}

/// A layer that was found quantised.
pub(crate) struct Layer {
    /// Its weights as a tensor.
    pub(crate) weight: TensorEntry,
    pub(crate) quantized: Quantized,
    /// The names of the tensors that it was made of.
    pub(crate) names: Vec<String>,
}

impl Layer {
    /// The layer that the tensor `first` belongs to, if it is the one by which quantised layers are known.
    pub(crate) fn of(first: &Part, parts: &impl Parts, quantization: Quantization) -> Result<Option<Layer>, LoadError> {
        let name = &first.entry.name;
        let (ending, is_fp8) = match quantization {
            Quantization::Fp8 { .. } => (".weight", true),
            _ => (".qweight", false),
        };
        let Some(layer) = name.strip_suffix(ending) else { return Ok(None) };
        if is_fp8 && first.entry.dtype != Dtype::F8_E4M3 {
            return Ok(None);
        }
        let weight = format!("{layer}.weight");
        if !is_fp8 && parts.part(&weight).is_some() {
            return Err(first.wrong(QuantizedError::Both { weight }));
        }
        let (quantized, names) = match quantization {
            Quantization::Fp8 { block } => {
                let (fp8, names) = Fp8::new(layer, first, parts, block)?;
                (Quantized::Fp8(fp8), names)
            }
            Quantization::Gptq { group_size, zeros } => {
                let (int4, names) = Int4::gptq(layer, first, parts, group_size, zeros)?;
                (Quantized::Int4(int4), names)
            }
            Quantization::Awq { group_size } => {
                let (int4, names) = Int4::awq(layer, first, parts, group_size)?;
                (Quantized::Int4(int4), names)
            }
        };
        let (dtype, [rows, cols]) = (quantized.dtype(), quantized.shape());
        let weight = TensorEntry { name: weight, dtype, shape: vec![rows, cols], range: first.entry.range.clone() };
        Ok(Some(Layer { weight, quantized, names }))
    }
}

impl Quantized {
    fn dtype(&self) -> Dtype {
        match self {
            Quantized::Int4(int4) => int4.dtype(),
            Quantized::Fp8(_) => Dtype::F8_E4M3,
        }
    }

    fn shape(&self) -> [usize; 2] {
        match self {
            Quantized::Int4(int4) => int4.shape(),
            Quantized::Fp8(fp8) => fp8.shape(),
        }
    }

    /// Bytes of all tensors.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Quantized::Int4(int4) => int4.bytes(),
            Quantized::Fp8(fp8) => fp8.bytes(),
        }
    }

    /// Rows as f32.
    pub(crate) fn read_rows(&self, rows: Range<usize>, out: &mut [f32]) -> Result<(), LoadError> {
        match self {
            Quantized::Int4(int4) => int4.read_rows(rows, out),
            Quantized::Fp8(fp8) => fp8.read_rows(rows, out),
        }
    }

    /// Rows as blocks of the type that the weights have.
    pub(crate) fn blocks(&self, rows: Range<usize>) -> Result<Option<Vec<u8>>, LoadError> {
        match self {
            Quantized::Int4(int4) if int4.dtype().is_blocks() => int4.blocks(rows).map(Some),
            _ => Ok(None),
        }
    }
}
