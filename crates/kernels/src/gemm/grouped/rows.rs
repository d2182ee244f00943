//! Rows of A: for every 256 elements their scales in groups of 32, what groups of 16 and of 32 add up to, and the numbers as signed bytes.

use crate::gemm::format::RowFormat;
use crate::gemm::group::group_of;
use crate::gemm::panel::RowBlock;
use crate::simd::{PART, Quantize, Scalar};
use std::mem::offset_of;

#[cfg(target_arch = "x86_64")]
use crate::simd::Avx2;

/// Elements of a block of a row: those of the largest blocks of weights.
pub const ROW_BLOCK: usize = 256;

/// Elements of a row with one scale. Some inputs of language models are much larger than their neighbours: with one scale for 256 elements
/// the perplexity of a small Llama rose by two percent more.
pub const ROW_GROUP: usize = 32;

/// Groups of a block.
const GROUPS: usize = ROW_BLOCK / ROW_GROUP;

/// A block of a row.
#[repr(C)]
struct Block {
    scales: [f32; GROUPS],
    /// Minus the sums of the numbers of groups of 16.
    negative_sums_of_16: [i32; 2 * GROUPS],
    negative_sums_of_32: [i32; GROUPS],
    /// Scale · sum, for groups of 16.
    scaled_sums_of_16: [f32; 2 * GROUPS],
    scaled_sums_of_32: [f32; GROUPS],
    numbers: [[i8; ROW_GROUP]; GROUPS],
}

/// Where the numbers lie.
pub(super) const NUMBERS: usize = offset_of!(Block, numbers);

/// Where the scale of the elements from `start` on lies.
#[inline(always)]
pub(super) const fn scale(start: usize) -> usize {
    offset_of!(Block, scales) + start / ROW_GROUP * size_of::<f32>()
}

/// Where minus the sum of the numbers of the group of 16 or 32 that begins at `start` lies, as i32.
#[inline(always)]
pub(super) const fn negative_sum(group: usize, start: usize) -> usize {
    let of_16 = offset_of!(Block, negative_sums_of_16);
    (if group == 16 { of_16 } else { offset_of!(Block, negative_sums_of_32) }) + start / group * size_of::<i32>()
}

/// Where scale · sum of the group of 16 or 32 that begins at `start` lies, as f32.
#[inline(always)]
pub(super) const fn scaled_sum(group: usize, start: usize) -> usize {
    let of_16 = offset_of!(Block, scaled_sums_of_16);
    (if group == 16 { of_16 } else { offset_of!(Block, scaled_sums_of_32) }) + start / group * size_of::<f32>()
}

/// One layout for every kernel and format.
pub(super) const FORMAT: RowFormat = RowFormat {
    layout: "int8 rows with sums",
    block_k: ROW_BLOCK,
    block_bytes: size_of::<Block>(),
    is_in_place: false,
};

/// Prepares rows by plain Rust.
///
/// # Safety
/// None: the type of [`PrepareFn`](crate::gemm::PrepareFn) is unsafe.
pub(super) unsafe fn prepare(block: RowBlock<'_, f32>) {
    prepare_rows(Scalar, block);
}

/// # Safety
/// The CPU has AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn prepare_avx2(block: RowBlock<'_, f32>) {
    // SAFETY: promised by the caller.
    prepare_rows(unsafe { Avx2::assume() }, block);
}

#[inline(always)]
fn prepare_rows<V: Quantize>(v: V, block: RowBlock<'_, f32>) {
    let RowBlock { format, source, rows, row_stride } = block;
    for (i, row) in rows.chunks_mut(row_stride).enumerate().take(source.rows()) {
        for (start, out) in (0..source.cols()).step_by(ROW_BLOCK).zip(row.chunks_exact_mut(format.block_bytes)) {
            assert!(out.len() == size_of::<Block>(), "wanted room for a block");
            let block = quantize(v, group_of(source, i, start, &mut [0.0; ROW_BLOCK]));
            // SAFETY: room for it, as was checked.
            unsafe { out.as_mut_ptr().cast::<Block>().write_unaligned(block) };
        }
    }
}

#[inline(always)]
fn quantize<V: Quantize>(v: V, elements: &[f32; ROW_BLOCK]) -> Block {
    const { assert!(ROW_GROUP == PART && GROUPS == 8, "wanted groups that are quantised at a time") };
    let groups = elements.as_chunks::<ROW_GROUP>().0;
    let mut largest = [0; GROUPS];
    for (largest, group) in largest.iter_mut().zip(groups) {
        *largest = v.largest(group);
    }
    let (scales, factors) = v.scales(&largest);
    let mut numbers = [[0; ROW_GROUP]; GROUPS];
    let (mut of_16, mut of_32, mut scaled_of_16, mut scaled_of_32) =
        ([0; 2 * GROUPS], [0; GROUPS], [0.0; 2 * GROUPS], [0.0; GROUPS]);
    for i in 0..GROUPS {
        numbers[i] = v.quantized(&groups[i], factors[i]);
        let [low, high] = v.sums(&numbers[i]);
        (of_16[2 * i], of_16[2 * i + 1], of_32[i]) = (-low, -high, -(low + high));
    }
    for i in 0..GROUPS {
        scaled_of_16[2 * i] = scales[i] * -of_16[2 * i] as f32;
        scaled_of_16[2 * i + 1] = scales[i] * -of_16[2 * i + 1] as f32;
        scaled_of_32[i] = scales[i] * -of_32[i] as f32;
    }
    Block {
        scales,
        negative_sums_of_16: of_16,
        negative_sums_of_32: of_32,
        scaled_sums_of_16: scaled_of_16,
        scaled_sums_of_32: scaled_of_32,
        numbers,
    }
}
