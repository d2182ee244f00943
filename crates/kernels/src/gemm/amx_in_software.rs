//! The kernels of AMX on tiles in software: the same bodies, with what a unit refuses as a panic.

#[path = "../../tests/support/page_borders.rs"]
mod page_borders;

mod bf16;
mod grouped;
mod int8;

use super::{Supported, Tile};
use crate::scheme::Scheme;

fn bits(c: &[f32]) -> Vec<u32> {
    c.iter().map(|x| x.to_bits()).collect()
}

/// Numbers of rows of up to three tiles: all around the halves of one, and some of the others.
fn heights<S: Scheme>(kernel: Supported<S>) -> impl Iterator<Item = usize> {
    let Tile { mr, .. } = kernel.tile();
    (1..=mr + 2).chain([mr + 15, 2 * mr - 1, 2 * mr, 2 * mr + 1, 3 * mr - 1, 3 * mr])
}
