//! Solutions of exercises that are products: each is checked and timed like a step.

pub(crate) mod even_tiles;
pub(crate) mod four_sums;
pub(crate) mod packed_tile;
