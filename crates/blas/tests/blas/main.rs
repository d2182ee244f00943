//! The exported functions, called as Rust functions, in a program that has its own `xerbla_` and `cblas_xerbla`.

mod batches;
mod bindings;
mod concurrency;
mod error_numbers;
mod fork;
mod matrix_vector;
mod oracle;
mod products;
mod reporters;
mod semantics;
