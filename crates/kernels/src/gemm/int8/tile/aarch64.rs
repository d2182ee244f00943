//! The kernels on plain NEON: 16 columns are four vectors.

use super::tile;
use crate::gemm::tile_args::TileArgs;
use crate::simd::Neon;

/// # Safety
/// As [`TileFn`](crate::gemm::TileFn) for MR rows and up to 16 columns, in the formats of this scheme, on a CPU with NEON.
#[target_feature(enable = "neon")]
pub(in crate::gemm) unsafe fn neon<const GROUP: usize, const WHOLE: bool, const MR: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<GROUP, WHOLE, Neon, 4, 4, MR>(Neon::assume(), args) }
}
