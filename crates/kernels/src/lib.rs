//! Kernels.
pub mod cpu;
mod error;
pub mod gemm;
pub mod ops;
pub mod scheme;
pub mod scratch;
pub mod simd;
pub mod threads;
pub mod view;
pub use cpu::{Cpu, Isa};
pub use error::Error;
