//! The microkernels of the dot form: rows of A times columns of B that are both contiguous in memory, as a row-major A and a
//! transposed B are.
//!
//! ```text
//! total[i][j] = 0                                       i < MR rows, j < NC columns, each a vector of partial sums
//! for (A, B) in pairs, for each chain of vectors along k:
//!     tile[i][j] = 0
//!     for p in the chain by LANES:
//!         tile[i][j] += A[i][p .. p + LANES] · B[p .. p + LANES][j]
//!     total[i][j] += tile[i][j]
//! C[i][j] = store(sum over the lanes of total[i][j])
//! ```
//! Chains are those of `chains.rs` for the dot form, counted in vectors from the start of each pair: the order of summation depends on k,
//! the format and the ISA alone.

use super::super::chains::dot_chain_end;
use super::super::epilogue::{Sums, TileEpilogue};
use super::super::side_work::SideWork;
use super::super::tile_args::{Pair, Store, TileArgs};
use crate::scheme::Element;
use crate::scratch::LINE;
use crate::simd::{AllLanes, Body, FirstLanes, Lanes, Simd};
use std::marker::PhantomData;

/// Elements that a row of sums is padded to, so that an epilogue may read it by whole vectors.
const ROW: usize = LINE / size_of::<f32>();

/// Lines of each of the next columns that are fetched early; the hardware sees the rest coming.
const LINES_AHEAD: usize = 4;

/// The body of a microkernel for MR rows and NC columns.
#[derive(Debug)]
pub struct Dot<E, const MR: usize, const NC: usize>(PhantomData<E>);

impl<E: Element, const MR: usize, const NC: usize> Body for Dot<E, MR, NC> {
    type Element = E;
    type Args<'a> = TileArgs<'a, E>;

    /// # Safety
    /// As [`TileFn`](super::super::tile_args::TileFn), for MR rows and NC columns.
    #[inline(always)]
    unsafe fn run<S: Simd<E>>(s: S, args: &TileArgs<'_, E>) {
        // SAFETY: promised by the caller.
        unsafe { tile::<E, S, MR, NC, false>(s, args) }
    }
}

/// The body of a kernel for one element of C whose operands lie anyhow.
pub(in crate::gemm) struct DotElement<E>(PhantomData<E>);

impl<E: Element> Body for DotElement<E> {
    type Element = E;
    type Args<'a> = TileArgs<'a, E>;

    /// # Safety
    /// As [`TileFn`](super::super::tile_args::TileFn) for one row and one column, with the elements of each operand as far apart as
    /// `a_col_stride` and `b_stride` say.
    #[inline(always)]
    unsafe fn run<S: Simd<E>>(s: S, args: &TileArgs<'_, E>) {
        // SAFETY: promised by the caller.
        unsafe { tile::<E, S, 1, 1, true>(s, args) }
    }
}

/// # Safety
/// As [`Dot::run`], or as [`DotElement::run`] if it gathers.
#[inline(always)]
unsafe fn tile<E, S, const MR: usize, const NC: usize, const GATHERS: bool>(s: S, args: &TileArgs<'_, E>)
where
    E: Element,
    S: Simd<E>,
{
    if let SideWork::Prefetch(lines) = args.side_work {
        for j in 0..NC {
            for line in 0..LINES_AHEAD {
                s.prefetch(lines.first.wrapping_add(j * lines.row_stride + line * LINE).cast());
            }
        }
    }
    let mut lanes = [[s.splat(E::zero()); NC]; MR];
    for pair in args.pairs {
        // SAFETY: promised by the caller.
        unsafe { multiply::<E, S, MR, NC, GATHERS>(s, args, pair, &mut lanes) };
    }
    let mut sums = [[E::zero(); ROW]; MR];
    for i in 0..MR {
        for j in (0..NC).step_by(4) {
            let mut four = [s.splat(E::zero()); 4];
            for l in 0..4 {
                if j + l < NC {
                    four[l] = lanes[i][j + l];
                }
            }
            sums[i][j..j + 4].copy_from_slice(&s.sum_four(four));
        }
    }
    // SAFETY: rows < MR and columns < NC of C, promised by the caller; the sums are MR rows of ROW elements.
    unsafe { store::<E, S, MR, NC>(s, args, &mut sums) }
}

/// lanes += A·B for one pair, lane by lane, in chains.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
unsafe fn multiply<E, S, const MR: usize, const NC: usize, const GATHERS: bool>(
    s: S,
    args: &TileArgs<'_, E>,
    pair: &Pair,
    lanes: &mut [[S::Reg; NC]; MR],
) where
    E: Element,
    S: Simd<E>,
{
    let (vectors, rest) = (args.k / S::LANES, args.k % S::LANES);
    let mut at = 0;
    loop {
        let mut chain = [[s.splat(E::zero()); NC]; MR];
        let end = dot_chain_end::<E>(at).min(vectors);
        // SAFETY: vectors from `at` to `end` end at or before k, the first lanes stand for what is left of k; rows and columns as promised by the
        // caller.
        unsafe {
            // A few rows wait for memory, which comes faster when each stream gives two lines at a time.
            while GATHERS && at < end {
                gathered_step::<E, S, MR, NC>(s, args, pair, at * S::LANES, S::LANES, &mut chain);
                at += 1;
            }
            while MR <= 2 && at + 2 <= end {
                step::<E, S, _, MR, NC, 2>(s, args, pair, at * S::LANES, AllLanes, &mut chain);
                at += 2;
            }
            while at < end {
                step::<E, S, _, MR, NC, 1>(s, args, pair, at * S::LANES, AllLanes, &mut chain);
                at += 1;
            }
            if GATHERS && at == vectors && rest > 0 {
                gathered_step::<E, S, MR, NC>(s, args, pair, at * S::LANES, rest, &mut chain);
            } else if at == vectors && rest > 0 {
                step::<E, S, _, MR, NC, 1>(s, args, pair, at * S::LANES, FirstLanes(s.first(rest)), &mut chain);
            }
        }
        for i in 0..MR {
            for j in 0..NC {
                lanes[i][j] = s.add(lanes[i][j], chain[i][j]);
            }
        }
        if at == vectors {
            break;
        }
    }
}

/// The products of U vectors along k, from `p` on.
///
/// # Safety
/// `p` + U · LANES ≤ k for all lanes, `p` and the number of lanes ≤ k for the first ones; otherwise as [`tile`].
#[inline(always)]
unsafe fn step<E, S, L, const MR: usize, const NC: usize, const U: usize>(
    s: S,
    args: &TileArgs<'_, E>,
    pair: &Pair,
    p: usize,
    part: L,
    lanes: &mut [[S::Reg; NC]; MR],
) where
    E: Element,
    S: Simd<E>,
    L: Lanes<E, S>,
{
    // SAFETY: rows and columns from p + u · LANES on, promised by the caller.
    let a = |i: usize, u: usize| unsafe {
        part.load(s, pair.a.add(i * args.a_row_stride).cast::<E>().add(p + u * S::LANES))
    };
    // SAFETY: as above.
    let b =
        |j: usize, u: usize| unsafe { part.load(s, pair.b.add(j * args.b_stride).cast::<E>().add(p + u * S::LANES)) };
    // The shorter side of the tile is loaded first: with one vector of the other, and the sums, it has to fit the registers.
    for u in 0..U {
        if MR <= NC {
            let mut rows = [s.splat(E::zero()); MR];
            for i in 0..MR {
                rows[i] = a(i, u);
            }
            for j in 0..NC {
                let column = b(j, u);
                for i in 0..MR {
                    lanes[i][j] = s.mul_add(rows[i], column, lanes[i][j]);
                }
            }
        } else {
            let mut columns = [s.splat(E::zero()); NC];
            for j in 0..NC {
                columns[j] = b(j, u);
            }
            for i in 0..MR {
                let row = a(i, u);
                for j in 0..NC {
                    lanes[i][j] = s.mul_add(row, columns[j], lanes[i][j]);
                }
            }
        }
    }
}

/// The products of one vector along k whose `count` elements do not lie along it: gathered first, with zeros in the other lanes.
///
/// # Safety
/// `p` + `count` ≤ k; otherwise as [`tile`], with the elements of an operand as far apart as the strides say.
#[inline(always)]
unsafe fn gathered_step<E, S, const MR: usize, const NC: usize>(
    s: S,
    args: &TileArgs<'_, E>,
    pair: &Pair,
    p: usize,
    count: usize,
    lanes: &mut [[S::Reg; NC]; MR],
) where
    E: Element,
    S: Simd<E>,
{
    // SAFETY: elements of the operands, promised by the caller.
    let (a, b) = unsafe {
        let (a, b) = (pair.a.add(p * args.a_col_stride), pair.b.add(p * args.b_stride));
        (gathered::<E, S>(s, a, args.a_col_stride, count), gathered::<E, S>(s, b, args.b_stride, count))
    };
    lanes[0][0] = s.mul_add(a, b, lanes[0][0]);
}

/// `count` elements, `stride` bytes from one to the next, and zeros behind them. No closure: it would be compiled for the baseline by itself.
///
/// # Safety
/// They are valid for reads.
#[inline(always)]
unsafe fn gathered<E: Element, S: Simd<E>>(s: S, first: *const u8, stride: usize, count: usize) -> S::Reg {
    let mut vector = [E::zero(); ROW];
    for lane in 0..count {
        // SAFETY: promised by the caller.
        vector[lane] = unsafe { *first.add(lane * stride).cast::<E>() };
    }
    s.read(&vector)
}

/// # Safety
/// As [`tile`].
#[inline(always)]
unsafe fn store<E, S, const MR: usize, const NC: usize>(s: S, args: &TileArgs<'_, E>, sums: &mut [[E; ROW]; MR])
where
    E: Element,
    S: Simd<E>,
{
    let (alpha, beta) = match args.store {
        Store::Overwrite | Store::Epilogue { accumulate: false, .. } => (E::one(), E::zero()),
        Store::Accumulate | Store::Epilogue { accumulate: true, .. } => (E::one(), E::one()),
        Store::Scale { alpha, beta } => (alpha, beta),
    };
    if alpha != E::one() {
        for i in 0..MR {
            for j in 0..NC {
                sums[i][j] = alpha * sums[i][j];
            }
        }
    }
    for i in 0..MR {
        let row = args.c.wrapping_add(i * args.c_row_stride);
        // SAFETY: row i < MR and columns below NC of C, promised by the caller.
        unsafe {
            if beta != E::zero() {
                for j in 0..NC {
                    sums[i][j] = sums[i][j] + beta * *row.add(j);
                }
            }
            for j in 0..NC {
                *row.add(j) = sums[i][j];
            }
        }
    }
    if let Store::Epilogue { epilogue, .. } = args.store {
        let (c, c_row_stride) = (args.c, args.c_row_stride);
        let sums =
            Sums { sums: sums.as_ptr().cast(), sums_row_stride: ROW, rows: MR, cols: args.cols, c, c_row_stride };
        // SAFETY: the sums are MR rows of at least one vector, and NC ≤ ROW; the rest is promised by the caller.
        unsafe { epilogue.apply(s, sums) }
    }
}
