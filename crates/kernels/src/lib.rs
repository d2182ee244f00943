//! Matrix products and fused transformer operations for CPUs, chosen at run time: one binary for every x86-64 machine.
//!
//! | module | what it has |
//! |---|---|
//! | [`cpu`], [`cores`] | instruction sets and caches of this machine, and the CPUs that a thread may use |
//! | [`view`] | borrowed matrices with any strides |
//! | [`gemm`] | matrix products with weights packed once |
//! | [`attention`] | attention over packed keys and values |
//! | [`ops`] | norms, softmax, activations and gates, rotary embeddings, embedding, pooling, conversion to fewer bits |
//! | [`simd`] | the vector vocabulary that kernels are written in |
//! | [`threads`], [`scratch`] | what a call works with: a pool and reused memory |
//!
//! Results have the same bits for any number of threads, any alignment and any rows around a row.
//!
//! ```
//! use cke_kernels::gemm::{Ctx, Epilogue, GemmPlan, Shape};
//! use cke_kernels::scheme::F32;
//! use cke_kernels::scratch::Scratch;
//! use cke_kernels::threads::ThreadPool;
//! use cke_kernels::view::{MatMut, MatRef};
//! use cke_kernels::Cpu;
//!
//! // y (2, 3) = x (2, 4) · w (4, 3)
//! let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
//! let w = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0];
//! let mut y = [0.0; 6];
//!
//! let plan = GemmPlan::<F32>::new(Cpu::host()?, Shape { m: 2, n: 3, k: 4 });
//! let weights = plan.pack_b(MatRef::new(&w, 4, 3)?)?; // once
//! let (pool, mut scratch) = (ThreadPool::new(ThreadPool::available())?, Scratch::new());
//! let mut ctx = Ctx { pool: &pool, scratch: &mut scratch };
//! plan.run(MatRef::new(&x, 2, 4)?, &weights, MatMut::new(&mut y, 2, 3)?, &Epilogue::default(), &mut ctx)?; // often
//! assert_eq!(y, [5.0, 6.0, 7.0, 13.0, 14.0, 15.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![deny(unsafe_code)]

#[allow(unsafe_code, reason = "caches and outputs of which each thread writes its part")]
pub mod attention;
#[allow(unsafe_code, reason = "system calls that have no safe form in std")]
pub mod cores;
pub mod cpu;
mod error;
#[allow(unsafe_code, reason = "kernels, and parts of a matrix that threads write")]
pub mod gemm;
mod numbers;
pub mod ops;
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
