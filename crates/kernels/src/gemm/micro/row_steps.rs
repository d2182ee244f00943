//! A few steps of K of one row against many columns, so that each row of B is read in one long piece.
//!
//! ```text
//! sums[j] = sums[j] + a[0] · b[0][j] + a[1] · b[1][j] + …       multiply-add after multiply-add, from zero at the start of a chain
//! ```
//! Tiles of a single row keep their sums in registers and read B in strips of a few hundred bytes, each from another page: what comes from
//! beyond L2 comes slowly then. Here the sums of some thousand columns stay in L1, and are read and written once for [`STEPS`] steps.

use super::super::tile_args::RowStepsArgs;
use crate::scheme::Element;
use crate::simd::{Body, Simd};
use std::marker::PhantomData;

/// Steps between two readings of the sums.
pub(in crate::gemm) const STEPS: usize = 8;

/// The body of [`RowStepsFn`](super::super::tile_args::RowStepsFn).
pub(in crate::gemm) struct RowSteps<E>(PhantomData<E>);

impl<E: Element> Body for RowSteps<E> {
    type Element = E;
    type Args<'a> = RowStepsArgs<E>;

    /// # Safety
    /// As [`RowStepsFn`](super::super::tile_args::RowStepsFn).
    #[inline(always)]
    unsafe fn run<S: Simd<E>>(s: S, args: &RowStepsArgs<E>) {
        let mut rest = *args;
        // SAFETY: steps of the call, promised by the caller.
        unsafe {
            while rest.steps >= STEPS {
                steps::<E, S, STEPS>(s, &rest);
                rest = rest.after(STEPS);
            }
            while rest.steps > 0 {
                steps::<E, S, 1>(s, &rest);
                rest = rest.after(1);
            }
        }
    }
}

/// The first N steps.
///
/// # Safety
/// As [`RowSteps::run`], with N ≤ `args.steps`.
#[inline(always)]
unsafe fn steps<E: Element, S: Simd<E>, const N: usize>(s: S, args: &RowStepsArgs<E>) {
    let whole = args.cols - args.cols % S::LANES;
    let rest = s.first(args.cols - whole);
    // SAFETY: N steps and the columns, promised by the caller; the sums have room for whole vectors.
    unsafe {
        // A loop: a closure would be compiled for the baseline by itself.
        let mut a = [s.splat(E::zero()); N];
        for (p, a) in a.iter_mut().enumerate() {
            *a = s.splat(*args.a.wrapping_byte_add(p * args.a_col_stride));
        }
        for j in (0..whole).step_by(S::LANES) {
            add::<E, S, N>(s, args, &a, j, |row| s.load(row));
        }
        if whole < args.cols {
            add::<E, S, N>(s, args, &a, whole, |row| s.load_first_filled(row, rest));
        }
    }
}

/// The vector of columns from `j` on, whose parts of the rows `load` reads.
///
/// # Safety
/// As [`steps`] for these columns.
#[inline(always)]
unsafe fn add<E: Element, S: Simd<E>, const N: usize>(
    s: S,
    args: &RowStepsArgs<E>,
    a: &[S::Reg; N],
    j: usize,
    load: impl Fn(*const E) -> S::Reg,
) {
    // SAFETY: promised by the caller.
    unsafe {
        let mut sum = if args.is_first { s.splat(E::zero()) } else { s.load(args.sums.add(j)) };
        for (p, &x) in a.iter().enumerate() {
            sum = s.mul_add(x, load(args.b.wrapping_byte_add(p * args.b_row_stride).wrapping_add(j)), sum);
        }
        s.store(args.sums.add(j), sum);
    }
}
