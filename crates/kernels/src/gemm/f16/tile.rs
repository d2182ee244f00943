//! The microkernels on vectors.

use crate::gemm::halves::COLS;
use crate::gemm::halves::tile::{Widen, Widened};
use crate::gemm::micro::columns::Columns;
use crate::gemm::micro::outer::tile;
use crate::gemm::tile_args::TileArgs;
use crate::simd::{F16Loads, Simd};

#[cfg(target_arch = "aarch64")]
use crate::simd::Neon;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx2F16c, Avx512};

/// # Safety
/// As [`TileFn`](crate::gemm::TileFn) for MR rows and NV vectors: rows of f32, panels of this module, on a CPU with AVX2, FMA and F16C.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
pub(in crate::gemm) unsafe fn avx2<const MR: usize, const NV: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<f32, Avx2, _, MR, NV>(Avx2::assume(), Widened(OfRows(Avx2F16c::assume())), args) }
}

/// # Safety
/// As [`avx2`], on a CPU with AVX-512 F, VL, BW and DQ.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
pub(in crate::gemm) unsafe fn avx512<const MR: usize, const NV: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<f32, Avx512, _, MR, NV>(Avx512::assume(), Widened(OfRows(Avx512::assume())), args) }
}

/// # Safety
/// As [`TileFn`](crate::gemm::TileFn) for MR rows and NV vectors: rows of f32, panels of this module, on a CPU with NEON.
#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon")]
pub(in crate::gemm) unsafe fn neon<const MR: usize, const NV: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<f32, Neon, _, MR, NV>(Neon::assume(), Widened(OfRows(Neon::assume())), args) }
}

/// Numbers out of rows, each with the columns of a step.
#[derive(Clone, Copy)]
struct OfRows<L>(L);

impl<S: Simd<f32>, L: F16Loads<Floats = S>> Widen<S> for OfRows<L> {
    #[inline(always)]
    unsafe fn load<const STEP: usize, const NV: usize>(
        self,
        _: S,
        columns: Columns<S::First, NV>,
        brick: *const f32,
        j: usize,
    ) -> S::Reg {
        let row = brick.cast::<u16>().wrapping_add(STEP * COLS);
        // SAFETY: a row of the brick has as many numbers as the widest vector, and vector j ends inside it; promised by the caller.
        unsafe {
            if columns.is_whole {
                self.0.load(row.wrapping_add(columns.first_of::<f32, S>(j)))
            } else {
                self.0.load_first_filled(row, columns.first)
            }
        }
    }
}
