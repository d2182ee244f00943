//! Microkernels: one file per family.

pub(super) mod columns;
pub(super) mod copy;
pub(super) mod dot;
#[cfg(target_arch = "aarch64")]
pub(super) mod dots;
pub(super) mod in_memory;
pub(super) mod operands;
pub(super) mod outer;
pub(super) mod row_steps;
#[cfg(target_arch = "aarch64")]
pub(super) mod squares;
pub(super) mod sweep;
#[cfg(target_arch = "x86_64")]
pub(super) mod tile_block;
