//! The microkernels' body: plain loops, and the body of the f32 kernels with steps of widened weights.

use super::{COLS, Half, PAIR};
use crate::gemm::chains::chain_end;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use crate::gemm::side_work::{STREAM_AHEAD, STREAMED_ROWS};
use crate::gemm::tile_args::TileArgs;
use crate::simd::Scalar;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use crate::gemm::micro::columns::Columns;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use crate::gemm::micro::operands::{Operands, opaque};
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use crate::gemm::micro::outer::{PREFETCH_LINE, PREFETCH_ROWS, Steps};
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use crate::simd::Simd;

/// MR rows by plain loops, whose bits are those of the widening kernels with vectors. Where the CPU has no fused multiply-add, the C library
/// computes what it would give.
///
/// # Safety
/// As [`TileFn`](crate::gemm::TileFn) for MR rows and up to 16 columns: rows of f32, panels of this module.
pub(in crate::gemm) unsafe fn scalar<H: Half, const MR: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe {
        let mut total = args.begin::<COLS, 1, MR>();
        let (mut at, end) = (args.before, args.before + args.steps);
        while at < end {
            let chain = at..chain_end(at).min(end);
            at = chain.end;
            let mut sums = [[[0.0f32; COLS]]; MR];
            for step in chain.map(|at| args.offset + (at - args.before)) {
                let (pair, p) = (&args.pairs[step / args.k], step % args.k);
                let brick = pair.b.add(p / PAIR * args.b_stride).cast::<[u16; PAIR * COLS]>().read();
                let mut row = [0.0; COLS];
                for j in 0..args.cols {
                    row[j] = H::widen(brick[H::place(p % PAIR, j)]);
                }
                for i in 0..MR {
                    let x = *pair.a.add(i * args.a_row_stride + p * args.a_col_stride).cast::<f32>();
                    for j in 0..args.cols {
                        sums[i][0][j] = x.mul_add(row[j], sums[i][0][j]);
                    }
                }
            }
            total.add(&sums);
        }
        total.end(Scalar);
    }
}

/// How numbers of a brick become vectors of f32.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(in crate::gemm) trait Widen<S: Simd<f32>>: Copy {
    /// Vector j of step `STEP` of a brick. In lanes that do not exist it has the first column, as that of [`Columns::load`].
    ///
    /// # Safety
    /// `STEP` < [`PAIR`], j < NV, and the brick is valid for reads.
    unsafe fn load<const STEP: usize, const NV: usize>(
        self,
        s: S,
        columns: Columns<S::First, NV>,
        brick: *const f32,
        j: usize,
    ) -> S::Reg;
}

/// Rows of f32 and bricks whose numbers are widened: a block of B has two steps.
///
/// ```text
/// for each brick:
///     b[j]        = numbers of its first step, as f32          j < NV vectors
///     tile[i][j] += A[i][p] · b[j]                             i < MR rows
///     b[j]        = numbers of its second step, as f32
///     tile[i][j] += A[i][p + 1] · b[j]
/// ```
/// A run may begin with the second step of a brick, or end with the first.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[derive(Clone, Copy)]
pub(in crate::gemm) struct Widened<W>(pub(in crate::gemm) W);

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
impl<S: Simd<f32>, W: Widen<S>> Steps<f32, S> for Widened<W> {
    const IN_PLACE: bool = false;

    #[inline(always)]
    fn blocks_before(self, offset: usize) -> (usize, usize) {
        (offset, offset / PAIR)
    }

    #[inline(always)]
    unsafe fn multiply<const MR: usize, const NV: usize, const SIDE_WORK: u8>(
        self,
        s: S,
        args: &TileArgs<'_, f32>,
        steps: usize,
        columns: Columns<S::First, NV>,
        operands: &mut Operands<'_, f32, MR>,
        sums: &mut [[S::Reg; NV]; MR],
    ) {
        let mut left = steps;
        // SAFETY: steps of the pair, promised by the caller; the pointers go past its end only after the last use.
        unsafe {
            let is_second = (args.k - operands.left) % PAIR == 1;
            if is_second && left > 0 {
                step::<S, W, 1, MR, NV, SIDE_WORK>(s, self.0, args, columns, operands, sums);
                operands.b = operands.b.wrapping_byte_add(args.b_stride);
                left -= 1;
            }
            for _ in 0..left / PAIR {
                if MR <= STREAMED_ROWS {
                    s.prefetch(operands.b.wrapping_byte_add(STREAM_AHEAD));
                }
                step::<S, W, 0, MR, NV, SIDE_WORK>(s, self.0, args, columns, operands, sums);
                // Pairs of bf16 are loaded once more: kept, they would take registers that sums need.
                operands.b = opaque(operands.b);
                step::<S, W, 1, MR, NV, SIDE_WORK>(s, self.0, args, columns, operands, sums);
                operands.b = operands.b.wrapping_byte_add(args.b_stride);
                if SIDE_WORK == PREFETCH_LINE {
                    operands.prefetch_line(s);
                }
            }
            if left % PAIR == 1 {
                step::<S, W, 0, MR, NV, SIDE_WORK>(s, self.0, args, columns, operands, sums);
            }
        }
        operands.left -= steps;
    }
}

/// Step `STEP` of the brick at hand.
///
/// # Safety
/// A step of A and the brick are valid for reads, and `STEP` < [`PAIR`].
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline(always)]
unsafe fn step<S, W, const STEP: usize, const MR: usize, const NV: usize, const SIDE_WORK: u8>(
    s: S,
    format: W,
    args: &TileArgs<'_, f32>,
    columns: Columns<S::First, NV>,
    operands: &mut Operands<'_, f32, MR>,
    sums: &mut [[S::Reg; NV]; MR],
) where
    S: Simd<f32>,
    W: Widen<S>,
{
    let (stride, three_rows) = (args.a_row_stride, 3 * args.a_row_stride);
    // SAFETY: promised by the caller.
    unsafe {
        let mut row = [s.splat(0.0); NV];
        for j in 0..NV {
            row[j] = format.load::<STEP, NV>(s, columns, operands.b, j);
        }
        for i in 0..MR {
            let x = s.load_factor(operands.a(i, stride, three_rows));
            for j in 0..NV {
                sums[i][j] = s.mul_add(x, row[j], sums[i][j]);
            }
        }
    }
    if SIDE_WORK == PREFETCH_ROWS {
        operands.prefetch_row(s);
    }
    operands.next_block_of_a(args);
}
