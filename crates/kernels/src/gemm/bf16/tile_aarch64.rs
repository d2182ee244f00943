//! The microkernels on NEON, which widen weights.

use super::pairs::OfPairs;
use crate::gemm::halves::tile::Widened;
use crate::gemm::micro::outer::tile;
use crate::gemm::tile_args::TileArgs;
use crate::simd::Neon;

/// # Safety
/// As [`TileFn`](crate::gemm::TileFn) for MR rows and NV vectors: rows of f32, panels of this module, on a CPU with NEON.
#[target_feature(enable = "neon")]
pub(in crate::gemm) unsafe fn neon<const MR: usize, const NV: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<f32, Neon, _, MR, NV>(Neon::assume(), Widened(OfPairs), args) }
}
