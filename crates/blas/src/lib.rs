//! `libcke_blas.so`: the BLAS routines that are matrix products, under the names that programs already call.
//!
//! | module | what it has |
//! |---|---|
//! | [`exports`] | THE list of exported names |
//! | `bindings` | one macro per calling convention that defines the exported functions |
//! | `arguments` | layouts, transpositions, and the calling convention |
//! | `gemm`, `gemv`, `batch` | arguments → checked products |
//! | `product` | one checked product → the kernels; what happens if they fail |
//! | `threads` | the pool of the process, lent to one caller at a time; fork |
//! | `limits`, `other_blas` | how many threads it has, and what was set in the library that this one was preloaded over |
//! | `xerbla` | the report of a bad argument |
//! | `calls` | the routines, and how often each was called |
//! | `number` | `f32` and `f64` as one generic type |
//! | `messages`, `settings` | lines on stderr; the library's own functions |
//!
//! # What a call promises
//!
//! A and B are not read if they are not needed (α = 0, K = 0), C is not read if β = 0, and nothing is touched if M or N is
//! 0; pointers to what is not touched may be null. NaN and infinities go through the arithmetic as they come. A bad argument is
//! reported with its number to the program's own `xerbla_` or `cblas_xerbla` if it has one (to stderr otherwise), and C stays as
//! it was. Results have the same bits for any number of threads.
//!
//! A BLAS routine has no way to return an error. If a product fails anyway (no memory, or a bug in the library), a line on stderr
//! says so once, and C is filled with NaN, so that no failure passes for a result. No panic crosses into the caller.
//!
//! How to link and to preload it, and what the environment variables do, is in the README of this crate.

mod arguments;
mod batch;
mod bindings;
mod calls;
pub mod exports;
mod gemm;
mod gemv;
mod limits;
mod messages;
mod number;
mod other_blas;
mod product;
mod settings;
mod threads;
mod xerbla;

pub use exports::*;
pub use settings::*;
