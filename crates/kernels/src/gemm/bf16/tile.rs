//! The microkernels on vectors: those that widen weights, and those that multiply pairs.

use super::PAIR;
use super::pairs::OfPairs;
use crate::gemm::halves::tile::Widened;
use crate::gemm::micro::columns::Columns;
use crate::gemm::micro::operands::Operands;
use crate::gemm::micro::outer::{PREFETCH_LINE, PREFETCH_ROWS, Steps, tile};
use crate::gemm::side_work::STREAMED_ROWS;
use crate::gemm::tile_args::TileArgs;
use crate::simd::{Avx2, Avx512, Avx512Bf16, Lanewise, Simd};

/// # Safety
/// As [`TileFn`](crate::gemm::TileFn) for MR rows and NV vectors: rows of f32, panels of this module, on a CPU with AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(in crate::gemm) unsafe fn avx2<const MR: usize, const NV: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<f32, Avx2, _, MR, NV>(Avx2::assume(), Widened(OfPairs), args) }
}

/// # Safety
/// As [`avx2`], on a CPU with AVX-512 F, VL, BW and DQ.
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
pub(in crate::gemm) unsafe fn avx512<const MR: usize, const NV: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<f32, Avx512, _, MR, NV>(Avx512::assume(), Widened(OfPairs), args) }
}

/// # Safety
/// As [`avx512`], with rows in pairs, on a CPU with AVX512-BF16, too.
#[target_feature(enable = "avx512bf16,avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
pub(in crate::gemm) unsafe fn avx512_bf16<const MR: usize, const NV: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<f32, Avx512, Pairs, MR, NV>(Avx512::assume(), Pairs(Avx512Bf16::assume()), args) }
}

/// Rows of pairs and bricks, whose pairs are multiplied as they are. A brick belongs to the chain of its first step.
///
/// ```text
/// for each brick:
///     tile[i][j] += A[i][p + 1] · B[p + 1][j] + A[i][p] · B[p][j]
/// ```
#[derive(Clone, Copy)]
struct Pairs(Avx512Bf16);

impl Steps<f32, Avx512> for Pairs {
    const IN_PLACE: bool = false;
    const VECTOR_IS_PANEL: bool = true;

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
        _columns: Columns<<Avx512 as Simd<f32>>::First, NV>,
        operands: &mut Operands<'_, f32, MR>,
        sums: &mut [[<Avx512 as Lanewise<f32>>::Reg; NV]; MR],
    ) {
        let (stride, three_rows) = (args.a_row_stride, 3 * args.a_row_stride);
        let offset = args.k - operands.left;
        // Panels of a cache of keys and values, or of weights.
        let ahead =
            if MR <= STREAMED_ROWS && NV > 1 { args.stream_ahead(offset / PAIR * args.b_stride, NV) } else { 0 };
        for _ in offset.div_ceil(PAIR)..(offset + steps).div_ceil(PAIR) {
            // SAFETY: bricks of the pair, promised by the caller; the pointers go past its end only after the last use.
            unsafe {
                let mut row = [Lanewise::<f32>::splat(s, 0.0); NV];
                for j in 0..NV {
                    // Columns past those of C are zeros in the panel; what becomes of them is not stored.
                    let b = operands.b.wrapping_byte_add(j * args.panel_stride);
                    row[j] = s.load(b);
                    if ahead > 0 {
                        s.prefetch(b.wrapping_byte_add(ahead));
                    }
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
