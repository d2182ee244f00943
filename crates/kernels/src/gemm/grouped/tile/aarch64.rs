//! The kernels on plain NEON: 16 columns are four vectors.

use super::tile;
use crate::gemm::grouped::format::Decode;
use crate::gemm::tile_args::TileArgs;
use crate::simd::Neon;

/// Two rows are multiplied at a time, as their sums take half of the registers.
///
/// # Safety
/// As [`TileFn`](crate::gemm::TileFn) for MR rows and up to 16 columns, with rows and panels of the format F, on a CPU with NEON.
#[target_feature(enable = "neon")]
pub(in crate::gemm) unsafe fn neon<F: Decode, const MR: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe {
        if MR == 1 {
            tile::<F, Neon, 4, 4, 1, 1>(Neon::assume(), args)
        } else {
            tile::<F, Neon, 4, 4, 2, MR>(Neon::assume(), args)
        }
    }
}
