//! The architectures, one file each.

pub mod bert;
pub mod gpt2;
pub(crate) mod tensor_use;

use crate::config::Activation;
use crate::error::Error;
use crate::profile::{Kind, Step};
use cke_kernels::attention::{AttentionPlan, Mask, Operands, Turn};
use cke_kernels::gemm::{Ctx, Epilogue};
use cke_kernels::ops::activation;
use cke_kernels::threads::{Parallel, for_each_chunk};
use cke_kernels::view::{MatMut, MatRef};
use std::sync::OnceLock;

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

/// Rows looked up by one task.
const ROWS_PER_TASK: usize = 16;

/// Calls `work(row, x)` for each row of x (rows, width), spread over the pool; the first error of all, where there is one.
fn for_each_row(
    pool: &dyn Parallel,
    x: &mut [f32],
    width: usize,
    work: impl Fn(usize, &mut [f32]) -> Result<(), cke_kernels::Error> + Sync,
) -> Result<(), Error> {
    let failure = OnceLock::new();
    for_each_chunk(pool, x, ROWS_PER_TASK * width, |index, chunk| {
        for (i, x) in chunk.chunks_exact_mut(width).enumerate() {
            if let Err(error) = work(index * ROWS_PER_TASK + i, x) {
                failure.get_or_init(|| error);
            }
        }
    });
    failure.into_inner().map_or(Ok(()), |error| Err(error.into()))
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

/// Attention of new positions, a row each with queries, keys and values side by side, qkv (rows, 3 · width): out (rows, width).
/// The keys and values are appended to the caches of their turns.
fn attend<'t>(
    plan: &AttentionPlan,
    turns: impl ExactSizeIterator<Item = Turn<'t>>,
    mask: Mask,
    qkv: &[f32],
    out: &mut [f32],
    ctx: &mut Ctx<'_>,
) -> Result<(), Error> {
    let width = plan.width();
    let rows = out.len() / width;
    let part = |which: usize| MatRef::with_strides(&qkv[which * width..], rows, width, 3 * width, 1);
    let operands =
        Operands { queries: part(0)?, keys: part(1)?, values: part(2)?, out: MatMut::new(out, rows, width)? };
    Ok(plan.run(turns, mask, operands, ctx)?)
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
        kernel: Some(plan.kernel().record().name()),
        flops: 4 * (work.pairs * plan.width()) as u64,
        // Queries, keys, values and outputs; keys and values once more as they are packed.
        bytes: (size_of::<f32>() * plan.width() * (6 * rows + 2 * work.kept)) as u64,
    }
}
