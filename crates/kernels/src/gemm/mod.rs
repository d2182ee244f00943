//! Matrix products: C = act(scale · A·B + bias) + residual.
//!
//! [`GemmPlan`] chooses a microkernel for a shape, packs B once and runs it for any number of rows of A.

mod batch;
mod blocking;
mod brgemm;
mod chains;
mod check_kernel;
mod epilogue;
pub(crate) mod loops;
pub(crate) mod macro_kernel;
mod matrices;
mod micro;
pub(crate) mod microkernel;
pub(crate) mod pack;
mod plan;
pub(crate) mod registry;
mod room;
mod select;
pub(crate) mod strided;
mod sweep;

mod tile_sums;
mod tiles;
mod unpacked;

pub use batch::{BatchCtx, GemmBatch};
pub use blocking::Blocking;
pub use brgemm::{BlocksOfB, Brgemm, BrgemmPlan};
pub use check_kernel::{Fault, KernelFault, check_kernel};
pub use epilogue::{Epilogue, NoFinish, Scale, Sums, TileEpilogue, TileFinish};
pub use matrices::{Layout, Matrices, MatricesMut};
pub use microkernel::{
    Chain, Extra, Form, Lines, Microkernel, PackArgs, PackFn, Pair, Run, Store, Supported, Tile, TileArgs, TileFn,
};
pub use pack::PackedB;
pub use plan::{Ctx, GemmPlan};
pub use select::{Shape, candidates, choose, cycles, supported};
pub use unpacked::{Explanation, Gemm, Path};
