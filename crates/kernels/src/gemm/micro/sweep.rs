//! The microkernels of the outer form for short sums: a row of tiles from left to right in one call, each a single chain.
//!
//! ```text
//! for each panel of B:
//!     tile[i][j] = Σ_p A[i][p] · b[p][j]                    i < MR rows, j < NV vectors, p < k in order
//!     C[i][j]    = β·C[i][j] + α·tile[i][j]
//! ```
//! The bits are those of [`outer`](super::outer), which does the same tile by tile with blocks of K, batches and prefetching: a sum of
//! a few products would take less time than that.

use super::super::tile_args::SweepArgs;
use super::columns::Columns;
use super::operands::opaque;
use crate::scheme::Element;
use crate::simd::{Body, Simd};
use std::marker::PhantomData;

/// The body of a sweep for MR rows and NV vectors.
pub(in crate::gemm) struct Sweep<E, const MR: usize, const NV: usize>(PhantomData<E>);

impl<E: Element, const MR: usize, const NV: usize> Body for Sweep<E, MR, NV> {
    type Element = E;
    type Args<'a> = SweepArgs<E>;

    /// # Safety
    /// As [`SweepFn`](super::super::tile_args::SweepFn), for MR rows and NV vectors.
    #[inline(always)]
    unsafe fn run<S: Simd<E>>(s: S, args: &SweepArgs<E>) {
        // SAFETY: promised by the caller.
        unsafe { sweep::<E, S, MR, NV>(s, args) }
    }
}

/// # Safety
/// As [`Sweep::run`].
#[inline(always)]
unsafe fn sweep<E, S, const MR: usize, const NV: usize>(s: S, args: &SweepArgs<E>)
where
    E: Element,
    S: Simd<E>,
{
    let columns = Columns::<S::First, NV>::new::<E, S>(s, args.cols);
    let (mut b, mut c) = (args.b.cast::<E>(), args.c);
    for _ in 0..args.panels {
        // SAFETY: one panel of those that the caller promises.
        unsafe {
            let mut sums = if NV == 1 && !columns.is_whole {
                sums::<E, S, MR, NV>(s, args, b, |row, _| columns.load(s, row, 0))
            } else {
                sums::<E, S, MR, NV>(s, args, b, |row, j| s.load(row.add(columns.first_of::<E, S>(j))))
            };
            store::<E, S, MR, NV>(s, args, columns, c, &mut sums);
        }
        b = b.wrapping_byte_add(args.panel_stride);
        c = c.wrapping_add(NV * S::LANES);
    }
}

/// A·B for one panel, whose vectors `load` reads.
///
/// # Safety
/// As [`sweep`] for the panel at `b`; `load` may read the vectors of its rows.
#[inline(always)]
unsafe fn sums<E, S, const MR: usize, const NV: usize>(
    s: S,
    args: &SweepArgs<E>,
    mut b: *const E,
    load: impl Fn(*const E, usize) -> S::Reg,
) -> [[S::Reg; NV]; MR]
where
    E: Element,
    S: Simd<E>,
{
    let mut sums = [[s.splat(E::zero()); NV]; MR];
    let stride = args.a_row_stride;
    let first = args.a.cast::<E>();
    let mut a = [first; 4];
    for group in 0..MR.div_ceil(4) {
        a[group] = first.wrapping_byte_add(4 * group * stride);
    }
    for _ in 0..args.k {
        let mut row = [s.splat(E::zero()); NV];
        for j in 0..NV {
            row[j] = load(b, j);
        }
        for i in 0..MR {
            // SAFETY: element (i, p) of A, promised by the caller.
            let x = unsafe { s.load_factor(a[i / 4].byte_add([0, stride, 2 * stride, 3 * stride][i % 4])) };
            for j in 0..NV {
                sums[i][j] = s.mul_add(x, row[j], sums[i][j]);
            }
        }
        for group in 0..MR.div_ceil(4) {
            a[group] = opaque(a[group].wrapping_byte_add(args.a_col_stride));
        }
        b = b.wrapping_byte_add(args.b_row_stride);
    }
    sums
}

/// C ← β·C + α·sums
///
/// # Safety
/// C is valid for reads and writes of MR rows and the columns.
#[inline(always)]
unsafe fn store<E, S, const MR: usize, const NV: usize>(
    s: S,
    args: &SweepArgs<E>,
    columns: Columns<S::First, NV>,
    c: *mut E,
    sums: &mut [[S::Reg; NV]; MR],
) where
    E: Element,
    S: Simd<E>,
{
    let (alpha, beta) = (args.alpha, args.beta);
    if alpha != E::one() {
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
            if beta != E::zero() {
                for j in 0..NV {
                    let mut before = columns.load(s, row, j);
                    if beta != E::one() {
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
