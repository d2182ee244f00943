//! The microkernels of the outer form for short sums: a row of tiles from left to right in one call, each a single chain.
//!
//! ```text
//! for each panel of B:
//!     tile[i][j] = Σ_p A[i][p] · b[p][j]                    i < MR rows, j < NV vectors, p < k in order
//!     C[i][j]    = β·C[i][j] + α·tile[i][j]
//! ```
//! The bits are those of [`outer`](super::outer), which does the same tile by tile with blocks of K, batches and prefetching: a sum of
//! a few products would take less time than that.

use super::super::microkernel::SweepArgs;
use super::outer::{Columns, opaque};
use crate::scheme::{Real, Uniform};
use crate::scratch::Zeroable;
use crate::simd::{Scalar, Simd};

#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};

/// # Safety
/// As [`SweepFn`](super::super::microkernel::SweepFn), for MR rows and NV vectors.
#[inline(always)]
unsafe fn sweep<P, S, const MR: usize, const NV: usize>(s: S, args: &SweepArgs<P>)
where
    P: Uniform,
    S: Simd<P::E>,
{
    let columns = Columns::<S::Mask, NV>::new::<P::E, S>(s, args.cols);
    let (mut b, mut c) = (args.b, args.c);
    for _ in 0..args.panels {
        // SAFETY: one panel of those that the caller promises.
        unsafe {
            let mut sums = if NV == 1 && !columns.is_whole {
                sums::<P, S, MR, NV>(s, args, b, |row, _| columns.load(s, row, 0))
            } else {
                sums::<P, S, MR, NV>(s, args, b, |row, j| s.load(row.add(columns.first_of::<P::E, S>(j))))
            };
            store::<P, S, MR, NV>(s, args, columns, c, &mut sums);
        }
        b = b.wrapping_add(args.panel_stride);
        c = c.wrapping_add(NV * S::LANES);
    }
}

/// A·B for one panel, whose vectors `load` reads.
///
/// # Safety
/// As [`sweep`] for the panel at `b`; `load` may read the vectors of its rows.
#[inline(always)]
unsafe fn sums<P, S, const MR: usize, const NV: usize>(
    s: S,
    args: &SweepArgs<P>,
    mut b: *const P::E,
    load: impl Fn(*const P::E, usize) -> S::Reg,
) -> [[S::Reg; NV]; MR]
where
    P: Uniform,
    S: Simd<P::E>,
{
    let mut sums = [[s.splat(P::E::zero()); NV]; MR];
    let stride = args.a_row_stride;
    let mut a = [args.a; 4];
    for group in 0..MR.div_ceil(4) {
        a[group] = args.a.wrapping_add(4 * group * stride);
    }
    for _ in 0..args.k {
        let mut row = [s.splat(P::E::zero()); NV];
        for j in 0..NV {
            row[j] = load(b, j);
        }
        for i in 0..MR {
            // SAFETY: element (i, p) of A, promised by the caller.
            let x = s.splat(unsafe { *a[i / 4].add([0, stride, 2 * stride, 3 * stride][i % 4]) });
            for j in 0..NV {
                sums[i][j] = s.mul_add(x, row[j], sums[i][j]);
            }
        }
        for group in 0..MR.div_ceil(4) {
            a[group] = opaque(a[group].wrapping_add(args.a_col_stride));
        }
        b = b.wrapping_add(args.b_row_stride);
    }
    sums
}

/// C ← β·C + α·sums
///
/// # Safety
/// C is valid for reads and writes of MR rows and the columns.
#[inline(always)]
unsafe fn store<P, S, const MR: usize, const NV: usize>(
    s: S,
    args: &SweepArgs<P>,
    columns: Columns<S::Mask, NV>,
    c: *mut P::E,
    sums: &mut [[S::Reg; NV]; MR],
) where
    P: Uniform,
    S: Simd<P::E>,
{
    let (alpha, beta) = (args.alpha, args.beta);
    if alpha != P::E::one() {
        for i in 0..MR {
            for j in 0..NV {
                sums[i][j] = s.mul(s.splat(alpha), sums[i][j]);
            }
        }
    }
    for i in 0..MR {
        let row = c.wrapping_add(i * args.c_row_stride);
        // SAFETY: promised by the caller. All of a row is loaded before any of it is stored, since its last two vectors may overlap.
        unsafe {
            if beta != P::E::zero() {
                for j in 0..NV {
                    let mut before = columns.load(s, row, j);
                    if beta != P::E::one() {
                        before = s.mul(s.splat(beta), before);
                    }
                    sums[i][j] = s.add(before, sums[i][j]);
                }
            }
            for j in 0..NV {
                columns.store(s, row, j, sums[i][j]);
            }
        }
    }
}

/// # Safety
/// As [`sweep`], on a CPU with AVX-512 F, VL, BW and DQ.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
pub(in crate::gemm) unsafe fn avx512<P: Uniform, const MR: usize, const NV: usize>(args: &SweepArgs<P>)
where
    Avx512: Simd<P::E>,
{
    // SAFETY: promised by the caller.
    unsafe { sweep::<P, _, MR, NV>(Avx512::assume(), args) }
}

/// # Safety
/// As [`sweep`], on a CPU with AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
pub(in crate::gemm) unsafe fn avx2<P: Uniform, const MR: usize, const NV: usize>(args: &SweepArgs<P>)
where
    Avx2: Simd<P::E>,
{
    // SAFETY: promised by the caller.
    unsafe { sweep::<P, _, MR, NV>(Avx2::assume(), args) }
}

/// # Safety
/// As [`sweep`].
pub(in crate::gemm) unsafe fn scalar<P: Uniform, const MR: usize, const NV: usize>(args: &SweepArgs<P>)
where
    Scalar: Simd<P::E>,
{
    // SAFETY: promised by the caller.
    unsafe { sweep::<P, _, MR, NV>(Scalar, args) }
}
