//! The f32 microkernels of every ISA: one body over [`Simd`], one entry per ISA.
//!
//! ```text
//! tile[i][j] = C₀[i][j]                                 i < MR rows, j < NV vectors
//! for (A, B) in pairs, for p in 0..k:
//!     b[j]        = B[p·NR + j·LANES ..]
//!     tile[i][j] += A[i][p] · b[j]                      A[i][p] broadcast to all lanes
//! C = finish(tile)
//! ```
//! Each element is one chain of multiply-adds in the order of p, whatever the tile: all kernels of an ISA that fuses give
//! the same bits, and so does a product cut into blocks of K.

use super::super::epilogue::{FinishTile, TileFinish};
use super::super::registry::{Pair, TileArgs};
use crate::scheme::F32;
use crate::scratch::LINE;
use crate::simd::{Scalar, Simd};

#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};

/// # Safety
/// As [`TileFn`](super::super::registry::TileFn), for MR rows and NV vectors of a panel of PANEL vectors.
#[inline(always)]
unsafe fn tile<S: Simd<f32>, const MR: usize, const NV: usize, const PANEL: usize>(s: S, args: &TileArgs<'_, F32>) {
    let last = s.mask(args.cols - (NV - 1) * S::LANES);
    // SAFETY: the caller's promises, passed on: rows < MR and columns < args.cols of C, and all that the pairs name.
    unsafe {
        let mut sums = [[s.splat(0.0); NV]; MR];
        if args.accumulate {
            for i in 0..MR {
                for j in 0..NV {
                    let c = args.c.add(i * args.c_row_stride + j * S::LANES);
                    sums[i][j] = if j == NV - 1 { s.load_masked(c, last) } else { s.load(c) };
                }
            }
        }
        for pair in args.pairs {
            multiply::<S, MR, NV, PANEL>(s, args, pair, &mut sums);
        }
        match args.finish {
            None => {
                for i in 0..MR {
                    for j in 0..NV {
                        let c = args.c.add(i * args.c_row_stride + j * S::LANES);
                        if j == NV - 1 { s.store_masked(c, sums[i][j], last) } else { s.store(c, sums[i][j]) }
                    }
                }
            }
            Some(finish) => finish_tile::<S, MR, NV>(s, args, finish, &sums),
        }
    }
}

/// sums += A·B for one pair.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
unsafe fn multiply<S: Simd<f32>, const MR: usize, const NV: usize, const PANEL: usize>(
    s: S,
    args: &TileArgs<'_, F32>,
    pair: &Pair<F32>,
    sums: &mut [[S::Reg; NV]; MR],
) {
    let (mut a, mut b, mut later) = (pair.a, pair.b, args.prefetch);
    for _ in 0..args.k {
        // SAFETY: promised by the caller for every p < k; the pointers step past the end only after the last use.
        unsafe {
            let mut row = [s.splat(0.0); NV];
            for j in 0..NV {
                row[j] = s.load(b.add(j * S::LANES));
            }
            for i in 0..MR {
                let x = s.splat(*a.add(i * args.a_row_stride));
                for j in 0..NV {
                    sums[i][j] = s.mul_add(x, row[j], sums[i][j]);
                }
            }
            s.prefetch(later);
            later = later.wrapping_add(LINE / size_of::<f32>());
            a = a.wrapping_add(args.a_col_stride);
            b = b.wrapping_add(PANEL * S::LANES);
        }
    }
}

/// Applies the epilogue in a function of its own, on a copy of the tile that never leaves the first cache level.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
unsafe fn finish_tile<S: Simd<f32>, const MR: usize, const NV: usize>(
    s: S,
    args: &TileArgs<'_, F32>,
    finish: &TileFinish,
    sums: &[[S::Reg; NV]; MR],
) {
    let mut copy = [[s.splat(0.0); NV]; MR];
    for i in 0..MR {
        for j in 0..NV {
            copy[i][j] = sums[i][j];
        }
    }
    // SAFETY: the copy holds MR rows of NV · LANES elements; the rest is promised by the caller.
    s.outline(unsafe { FinishTile::new(copy.as_ptr().cast(), NV * S::LANES, MR, args, finish) });
}

/// # Safety
/// As [`tile`], on a CPU with AVX-512 F, VL, BW and DQ.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
pub(in crate::gemm) unsafe fn avx512<const MR: usize, const NV: usize, const PANEL: usize>(args: &TileArgs<'_, F32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<_, MR, NV, PANEL>(Avx512::assume(), args) }
}

/// # Safety
/// As [`tile`], on a CPU with AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
pub(in crate::gemm) unsafe fn avx2<const MR: usize, const NV: usize, const PANEL: usize>(args: &TileArgs<'_, F32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<_, MR, NV, PANEL>(Avx2::assume(), args) }
}

/// # Safety
/// As [`tile`].
pub(in crate::gemm) unsafe fn scalar<const MR: usize, const NV: usize, const PANEL: usize>(args: &TileArgs<'_, F32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<_, MR, NV, PANEL>(Scalar, args) }
}
