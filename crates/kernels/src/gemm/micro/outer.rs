//! The microkernels of the outer form, for every scheme of one element type: one body over [`Simd`], one entry per ISA.
//!
//! ```text
//! for each chain:
//!     tile[i][j] = 0                                        i < MR rows, j < NV vectors
//!     for (A, B) in pairs, for p in the chain's part of 0..k:
//!         b[j]        = B[p·b_stride + j·LANES ..]
//!         tile[i][j] += A[i][p] · b[j]                      A[i][p] broadcast to all lanes
//!     C = β·C + α·tile for the first chain, C + α·tile for the others
//! C = finish(C)
//! ```
//! Each element is summed in the order that `chains.rs` describes, whatever the tile: all kernels of an ISA that fuses
//! multiply-adds give the same bits, and so does a product cut into blocks of K.

use super::super::chains::chain_end;
use super::super::epilogue::{Sums, TileEpilogue};
use super::super::microkernel::{Extra, Lines, Pair, Store, TileArgs};
use crate::scheme::{Real, Uniform};
use crate::scratch::{LINE, Zeroable};
use crate::simd::{AllLanes, FirstLanes, Lanes, Scalar, Simd};
use std::ptr::{null, null_mut};

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
    if let Store::Finish { finish, .. } = args.store {
        finish.prefetch(s, MR, args.cols);
    }
    let end = args.before + args.steps;
    let mut at = args.before;
    let mut operands = Operands::<P, MR>::new(args);
    let mut total = Total::before_first_chain(args);
    // No steps still make one chain, of zeros. What differs from chain to chain is data, not a branch: after the long inner loop the
    // CPU would predict none.
    loop {
        let chain_end = chain_end(at).min(end);
        let mut sums = [[s.splat(P::E::zero()); NV]; MR];
        while at < chain_end {
            let steps = operands.steps_in_pair(args, chain_end - at);
            // SAFETY: steps of one pair, inside this call; the rest is promised by the caller.
            unsafe {
                match args.extra {
                    Extra::Nothing => multiply::<P, S, MR, NV, NOTHING>(s, args, steps, last, &mut operands, &mut sums),
                    Extra::Prefetch(_) => {
                        multiply::<P, S, MR, NV, PREFETCH>(s, args, steps, last, &mut operands, &mut sums)
                    }
                    Extra::FetchRows => {
                        multiply::<P, S, MR, NV, FETCH_ROWS>(s, args, steps, last, &mut operands, &mut sums)
                    }
                    Extra::Copy { .. } => {
                        multiply::<P, S, MR, NV, COPY>(s, args, steps, last, &mut operands, &mut sums)
                    }
                }
            }
            at += steps;
        }
        // Masked stores are slow on some CPUs, and where they miss the cache on all.
        // SAFETY: promised by the caller.
        unsafe {
            if args.cols == NV * S::LANES {
                store::<P, S, _, MR, NV>(s, args, AllLanes, total, at == end, &mut sums);
            } else {
                store::<P, S, _, MR, NV>(s, args, FirstLanes(last), total, at == end, &mut sums);
            }
        }
        if at == end {
            return;
        }
        total = Total::in_c(args);
    }
}

/// What the sums of a chain are added to: β · C or nothing before the first chain, and C after it.
#[derive(Clone, Copy)]
struct Total<E> {
    data: *const E,
    row_stride: usize,
    factor: E,
}

/// A row of zeros as wide as any tile, in the place of a C that is not read.
#[repr(align(64))]
struct Zeros([u8; MAX_VECTORS * LINE]);
static ZEROS: Zeros = Zeros([0; MAX_VECTORS * LINE]);

/// Vectors across the widest tile.
const MAX_VECTORS: usize = 16;

impl<E: Real> Total<E> {
    #[inline(always)]
    fn before_first_chain<P: Uniform<E = E>>(args: &TileArgs<'_, P>) -> Self {
        let nothing = Total { data: ZEROS.0.as_ptr().cast(), row_stride: 0, factor: E::one() };
        match args.store {
            Store::Overwrite | Store::Finish { accumulate: false, .. } => nothing,
            Store::Accumulate | Store::Finish { accumulate: true, .. } => Total::in_c(args),
            Store::Scale { beta, .. } if beta == E::zero() => nothing,
            Store::Scale { beta, .. } => Total { factor: beta, ..Total::in_c(args) },
        }
    }

    #[inline(always)]
    fn in_c<P: Uniform<E = E>>(args: &TileArgs<'_, P>) -> Self {
        Total { data: args.c.cast_const(), row_stride: args.c_row_stride, factor: E::one() }
    }
}

/// The variants of [`Extra`] as constants, so that each has an inner loop of its own.
const NOTHING: u8 = 0;
const PREFETCH: u8 = 1;
const FETCH_ROWS: u8 = 2;
const COPY: u8 = 3;

/// How far a call has come: the operands of the next step, and what it does besides.
struct Operands<'p, P: Uniform, const MR: usize> {
    /// One address for each four rows, so that those of a tall tile are not counted up one after the other in every step.
    a: [*const P::E; MAX_ROWS / 4],
    b: *const P::E,
    /// Steps that are left of the pair.
    left: usize,
    later_pairs: &'p [Pair<P>],
    lines: Lines,
    /// Step in the period of the lines.
    step: usize,
    copy: *mut P::E,
    copy_stride: usize,
}

impl<'p, P: Uniform, const MR: usize> Operands<'p, P, MR> {
    #[inline(always)]
    fn new(args: &TileArgs<'p, P>) -> Self {
        let (lines, copy, copy_stride) = match args.extra {
            Extra::Prefetch(lines) => (lines, null_mut(), 0),
            Extra::Copy { to, stride } => (Lines::NONE, to, stride),
            Extra::Nothing | Extra::FetchRows => (Lines::NONE, null_mut(), 0),
        };
        let a = [null(); MAX_ROWS / 4];
        let mut operands =
            Operands { a, b: null(), left: 0, later_pairs: args.pairs, lines, step: 0, copy, copy_stride };
        if args.steps > 0 {
            operands.next_pair(args, args.offset);
        }
        operands
    }

    /// Goes on to the step `offset` of the next pair.
    #[inline(always)]
    fn next_pair(&mut self, args: &TileArgs<'_, P>, offset: usize) {
        let Some((pair, later)) = self.later_pairs.split_first() else { return };
        for group in 0..MR.div_ceil(4) {
            self.a[group] = pair.a.wrapping_add(4 * group * args.a_row_stride + offset * args.a_col_stride);
        }
        self.b = pair.b.wrapping_add(offset * args.b_stride);
        (self.left, self.later_pairs) = (args.k - offset, later);
    }

    /// Up to `wanted` steps that lie in one pair.
    #[inline(always)]
    fn steps_in_pair(&mut self, args: &TileArgs<'_, P>, wanted: usize) -> usize {
        if self.left == 0 {
            self.next_pair(args, 0);
        }
        let steps = wanted.min(self.left);
        self.left -= steps;
        steps
    }
}

/// sums += A·B for some steps of one pair.
///
/// # Safety
/// The operands are valid for `steps` steps; the rest as [`tile`].
#[inline(always)]
unsafe fn multiply<P, S, const MR: usize, const NV: usize, const EXTRA: u8>(
    s: S,
    args: &TileArgs<'_, P>,
    steps: usize,
    last: S::Mask,
    operands: &mut Operands<'_, P, MR>,
    sums: &mut [[S::Reg; NV]; MR],
) where
    P: Uniform,
    S: Simd<P::E>,
{
    let stride = args.a_row_stride;
    let three_rows = 3 * stride;
    let (mut a, mut b, mut copy) = (operands.a, operands.b, operands.copy);
    let (lines, mut later, mut step) = (operands.lines, operands.lines.first, operands.step);
    for _ in 0..steps {
        // SAFETY: promised by the caller for every step; the pointers go past the end only after the last use.
        unsafe {
            let mut row = [s.splat(P::E::zero()); NV];
            for j in 0..NV {
                let b = b.add(j * S::LANES);
                // Zeros in idle lanes would make NaN of an infinite A, and raise an exception for nothing.
                row[j] = if j == NV - 1 { s.load_filled(b, last) } else { s.load(b) };
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
                copy = copy.wrapping_add(operands.copy_stride);
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
    (operands.a, operands.b, operands.copy) = (a, b, copy);
    (operands.lines.first, operands.step) = (later, step);
}

/// C ← total + sums or total + α · sums; then finish(C) where the sum is complete.
///
/// # Safety
/// As [`tile`], with `last` the lanes of the last vector.
#[inline(always)]
unsafe fn store<P, S, L, const MR: usize, const NV: usize>(
    s: S,
    args: &TileArgs<'_, P>,
    last: L,
    total: Total<P::E>,
    is_complete: bool,
    sums: &mut [[S::Reg; NV]; MR],
) where
    P: Uniform,
    S: Simd<P::E>,
    L: Lanes<P::E, S>,
{
    // SAFETY: row i < MR and columns below args.cols of C, promised by the caller, or of the zeros.
    unsafe {
        let load = |i: usize, j: usize| {
            let total = total.data.add(i * total.row_stride + j * S::LANES);
            if j == NV - 1 { last.load_filled(s, total) } else { s.load(total) }
        };
        if let Store::Scale { alpha, .. } = args.store {
            let (alpha, factor) = (s.splat(alpha), s.splat(total.factor));
            for i in 0..MR {
                for j in 0..NV {
                    sums[i][j] = s.mul_add(factor, load(i, j), s.mul(alpha, sums[i][j]));
                }
            }
        } else {
            for i in 0..MR {
                for j in 0..NV {
                    sums[i][j] = s.add(load(i, j), sums[i][j]);
                }
            }
        }
        if is_complete && let Store::Finish { finish, .. } = args.store {
            return finish_tile::<P, S, MR, NV>(s, args, finish, sums);
        }
        for i in 0..MR {
            for j in 0..NV {
                let c = args.c.add(i * args.c_row_stride + j * S::LANES);
                if j == NV - 1 { last.store(s, c, sums[i][j]) } else { s.store(c, sums[i][j]) }
            }
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
