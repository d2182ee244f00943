//! The model that was measured.

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
    /// The name, and whether the weights are random.
    pub fn title(&self) -> String {
        if self.weights == "random" { format!("{} (random)", self.model) } else { self.model.clone() }
    }
}
