//! Compiles and runs the Rust of the project's README files. That of the book is included from programs; `tools/book/check.py` sees to it.

#![cfg(doctest)]

#[doc = include_str!("../README.md")]
pub struct Readme;

#[doc = include_str!("../crates/kernels/README.md")]
pub struct KernelsReadme;
