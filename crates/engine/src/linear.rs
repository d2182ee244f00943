//! Linear layers: weights packed once for the kernel that reads them.

mod layer;
mod mixed;
mod qkv;
mod stored;
#[cfg(test)]
mod tests;

use self::layer::{Layer, PackedLayer, Rows};
use crate::activations::Workspace;
use crate::error::Error;
use crate::fallible::with_capacity;
use crate::profile::{Kind, Step};
use crate::runtime::Runtime;
use crate::source::Source;
use crate::weight_format::WeightFormat;
use cke_kernels::Cpu;
use cke_kernels::gemm::{Ctx, Epilogue, Multiplier, RowBuf, Shape};
use cke_kernels::ops::activation::Activation;
use cke_kernels::scheme::{Bf16, F16, F32, Int8};
use cke_kernels::view::{MatMut, MatRef};
use std::ops::Range;

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

/// How much a model's results depend on how well weights are rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sensitivity {
    Usual,
    /// Those of the head, an embedding with it, and of the values of attention.
    High,
}

/// Outputs of a layer, as a source has them.
struct Part<'s> {
    source: &'s Source<'s>,
    name: &'s str,
    layout: Layout,
    /// Outputs of the stored matrix.
    stored: usize,
    /// Those of them that are part of the layer.
    range: Range<usize>,
    sensitivity: Sensitivity,
}

impl<'s> Part<'s> {
    /// All outputs of a matrix.
    fn whole(source: &'s Source<'s>, name: &'s str, layout: Layout, outputs: usize) -> Part<'s> {
        Part { source, name, layout, stored: outputs, range: 0..outputs, sensitivity: Sensitivity::Usual }
    }

    /// The same part, rounded with more care if the format makes a difference.
    fn sensitive(self) -> Part<'s> {
        Part { sensitivity: Sensitivity::High, ..self }
    }

    fn outputs(&self) -> usize {
        self.range.len()
    }

    /// Rows and columns of the stored matrix.
    fn stored_shape(&self, inputs: usize) -> (usize, usize) {
        self.layout.shape(inputs, self.stored)
    }

    /// What its weights are called in a packed file.
    fn full_name(&self) -> String {
        let name = self.source.full_name(self.name);
        let Range { start, end } = self.range;
        if self.outputs() == self.stored { name } else { format!("{name}[{start}..{end}]") }
    }
}

/// The weights of all parts side by side, in the runtime's format.
fn load_weights(runtime: &Runtime, parts: &[Part<'_>], inputs: usize) -> Result<Vec<Box<dyn Layer>>, Error> {
    let layer: Box<dyn Layer> = match runtime.weight_format() {
        WeightFormat::F32 => Box::new(PackedLayer::<F32>::load(runtime, parts, inputs)?),
        WeightFormat::Bf16 => Box::new(PackedLayer::<Bf16>::load(runtime, parts, inputs)?),
        WeightFormat::F16 => Box::new(PackedLayer::<F16>::load(runtime, parts, inputs)?),
        WeightFormat::Int8 => Box::new(PackedLayer::<Int8>::load(runtime, parts, inputs)?),
        WeightFormat::Int4 => return mixed::load(runtime, parts, inputs),
        WeightFormat::Stored => return stored::load(runtime, parts, inputs),
    };
    Ok(vec![layer])
}

/// y = act(x·W + bias) · multiplier + residual with W (inputs, outputs) in the form of its [`Layer`]s.
#[derive(Debug)]
pub(crate) struct Linear {
    /// Runs of outputs side by side.
    parts: Vec<Box<dyn Layer>>,
    inputs: usize,
    outputs: usize,
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
        Linear::of_all(runtime, &[Part::whole(source, "weight", layout, outputs)], inputs, true)
    }

    /// A layer from the (outputs, inputs) matrix `name` of a source, whose outputs are those of the model.
    pub(crate) fn head(
        runtime: &Runtime,
        source: &Source<'_>,
        name: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<Linear, Error> {
        let part = Part::whole(source, name, Layout::OutIn, outputs).sensitive();
        Ok(Linear::of(load_weights(runtime, &[part], inputs)?, inputs, None).named("logits", None))
    }

    /// Parts side by side.
    fn of(parts: Vec<Box<dyn Layer>>, inputs: usize, bias: Option<Vec<f32>>) -> Linear {
        let outputs = parts.iter().map(|part| part.outputs()).sum();
        Linear { parts, inputs, outputs, bias, name: "linear", layer: None }
    }

    /// A layer from the (outputs, inputs) matrix `name` of a source in the numbers that it has there, whatever the runtime's format.
    pub(crate) fn as_stored(
        runtime: &Runtime,
        source: &Source<'_>,
        name: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<Linear, Error> {
        let part = Part::whole(source, name, Layout::OutIn, outputs);
        Ok(Linear::of(stored::load(runtime, &[part], inputs)?, inputs, None))
    }

    /// Several (out, in) layers side by side, each with its number of outputs, as one with the outputs of all.
    pub(crate) fn load_joined<'s>(
        runtime: &Runtime,
        parts: &'s [(Source<'s>, usize)],
        inputs: usize,
        has_bias: bool,
    ) -> Result<Linear, Error> {
        let whole = |(source, outputs): &'s (Source<'s>, usize)| Part::whole(source, "weight", Layout::OutIn, *outputs);
        Linear::of_all(runtime, &parts.iter().map(whole).collect::<Vec<_>>(), inputs, has_bias)
    }

    /// The parts side by side in the runtime's format, with the biases of all if they have some.
    fn of_all(runtime: &Runtime, parts: &[Part<'_>], inputs: usize, has_bias: bool) -> Result<Linear, Error> {
        let weights = load_weights(runtime, parts, inputs)?;
        let bias = has_bias.then(|| joined_bias(parts));
        Ok(Linear::of(weights, inputs, bias.transpose()?))
    }

    /// The same layer under a name, as part of a layer of the model.
    pub(crate) fn named(self, name: &'static str, layer: impl Into<Option<usize>>) -> Linear {
        Linear { name, layer: layer.into(), ..self }
    }

    /// Number of inputs.
    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of outputs.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Number of weights.
    pub(crate) fn elements(&self) -> usize {
        self.inputs * self.outputs
    }

    /// The names of its kernels.
    pub(crate) fn kernels(&self) -> impl Iterator<Item = &'static str> {
        self.parts.iter().map(|part| part.kernel())
    }

    /// Bytes of the weights and the bias.
    pub(crate) fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.bytes()).sum::<usize>() + self.bias.as_deref().map_or(0, size_of_val)
    }

    /// What [`Linear::bytes`] would be for a layer of this size; no memory is allocated for the answer.
    pub(crate) fn bytes_for(
        cpu: &Cpu,
        format: WeightFormat,
        (inputs, outputs): (usize, usize),
        sensitivity: Sensitivity,
        has_bias: bool,
    ) -> usize {
        let bias = if has_bias { outputs * size_of::<f32>() } else { 0 };
        let weights = match format {
            // At most.
            WeightFormat::F32 | WeightFormat::Stored => PackedLayer::<F32>::bytes_for(cpu, inputs, outputs),
            WeightFormat::Bf16 => PackedLayer::<Bf16>::bytes_for(cpu, inputs, outputs),
            WeightFormat::F16 => PackedLayer::<F16>::bytes_for(cpu, inputs, outputs),
            WeightFormat::Int8 => PackedLayer::<Int8>::bytes_for(cpu, inputs, outputs),
            WeightFormat::Int4 => mixed::bytes_for(cpu, inputs, outputs, sensitivity),
        };
        weights + bias
    }

    /// Copies the weights of one output: (inputs).
    pub(crate) fn copy_output(&self, output: usize, out: &mut [f32]) -> Result<(), cke_kernels::Error> {
        let mut first = 0;
        for part in &self.parts {
            if output < first + part.outputs() {
                return part.row(output - first, out);
            }
            first += part.outputs();
        }
        Err(cke_kernels::Error::Size { what: "output of a layer, below", wanted: self.outputs, found: output })
    }

    /// y (m, outputs) from x (m, inputs), or y (m, outputs / 2) where the second half of the outputs multiplies the first. `epilogue` must
    /// leave the bias to the layer.
    pub(crate) fn run(
        &self,
        x: &[f32],
        y: &mut [f32],
        epilogue: Epilogue<'_>,
        runtime: &Runtime,
        workspace: &mut Workspace,
    ) -> Result<(), Error> {
        let is_gate = matches!(epilogue.multiplier, Multiplier::SecondHalf);
        let width = if is_gate { self.outputs / 2 } else { self.outputs };
        let rows = y.len() / width.max(1);
        let x = MatRef::new(x, rows, self.inputs)?;
        let Workspace { scratch, rows: prepared, gates } = workspace;
        let x = if self.prepare_once(x, runtime, prepared)? { Rows::Prepared(prepared) } else { Rows::Floats(x) };
        let ctx = &mut Ctx { pool: runtime.pool(), scratch };
        if is_gate && let [gate, up] = &self.parts[..] {
            let gates = gates.take(rows * width)?;
            let bias = self.bias_of(0..width);
            let closing = Epilogue { bias, multiplier: Multiplier::One, residual: None, ..epilogue };
            self.run_part(gate.as_ref(), x, MatMut::new(gates, rows, width)?, &closing, ctx, runtime)?;
            let multiplier = Multiplier::Matrix(MatRef::new(gates, rows, width)?);
            let bias = self.bias_of(width..self.outputs);
            let gated = Epilogue { bias, activation: Activation::None, multiplier, ..epilogue };
            return self.run_part(up.as_ref(), x, MatMut::new(y, rows, width)?, &gated, ctx, runtime);
        }
        let mut first = 0;
        for part in &self.parts {
            let cols = first..first + part.outputs().min(width);
            let epilogue = Epilogue {
                bias: self.bias_of(first..first + part.outputs()),
                residual: epilogue.residual.map(|residual| residual.block(0..rows, cols.clone())),
                ..epilogue
            };
            let start = first.min(y.len());
            let y = MatMut::with_strides(&mut y[start..], rows, cols.len(), width, 1)?;
            self.run_part(part.as_ref(), x, y, &epilogue, ctx, runtime)?;
            first = cols.end;
        }
        Ok(())
    }

    /// The bias of some outputs.
    fn bias_of(&self, outputs: Range<usize>) -> Option<&[f32]> {
        self.bias.as_deref().map(|bias| &bias[outputs])
    }

    /// y from x for one part.
    fn run_part(
        &self,
        part: &dyn Layer,
        x: Rows<'_>,
        y: MatMut<'_, f32>,
        epilogue: &Epilogue<'_>,
        ctx: &mut Ctx<'_>,
        runtime: &Runtime,
    ) -> Result<(), Error> {
        let (rows, cols) = (y.rows(), y.cols());
        Ok(runtime.step(|| self.step(part, rows, cols), || part.run(x, y, epilogue, ctx))?)
    }

    /// Prepares rows if there are several parts and all read them in the same format; whether it did.
    fn prepare_once(
        &self,
        x: MatRef<'_, f32>,
        runtime: &Runtime,
        rows: &mut RowBuf,
    ) -> Result<bool, cke_kernels::Error> {
        let [first, others @ ..] = &self.parts[..] else { return Ok(false) };
        let format = first.rows();
        if others.is_empty() || format.is_in_place || others.iter().any(|part| part.rows() != format) {
            return Ok(false);
        }
        let bytes = x.rows() * (self.inputs * size_of::<f32>() + format.row_bytes(self.inputs));
        let step = || Step::other("prepare rows", self.layer, bytes);
        runtime.step(step, || first.prepare(x, rows, runtime.pool()))?;
        Ok(true)
    }

    /// One run of a part over `m` rows, which become `cols` columns.
    fn step(&self, part: &dyn Layer, m: usize, cols: usize) -> Step {
        let (n, k) = (part.outputs(), self.inputs);
        Step {
            name: self.name,
            layer: self.layer,
            kind: Kind::Product,
            shape: Some(Shape { m, n, k }),
            kernel: Some(part.kernel()),
            flops: 2 * (m * n * k) as u64,
            bytes: (part.bytes() + m * (cols + k) * size_of::<f32>()) as u64,
        }
    }
}

/// The biases of all parts, one after the other.
fn joined_bias(parts: &[Part<'_>]) -> Result<Vec<f32>, Error> {
    let mut bias = with_capacity(parts.iter().map(Part::outputs).sum())?;
    for part in parts {
        bias.extend(part.source.vector(&["bias"], part.outputs())?);
    }
    Ok(bias)
}
