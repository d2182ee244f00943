//! The architectures, one file each.

//pub mod bert;
pub mod gpt2;

use crate::config::Activation;
use cke_kernels::ops::activation;

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
