//! What the tests of every crate share, and nothing that ships: seeded data, tolerances as formulas, shape cases,
//! guarded buffers, `f64` oracles and tiny model directories.
//!
//! The crate depends on none of the crates under test, so an error in them cannot hide in their oracle.
//!
//! ```
//! use cke_testkit::{Data, Matrix, oracle, tolerance};
//!
//! let mut data = Data::new(1);
//! let a = Matrix::from_values(2, 3, &data.uniform(6));
//! let b = Matrix::from_values(3, 4, &data.uniform(12));
//! let c = Matrix::from_values(2, 4, &[0.0; 8]);
//! let product = oracle::Gemm { alpha: 1.0, a: a.view(), b: b.view(), beta: 0.0, c: c.view() };
//!
//! let found: Vec<f32> = product.exact().iter().map(|&x| x as f32).collect(); // the code under test goes here
//! tolerance::assert_close("2x4x3", &found, &product.exact(), &product.bound());
//! ```
#![deny(unsafe_code)]

#[allow(unsafe_code)] // an allocator is an unsafe trait
pub mod allocations;
pub mod data;
pub mod gguf;
pub mod guard;
pub mod matrix;
pub mod oracle;
#[cfg(unix)]
#[allow(unsafe_code)] // talks to the operating system
pub mod page_guard;
pub mod program;
pub mod recorded;
pub mod shapes;
pub mod special;
pub mod tiny_models;
pub mod tolerance;

pub use allocations::{CountingAllocator, allocations, peak_bytes};
pub use data::{Data, Special};
pub use gguf::{Gguf, GgufLlama, GgufTensor, GgufValue};
pub use guard::{Element, Guarded};
pub use matrix::{Layout, Matrix, View};
#[cfg(unix)]
pub use page_guard::PageGuarded;
pub use recorded::Recorded;
