//! Matrix products: C = act(scale · A·B + bias) + residual.
//!
//! [`GemmPlan`] chooses a microkernel for a shape, packs B once and runs it for any number of rows of A.

mod batch;
mod blocking;
mod brgemm;
mod chains;
mod check_kernel;
mod dispatch;
mod epilogue;
mod explain;
pub(crate) mod loops;
pub(crate) mod macro_kernel;
mod matrices;
mod micro;
pub(crate) mod microkernel;
mod multiply;
mod one_off;
pub(crate) mod pack;
mod plan;
pub(crate) mod registry;
mod small;
mod tile_copy;
mod tile_sums;
mod way;

pub use batch::{BatchCtx, GemmBatch};
pub use blocking::Blocking;
pub use brgemm::{BlocksOfB, Brgemm, BrgemmPlan};
pub use check_kernel::{Fault, KernelFault, check_kernel};
pub use dispatch::{Shape, choose, cycles, rivals};
pub use epilogue::{Epilogue, NoFinish, Scale, Sums, TileEpilogue, TileFinish};
pub use explain::{Explanation, Path};
pub use matrices::{Layout, Matrices, MatricesMut};
pub use microkernel::{
    Chain, Extra, Form, Lines, Microkernel, PackArgs, PackFn, Pair, Run, Store, Supported, Tile, TileArgs, TileFn,
};
pub use multiply::Gemm;
pub use pack::PackedB;
pub use plan::{Ctx, GemmPlan};
