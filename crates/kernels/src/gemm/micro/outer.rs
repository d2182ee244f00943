//! The microkernels of the outer form, for every scheme of one element type: one body over [`Simd`], one entry per ISA.
//!
//! ```text
//! tile[i][j] = 0 or C[i][j]                             i < MR rows, j < NV vectors
//! for (A, B) in pairs, for p in 0..k:
//!     b[j]        = B[p·b_stride + j·LANES ..]
//!     tile[i][j] += A[i][p] · b[j]                      A[i][p] broadcast to all lanes
//! C = store(tile)
//! ```
//! Each element is one chain of multiply-adds in the order of p, whatever the tile: all kernels of an ISA that fuses give
//! the same bits, and so does a product cut into blocks of K.

use super::super::epilogue::{Sums, TileEpilogue};
use super::super::microkernel::{Extra, Lines, Pair, Store, TileArgs};
use crate::scheme::Uniform;
use crate::scratch::Zeroable;
use crate::simd::{Scalar, Simd};
use std::ptr::null_mut;

#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};

/// How many rows of B ahead of the one in use are fetched: the time that memory takes, in steps.
const ROWS_AHEAD: usize = 24;

/// Rows of the tallest tile.
const MAX_ROWS: usize = 16;

/// # Safety
/// As [`TileFn`](super::super::microkernel::TileFn), for MR rows and NV vectors.
#[inline(always)]
unsafe fn tile<P, S, const MR: usize, const NV: usize>(s: S, args: &TileArgs<'_, P>)
where
    P: Uniform,
    S: Simd<P::E>,
{
    let last = s.mask(args.cols - (NV - 1) * S::LANES);
    // SAFETY: the caller's promises, passed on: rows < MR and columns < args.cols of C, and all that the pairs name.
    unsafe {
        let mut sums = [[s.splat(P::E::zero()); NV]; MR];
        if matches!(args.store, Store::Accumulate | Store::Finish { accumulate: true, .. }) {
            for i in 0..MR {
                for j in 0..NV {
                    let c = args.c.add(i * args.c_row_stride + j * S::LANES);
                    sums[i][j] = if j == NV - 1 { s.load_masked(c, last) } else { s.load(c) };
                }
            }
        }
        if let Store::Finish { finish, .. } = args.store {
            finish.prefetch(s, MR, args.cols);
        }
        for pair in args.pairs {
            match args.extra {
                Extra::Nothing => multiply::<P, S, MR, NV, NOTHING>(s, args, pair, last, &mut sums),
                Extra::Prefetch(_) => multiply::<P, S, MR, NV, PREFETCH>(s, args, pair, last, &mut sums),
                Extra::FetchRows => multiply::<P, S, MR, NV, FETCH_ROWS>(s, args, pair, last, &mut sums),
                Extra::Copy { .. } => multiply::<P, S, MR, NV, COPY>(s, args, pair, last, &mut sums),
            }
        }
        match args.store {
            Store::Overwrite | Store::Accumulate => {}
            Store::Scale { alpha, beta } => scale::<P, S, MR, NV>(s, args, alpha, beta, last, &mut sums),
            Store::Finish { finish, .. } => return finish_tile::<P, S, MR, NV>(s, args, finish, &sums),
        }
        for i in 0..MR {
            for j in 0..NV {
                let c = args.c.add(i * args.c_row_stride + j * S::LANES);
                if j == NV - 1 { s.store_masked(c, sums[i][j], last) } else { s.store(c, sums[i][j]) }
            }
        }
    }
}

/// The variants of [`Extra`] as constants, so that each has an inner loop of its own.
const NOTHING: u8 = 0;
const PREFETCH: u8 = 1;
const FETCH_ROWS: u8 = 2;
const COPY: u8 = 3;

/// sums += A·B for one pair.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
unsafe fn multiply<P, S, const MR: usize, const NV: usize, const EXTRA: u8>(
    s: S,
    args: &TileArgs<'_, P>,
    pair: &Pair<P>,
    last: S::Mask,
    sums: &mut [[S::Reg; NV]; MR],
) where
    P: Uniform,
    S: Simd<P::E>,
{
    let stride = args.a_row_stride;
    let three_rows = 3 * stride;
    // One address for each four rows, so that those of a tall tile are not counted up one after the other in every step.
    let mut a = [pair.a; MAX_ROWS / 4];
    for group in 0..MR.div_ceil(4) {
        a[group] = opaque(pair.a.wrapping_add(4 * group * stride));
    }
    let mut b = pair.b;
    let lines = if let Extra::Prefetch(lines) = args.extra { lines } else { Lines::NONE };
    let (mut later, mut step) = (lines.first, 0);
    let (mut copy, copy_stride) =
        if let Extra::Copy { to, stride } = args.extra { (to, stride) } else { (null_mut(), 0) };
    for _ in 0..args.k {
        // SAFETY: promised by the caller for every p < k; the pointers step past the end only after the last use.
        unsafe {
            let mut row = [s.splat(P::E::zero()); NV];
            for j in 0..NV {
                let b = b.add(j * S::LANES);
                row[j] = if j == NV - 1 { s.load_masked(b, last) } else { s.load(b) };
            }
            if EXTRA == FETCH_ROWS || EXTRA == COPY {
                for j in 0..NV {
                    s.prefetch(b.wrapping_add(ROWS_AHEAD * args.b_stride + j * S::LANES));
                }
            }
            if EXTRA == COPY {
                for j in 0..NV {
                    let copy = copy.add(j * S::LANES);
                    if j == NV - 1 { s.store_masked(copy, row[j], last) } else { s.store(copy, row[j]) }
                }
                copy = copy.wrapping_add(copy_stride);
            }
            for i in 0..MR {
                let offset = [0, stride, 2 * stride, three_rows][i % 4];
                let x = s.splat(*a[i / 4].add(offset));
                for j in 0..NV {
                    sums[i][j] = s.mul_add(x, row[j], sums[i][j]);
                }
            }
            if EXTRA == PREFETCH {
                if step < lines.rows {
                    s.prefetch(later.wrapping_add(step * lines.row_stride).cast());
                }
                step += 1;
                if step == lines.period {
                    step = 0;
                    later = later.wrapping_add(lines.advance);
                }
            }
            for group in 0..MR.div_ceil(4) {
                a[group] = opaque(a[group].wrapping_add(args.a_col_stride));
            }
            b = b.wrapping_add(args.b_stride);
        }
    }
}

/// The same value, about which the compiler knows nothing.
#[inline(always)]
fn opaque<T>(value: *const T) -> *const T {
    let mut address = value.addr();
    // SAFETY: no instruction at all.
    unsafe { std::arch::asm!("/* {} */", inout(reg) address, options(pure, nomem, nostack, preserves_flags)) };
    value.with_addr(address)
}

/// sums ← α · sums + β · C.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
unsafe fn scale<P, S, const MR: usize, const NV: usize>(
    s: S,
    args: &TileArgs<'_, P>,
    alpha: P::E,
    beta: P::E,
    last: S::Mask,
    sums: &mut [[S::Reg; NV]; MR],
) where
    P: Uniform,
    S: Simd<P::E>,
{
    let alpha = s.splat(alpha);
    for i in 0..MR {
        for j in 0..NV {
            sums[i][j] = s.mul(alpha, sums[i][j]);
            if beta != P::E::zero() {
                // SAFETY: promised by the caller.
                unsafe {
                    let c = args.c.add(i * args.c_row_stride + j * S::LANES);
                    let c = if j == NV - 1 { s.load_masked(c, last) } else { s.load(c) };
                    sums[i][j] = s.mul_add(s.splat(beta), c, sums[i][j]);
                }
            }
        }
    }
}

/// Applies the epilogue on a copy of the tile that never leaves the first cache level.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
unsafe fn finish_tile<P, S, const MR: usize, const NV: usize>(
    s: S,
    args: &TileArgs<'_, P>,
    finish: &P::Finish,
    sums: &[[S::Reg; NV]; MR],
) where
    P: Uniform,
    S: Simd<P::E>,
{
    let mut copy = [[s.splat(P::E::zero()); NV]; MR];
    for i in 0..MR {
        for j in 0..NV {
            copy[i][j] = sums[i][j];
        }
    }
    let sums = Sums {
        sums: copy.as_ptr().cast(),
        sums_row_stride: NV * S::LANES,
        rows: MR,
        cols: args.cols,
        c: args.c,
        c_row_stride: args.c_row_stride,
    };
    // SAFETY: the copy holds MR rows of NV · LANES elements; the rest is promised by the caller.
    unsafe { finish.apply(s, sums) }
}

/// # Safety
/// As [`tile`], on a CPU with AVX-512 F, VL, BW and DQ.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
pub(in crate::gemm) unsafe fn avx512<P: Uniform, const MR: usize, const NV: usize>(args: &TileArgs<'_, P>)
where
    Avx512: Simd<P::E>,
{
    // SAFETY: promised by the caller.
    unsafe { tile::<P, _, MR, NV>(Avx512::assume(), args) }
}

/// # Safety
/// As [`tile`], on a CPU with AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
pub(in crate::gemm) unsafe fn avx2<P: Uniform, const MR: usize, const NV: usize>(args: &TileArgs<'_, P>)
where
    Avx2: Simd<P::E>,
{
    // SAFETY: promised by the caller.
    unsafe { tile::<P, _, MR, NV>(Avx2::assume(), args) }
}

/// # Safety
/// As [`tile`].
pub(in crate::gemm) unsafe fn scalar<P: Uniform, const MR: usize, const NV: usize>(args: &TileArgs<'_, P>)
where
    Scalar: Simd<P::E>,
{
    // SAFETY: promised by the caller.
    unsafe { tile::<P, _, MR, NV>(Scalar, args) }
}
