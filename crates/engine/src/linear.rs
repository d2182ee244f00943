//! Linear layers: weights packed once for the kernel that reads them.

mod layer;
#[cfg(test)]
mod tests;

use self::layer::{Layer, PackedLayer};
use crate::error::Error;
use crate::fallible::with_capacity;
use crate::profile::{Kind, Step};
use crate::runtime::Runtime;
use crate::source::Source;
use cke_kernels::Cpu;
use cke_kernels::gemm::{Epilogue, Shape};
use cke_kernels::scheme::F32;
use cke_kernels::scratch::Scratch;
use cke_kernels::view::{MatMut, MatRef};

/// What weights become when they are loaded.
type Loaded = PackedLayer<F32>;

/// How a weight matrix is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// (in, out), as GPT-2's checkpoints have it.
    InOut,
    /// (out, in), as most have it.
    OutIn,
}

impl Layout {
    /// Rows and columns of a stored matrix.
    fn shape(self, inputs: usize, outputs: usize) -> (usize, usize) {
        match self {
            Layout::InOut => (inputs, outputs),
            Layout::OutIn => (outputs, inputs),
        }
    }
}

/// y = act(x·W + bias) + residual with W (inputs, outputs) in the form of its [`Layer`].
#[derive(Debug)]
pub(crate) struct Linear {
    weights: Box<dyn Layer>,
    bias: Option<Vec<f32>>,
    /// What profiles call it, and the layer that it belongs to.
    name: &'static str,
    layer: Option<usize>,
}

impl Linear {
    fn new(weights: impl Layer + 'static, bias: Option<Vec<f32>>) -> Linear {
        Linear { weights: Box::new(weights), bias, name: "linear", layer: None }
    }

    /// A layer from `weight` and `bias` of a source.
    pub(crate) fn load(
        cpu: &Cpu,
        source: &Source<'_>,
        layout: Layout,
        inputs: usize,
        outputs: usize,
    ) -> Result<Linear, Error> {
        let weights = Loaded::load(cpu, source, "weight", layout, inputs, outputs)?;
        let bias = source.vector(&["bias"], outputs)?;
        Ok(Linear::new(weights, Some(bias)))
    }

    /// A layer from the matrix `name` of a source.
    pub(crate) fn without_bias(
        cpu: &Cpu,
        source: &Source<'_>,
        name: &str,
        layout: Layout,
        inputs: usize,
        outputs: usize,
    ) -> Result<Linear, Error> {
        Ok(Linear::new(Loaded::load(cpu, source, name, layout, inputs, outputs)?, None))
    }

    /// Several (out, in) layers side by side, each with its number of outputs, as one with the outputs of all.
    pub(crate) fn load_joined(cpu: &Cpu, parts: &[(Source<'_>, usize)], inputs: usize) -> Result<Linear, Error> {
        for (source, outputs) in parts {
            source.expect_matrix("weight", *outputs, inputs)?;
        }
        let all_outputs = parts.iter().map(|(_, outputs)| outputs).sum();
        let mut weights = Loaded::empty(cpu, inputs, all_outputs)?;
        let mut bias = with_capacity(all_outputs)?;
        for (source, outputs) in parts {
            let first = bias.len();
            weights.pack(source, "weight", Layout::OutIn, first, *outputs)?;
            bias.extend(source.vector(&["bias"], *outputs)?);
        }
        Ok(Linear::new(weights, Some(bias)))
    }

    /// The same layer under a name, as part of a layer of the model.
    pub(crate) fn named(self, name: &'static str, layer: impl Into<Option<usize>>) -> Linear {
        Linear { name, layer: layer.into(), ..self }
    }

    /// Number of outputs.
    pub(crate) fn outputs(&self) -> usize {
        self.weights.outputs()
    }

    /// Bytes of the weights and the bias.
    pub(crate) fn bytes(&self) -> usize {
        self.weights.bytes() + self.bias.as_deref().map_or(0, size_of_val)
    }

    /// What [`Linear::bytes`] would be for a layer of this size; no memory is allocated for the answer.
    pub(crate) fn bytes_for(cpu: &Cpu, inputs: usize, outputs: usize, has_bias: bool) -> usize {
        let bias = if has_bias { outputs * size_of::<f32>() } else { 0 };
        Loaded::bytes_for(cpu, inputs, outputs) + bias
    }

    /// Copies the weights of one output: (inputs).
    pub(crate) fn copy_output(&self, output: usize, out: &mut [f32]) -> Result<(), cke_kernels::Error> {
        self.weights.row(output, out)
    }

    /// y (m, outputs) from x (m, inputs). `epilogue` must leave the bias to the layer.
    pub(crate) fn run(
        &self,
        x: &[f32],
        y: &mut [f32],
        epilogue: Epilogue<'_>,
        runtime: &Runtime,
        scratch: &mut Scratch,
    ) -> Result<(), Error> {
        let (inputs, outputs) = (self.weights.inputs(), self.weights.outputs());
        let rows = y.len() / outputs.max(1);
        let x = MatRef::new(x, rows, inputs)?;
        let y = MatMut::new(y, rows, outputs)?;
        let epilogue = Epilogue { bias: self.bias.as_deref(), ..epilogue };
        let ctx = &mut runtime.ctx(scratch);
        Ok(runtime.step(|| self.step(rows), || self.weights.run(x, y, &epilogue, ctx))?)
    }

    /// One run over `m` rows.
    fn step(&self, m: usize) -> Step {
        let (n, k) = (self.weights.outputs(), self.weights.inputs());
        Step {
            name: self.name,
            layer: self.layer,
            kind: Kind::Product,
            shape: Some(Shape { m, n, k }),
            kernel: Some(self.weights.kernel()),
            flops: 2 * (m * n * k) as u64,
            bytes: (self.bytes() + m * (n + k) * size_of::<f32>()) as u64,
        }
    }
}
