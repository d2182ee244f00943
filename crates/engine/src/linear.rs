//! Linear layers: weights packed once for the kernel that reads them.

use crate::error::Error;
use crate::fallible::with_capacity;
use crate::profile::{Kind, Step};
use crate::runtime::Runtime;
use crate::source::Source;
use cke_kernels::Cpu;
use cke_kernels::gemm::{Epilogue, GemmPlan, PackedB, Shape};
use cke_kernels::scheme::F32;
use cke_kernels::scratch::Scratch;
use cke_kernels::view::{MatMut, MatRef};

/// Rows of activations that a plan is made for. Any number may be run; this one decides between kernels.
const TYPICAL_ROWS: usize = 128;

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

/// y = act(x·W + bias) + residual with W (inputs, outputs) in packed form.
#[derive(Debug)]
pub(crate) struct Linear {
    plan: GemmPlan<F32>,
    weights: PackedB<F32>,
    bias: Option<Vec<f32>>,
    /// What profiles call it, and the layer that it belongs to.
    name: &'static str,
    layer: Option<usize>,
}

impl Linear {
    /// A layer from `weight` and `bias` of a source.
    pub(crate) fn load(
        cpu: &Cpu,
        source: &Source<'_>,
        layout: Layout,
        inputs: usize,
        outputs: usize,
    ) -> Result<Linear, Error> {
        let mut linear = Linear::without_bias(cpu, source, "weight", layout, inputs, outputs)?;
        linear.bias = Some(source.vector(&["bias"], outputs)?);
        Ok(linear)
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
        let (rows, cols) = layout.shape(inputs, outputs);
        source.expect_matrix(name, rows, cols)?;
        let mut linear = Linear::empty(cpu, inputs, outputs)?;
        linear.pack(source, name, layout, 0, outputs)?;
        Ok(linear)
    }

    /// Several (out, in) layers side by side, as one with the outputs of all.
    pub(crate) fn load_joined(
        cpu: &Cpu,
        sources: &[Source<'_>],
        inputs: usize,
        outputs_each: usize,
    ) -> Result<Linear, Error> {
        for source in sources {
            source.expect_matrix("weight", outputs_each, inputs)?;
        }
        let mut linear = Linear::empty(cpu, inputs, outputs_each * sources.len())?;
        let mut bias = with_capacity(outputs_each * sources.len())?;
        for (i, source) in sources.iter().enumerate() {
            linear.pack(source, "weight", Layout::OutIn, i * outputs_each, outputs_each)?;
            bias.extend(source.vector(&["bias"], outputs_each)?);
        }
        linear.bias = Some(bias);
        Ok(linear)
    }

    /// Room for a layer whose weights are known to exist.
    fn empty(cpu: &Cpu, inputs: usize, outputs: usize) -> Result<Linear, Error> {
        let plan = Linear::plan(cpu, inputs, outputs);
        Ok(Linear { weights: plan.empty_b()?, plan, bias: None, name: "linear", layer: None })
    }

    /// The same layer under a name, as part of a layer of the model.
    pub(crate) fn named(self, name: &'static str, layer: impl Into<Option<usize>>) -> Linear {
        Linear { name, layer: layer.into(), ..self }
    }

    /// Packs the matrix `name` as the outputs `first..first + outputs`.
    fn pack(
        &mut self,
        source: &Source<'_>,
        name: &str,
        layout: Layout,
        first: usize,
        outputs: usize,
    ) -> Result<(), Error> {
        let (rows, cols) = layout.shape(self.plan.k(), outputs);
        let weights = &mut self.weights;
        source.slabs(name, rows, cols, |row, slab| {
            let slab = MatRef::new(slab, slab.len() / cols.max(1), cols)?;
            match layout {
                Layout::InOut => weights.write(row, first, slab)?,
                Layout::OutIn => weights.write(0, first + row, slab.transposed())?,
            }
            Ok(())
        })
    }

    /// Number of outputs.
    pub(crate) fn outputs(&self) -> usize {
        self.plan.n()
    }

    /// Bytes of the packed weights and the bias.
    pub(crate) fn bytes(&self) -> usize {
        self.weights.bytes() + self.bias.as_deref().map_or(0, size_of_val)
    }

    /// What [`Linear::bytes`] would be for a layer of this size; no memory is allocated for the answer.
    pub(crate) fn bytes_for(cpu: &Cpu, inputs: usize, outputs: usize, has_bias: bool) -> usize {
        let bias = if has_bias { outputs * size_of::<f32>() } else { 0 };
        Linear::plan(cpu, inputs, outputs).packed_b_bytes() + bias
    }

    fn plan(cpu: &Cpu, inputs: usize, outputs: usize) -> GemmPlan<F32> {
        GemmPlan::new(cpu, Shape { m: TYPICAL_ROWS, n: outputs, k: inputs })
    }

    /// The weights of one output: (inputs).
    pub(crate) fn copy_output(&self, output: usize, out: &mut [f32]) -> Result<(), cke_kernels::Error> {
        self.weights.copy_column(output, out)
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
        let rows = y.len() / self.plan.n().max(1);
        let x = MatRef::new(x, rows, self.plan.k())?;
        let y = MatMut::new(y, rows, self.plan.n())?;
        let epilogue = Epilogue { bias: self.bias.as_deref(), ..epilogue };
        let ctx = &mut runtime.ctx(scratch);
        Ok(runtime.step(|| self.step(rows), || self.plan.run(x, &self.weights, y, &epilogue, ctx))?)
    }

    /// One run over `m` rows.
    fn step(&self, m: usize) -> Step {
        let (n, k) = (self.plan.n(), self.plan.k());
        Step {
            name: self.name,
            layer: self.layer,
            kind: Kind::Product,
            shape: Some(Shape { m, n, k }),
            kernel: Some(self.plan.kernel().record().name()),
            flops: 2 * (m * n * k) as u64,
            bytes: (self.bytes() + m * (n + k) * size_of::<f32>()) as u64,
        }
    }
}
