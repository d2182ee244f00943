//! What does the arithmetic of a linear layer: weights in the form that one kernel reads.

use super::{Layout, Part};
use crate::error::Error;
use crate::runtime::Runtime;
use cke_kernels::Cpu;
use cke_kernels::gemm::grouped::GroupFormat;
use cke_kernels::gemm::{Ctx, Destination, Epilogue, GemmPlan, Input, PackedB, RowBuf, RowFormat, RowsFor, Shape};
use cke_kernels::scheme::{Grouped, Scheme};
use cke_kernels::threads::Parallel;
use cke_kernels::view::MatRef;
use std::fmt::Debug;
use std::sync::Arc;

/// Rows of activations that a plan is made for. Any number may be run; this one decides between kernels.
const TYPICAL_ROWS: usize = 128;

/// A weight matrix W (inputs, outputs) and the kernel that multiplies by it. How it holds numbers is its own affair: rows come and go
/// as f32.
pub(crate) trait Layer: Send + Sync + Debug {
    /// Columns of y.
    fn outputs(&self) -> usize;

    /// Bytes of the weights as they are held, or shared with their owner.
    fn bytes(&self) -> usize;

    /// The name of the kernel.
    fn kernel(&self) -> &'static str;

    /// y = act(scale · x·W + bias) · multiplier + residual for x (m, inputs) and y (m, outputs).
    ///
    /// # Errors
    /// Fails if sizes do not match, rows were prepared in another format, or an allocation fails.
    fn run(
        &self,
        x: Input<'_, f32>,
        y: Destination<'_>,
        epilogue: &Epilogue<'_>,
        ctx: &mut Ctx<'_>,
    ) -> Result<(), cke_kernels::Error>;

    /// How it reads rows.
    fn rows(&self) -> RowFormat;

    /// rows ← x (m, inputs) as every layer with the same [`Layer::rows`] reads it.
    ///
    /// # Errors
    /// Fails if an allocation fails.
    fn prepare(&self, x: MatRef<'_, f32>, rows: &mut RowBuf, pool: &dyn Parallel) -> Result<(), cke_kernels::Error>;

    /// The buffer as what another layer is to fill with rows for this one, and for every other with the same [`Layer::rows`].
    fn rows_for<'b>(&self, rows: &'b mut RowBuf) -> RowsFor<'b>;

    /// Copies the weights of one output: (inputs).
    ///
    /// # Errors
    /// Fails if there is no such output, or `out` has another size.
    fn row(&self, output: usize, out: &mut [f32]) -> Result<(), cke_kernels::Error>;
}

/// What the weights of all parts together are called in a packed file.
pub(super) fn joined_name(parts: &[Part<'_>]) -> String {
    parts.iter().map(Part::full_name).collect::<Vec<_>>().join("+")
}

/// Checks that weights that are to be written down are packed in the same form for every CPU.
fn check_portable<S: Scheme>(parts: &[Part<'_>]) -> Result<(), Error> {
    let mut formats = S::records().map(|kernel| kernel.panel_format());
    let first = formats.next();
    let is_portable = formats.all(|format| Some(format) == first);
    if is_portable || parts[0].source.sink().is_none() { Ok(()) } else { Err(Error::NotPortable { format: S::NAME }) }
}

/// Weights packed for a kernel of the scheme S.
#[derive(Debug)]
pub(crate) struct PackedLayer<S: Scheme> {
    plan: GemmPlan<S>,
    weights: PackedB<S>,
}

impl<S: Scheme<A = f32, B = f32, C = f32>> PackedLayer<S> {
    /// The weights of all parts side by side.
    pub(super) fn load(runtime: &Runtime, parts: &[Part<'_>], inputs: usize) -> Result<Self, Error> {
        let pool = runtime.pool();
        Self::load_by(runtime.cpu(), parts, inputs, |layer, part, first| layer.pack(pool, part, first))
    }

    /// The weights of all parts side by side, each packed by `pack` as the outputs from its last argument on.
    fn load_by(
        cpu: &Cpu,
        parts: &[Part<'_>],
        inputs: usize,
        pack: impl Fn(&mut Self, &Part<'_>, usize) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let plan = Self::plan(cpu, inputs, parts.iter().map(Part::outputs).sum());
        if let Some(layer) = Self::load_packed(plan, parts)? {
            return Ok(layer);
        }
        // Before memory is asked for.
        for part in parts {
            let (rows, cols) = part.stored_shape(inputs);
            part.source.expect_matrix(part.name, rows, cols)?;
        }
        check_portable::<S>(parts)?;
        let mut layer = PackedLayer { weights: plan.empty_b_in(parts[0].source.memory())?, plan };
        let mut first = 0;
        for part in parts {
            pack(&mut layer, part, first)?;
            first += part.outputs();
        }
        layer.write_down(parts)?;
        Ok(layer)
    }

    /// The weights where they lie, if they are packed already.
    fn load_packed(plan: GemmPlan<S>, parts: &[Part<'_>]) -> Result<Option<Self>, Error> {
        let (kernel, k, n) = (plan.kernel(), plan.k(), plan.n());
        let format = kernel.record().panel_format();
        let Some(panels) = parts[0].source.panels(&joined_name(parts), format, (k, n))? else { return Ok(None) };
        Ok(Some(PackedLayer { plan, weights: PackedB::from_shared(kernel, k, n, Arc::new(panels))? }))
    }

    /// Writes the packed weights down, if loading is to.
    fn write_down(&self, parts: &[Part<'_>]) -> Result<(), Error> {
        let Some(sink) = parts[0].source.sink() else { return Ok(()) };
        let (weights, size) = (&self.weights, (self.plan.k(), self.plan.n()));
        Ok(sink.add_panels(&joined_name(parts), weights.format(), size, weights.as_bytes())?)
    }

    /// Packs a part as the outputs from `first` on.
    fn pack(&mut self, pool: &dyn Parallel, part: &Part<'_>, first: usize) -> Result<(), Error> {
        let Part { source, name, layout, .. } = *part;
        let (rows, cols) = part.stored_shape(self.plan.k());
        let weights = &mut self.weights;
        // Panels take whole blocks of inputs.
        let (block, unit) = match layout {
            Layout::InOut => ((0..rows, part.range.clone()), weights.rows_at_a_time()),
            Layout::OutIn => ((part.range.clone(), 0..cols), 1),
        };
        source.slabs(pool, name, (rows, cols), block, unit, |row, slab| {
            match layout {
                Layout::InOut => weights.write_by(pool, row, first, slab)?,
                Layout::OutIn => weights.write_by(pool, 0, first + row, slab.transposed())?,
            }
            Ok(())
        })
    }

    /// What [`Layer::bytes`] would be for a layer of this size; no memory is allocated for the answer.
    pub(crate) fn bytes_for(cpu: &Cpu, inputs: usize, outputs: usize) -> usize {
        Self::plan(cpu, inputs, outputs).packed_b_bytes()
    }

    fn plan(cpu: &Cpu, inputs: usize, outputs: usize) -> GemmPlan<S> {
        GemmPlan::new(cpu, Shape { m: TYPICAL_ROWS, n: outputs, k: inputs })
    }
}

impl<F: GroupFormat> PackedLayer<Grouped<F>> {
    /// As [`PackedLayer::load`], from the blocks of the format F that the source has.
    pub(super) fn load_blocks(runtime: &Runtime, parts: &[Part<'_>], inputs: usize) -> Result<Self, Error> {
        let pool = runtime.pool();
        Self::load_by(runtime.cpu(), parts, inputs, |layer, part, first| {
            part.source.blocks(pool, part.name, part.outputs(), inputs, |row, blocks| {
                Ok(layer.weights.write_blocks_by(pool, first + row, blocks)?)
            })
        })
    }
}

impl<S: Scheme<A = f32, B = f32, C = f32> + Debug> Layer for PackedLayer<S> {
    fn outputs(&self) -> usize {
        self.plan.n()
    }

    fn bytes(&self) -> usize {
        self.weights.bytes()
    }

    fn kernel(&self) -> &'static str {
        self.plan.kernel().record().name()
    }

    fn run(
        &self,
        x: Input<'_, f32>,
        y: Destination<'_>,
        epilogue: &Epilogue<'_>,
        ctx: &mut Ctx<'_>,
    ) -> Result<(), cke_kernels::Error> {
        self.plan.run_into(x, &self.weights, y, epilogue, ctx)
    }

    fn rows(&self) -> RowFormat {
        self.plan.kernel().record().row_format()
    }

    fn prepare(&self, x: MatRef<'_, f32>, rows: &mut RowBuf, pool: &dyn Parallel) -> Result<(), cke_kernels::Error> {
        rows.prepare(self.plan.kernel(), x, pool)
    }

    fn rows_for<'b>(&self, rows: &'b mut RowBuf) -> RowsFor<'b> {
        rows.rows_for(self.plan.kernel())
    }

    fn row(&self, output: usize, out: &mut [f32]) -> Result<(), cke_kernels::Error> {
        self.weights.copy_column(output, out)
    }
}
