//! The architectures: what [`Bundle::into_causal_model`](crate::bundle::Bundle::into_causal_model) and
//! [`Bundle::into_bert`](crate::bundle::Bundle::into_bert) make.
//!
//! | module | what it has |
//! |---|---|
//! | [`causal`] | [`CausalModel`], the interface of all models that continue texts |
//! | [`bert`] | the encoder |
//! | [`decoder`], [`gpt2`], [`llama`] | one implementation of all decoders, and the names of its weights in each family |

pub mod bert;
pub mod causal;
pub mod decoder;
pub mod gpt2;
pub mod llama;
pub(crate) mod output_head;
pub(crate) mod tensor_use;

use self::causal::CausalModel;
use self::decoder::Decoder;
use crate::bundle::Weights;
use crate::config::{Activation, ModelConfig};
use crate::error::Error;
use crate::parallel::try_for_each_chunk;
use crate::profile::{Kind, Step};
use crate::qkv_shape::QkvShape;
use crate::runtime::Runtime;
use crate::source::{Loading, Source};
use cke_kernels::attention::{AttentionPlan, Mask, Operands, SequenceRows};
use cke_kernels::gemm::{Ctx, Epilogue};
use cke_kernels::ops::activation;
use cke_kernels::threads::Parallel;
use cke_kernels::view::{MatMut, MatRef};
use std::sync::Arc;

impl From<Activation> for activation::Activation {
    fn from(activation: Activation) -> activation::Activation {
        match activation {
            Activation::Relu => activation::Activation::Relu,
            Activation::GeluErf => activation::Activation::Gelu,
            Activation::GeluTanh => activation::Activation::GeluTanh,
            Activation::Silu => activation::Activation::Silu,
            Activation::Tanh => activation::Activation::Tanh,
        }
    }
}

/// A model that continues texts, of random weights, to measure speed. Calls `made` with each number of bytes of f32 that were made.
///
/// # Errors
/// Fails if the configuration is that of a model which does not, or an allocation fails.
pub fn random_causal_model(
    config: &ModelConfig,
    seed: u64,
    runtime: &Runtime,
    made: &dyn Fn(u64),
) -> Result<Arc<dyn CausalModel>, Error> {
    let source = Source::random_reporting(seed, made);
    let decoder = match config {
        ModelConfig::Gpt2(config) => gpt2::random_from(&source, config, runtime)?,
        ModelConfig::Decoder(config) => llama::random_from(&source, config, runtime)?,
        ModelConfig::Bert(_) => return Err(not_causal("random weights", config)),
    };
    Ok(Arc::new(decoder))
}

/// Loads a model that continues texts; `name` is what errors call it.
pub(crate) fn load_decoder(
    name: &str,
    config: &ModelConfig,
    weights: &Weights,
    runtime: &Runtime,
    loading: Loading<'_>,
) -> Result<Decoder, Error> {
    match config {
        ModelConfig::Gpt2(config) => gpt2::load_from(weights, config, runtime, loading),
        ModelConfig::Decoder(config) => llama::load_from(weights, config, runtime, loading),
        ModelConfig::Bert(_) => Err(not_causal(name, config)),
    }
}

pub(crate) fn not_causal(name: &str, found: &ModelConfig) -> Error {
    let (file, found) = (name.to_owned(), found.architecture());
    Error::WrongArchitecture { file, wanted: "GPT-2, Llama or similar", found }
}

/// Rows looked up or turned by one task.
const ROWS_PER_TASK: usize = 16;

/// Calls `work(row, x)` for each row of x (rows, width), spread over the pool; the first error of all, where there is one.
fn for_each_row(
    pool: &dyn Parallel,
    x: &mut [f32],
    width: usize,
    work: impl Fn(usize, &mut [f32]) -> Result<(), cke_kernels::Error> + Sync,
) -> Result<(), Error> {
    let work_on = |index, chunk: &mut [f32]| {
        let mut rows = chunk.chunks_exact_mut(width).enumerate();
        rows.try_for_each(|(i, x)| work(index * ROWS_PER_TASK + i, x))
    };
    Ok(try_for_each_chunk(pool, x, ROWS_PER_TASK * width, work_on)?)
}

/// The sum of a row of two tables or three, `rows` times.
fn embed_step(rows: usize, width: usize) -> Step {
    Step::other("embed", None, 3 * rows * width * size_of::<f32>())
}

/// The epilogue that adds `residual` (rows, width).
fn plus(residual: &[f32], width: usize) -> Result<Epilogue<'_>, Error> {
    let residual = MatRef::new(residual, residual.len() / width, width)?;
    Ok(Epilogue { residual: Some(residual), ..Epilogue::default() })
}

/// Attention of new positions, a row each in qkv (rows, joined row of `shape`): out (rows, width of the queries). The keys and values
/// are appended to the caches of their sequences.
fn attend<'t>(
    plan: &AttentionPlan,
    shape: QkvShape,
    sequences: impl ExactSizeIterator<Item = SequenceRows<'t>>,
    mask: Mask,
    qkv: &[f32],
    out: &mut [f32],
    ctx: &mut Ctx<'_>,
) -> Result<(), Error> {
    let rows = out.len() / shape.query_width();
    let qkv = MatRef::new(qkv, rows, shape.row_width())?;
    let operands = Operands {
        queries: qkv.block(0..rows, shape.queries()),
        keys: qkv.block(0..rows, shape.keys()),
        values: qkv.block(0..rows, shape.values()),
        out: MatMut::new(out, rows, shape.query_width())?,
    };
    Ok(plan.run(sequences, mask, operands, ctx)?)
}

/// How much attention a layer computes.
#[derive(Clone, Copy, Debug, Default)]
struct AttentionWork {
    /// Pairs of a query and a key that it sees.
    pairs: usize,
    /// Positions in caches before the new ones.
    kept: usize,
}

/// The attention of a layer for `rows` new positions.
fn attention_step(plan: &AttentionPlan, layer: usize, rows: usize, work: AttentionWork) -> Step {
    Step {
        name: "attention",
        layer: Some(layer),
        kind: Kind::Attention,
        shape: None,
        kernel: Some(plan.kernel_name()),
        flops: 4 * (work.pairs * plan.width()) as u64,
        // Queries and outputs; keys and values, and both once more as they are packed.
        bytes: (2 * size_of::<f32>() * (plan.width() * rows + plan.kv_width() * (2 * rows + work.kept))) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activations::{OpContext, Workspace};
    use crate::runtime::Runtime;
    use crate::source::Source;
    use cke_kernels::attention::KvDtype;

    const ROWS: usize = 5;

    fn attended(shape: QkvShape, qkv: &[f32], runtime: &Runtime) -> Vec<f32> {
        let plan = shape.attention(runtime.cpu(), 3.0, KvDtype::F32).unwrap();
        let sequences = [SequenceRows { rows: ROWS, cache: None }].into_iter();
        let mut out = vec![0.0; ROWS * shape.query_width()];
        let workspace = &mut Workspace::default();
        let mut on = OpContext { runtime, workspace };
        attend(&plan, shape, sequences, Mask::Causal, qkv, &mut out, &mut on.of_kernels()).unwrap();
        out
    }

    #[test]
    fn a_key_head_serves_its_query_heads() {
        let runtime = Runtime::new(Some(1)).unwrap();
        let shared = QkvShape { heads: 4, key_heads: 2, head_dim: 3 };
        let qkv = Source::random(1).table(runtime.pool(), "qkv", ROWS, shared.row_width()).unwrap();
        // Each key and value head, once for each of its query heads.
        let repeat = |part: &[f32]| part.chunks(shared.head_dim).flat_map(|head| [head, head].concat()).collect();
        let spread = |row: &[f32]| -> Vec<f32> {
            let [keys, values]: [Vec<f32>; 2] = [shared.keys(), shared.values()].map(|cols| repeat(&row[cols]));
            [&row[shared.queries()], &keys, &values].concat()
        };
        let repeated: Vec<f32> = qkv.chunks(shared.row_width()).flat_map(spread).collect();
        let whole = QkvShape { key_heads: shared.heads, ..shared };
        assert_eq!(attended(shared, &qkv, &runtime), attended(whole, &repeated, &runtime));
    }
}
