//! What most programs use: `use cke_kernels::prelude::*;`.
//!
//! | name | what it is for |
//! |---|---|
//! | [`matmul`] | a product in one call |
//! | [`MatRef`], [`MatMut`] | borrowed matrices with any strides |
//! | [`GemmPlan`], [`Shape`], [`PackedB`] | many products with one B, packed once |
//! | [`Epilogue`], [`Activation`] | bias, activation and residual, applied while a result is still in the cache |
//! | [`Gemm`] | a product with nothing prepared, with α, β and your own threads |
//! | [`Cpu`], [`Ctx`], [`ThreadPool`], [`Scratch`] | what plans and products run on |
//! | [`F32`], [`F64`], [`Bf16`], [`F16`], [`Int8`], [`Int4`] | the numbers of a product |

pub use crate::cpu::Cpu;
pub use crate::gemm::{Ctx, Epilogue, Gemm, GemmPlan, PackedB, Shape};
pub use crate::matmul::matmul;
pub use crate::ops::activation::Activation;
pub use crate::scheme::{Bf16, F16, F32, F64, Int4, Int8};
pub use crate::scratch::Scratch;
pub use crate::threads::ThreadPool;
pub use crate::view::{AsMatMut, AsMatRef, MatMut, MatRef};
