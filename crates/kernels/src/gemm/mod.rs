//! Matrix products: C = act(scale · A·B + bias) · multiplier + residual.
//!
//! What most programs need:
//!
//! | | |
//! |---|---|
//! | [`matmul`](crate::matmul()) | a product in one call |
//! | [`GemmPlan`], [`Shape`], [`PackedB`], [`Epilogue`] | B packed once and multiplied often, with bias, activation, gate and residual |
//! | [`Scale`], [`Multiplier`] | two of an epilogue's parts |
//! | [`Gemm`] | a product with nothing prepared, with α and β |
//! | [`GemmBatch`], [`Matrices`], [`MatricesMut`] | many products in one call |
//! | [`Ctx`], [`BatchCtx`] | the threads and memory of a call |
//!
//! For special cases: [`BrgemmPlan`] sums products into one C; [`RowBuf`] prepares rows of A once for several plans;
//! [`GemmPlan::run_into`] leaves results as bf16, or as rows for the next product ([`Destination`]); [`Explanation`] says how a product is going to be
//! computed; the modules [`int8`], [`bf16`], [`f16`](mod@f16) and [`grouped`] describe products with fewer bits.
//!
//! For authors of microkernels: a kernel is a [`Microkernel`] of [`KernelParts`], is called with [`TileArgs`], reads the formats
//! [`PanelFormat`] and [`RowFormat`], and is tested by [`check_kernel`]. [`candidates`], [`choose`] and [`cycles`] are the choice between
//! kernels; everything else here belongs to these.

#[cfg(all(test, target_arch = "x86_64"))]
mod amx_in_software;
#[cfg(all(test, target_arch = "x86_64"))]
mod avx_vnni_in_evex;
mod batch;
pub mod bf16;
mod blocking;
mod brgemm;
pub(crate) mod chains;
mod check_kernel;
mod destination;
mod epilogue;
mod expansion;
pub mod f16;
mod format;
mod group;
pub mod grouped;
mod halves;
pub mod int8;
pub(crate) mod loops;
pub(crate) mod macro_kernel;
mod matrices;
mod micro;
pub(crate) mod microkernel;
mod packed;
mod panel;
mod parts;
#[cfg(all(test, target_arch = "x86_64"))]
mod plain_rust;
mod plan;
mod portions;
pub(crate) mod registry;
mod room;
mod rows;
mod select;
mod side_work;
pub(crate) mod strided;
mod sweep;
mod tile_args;
mod tile_sums;
mod tiles;
mod unpacked;

pub use batch::{BatchCtx, GemmBatch};
pub use blocking::Blocking;
pub use brgemm::{BlocksOfA, BlocksOfB, Brgemm, BrgemmPlan};
pub use check_kernel::{Fault, KernelFault, check_kernel, check_prepared_kernel};
pub use destination::{Destination, Input, RowsFor};
pub use epilogue::{Epilogue, F32Epilogue, Multiplier, NoEpilogue, Scale, Sums, TileEpilogue};

pub use format::{KBlocks, PanelFormat, RowFormat};
pub use matrices::{Layout, Matrices, MatricesMut};
pub use micro::{dot::Dot, outer::Outer};
pub use microkernel::{Form, KernelParts, Microkernel, Session, Supported, Tile};
pub use packed::{PackedB, StableBytes};
pub use panel::{ColumnFn, PackFn, PanelBlock, PrepareFn, RowBlock};
pub use plan::{Ctx, GemmPlan};
pub use rows::RowBuf;
pub use select::{Shape, candidates, choose, cycles, supported};
pub use side_work::{PrefetchStream, SideWork};
pub use tile_args::{Chain, CopyArgs, CopyFn, Pair, Run, Store, TileArgs, TileFn};
pub use unpacked::{Explanation, Gemm, Path};
