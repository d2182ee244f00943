//! Copies a block of a matrix so that its rows become contiguous: by vectors, whatever the layout it comes from.

use super::super::tile_args::CopyArgs;
use crate::scratch::LINE;
use crate::simd::{Body, Simd};
use std::marker::PhantomData;

/// How many columns ahead a block of few rows asks for: each is a line of its own, often on a page of its own.
const COLUMNS_AHEAD: usize = 32;

/// The body of [`CopyFn`](super::super::tile_args::CopyFn).
pub(in crate::gemm) struct CopyBlock<E>(PhantomData<E>);

impl<E: Copy + 'static> Body for CopyBlock<E> {
    type Element = E;
    type Args<'a> = CopyArgs<E>;

    /// # Safety
    /// As [`CopyFn`](super::super::tile_args::CopyFn).
    #[inline(always)]
    unsafe fn run<S: Simd<E>>(s: S, args: &CopyArgs<E>) {
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
}

/// The block's rows are contiguous already.
///
/// # Safety
/// As [`CopyBlock::run`].
#[inline(always)]
unsafe fn copy<S: Simd<E>, E: Copy>(s: S, args: &CopyArgs<E>) {
    let whole = args.cols - args.cols % S::LANES;
    let rest = s.first(args.cols - whole);
    for i in 0..args.rows {
        // SAFETY: row i and columns below `cols`, promised by the caller.
        unsafe {
            let (source, out) = (args.source.add(i * args.row_stride), args.out.add(i * args.out_stride));
            for j in (0..whole).step_by(S::LANES) {
                s.store(out.add(j), s.load(source.add(j)));
            }
            if whole < args.cols {
                s.store_first(out.add(whole), s.load_first(source.add(whole), rest), rest);
            }
        }
    }
}

/// The block's columns are contiguous.
///
/// # Safety
/// As [`CopyBlock::run`].
#[inline(always)]
unsafe fn transpose<S: Simd<E>, E: Copy>(s: S, args: &CopyArgs<E>) {
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
/// As [`CopyBlock::run`].
#[inline(never)]
pub(in crate::gemm) unsafe fn gather<E: Copy>(args: &CopyArgs<E>) {
    for i in 0..args.rows {
        for j in 0..args.cols {
            // SAFETY: promised by the caller.
            unsafe {
                *args.out.add(i * args.out_stride + j) = *args.source.add(i * args.row_stride + j * args.col_stride)
            };
        }
    }
}
