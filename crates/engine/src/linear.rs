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
use crate::weight_format::WeightFormat;
use cke_kernels::Cpu;
use cke_kernels::gemm::{Epilogue, Shape};
use cke_kernels::scheme::{Bf16, F32, Int4, Int8};
use cke_kernels::scratch::Scratch;
use cke_kernels::view::{MatMut, MatRef};

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

/// Outputs of a layer, as a source has them.
struct Part<'s> {
    source: &'s Source<'s>,
    name: &'s str,
    layout: Layout,
    outputs: usize,
}

/// The weights of all parts side by side, in the runtime's format.
fn load_weights(runtime: &Runtime, parts: &[Part<'_>], inputs: usize) -> Result<Box<dyn Layer>, Error> {
    Ok(match runtime.weight_format() {
        WeightFormat::F32 => Box::new(PackedLayer::<F32>::load(runtime.cpu(), parts, inputs)?),
        WeightFormat::Bf16 => Box::new(PackedLayer::<Bf16>::load(runtime.cpu(), parts, inputs)?),
        WeightFormat::Int8 => Box::new(PackedLayer::<Int8>::load(runtime.cpu(), parts, inputs)?),
        WeightFormat::Int4 => Box::new(PackedLayer::<Int4>::load(runtime.cpu(), parts, inputs)?),
    })
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
    /// A layer from `weight` and `bias` of a source.
    pub(crate) fn load(
        runtime: &Runtime,
        source: &Source<'_>,
        layout: Layout,
        inputs: usize,
        outputs: usize,
    ) -> Result<Linear, Error> {
        let linear = Linear::without_bias(runtime, source, "weight", layout, inputs, outputs)?;
        let bias = source.vector(&["bias"], outputs)?;
        Ok(Linear { bias: Some(bias), ..linear })
    }

    /// A layer from the matrix `name` of a source.
    pub(crate) fn without_bias(
        runtime: &Runtime,
        source: &Source<'_>,
        name: &str,
        layout: Layout,
        inputs: usize,
        outputs: usize,
    ) -> Result<Linear, Error> {
        let part = Part { source, name, layout, outputs };
        Ok(Linear { weights: load_weights(runtime, &[part], inputs)?, bias: None, name: "linear", layer: None })
    }

    /// Several (out, in) layers side by side, each with its number of outputs, as one with the outputs of all.
    pub(crate) fn load_joined(
        runtime: &Runtime,
        parts: &[(Source<'_>, usize)],
        inputs: usize,
    ) -> Result<Linear, Error> {
        let part = |(source, outputs)| Part { source, name: "weight", layout: Layout::OutIn, outputs };
        let weights = parts.iter().map(|(source, outputs)| part((source, *outputs))).collect::<Vec<_>>();
        let weights = load_weights(runtime, &weights, inputs)?;
        let mut bias = with_capacity(weights.outputs())?;
        for (source, outputs) in parts {
            bias.extend(source.vector(&["bias"], *outputs)?);
        }
        Ok(Linear { weights, bias: Some(bias), name: "linear", layer: None })
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
    pub(crate) fn bytes_for(cpu: &Cpu, format: WeightFormat, inputs: usize, outputs: usize, has_bias: bool) -> usize {
        let bias = if has_bias { outputs * size_of::<f32>() } else { 0 };
        let weights = match format {
            WeightFormat::F32 => PackedLayer::<F32>::bytes_for(cpu, inputs, outputs),
            WeightFormat::Bf16 => PackedLayer::<Bf16>::bytes_for(cpu, inputs, outputs),
            WeightFormat::Int8 => PackedLayer::<Int8>::bytes_for(cpu, inputs, outputs),
            WeightFormat::Int4 => PackedLayer::<Int4>::bytes_for(cpu, inputs, outputs),
        };
        weights + bias
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
