//! The microkernels: one body, and a function of it for each instruction set.

use super::columns::{BRICK, PANEL, SCALES, SUMS};
use super::rows::HEAD;
use super::{GROUP, QUAD};
use crate::gemm::side_work::{STREAM_AHEAD, STREAMED_ROWS};
use crate::gemm::tile_args::TileArgs;
use crate::simd::{Quads, Scalar, Simd};

#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512Vnni, AvxVnni};

/// # Safety
/// As [`TileFn`](crate::gemm::TileFn) for MR rows and up to 16 columns, in the formats of this module.
pub(in crate::gemm) unsafe fn scalar<const MR: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<Scalar, 1, 16, MR>(Scalar, args) }
}

/// # Safety
/// As [`scalar`], on a CPU with AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
pub(in crate::gemm) unsafe fn avx2<const MR: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<Avx2, 8, 2, MR>(Avx2::assume(), args) }
}

/// # Safety
/// As [`scalar`], on a CPU with AVX-VNNI, AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avxvnni,avx2,fma")]
pub(in crate::gemm) unsafe fn avx_vnni<const MR: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<AvxVnni, 8, 2, MR>(AvxVnni::assume(), args) }
}

/// # Safety
/// As [`scalar`], on a CPU with AVX512-VNNI and AVX-512 F, VL, BW and DQ.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512vnni,avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
pub(in crate::gemm) unsafe fn avx512_vnni<const MR: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<Avx512Vnni, 16, 1, MR>(Avx512Vnni::assume(), args) }
}

/// # Safety
/// As [`scalar`], with VECTORS vectors of LANES columns.
#[inline(always)]
unsafe fn tile<Q, const LANES: usize, const VECTORS: usize, const MR: usize>(q: Q, args: &TileArgs<'_, f32>)
where
    Q: Quads<LANES>,
{
    // SAFETY: the operands are blocks of these formats, promised by the caller.
    unsafe {
        let mut total = args.begin::<LANES, VECTORS, MR>();
        // Calls begin where a group does, and end there or with the whole sum.
        let (mut offset, mut left) = (args.offset, args.steps);
        for pair in args.pairs {
            while offset < args.k && left > 0 {
                let row = pair.a.wrapping_add(offset / GROUP * args.a_col_stride);
                let block = pair.b.wrapping_add(offset / GROUP * args.b_stride);
                let steps = GROUP.min(args.k - offset).min(left);
                total.add(&group::<Q, LANES, VECTORS, MR>(q, row, args.a_row_stride, block, steps));
                (offset, left) = (offset + steps, left - steps);
            }
            offset = 0;
        }
        total.end(q.floats());
    }
}

/// The scaled sums of one group.
///
/// # Safety
/// `block` is valid for reads of a block of a panel, and `row`, for each of the rows, of a block of a row.
#[inline(always)]
unsafe fn group<Q, const LANES: usize, const VECTORS: usize, const MR: usize>(
    q: Q,
    row: *const u8,
    row_stride: usize,
    block: *const u8,
    steps: usize,
) -> [[[f32; LANES]; VECTORS]; MR]
where
    Q: Quads<LANES>,
{
    const { assert!(LANES * VECTORS * size_of::<f32>() == SCALES && SUMS == SCALES && PANEL.block_bytes > SCALES) };
    let mut scaled = [[[0.0; LANES]; VECTORS]; MR];
    let number_bytes = Q::ROWS.number_bytes();
    // SAFETY: scales, sums and quads inside the two blocks, which the caller vouches for.
    unsafe {
        let scales = block.cast::<[[f32; LANES]; VECTORS]>().read();
        let quads = row.add(HEAD);
        for first in (0..MR).step_by(Q::ROWS_AT_A_TIME) {
            // The last rows again rather than fewer: a constant number of sums stays in registers.
            let (first, rows) = (first.min(MR.saturating_sub(Q::ROWS_AT_A_TIME)), MR.min(Q::ROWS_AT_A_TIME));
            let quads = quads.add(first * row_stride);
            let sums_of_columns = block.add(SCALES).cast::<i32>();
            let mut start = [q.start(sums_of_columns); VECTORS];
            for j in 1..VECTORS {
                start[j] = q.start(sums_of_columns.add(j * LANES));
            }
            let mut sums = [start; MR];
            for quad in 0..steps.div_ceil(QUAD) {
                let brick = block.add(SCALES + SUMS + quad * BRICK).cast::<i8>();
                if MR <= STREAMED_ROWS {
                    q.floats().prefetch(brick.wrapping_add(STREAM_AHEAD).cast());
                }
                let mut columns = [q.columns(brick); VECTORS];
                for j in 1..VECTORS {
                    columns[j] = q.columns(brick.add(j * LANES * QUAD));
                }
                for i in 0..rows {
                    let row = q.row(quads.add(i * row_stride + quad * QUAD * number_bytes));
                    for j in 0..VECTORS {
                        sums[i][j] = q.add_products(sums[i][j], columns[j], row);
                    }
                }
            }
            for i in 0..rows {
                let row_scale = row.add((first + i) * row_stride).cast::<f32>().read_unaligned();
                for j in 0..VECTORS {
                    let floats = q.to_floats(sums[i][j]);
                    for lane in 0..LANES {
                        scaled[first + i][j][lane] = row_scale * scales[j][lane] * floats[lane];
                    }
                }
            }
        }
    }
    scaled
}
