//! Rows of A: for every 256 elements their scales in groups of 32, what groups of 16 and of 32 add up to, and the numbers as signed bytes.

use crate::gemm::format::RowFormat;
use crate::gemm::group::group_of;
use crate::gemm::panel::RowBlock;
use crate::simd::{PART, PARTS, Quantize, Scalar};
use std::array::from_fn;
use std::mem::offset_of;

#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};

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
    #[cfg(target_arch = "x86_64")]
    halves: NegativeSumsOfHalves,
}

/// The negative sums in two parts, as AVX2 adds up in 16 bits: of the first two numbers of every four, and of the others.
#[cfg(target_arch = "x86_64")]
#[repr(C)]
struct NegativeSumsOfHalves {
    of_16: [[i16; 2]; 2 * GROUPS],
    of_32: [[i16; 2]; GROUPS],
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

/// The same in two parts, each as i16: of the first two numbers of every four, and of the others.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) const fn negative_sums_of_halves(group: usize, start: usize) -> usize {
    let of_16 = offset_of!(Block, halves.of_16);
    (if group == 16 { of_16 } else { offset_of!(Block, halves.of_32) }) + start / group * size_of::<[i16; 2]>()
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
    needs_whole_rows: false,
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

/// # Safety
/// The CPU has AVX-512 F, VL, BW and DQ.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
pub(super) unsafe fn prepare_avx512(block: RowBlock<'_, f32>) {
    // SAFETY: promised by the caller.
    prepare_rows(unsafe { Avx512::assume() }, block);
}

#[inline(always)]
fn prepare_rows<V: Quantize>(v: V, block: RowBlock<'_, f32>) {
    let RowBlock { format, source, rows, row_stride } = block;
    let mut room = [0.0; ROW_BLOCK];
    for (i, row) in rows.chunks_mut(row_stride).enumerate().take(source.rows()) {
        for (start, out) in (0..source.cols()).step_by(ROW_BLOCK).zip(row.chunks_exact_mut(format.block_bytes)) {
            let out = out.as_mut_ptr().cast::<Block>();
            assert!(format.block_bytes == size_of::<Block>() && out.is_aligned(), "wanted room for a block");
            // SAFETY: room for a block, of which any bytes are one, aligned as was checked.
            quantize(v, group_of(source, i, start, &mut room), unsafe { &mut *out });
        }
    }
}

#[inline(always)]
fn quantize<V: Quantize>(v: V, elements: &[f32; ROW_BLOCK], block: &mut Block) {
    const { assert!(ROW_GROUP == PART && GROUPS == PARTS, "wanted groups that are quantised at a time") };
    let groups: &[[f32; PART]; PARTS] = elements.as_chunks().0.try_into().expect("whole groups");
    let (scales, factors) = v.scales(&v.largest_of_each(groups));
    block.scales = scales;
    // Summed before they are stored: larger vectors than those stored would wait for memory.
    let numbers = v.quantized_parts(groups, &factors);
    block.numbers = numbers;
    let halves = v.sums(&numbers);
    let halves: &[[i16; 2]; 2 * GROUPS] = halves.as_flattened().try_into().expect("two sixteens of each group");
    let sums = halves.map(|[first, second]| i32::from(first) + i32::from(second));
    block.negative_sums_of_16 = sums.map(|sum| -sum);
    block.negative_sums_of_32 = from_fn(|i| -(sums[2 * i] + sums[2 * i + 1]));
    block.scaled_sums_of_16 = from_fn(|i| scales[i / 2] * sums[i] as f32);
    block.scaled_sums_of_32 = from_fn(|i| scales[i] * (sums[2 * i] + sums[2 * i + 1]) as f32);
    #[cfg(target_arch = "x86_64")]
    {
        block.halves.of_16 = halves.map(|sums| sums.map(|sum| -sum));
        block.halves.of_32 = from_fn(|i| from_fn(|j| -(halves[2 * i][j] + halves[2 * i + 1][j])));
    }
}
