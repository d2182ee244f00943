//! The model that was measured.

use cke_perf::report::format_bytes;
use serde::Serialize;

/// What is the same in all rows of a model.
#[derive(Clone, Debug, Serialize)]
pub struct Subject {
    /// The model's name.
    pub model: String,
    /// `gpt2` or `bert`.
    pub architecture: &'static str,
    /// Where the weights are from: `stored` or `random`.
    pub weights: &'static str,
    /// Bytes of the weights as they are held.
    pub weight_bytes: usize,
    /// Number format of the weights as they are held.
    pub dtype: &'static str,
    /// The formats of its matrices, if each has its own.
    #[serde(skip)]
    pub formats: Vec<&'static str>,
    /// Instruction set in use.
    pub isa: &'static str,
    /// Kernel of a linear layer of a typical size.
    pub kernel: &'static str,
    /// Kernels of all linear layers, and those of attention, each once.
    pub layer_kernels: Vec<&'static str>,
    /// See `layer_kernels`.
    pub attention_kernels: Vec<&'static str>,
}

impl Subject {
    /// `smollm2, 98.9 MiB in auto (Q4_K, Q6_K), avx512`
    pub fn line(&self) -> String {
        format!("{}, {} in {}, {}", self.title(), format_bytes(self.weight_bytes as u64), self.numbers(), self.isa)
    }

    /// The number format of the weights, and of which ones a mixture is made.
    pub(crate) fn numbers(&self) -> String {
        match &self.formats[..] {
            [] => self.dtype.to_owned(),
            formats => format!("{} ({})", self.dtype, formats.join(", ")),
        }
    }

    /// The name, and whether the weights are random.
    pub fn title(&self) -> String {
        if self.weights == "random" { format!("{} (random)", self.model) } else { self.model.clone() }
    }
}
