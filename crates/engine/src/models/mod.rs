//! The architectures, one file each.

pub mod bert;
pub mod gpt2;

use crate::config::Activation;
use cke_kernels::gemm::Epilogue;
use cke_kernels::ops::activation;
use cke_kernels::view::MatRef;

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
