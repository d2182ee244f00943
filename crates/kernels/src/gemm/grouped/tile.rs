//! The microkernels: one body over the formats, and a function of it for each instruction set.
//!
//! ```text
//! for each 256 steps of K:
//!     for each group: the words of its columns, times rows, summed exactly
//!                     sums += (scale · scale of the row) · products (+ minimum · (scale of the row · sum of the row))
//!     total += sums
//! ```
//!
//! There are no closures here that call instructions: they would be compiled for the baseline by themselves, and only inlined if they
//! are small.

use super::format::{Columns, Decode, WORD, panel};
use super::rows::{HEAD, ROW_BLOCK, scale, sums};
use crate::gemm::side_work::{STREAM_AHEAD, STREAMED_ROWS};
use crate::gemm::tile_args::TileArgs;
use crate::scratch::LINE;
use crate::simd::{NarrowQuads, Scalar, Simd};

#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2F16c, Avx512Vnni, AvxVnniF16c};

/// # Safety
/// As [`TileFn`](crate::gemm::TileFn) for MR rows and up to 16 columns, with rows and panels of the format F.
pub(in crate::gemm) unsafe fn scalar<F: Decode, const MR: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<F, Scalar, 1, 16, MR>(Scalar, args) }
}

/// # Safety
/// As [`scalar`], on a CPU with AVX2, FMA and F16C.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
pub(in crate::gemm) unsafe fn avx2<F: Decode, const MR: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<F, Avx2F16c, 8, 2, MR>(Avx2F16c::assume(), args) }
}

/// # Safety
/// As [`scalar`], on a CPU with AVX-VNNI, AVX2, FMA and F16C.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avxvnni,avx2,fma,f16c")]
pub(in crate::gemm) unsafe fn avx_vnni<F: Decode, const MR: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<F, AvxVnniF16c, 8, 2, MR>(AvxVnniF16c::assume(), args) }
}

/// # Safety
/// As [`scalar`], on a CPU with AVX512-VNNI and AVX-512 F, VL, BW and DQ.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512vnni,avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
pub(in crate::gemm) unsafe fn avx512_vnni<F: Decode, const MR: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { tile::<F, Avx512Vnni, 16, 1, MR>(Avx512Vnni::assume(), args) }
}

/// f32 of a tile.
type Floats<const LANES: usize, const VECTORS: usize, const MR: usize> = [[[f32; LANES]; VECTORS]; MR];

/// # Safety
/// As [`scalar`], with VECTORS vectors of LANES columns.
#[inline(always)]
unsafe fn tile<F, Q, const LANES: usize, const VECTORS: usize, const MR: usize>(q: Q, args: &TileArgs<'_, f32>)
where
    F: Decode,
    Q: NarrowQuads<LANES>,
{
    // SAFETY: the operands are blocks of these formats, promised by the caller.
    unsafe {
        let mut total = args.begin::<LANES, VECTORS, MR>();
        // Calls begin where a block of a row does, and end there or with the whole sum.
        let (mut offset, mut left) = (args.offset, args.steps);
        for pair in args.pairs {
            while offset < args.k && left > 0 {
                let steps = ROW_BLOCK.min(args.k - offset).min(left);
                let span = Span {
                    rows: pair.a.wrapping_add(offset / ROW_BLOCK * args.a_col_stride),
                    row_stride: args.a_row_stride,
                    blocks: pair.b.wrapping_add(offset / F::BLOCK * args.b_stride),
                    groups: steps.div_ceil(F::GROUP),
                };
                total.add(&span.sums::<F, Q, LANES, VECTORS, MR>(q));
                (offset, left) = (offset + steps, left - steps);
            }
            offset = 0;
        }
        total.end(q.floats());
    }
}

/// Up to 256 steps of K: a block of each row.
struct Span {
    rows: *const u8,
    row_stride: usize,
    blocks: *const u8,
    groups: usize,
}

impl Span {
    /// The sums of all groups.
    ///
    /// # Safety
    /// `rows` is valid for reads of a block of each of MR rows, `blocks` of the blocks of the groups.
    #[inline(always)]
    unsafe fn sums<F, Q, const LANES: usize, const VECTORS: usize, const MR: usize>(
        &self,
        q: Q,
    ) -> Floats<LANES, VECTORS, MR>
    where
        F: Decode,
        Q: NarrowQuads<LANES>,
    {
        let mut sums = [[[0.0; LANES]; VECTORS]; MR];
        let groups_in_block = F::BLOCK / F::GROUP;
        // SAFETY: promised by the caller.
        unsafe {
            for group in 0..self.groups {
                let block = self.blocks.add(group / groups_in_block * panel::<F>().block_bytes);
                self.add_group::<F, Q, LANES, VECTORS, MR>(q, group, block, group % groups_in_block, &mut sums);
            }
        }
        sums
    }

    /// sums + (scale · scale of the row) · products (+ minimum · (scale of the row · sum of the row)) for one group, which is number
    /// `within` of its block.
    ///
    /// # Safety
    /// As [`Span::sums`].
    #[inline(always)]
    unsafe fn add_group<F, Q, const LANES: usize, const VECTORS: usize, const MR: usize>(
        &self,
        q: Q,
        group: usize,
        block: *const u8,
        within: usize,
        floats: &mut Floats<LANES, VECTORS, MR>,
    ) where
        F: Decode,
        Q: NarrowQuads<LANES>,
    {
        // SAFETY: promised by the caller; a group's fields lie inside its block.
        unsafe {
            if MR <= STREAMED_ROWS {
                let bytes = panel::<F>().block_bytes / (F::BLOCK / F::GROUP);
                let ahead = block.wrapping_add(within * bytes + STREAM_AHEAD);
                (0..bytes).step_by(LINE).for_each(|line| q.floats().prefetch(ahead.wrapping_add(line).cast()));
            }
            let mut columns = [Columns::new(block, 0); VECTORS];
            for (j, columns) in columns.iter_mut().enumerate() {
                *columns = Columns::new(block, j * LANES);
            }
            let numbers = self.rows.add(HEAD + group * F::GROUP);
            let products = products::<F, Q, LANES, VECTORS, MR>(q, columns, within, numbers, self.row_stride);
            let (mut scales, mut minimums) = ([[0.0; LANES]; VECTORS], [[0.0; LANES]; VECTORS]);
            for j in 0..VECTORS {
                scales[j] = F::scales(q, columns[j], within);
                minimums[j] = F::minimums(q, columns[j], within);
            }
            let zero = if F::BITS == 8 { Q::OFFSET } else { F::ZERO } as f32;
            for i in 0..MR {
                let row = self.rows.add(i * self.row_stride);
                let row_scale = row.add(scale(group * F::GROUP)).cast::<f32>().read_unaligned();
                let sum = row.add(sums(F::GROUP) + group * size_of::<f32>()).cast::<f32>().read_unaligned();
                for j in 0..VECTORS {
                    let products = q.to_floats(products[i][j]);
                    for lane in 0..LANES {
                        // Whole numbers below 2²⁴, so that the difference is exact.
                        let exact = if zero == 0.0 { products[lane] } else { products[lane] - zero * sum };
                        let float = &mut floats[i][j][lane];
                        *float = (scales[j][lane] * row_scale).mul_add(exact, *float);
                        if F::HAS_MINIMUM {
                            *float = minimums[j][lane].mul_add(row_scale * sum, *float);
                        }
                    }
                }
            }
        }
    }
}

/// Words whose products fit the short sums, as [`NarrowQuads::add_products`] says.
const fn words_of_short_sums(bits: u32) -> usize {
    match bits {
        4 => 8,
        5 => 4,
        6 => 2,
        _ => panic!("wanted weights of 4, 5 or 6 bits"),
    }
}

/// The exact sums of products of a group.
///
/// # Safety
/// The fields of the group's block are valid for reads, and `numbers` of the group's numbers in each of MR rows.
#[inline(always)]
unsafe fn products<F, Q, const LANES: usize, const VECTORS: usize, const MR: usize>(
    q: Q,
    columns: [Columns<F>; VECTORS],
    group: usize,
    numbers: *const u8,
    row_stride: usize,
) -> [[Q::Sums; VECTORS]; MR]
where
    F: Decode,
    Q: NarrowQuads<LANES>,
{
    let mut sums = [[q.no_sums(); VECTORS]; MR];
    let words = F::GROUP / WORD;
    // SAFETY: promised by the caller.
    unsafe {
        if F::BITS == 8 {
            for word in 0..words {
                let mut weights = [q.signed(F::words(q, columns[0], group, word)); VECTORS];
                for j in 1..VECTORS {
                    weights[j] = q.signed(F::words(q, columns[j], group, word));
                }
                for i in 0..MR {
                    for j in 0..VECTORS {
                        let row = numbers.add(i * row_stride + word * WORD);
                        sums[i][j] = q.add_signed_products(sums[i][j], weights[j], row);
                    }
                }
            }
            return sums;
        }
        let run = words_of_short_sums(F::BITS).min(words);
        for first in (0..words).step_by(run) {
            let mut short = [[q.no_products(); VECTORS]; MR];
            for word in first..first + run {
                let mut weights = [F::words(q, columns[0], group, word); VECTORS];
                for j in 1..VECTORS {
                    weights[j] = F::words(q, columns[j], group, word);
                }
                for i in 0..MR {
                    for j in 0..VECTORS {
                        let row = numbers.add(i * row_stride + word * WORD);
                        short[i][j] = q.add_products(short[i][j], weights[j], row);
                    }
                }
            }
            for i in 0..MR {
                for j in 0..VECTORS {
                    sums[i][j] = q.add(sums[i][j], short[i][j]);
                }
            }
        }
    }
    sums
}
