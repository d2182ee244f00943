//! The microkernels: plain loops, and the body of the f32 kernels with other steps.

use super::{COLS, PAIR};
use crate::gemm::chains::chain_end;
#[cfg(target_arch = "x86_64")]
use crate::gemm::side_work::{STREAM_AHEAD, STREAMED_ROWS};
use crate::gemm::tile_args::TileArgs;
use crate::numbers::bf16::bf16_to_f32;
use crate::simd::Scalar;

#[cfg(target_arch = "x86_64")]
use crate::gemm::micro::columns::Columns;
#[cfg(target_arch = "x86_64")]
use crate::gemm::micro::operands::{Operands, opaque};
#[cfg(target_arch = "x86_64")]
use crate::gemm::micro::outer::{PREFETCH_LINE, PREFETCH_ROWS, Steps, tile};
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512, Avx512Bf16, Halves, Lanewise, Simd};

/// MR rows by plain loops, whose bits are those of the widening kernels with vectors. Where the CPU has no fused multiply-add, the C library
/// computes what it would give.
///
/// # Safety
/// As [`TileFn`](crate::gemm::TileFn) for MR rows and up to 16 columns: rows of f32, panels of this module.
pub(in crate::gemm) unsafe fn scalar<const MR: usize>(args: &TileArgs<'_, f32>) {
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
                let brick = pair.b.add(p / PAIR * args.b_stride).cast::<[[u16; PAIR]; COLS]>().read();
                for i in 0..MR {
                    let x = *pair.a.add(i * args.a_row_stride + p * args.a_col_stride).cast::<f32>();
                    for j in 0..args.cols {
                        sums[i][0][j] = x.mul_add(bf16_to_f32(brick[j][p % PAIR]), sums[i][0][j]);
                    }
                }
            }
            total.add(&sums);
        }
        total.end(Scalar);
    }
}

/// # Safety
/// As [`scalar`], for NV vectors, on a CPU with AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
pub(in crate::gemm) unsafe fn avx2<const MR: usize, const NV: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<f32, Avx2, Widened, MR, NV>(Avx2::assume(), Widened, args) }
}

/// # Safety
/// As [`scalar`], for NV vectors, on a CPU with AVX-512 F, VL, BW and DQ.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
pub(in crate::gemm) unsafe fn avx512<const MR: usize, const NV: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<f32, Avx512, Widened, MR, NV>(Avx512::assume(), Widened, args) }
}

/// # Safety
/// As [`avx512`], with rows in pairs, on a CPU with AVX512-BF16, too.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512bf16,avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
pub(in crate::gemm) unsafe fn avx512_bf16<const MR: usize, const NV: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<f32, Avx512, Pairs, MR, NV>(Avx512::assume(), Pairs(Avx512Bf16::assume()), args) }
}

/// Rows of f32 and bricks whose numbers are widened: a block of B has two steps.
///
/// ```text
/// for each brick:
///     b[j]        = first of each pair, as f32                 j < NV vectors
///     tile[i][j] += A[i][p] · b[j]                             i < MR rows
///     b[j]        = second of each pair, as f32
///     tile[i][j] += A[i][p + 1] · b[j]
/// ```
/// A run may begin with the second step of a brick, or end with the first.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
struct Widened;

#[cfg(target_arch = "x86_64")]
impl<S: Halves> Steps<f32, S> for Widened {
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
                step::<S, MR, NV, SIDE_WORK>(s, args, columns, operands, sums, |words| s.second_halves(words));
                operands.b = operands.b.wrapping_byte_add(args.b_stride);
                left -= 1;
            }
            for _ in 0..left / PAIR {
                if MR <= STREAMED_ROWS {
                    s.prefetch(operands.b.wrapping_byte_add(STREAM_AHEAD));
                }
                step::<S, MR, NV, SIDE_WORK>(s, args, columns, operands, sums, |words| s.first_halves(words));
                // Loaded once more: kept, the words would take registers that sums need.
                operands.b = opaque(operands.b);
                step::<S, MR, NV, SIDE_WORK>(s, args, columns, operands, sums, |words| s.second_halves(words));
                operands.b = operands.b.wrapping_byte_add(args.b_stride);
                if SIDE_WORK == PREFETCH_LINE {
                    operands.prefetch_line(s);
                }
            }
            if left % PAIR == 1 {
                step::<S, MR, NV, SIDE_WORK>(s, args, columns, operands, sums, |words| s.first_halves(words));
            }
        }
        operands.left -= steps;
    }
}

/// One step of the brick at hand, whose numbers `widen` takes out of the words.
///
/// # Safety
/// A step of A and the brick's columns are valid for reads.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn step<S: Simd<f32>, const MR: usize, const NV: usize, const SIDE_WORK: u8>(
    s: S,
    args: &TileArgs<'_, f32>,
    columns: Columns<S::First, NV>,
    operands: &mut Operands<'_, f32, MR>,
    sums: &mut [[S::Reg; NV]; MR],
    widen: impl Fn(S::Reg) -> S::Reg,
) {
    let (stride, three_rows) = (args.a_row_stride, 3 * args.a_row_stride);
    // SAFETY: promised by the caller.
    unsafe {
        let mut row = [s.splat(0.0); NV];
        for j in 0..NV {
            row[j] = widen(columns.load(s, operands.b, j));
        }
        for i in 0..MR {
            let x = s.splat(*operands.a(i, stride, three_rows));
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

/// Rows of pairs and bricks, whose pairs are multiplied as they are. A brick belongs to the chain of its first step.
///
/// ```text
/// for each brick:
///     tile[i][j] += A[i][p + 1] · B[p + 1][j] + A[i][p] · B[p][j]
/// ```
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
struct Pairs(Avx512Bf16);

#[cfg(target_arch = "x86_64")]
impl Steps<f32, Avx512> for Pairs {
    const IN_PLACE: bool = false;

    #[inline(always)]
    fn blocks_before(self, offset: usize) -> (usize, usize) {
        (offset.div_ceil(PAIR), offset.div_ceil(PAIR))
    }

    #[inline(always)]
    unsafe fn multiply<const MR: usize, const NV: usize, const SIDE_WORK: u8>(
        self,
        s: Avx512,
        args: &TileArgs<'_, f32>,
        steps: usize,
        columns: Columns<<Avx512 as Simd<f32>>::First, NV>,
        operands: &mut Operands<'_, f32, MR>,
        sums: &mut [[<Avx512 as Lanewise<f32>>::Reg; NV]; MR],
    ) {
        let (stride, three_rows) = (args.a_row_stride, 3 * args.a_row_stride);
        let offset = args.k - operands.left;
        for _ in offset.div_ceil(PAIR)..(offset + steps).div_ceil(PAIR) {
            // SAFETY: bricks of the pair, promised by the caller; the pointers go past its end only after the last use.
            unsafe {
                let mut row = [Lanewise::<f32>::splat(s, 0.0); NV];
                for j in 0..NV {
                    row[j] = columns.load(s, operands.b, j);
                }
                for i in 0..MR {
                    let pair = operands.a(i, stride, three_rows).cast::<i32>().read();
                    for j in 0..NV {
                        sums[i][j] = self.0.add_products(sums[i][j], pair, row[j]);
                    }
                }
            }
            if SIDE_WORK == PREFETCH_LINE {
                operands.prefetch_line(s);
            }
            if SIDE_WORK == PREFETCH_ROWS {
                operands.prefetch_row(s);
            }
            operands.next_block_of_a(args);
            operands.b = operands.b.wrapping_byte_add(args.b_stride);
        }
        operands.left -= steps;
    }
}
