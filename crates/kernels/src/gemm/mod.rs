//! Matrix products: C = act(scale · A·B + bias) + residual.
//!
//! [`GemmPlan`] chooses a microkernel for a shape, packs B once and runs it for any number of rows of A.

mod blocking;
mod dispatch;
mod epilogue;
mod loops;
pub(crate) mod macro_kernel;
mod micro;
mod multiply;
pub(crate) mod pack;
mod plan;
pub(crate) mod registry;

pub use blocking::Blocking;
pub use dispatch::{Shape, choose, cycles, rivals};
pub use epilogue::{Epilogue, Scale};
pub use multiply::Gemm;
pub use pack::PackedB;
pub use plan::{Ctx, GemmPlan};
pub use registry::{Microkernel, Pair, Supported, Tile, TileArgs, TileFn};
