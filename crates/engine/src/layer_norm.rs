//! Layer normalisation with its learned gain and bias.

use crate::error::Error;
use crate::profile::Step;
use crate::runtime::Runtime;
use crate::source::Source;
use cke_kernels::ops::norm::layer_norm;
use cke_kernels::threads::for_each_chunk;

/// Rows normalised by one task.
const ROWS_PER_TASK: usize = 16;

/// y = (x − mean) / √(variance + ε) · gain + bias over each row.
#[derive(Debug)]
pub(crate) struct LayerNorm {
    gain: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f32,
    layer: Option<usize>,
}

impl LayerNorm {
    /// From `weight` and `bias` of a source.
    pub(crate) fn load(source: &Source<'_>, width: usize, epsilon: f32) -> Result<LayerNorm, Error> {
        Self::named(source, (&["weight"], &["bias"]), width, epsilon)
    }

    /// From `gamma` and `beta` of a source, as the oldest checkpoints of BERT call them, else from `weight` and `bias`. With
    /// both, transformers takes the older ones, too.
    pub(crate) fn load_legacy(source: &Source<'_>, width: usize, epsilon: f32) -> Result<LayerNorm, Error> {
        Self::named(source, (&["gamma", "weight"], &["beta", "bias"]), width, epsilon)
    }

    fn named(
        source: &Source<'_>,
        (gain, bias): (&[&str], &[&str]),
        width: usize,
        epsilon: f32,
    ) -> Result<LayerNorm, Error> {
        let gain = source.vector(gain, width)?;
        let bias = source.vector(bias, width)?;
        Ok(LayerNorm { gain, bias, epsilon, layer: None })
    }

    /// The same norm, as part of a layer of the model.
    pub(crate) fn in_layer(self, layer: usize) -> LayerNorm {
        LayerNorm { layer: Some(layer), ..self }
    }

    /// y (m, width) from x (m, width).
    pub(crate) fn run(&self, x: &[f32], y: &mut [f32], runtime: &Runtime) -> Result<(), Error> {
        let width = self.gain.len();
        let chunk = ROWS_PER_TASK * width;
        let step = || Step::other("layer norm", self.layer, 2 * size_of_val(x));
        runtime.step(step, || {
            for_each_chunk(runtime.pool(), y, chunk, |index, y| {
                let x = &x[index * chunk..][..y.len()];
                layer_norm(runtime.cpu(), x, &self.gain, &self.bias, self.epsilon, y).expect("rows are whole");
            });
        });
        Ok(())
    }
}
