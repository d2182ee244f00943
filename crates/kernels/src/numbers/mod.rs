//! Numbers of fewer bits than f32, in plain Rust that the compiler turns into vectors: one conversion of each kind for packing, for
//! kernels and for [`quantize`](crate::ops::quantize).

pub(crate) mod bf16;
pub(crate) mod f16;
pub(crate) mod int8;
pub(crate) mod spread;
