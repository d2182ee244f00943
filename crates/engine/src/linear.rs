//! Linear layers: weights packed once for the kernel that reads them.

mod layer;
mod mixed;
mod qkv;
mod stored;
#[cfg(test)]
mod tests;

use self::layer::{Layer, PackedLayer};
use crate::activations::{OpContext, Workspace};
use crate::error::Error;
use crate::fallible::with_capacity;
use crate::profile::{Kind, Step};
use crate::runtime::Runtime;
use crate::source::Source;
use crate::weight_format::WeightFormat;
use cke_kernels::Cpu;
use cke_kernels::gemm::{Ctx, Destination, Epilogue, Input, Multiplier, RowBuf, Shape};
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
        on: &mut OpContext<'_>,
    ) -> Result<(), Error> {
        let x = MatRef::new(x, y.len() / self.width(&epilogue).max(1), self.inputs)?;
        self.run_from(Input::Matrix(x), y, epilogue, on)
    }

    /// The same from rows that may be prepared.
    pub(crate) fn run_from(
        &self,
        x: Input<'_, f32>,
        y: &mut [f32],
        epilogue: Epilogue<'_>,
        on: &mut OpContext<'_>,
    ) -> Result<(), Error> {
        let width = self.width(&epilogue);
        let rows = y.len() / width.max(1);
        if self.is_made_at_once(&epilogue) {
            let y = Destination::F32(MatMut::new(y, rows, width)?);
            return self.run_at_once(x, rows, y, epilogue, on);
        }
        let OpContext { runtime, workspace: Workspace { scratch, rows: prepared, .. } } = on;
        let x = self.prepare_once(x, runtime, prepared)?;
        let ctx = &mut Ctx { pool: runtime.pool(), scratch };
        let mut first = 0;
        for part in &self.parts {
            let cols = first..first + part.outputs();
            let epilogue = Epilogue {
                bias: self.bias_of(cols.clone()),
                residual: epilogue.residual.map(|residual| residual.block(0..rows, cols.clone())),
                ..epilogue
            };
            let start = first.min(y.len());
            let y = MatMut::with_strides(&mut y[start..], rows, cols.len(), width, 1)?;
            self.run_part(part.as_ref(), x, (rows, cols.len()), Destination::F32(y), &epilogue, ctx, runtime)?;
            first = cols.end;
        }
        Ok(())
    }

    /// As [`Linear::run`], with results for `next` alone: in the format in which it reads rows, if it reads all in one and this layer can
    /// make it, and else in `inner`.
    pub(crate) fn run_for<'i>(
        &self,
        next: &Linear,
        x: &[f32],
        inner: Inner<'i>,
        epilogue: Epilogue<'_>,
        on: &mut OpContext<'_>,
    ) -> Result<Input<'i, f32>, Error> {
        let Inner { floats, rows } = inner;
        let m = floats.len() / next.inputs.max(1);
        match next.reader_of_rows() {
            Some(reader) if self.is_made_at_once(&epilogue) => {
                let x = Input::Matrix(MatRef::new(x, m, self.inputs)?);
                self.run_at_once(x, m, Destination::Rows(reader.rows_for(rows)), epilogue, on)?;
                Ok(Input::Prepared(rows))
            }
            _ => {
                self.run(x, floats, epilogue, on)?;
                Ok(Input::Matrix(MatRef::new(floats, m, next.inputs)?))
            }
        }
    }

    /// Columns of y.
    fn width(&self, epilogue: &Epilogue<'_>) -> usize {
        if is_gate(epilogue) { self.outputs / 2 } else { self.outputs }
    }

    /// Whether one part makes all of y: of a gate, whose halves may be two, what multiplies.
    fn is_made_at_once(&self, epilogue: &Epilogue<'_>) -> bool {
        let most = if is_gate(epilogue) { 2 } else { 1 };
        (1..=most).contains(&self.parts.len())
    }

    /// y (rows, width) of a layer of which one part makes it.
    fn run_at_once(
        &self,
        x: Input<'_, f32>,
        rows: usize,
        y: Destination<'_>,
        epilogue: Epilogue<'_>,
        on: &mut OpContext<'_>,
    ) -> Result<(), Error> {
        let size = (rows, self.width(&epilogue));
        let OpContext { runtime, workspace: Workspace { scratch, rows: prepared, gates } } = on;
        let x = self.prepare_once(x, runtime, prepared)?;
        let ctx = &mut Ctx { pool: runtime.pool(), scratch };
        let [gate, up] = &self.parts[..] else {
            let epilogue = Epilogue { bias: self.bias.as_deref(), ..epilogue };
            return self.run_part(self.parts[0].as_ref(), x, size, y, &epilogue, ctx, runtime);
        };
        let (rows, width) = size;
        let gates = gates.take(rows * width)?;
        let closing =
            Epilogue { bias: self.bias_of(0..width), multiplier: Multiplier::One, residual: None, ..epilogue };
        let place = Destination::F32(MatMut::new(gates, rows, width)?);
        self.run_part(gate.as_ref(), x, size, place, &closing, ctx, runtime)?;
        let multiplier = Multiplier::Matrix(MatRef::new(gates, rows, width)?);
        let bias = self.bias_of(width..self.outputs);
        let gated = Epilogue { bias, activation: Activation::None, multiplier, ..epilogue };
        self.run_part(up.as_ref(), x, size, y, &gated, ctx, runtime)
    }

    /// The bias of some outputs.
    fn bias_of(&self, outputs: Range<usize>) -> Option<&[f32]> {
        self.bias.as_deref().map(|bias| &bias[outputs])
    }

    /// y (rows, cols) from x for one part.
    #[expect(clippy::too_many_arguments, reason = "what a part needs beside the operands is the same for all parts")]
    fn run_part(
        &self,
        part: &dyn Layer,
        x: Input<'_, f32>,
        (rows, cols): (usize, usize),
        y: Destination<'_>,
        epilogue: &Epilogue<'_>,
        ctx: &mut Ctx<'_>,
        runtime: &Runtime,
    ) -> Result<(), Error> {
        Ok(runtime.step(|| self.step(part, rows, cols), || part.run(x, y, epilogue, ctx))?)
    }

    /// A part in whose format all parts read rows, if that is one which they have to be prepared in.
    fn reader_of_rows(&self) -> Option<&dyn Layer> {
        let [first, others @ ..] = &self.parts[..] else { return None };
        let format = first.rows();
        let is_shared = !format.is_in_place && others.iter().all(|part| part.rows() == format);
        is_shared.then_some(first.as_ref())
    }

    /// Prepares rows if there are several parts and all read them in the same format.
    fn prepare_once<'r>(
        &self,
        x: Input<'r, f32>,
        runtime: &Runtime,
        rows: &'r mut RowBuf,
    ) -> Result<Input<'r, f32>, cke_kernels::Error> {
        let (Input::Matrix(floats), Some(reader), true) = (x, self.reader_of_rows(), self.parts.len() > 1) else {
            return Ok(x);
        };
        let bytes = floats.rows() * (self.inputs * size_of::<f32>() + reader.rows().row_bytes(self.inputs));
        let step = || Step::other("prepare rows", self.layer, bytes);
        runtime.step(step, || reader.prepare(floats, rows, runtime.pool()))?;
        Ok(Input::Prepared(rows))
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

/// Room for what one layer leaves for the next, (m, inputs of that), of which one is used.
#[derive(Debug)]
pub(crate) struct Inner<'a> {
    pub(crate) floats: &'a mut [f32],
    pub(crate) rows: &'a mut RowBuf,
}

fn is_gate(epilogue: &Epilogue<'_>) -> bool {
    matches!(epilogue.multiplier, Multiplier::SecondHalf)
}

/// The biases of all parts, one after the other.
fn joined_bias(parts: &[Part<'_>]) -> Result<Vec<f32>, Error> {
    let mut bias = with_capacity(parts.iter().map(Part::outputs).sum())?;
    for part in parts {
        bias.extend(part.source.vector(&["bias"], part.outputs())?);
    }
    Ok(bias)
}
