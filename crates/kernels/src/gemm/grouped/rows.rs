//! Rows of A: for every 256 elements their scales in groups of 32, the sums of their numbers in groups of 16 and of 32, and the numbers as
//! signed bytes.

use crate::gemm::format::RowFormat;
use crate::gemm::group::group_of;
use crate::gemm::panel::RowBlock;
use crate::numbers::int8::{quantized, scale_of};

/// Elements of a block of a row: those of the largest blocks of weights.
pub const ROW_BLOCK: usize = 256;

/// Elements of a row with one scale. Some inputs of language models are much larger than their neighbours: with one scale for 256 elements
/// the perplexity of a small Llama rose by two percent more.
pub const ROW_GROUP: usize = 32;

/// Bytes of a number for each group of this size.
const fn bytes_of_groups(group: usize) -> usize {
    ROW_BLOCK / group * size_of::<f32>()
}

/// Bytes before the numbers.
pub(super) const HEAD: usize = bytes_of_groups(ROW_GROUP) + bytes_of_groups(16) + bytes_of_groups(32);

/// Where the scale of the elements from `start` on lies.
#[inline(always)]
pub(super) const fn scale(start: usize) -> usize {
    start / ROW_GROUP * size_of::<f32>()
}

/// Where the sums of groups of 16 or 32 lie, as f32, which holds them exactly.
#[inline(always)]
pub(super) const fn sums(group: usize) -> usize {
    let sixteens = bytes_of_groups(ROW_GROUP);
    if group == 16 { sixteens } else { sixteens + bytes_of_groups(16) }
}

/// One layout for every kernel and format.
pub(super) const FORMAT: RowFormat =
    RowFormat { layout: "int8 rows with sums", block_k: ROW_BLOCK, block_bytes: HEAD + ROW_BLOCK, is_in_place: false };

/// Prepares rows as plain Rust compiles for the baseline.
///
/// # Safety
/// None: the type of [`PrepareFn`](crate::gemm::PrepareFn) is unsafe.
pub(super) unsafe fn prepare(block: RowBlock<'_, f32>) {
    prepare_rows(block);
}

/// # Safety
/// The CPU has AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn prepare_avx2(block: RowBlock<'_, f32>) {
    prepare_rows(block);
}

#[inline(always)]
fn prepare_rows(block: RowBlock<'_, f32>) {
    let RowBlock { format, source, rows, row_stride } = block;
    for (i, row) in rows.chunks_mut(row_stride).enumerate().take(source.rows()) {
        for (start, out) in (0..source.cols()).step_by(ROW_BLOCK).zip(row.chunks_exact_mut(format.block_bytes)) {
            let elements = group_of::<ROW_BLOCK>(source, i, start);
            let (mut scales, mut numbers) = ([0.0; ROW_BLOCK / ROW_GROUP], [0; ROW_BLOCK]);
            for (group, scale) in scales.iter_mut().enumerate() {
                let elements = &elements[group * ROW_GROUP..][..ROW_GROUP];
                let factor;
                (*scale, factor) = scale_of(elements);
                for (q, &x) in numbers[group * ROW_GROUP..][..ROW_GROUP].iter_mut().zip(elements) {
                    *q = quantized(x, factor);
                }
            }
            store(&scales, &numbers, out);
        }
    }
}

#[inline(always)]
fn store(scales: &[f32; ROW_BLOCK / ROW_GROUP], numbers: &[i8; ROW_BLOCK], out: &mut [u8]) {
    let (out_scales, rest) = out.split_at_mut(bytes_of_groups(ROW_GROUP));
    let (sixteens, rest) = rest.split_at_mut(bytes_of_groups(16));
    let (pairs, bytes) = rest.split_at_mut(bytes_of_groups(32));
    for (out, scale) in out_scales.as_chunks_mut::<4>().0.iter_mut().zip(scales) {
        *out = scale.to_ne_bytes();
    }
    let mut sixteen_sums = [0i32; ROW_BLOCK / 16];
    for (sum, group) in sixteen_sums.iter_mut().zip(numbers.as_chunks::<16>().0) {
        *sum = group.iter().map(|&q| i32::from(q)).sum();
    }
    for (out, &sum) in sixteens.as_chunks_mut::<4>().0.iter_mut().zip(&sixteen_sums) {
        *out = (sum as f32).to_ne_bytes();
    }
    for (out, [low, high]) in pairs.as_chunks_mut::<4>().0.iter_mut().zip(sixteen_sums.as_chunks::<2>().0) {
        *out = ((low + high) as f32).to_ne_bytes();
    }
    bytes.copy_from_slice(&numbers.map(|q| q as u8));
}
