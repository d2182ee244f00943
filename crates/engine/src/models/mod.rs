//! The architectures, one file each.

pub mod bert;
pub mod gpt2;

use crate::config::Activation;
use crate::error::Error;
use cke_kernels::gemm::{Ctx, Epilogue};
use cke_kernels::ops::activation;
use cke_kernels::ops::attention::{AttentionPlan, KvCache, Mask};
use cke_kernels::view::{MatMut, MatRef};

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

/// The epilogue that adds `residual`.
fn plus(residual: MatRef<'_, f32>) -> Epilogue<'_> {
    Epilogue { residual: Some(residual), ..Epilogue::default() }
}

/// Appends the keys and values of one sequence's next tokens to its cache and computes their attention: out (tokens, width) from
/// queries, keys and values side by side, qkv (tokens, 3 · width).
fn attend(
    plan: &AttentionPlan,
    qkv: &[f32],
    out: &mut [f32],
    cache: &mut KvCache,
    is_causal: bool,
    ctx: &mut Ctx<'_>,
) -> Result<(), Error> {
    let width = plan.width();
    let tokens = out.len() / width;
    let view = |which: usize| MatRef::with_strides(&qkv[which * width..], tokens, width, 3 * width, 1);
    let mask = if is_causal { Mask::Causal { first: cache.len() } } else { Mask::Full };
    plan.append(cache, view(1)?, view(2)?, ctx.pool)?;
    Ok(plan.run(view(0)?, cache, mask, MatMut::new(out, tokens, width)?, ctx)?)
}
