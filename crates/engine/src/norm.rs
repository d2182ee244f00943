//! Normalisation of rows, with its learned gain.

use crate::error::Error;
use crate::profile::Step;
use crate::runtime::Runtime;
use crate::source::Source;
use cke_kernels::ops::elementwise::add;
use cke_kernels::ops::norm::{layer_norm, rms_norm};
use cke_kernels::threads::for_each_chunk;

/// Rows normalised by one task.
const ROWS_PER_TASK: usize = 16;

/// A norm over each row, as part of a layer of a model.
#[derive(Debug)]
pub(crate) struct Norm {
    kind: Kind,
    gain: Vec<f32>,
    epsilon: f32,
    layer: Option<usize>,
}

#[derive(Debug)]
enum Kind {
    /// y = (x − mean) / √(variance + ε) · gain + bias
    Layer { bias: Vec<f32> },
    /// y = x / √(mean of x² + ε) · gain
    RootMeanSquare,
}

impl Norm {
    /// A layer norm from `weight` and `bias` of a source.
    pub(crate) fn layer(source: &Source<'_>, width: usize, epsilon: f32) -> Result<Norm, Error> {
        Norm::layer_named(source, (&["weight"], &["bias"]), width, epsilon)
    }

    /// A layer norm from `gamma` and `beta` of a source, as the oldest checkpoints of BERT call them, else from `weight` and `bias`.
    /// With both, transformers takes the older ones, too.
    pub(crate) fn legacy_layer(source: &Source<'_>, width: usize, epsilon: f32) -> Result<Norm, Error> {
        Norm::layer_named(source, (&["gamma", "weight"], &["beta", "bias"]), width, epsilon)
    }

    fn layer_named(
        source: &Source<'_>,
        (gain, bias): (&[&str], &[&str]),
        width: usize,
        epsilon: f32,
    ) -> Result<Norm, Error> {
        let gain = source.vector(gain, width)?;
        let bias = source.vector(bias, width)?;
        Ok(Norm { kind: Kind::Layer { bias }, gain, epsilon, layer: None })
    }

    /// A root-mean-square norm from `weight` of a source; its gain is `offset` plus that.
    pub(crate) fn root_mean_square(
        source: &Source<'_>,
        width: usize,
        epsilon: f32,
        offset: f32,
    ) -> Result<Norm, Error> {
        let mut gain = source.vector(&["weight"], width)?;
        gain.iter_mut().for_each(|gain| *gain += offset);
        Ok(Norm { kind: Kind::RootMeanSquare, gain, epsilon, layer: None })
    }

    /// The same norm, as part of a layer of the model.
    pub(crate) fn in_layer(self, layer: usize) -> Norm {
        Norm { layer: Some(layer), ..self }
    }

    /// y (m, width) from x (m, width).
    pub(crate) fn run(&self, x: &[f32], y: &mut [f32], runtime: &Runtime) {
        self.run_chunks(x, y, runtime, |_, _| ());
    }

    /// y ← norm(x) + `residual`, all (m, width).
    pub(crate) fn run_adding(&self, x: &[f32], residual: &[f32], y: &mut [f32], runtime: &Runtime) {
        self.run_chunks(x, y, runtime, |first, y| {
            add(runtime.cpu(), y, &residual[first..][..y.len()]).expect("as many rows");
        });
    }

    /// y ← norm(x), some rows at a time; `after` gets the place of the first element and the rows.
    fn run_chunks(&self, x: &[f32], y: &mut [f32], runtime: &Runtime, after: impl Fn(usize, &mut [f32]) + Sync) {
        let chunk = ROWS_PER_TASK * self.gain.len();
        runtime.step(
            || self.step(2 * size_of_val(x)),
            || {
                for_each_chunk(runtime.pool(), y, chunk, |index, y| {
                    let first = index * chunk;
                    self.rows(&x[first..][..y.len()], y, runtime);
                    after(first, y);
                });
            },
        );
    }

    /// Whole rows, on the calling thread.
    fn rows(&self, x: &[f32], y: &mut [f32], runtime: &Runtime) {
        let (cpu, gain, epsilon) = (runtime.cpu(), &self.gain, self.epsilon);
        match &self.kind {
            Kind::Layer { bias } => layer_norm(cpu, x, gain, bias, epsilon, y),
            Kind::RootMeanSquare => rms_norm(cpu, x, gain, epsilon, y),
        }
        .expect("rows are whole");
    }

    fn step(&self, bytes: usize) -> Step {
        let name = match self.kind {
            Kind::Layer { .. } => "layer norm",
            Kind::RootMeanSquare => "rms norm",
        };
        Step::other(name, self.layer, bytes)
    }
}
