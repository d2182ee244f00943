//! Rows of A: for every 256 elements a scale, the sums of their numbers in groups of 16 and of 32, and the numbers as signed bytes.

use crate::gemm::format::RowFormat;
use crate::gemm::int8::{ROW_GROUP, prepare_rows};
use crate::gemm::panel::RowBlock;

/// Bytes of a scale.
const SCALE: usize = size_of::<f32>();

/// Bytes of the sums of groups of this size.
const fn sums_bytes(group: usize) -> usize {
    ROW_GROUP / group * size_of::<f32>()
}

/// Bytes before the numbers.
pub(super) const HEAD: usize = SCALE + sums_bytes(16) + sums_bytes(32);

/// Where the sums of groups of 16 or 32 lie, as f32, which holds them exactly.
#[inline(always)]
pub(super) const fn sums(group: usize) -> usize {
    if group == 16 { SCALE } else { SCALE + sums_bytes(16) }
}

/// One layout for every kernel and format.
pub(super) const FORMAT: RowFormat =
    RowFormat { layout: "int8 rows with sums", block_k: ROW_GROUP, block_bytes: HEAD + ROW_GROUP, is_in_place: false };

/// Prepares rows as plain Rust compiles for the baseline.
///
/// # Safety
/// None: the type of [`PrepareFn`](crate::gemm::PrepareFn) is unsafe.
pub(super) unsafe fn prepare(block: RowBlock<'_, f32>) {
    prepare_rows(block, store);
}

/// # Safety
/// The CPU has AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn prepare_avx2(block: RowBlock<'_, f32>) {
    prepare_rows(block, store);
}

/// Sums and numbers behind the scale.
#[inline(always)]
fn store(numbers: &[i8; ROW_GROUP], out: &mut [u8]) {
    let (sums, bytes) = out.split_at_mut(HEAD - SCALE);
    let (sixteens, pairs) = sums.split_at_mut(sums_bytes(16));
    let mut sixteen_sums = [0i32; ROW_GROUP / 16];
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
