//! Matrix products and fused transformer operations for CPUs, chosen at run time: one binary for every x86-64 or 64-bit ARM machine.
//!
//! A product in one call:
//!
//! ```
//! use cke_kernels::prelude::*;
//!
//! // y (2, 3) = x (2, 4) · w (4, 3)
//! let x = [[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]];
//! let w = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 1.0, 1.0]];
//! let mut y = [[0.0; 3]; 2];
//! matmul(&x, &w, &mut y)?;
//! assert_eq!(y, [[5.0, 6.0, 7.0], [13.0, 14.0, 15.0]]);
//! # Ok::<(), cke_kernels::Error>(())
//! ```
//!
//! A layer whose weights are packed once, with bias and activation applied on the way:
//!
//! ```
//! use cke_kernels::prelude::*;
//!
//! # let (x, w, bias, mut y) = ([1.0; 2 * 4], [0.5; 3 * 4], [1.0; 3], [0.0; 2 * 3]);
//! let plan = GemmPlan::<F32>::new(Cpu::host()?, Shape { m: 2, n: 3, k: 4 });
//! let weights = plan.pack_b(MatRef::new(&w, 3, 4)?.transposed())?; // once
//! let (pool, mut scratch) = (ThreadPool::new(ThreadPool::available())?, Scratch::new());
//! let mut ctx = Ctx { pool: &pool, scratch: &mut scratch };
//! let epilogue = Epilogue { bias: Some(&bias), activation: Activation::Relu, ..Epilogue::default() };
//! plan.run(MatRef::new(&x, 2, 4)?, &weights, MatMut::new(&mut y, 2, 3)?, &epilogue, &mut ctx)?; // often
//! # assert_eq!(y, [3.0; 6]);
//! # Ok::<(), cke_kernels::Error>(())
//! ```
//!
//! | module | what it has |
//! |---|---|
//! | [`prelude`] | what most programs use |
//! | [`gemm`] | products: planned, at once, in batches, in fewer bits |
//! | [`attention`] | attention over packed keys and values |
//! | [`ops`] | norms, softmax, activations and gates, rotary embeddings, embedding, pooling, conversion to fewer bits |
//! | [`view`] | borrowed matrices with any strides, `ndarray`'s and `faer`'s among them |
//! | [`threads`], [`scratch`] | what a call works with: a pool and reused memory |
//! | [`cpu`], [`cores`] | instruction sets and caches of this machine, and the CPUs that a thread may use |
//! | [`scheme`], [`simd`] | for kernels of your own: types of a product, and the vectors that kernels are written in |
//!
//! Results have the same bits for any number of threads, any alignment and any rows around a row.
//!
//! Features, none of them on by default: `ndarray` and `faer` make views of the matrices of these crates.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(unsafe_code)]

// What tests of the library's inside share with those from outside names it so.
#[cfg(all(test, target_arch = "x86_64"))]
extern crate self as cke_kernels;

#[allow(unsafe_code, reason = "caches and outputs of which each thread writes its part")]
pub mod attention;
#[allow(unsafe_code, reason = "system calls that have no safe form in std")]
pub mod cores;
pub mod cpu;
mod error;
#[allow(unsafe_code, reason = "kernels, and parts of a matrix that threads write")]
pub mod gemm;
mod matmul;
mod numbers;
pub mod ops;
pub mod prelude;
#[cfg(doctest)]
mod refused;
pub mod scheme;
#[allow(unsafe_code, reason = "memory that is aligned, and reused as another type")]
pub mod scratch;
#[allow(unsafe_code, reason = "vector instructions")]
pub mod simd;
#[allow(unsafe_code, reason = "a job lives as long as its workers use it; system calls")]
pub mod threads;
#[allow(unsafe_code, reason = "matrices at foreign addresses")]
pub mod view;

pub use cpu::{Cpu, Isa};
pub use error::Error;
pub use matmul::matmul;
