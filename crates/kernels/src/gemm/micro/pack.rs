//! Copies a block of an operand so that its rows become contiguous: by vectors, whatever the layout it comes from.

use super::super::microkernel::PackArgs;
use crate::scratch::LINE;
use crate::simd::{Scalar, Simd};

#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};

/// How many columns ahead a block of few rows asks for: each is a line of its own, often on a page of its own.
const COLUMNS_AHEAD: usize = 32;

/// # Safety
/// As [`PackFn`](super::super::microkernel::PackFn).
#[inline(always)]
unsafe fn pack<S: Simd<E>, E: Copy>(s: S, args: &PackArgs<E>) {
    // SAFETY: promised by the caller.
    unsafe {
        match (args.row_stride, args.col_stride) {
            (_, 1) => copy(s, args),
            // A single row is copied element by element.
            (1, _) if args.rows > 1 => transpose(s, args),
            _ => gather(args),
        }
    }
}

/// The block's rows are contiguous already.
///
/// # Safety
/// As [`pack`].
#[inline(always)]
unsafe fn copy<S: Simd<E>, E: Copy>(s: S, args: &PackArgs<E>) {
    let whole = args.cols - args.cols % S::LANES;
    let rest = s.mask(args.cols - whole);
    for i in 0..args.rows {
        // SAFETY: row i and columns below `cols`, promised by the caller.
        unsafe {
            let (source, out) = (args.source.add(i * args.row_stride), args.out.add(i * args.out_stride));
            for j in (0..whole).step_by(S::LANES) {
                s.store(out.add(j), s.load(source.add(j)));
            }
            if whole < args.cols {
                s.store_masked(out.add(whole), s.load_masked(source.add(whole), rest), rest);
            }
        }
    }
}

/// The block's columns are contiguous.
///
/// # Safety
/// As [`pack`].
#[inline(always)]
unsafe fn transpose<S: Simd<E>, E: Copy>(s: S, args: &PackArgs<E>) {
    // Along the contiguous columns of the source, as few of them at a time as a vector has lanes.
    for j in (0..args.cols).step_by(S::LANES) {
        for i in (0..args.rows).step_by(S::LANES) {
            let (rows, cols) = (S::LANES.min(args.rows - i), S::LANES.min(args.cols - j));
            if args.rows <= S::LANES && args.col_stride * size_of::<E>() > LINE {
                for ahead in COLUMNS_AHEAD..COLUMNS_AHEAD + S::LANES {
                    s.prefetch(args.source.wrapping_add((j + ahead) * args.col_stride));
                }
            }
            // SAFETY: the block's part from (i, j) on, promised by the caller.
            unsafe {
                let source = args.source.add(i + j * args.col_stride);
                s.transpose(
                    source,
                    args.col_stride,
                    cols,
                    rows,
                    args.out.add(i * args.out_stride + j),
                    args.out_stride,
                );
            }
        }
    }
}

/// # Safety
/// As [`pack`].
#[inline(never)]
unsafe fn gather<E: Copy>(args: &PackArgs<E>) {
    for i in 0..args.rows {
        for j in 0..args.cols {
            // SAFETY: promised by the caller.
            unsafe {
                *args.out.add(i * args.out_stride + j) = *args.source.add(i * args.row_stride + j * args.col_stride)
            };
        }
    }
}

/// # Safety
/// As [`pack`], on a CPU with AVX-512 F, VL, BW and DQ.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
pub(in crate::gemm) unsafe fn avx512<E: Copy>(args: &PackArgs<E>)
where
    Avx512: Simd<E>,
{
    // SAFETY: promised by the caller.
    unsafe { pack(Avx512::assume(), args) }
}

/// # Safety
/// As [`pack`], on a CPU with AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
pub(in crate::gemm) unsafe fn avx2<E: Copy>(args: &PackArgs<E>)
where
    Avx2: Simd<E>,
{
    // SAFETY: promised by the caller.
    unsafe { pack(Avx2::assume(), args) }
}

/// # Safety
/// As [`pack`].
pub(in crate::gemm) unsafe fn scalar<E: Copy>(args: &PackArgs<E>)
where
    Scalar: Simd<E>,
{
    // SAFETY: promised by the caller.
    unsafe { pack(Scalar, args) }
}
