//! In which numbers the weights of linear layers are held, and multiplied.

mod notice;

use crate::dtype::Dtype;
use cke_kernels::Cpu;
use cke_kernels::attention::KvDtype;
use cke_kernels::gemm::grouped::Q4_1;
use cke_kernels::gemm::{Shape, Supported, bf16, choose};
use cke_kernels::scheme::{Bf16, F16, F32, Grouped, Int8, Scheme};
use std::fmt;
use std::str::FromStr;

/// The number format of the weights of linear layers, and of an embedding that is the output projection too. Other embedding tables and
/// norms stay in f32; the format of keys and values is [`KvDtype`], bf16 by default unless the weights are f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WeightFormat {
    /// 32 bits, as the checkpoint's numbers widen to.
    #[default]
    F32,
    /// The upper half of 32 bits, rounded to the nearest: half of the memory. See [`cke_kernels::gemm::bf16`].
    Bf16,
    /// IEEE binary16, rounded to the nearest: half of the memory, eleven significant bits, infinite from 65520 on. Multiplied in f32; see
    /// [`cke_kernels::gemm::f16`].
    F16,
    /// Eight bits with a scale for every 128 inputs of an output: a bit more than a quarter of the memory. Activations are quantised on
    /// the way; see [`cke_kernels::gemm::int8`].
    Int8,
    /// Four bits with a scale and a minimum for every 32 inputs of an output: five bits a weight. The head, an embedding with it, and the
    /// values of attention, on which results depend most, have eight bits with a scale for every 32 inputs. Activations are quantised on the
    /// way; see [`cke_kernels::gemm::grouped`].
    Int4,
    /// What the file holds, without loss: bf16, f16, blocks of the formats of GGUF, int4 in groups of 128; f32 for all others.
    Stored,
}

impl WeightFormat {
    /// All that are the same for every matrix of a model.
    pub const ALL: [WeightFormat; 5] =
        [WeightFormat::F32, WeightFormat::Bf16, WeightFormat::F16, WeightFormat::Int8, WeightFormat::Int4];

    /// All that users may ask for.
    pub fn choices() -> impl Iterator<Item = WeightFormat> {
        WeightFormat::ALL.into_iter().chain([WeightFormat::Stored])
    }

    /// The name that users type.
    pub const fn name(self) -> &'static str {
        match self {
            WeightFormat::F32 => "f32",
            WeightFormat::Bf16 => "bf16",
            WeightFormat::F16 => "f16",
            WeightFormat::Int8 => "int8",
            WeightFormat::Int4 => "int4",
            WeightFormat::Stored => "auto",
        }
    }

    /// The numbers of keys and values, cached or not, beside such weights, unless somebody asks for others: as precise as the weights.
    pub fn kv_dtype(self) -> KvDtype {
        match self {
            WeightFormat::F32 => KvDtype::F32,
            _ => KvDtype::Bf16,
        }
    }

    /// The format of one kind that comes closest to a type of tensors.
    pub(crate) fn closest(dtype: Dtype) -> WeightFormat {
        match dtype {
            Dtype::BF16 => WeightFormat::Bf16,
            Dtype::F16 => WeightFormat::F16,
            Dtype::Q2_K | Dtype::Q3_K | Dtype::Q4_0 | Dtype::Q4_1 | Dtype::Q4_K => WeightFormat::Int4,
            Dtype::IQ4_NL | Dtype::IQ4_XS | Dtype::INT4 | Dtype::INT4_128 => WeightFormat::Int4,
            Dtype::Q5_0 | Dtype::Q5_1 | Dtype::Q5_K | Dtype::Q6_K | Dtype::Q8_0 => WeightFormat::Int8,
            _ => WeightFormat::F32,
        }
    }

    /// As [`WeightFormat::closest`], for packed panels of a layout.
    pub(crate) fn of_layout(layout: &str) -> WeightFormat {
        if layout.starts_with("int8") { WeightFormat::Int8 } else { WeightFormat::closest(Dtype::of_layout(layout)) }
    }

    /// The kernel that multiplies by layers of a typical size on `cpu`; for [`WeightFormat::Stored`] that of f32.
    pub fn kernel(self, cpu: &Cpu) -> &'static str {
        match self {
            WeightFormat::F32 | WeightFormat::Stored => typical::<F32>(cpu).record().name(),
            WeightFormat::Bf16 => typical::<Bf16>(cpu).record().name(),
            WeightFormat::F16 => typical::<F16>(cpu).record().name(),
            WeightFormat::Int8 => typical::<Int8>(cpu).record().name(),
            WeightFormat::Int4 => typical::<Grouped<Q4_1>>(cpu).record().name(),
        }
    }

    /// Whether `cpu` multiplies in f32, whatever weights are held in, so that f32 is its limit.
    pub fn multiplies_in_f32(self, cpu: &Cpu) -> bool {
        match self {
            WeightFormat::F32 | WeightFormat::F16 => true,
            WeightFormat::Bf16 => bf16::widens(typical(cpu)),
            WeightFormat::Int8 | WeightFormat::Int4 | WeightFormat::Stored => false,
        }
    }
}

/// The kernel for a layer of a typical size.
fn typical<S: Scheme>(cpu: &Cpu) -> Supported<S> {
    choose(cpu, Shape { m: 128, n: 3072, k: 768 })
}

impl fmt::Display for WeightFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What was found instead of the name of a [`WeightFormat`].
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("wanted f32, bf16, f16, int8, int4 or auto, found `{0}`")]
pub struct UnknownFormat(String);

cke_kernels::debug_as_display!(UnknownFormat);

impl FromStr for WeightFormat {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<WeightFormat, UnknownFormat> {
        WeightFormat::choices().find(|format| format.name() == name).ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for format in WeightFormat::choices() {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        let error = "fp4".parse::<WeightFormat>().unwrap_err().to_string();
        assert_eq!(error, "wanted f32, bf16, f16, int8, int4 or auto, found `fp4`");
        assert!(WeightFormat::ALL.iter().all(|format| error.contains(format.name())));
    }
}
