//! Rows of A: for every group, spread, a scale and its numbers, filled up with zeros.

use super::GROUP;
use super::spread::spread;
use crate::gemm::format::RowFormat;
use crate::gemm::group::group_of;
use crate::gemm::panel::{PrepareFn, RowBlock};
use crate::numbers::int8::scale_for;
use crate::scheme::Int8;
use crate::simd::{PART, QuadRows, Quantize, Scalar};

#[cfg(target_arch = "x86_64")]
use crate::simd::Avx2;

/// Bytes of a scale.
pub(super) const HEAD: usize = size_of::<f32>();

/// The rows of a kernel.
pub(super) const fn format(rows: QuadRows) -> RowFormat {
    let layout = match rows {
        QuadRows::Bytes => "int8 rows",
        #[cfg(target_arch = "x86_64")]
        QuadRows::Offset => "int8 rows + 128",
        #[cfg(target_arch = "x86_64")]
        QuadRows::Words => "int8 rows in 16 bits",
        #[cfg(target_arch = "aarch64")]
        QuadRows::Twice => "int8 rows, each quad twice",
    };
    RowFormat { layout, block_k: GROUP, block_bytes: HEAD + GROUP * rows.number_bytes(), is_in_place: false }
}

/// What prepares the rows of a kernel.
pub(super) const fn prepare_as(rows: QuadRows) -> PrepareFn<Int8> {
    match rows {
        QuadRows::Bytes => bytes,
        #[cfg(target_arch = "x86_64")]
        QuadRows::Offset => offset,
        #[cfg(target_arch = "x86_64")]
        QuadRows::Words => words,
        #[cfg(target_arch = "aarch64")]
        QuadRows::Twice => twice,
    }
}

/// Prepares rows as plain Rust compiles for the baseline.
///
/// # Safety
/// None: the type of [`PrepareFn`](crate::gemm::PrepareFn) is unsafe.
pub(super) unsafe fn bytes(block: RowBlock<'_, f32>) {
    prepare(Scalar, block, |q, out| *out = q.map(|q| q as u8));
}

/// # Safety
/// The CPU has AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn offset(block: RowBlock<'_, f32>) {
    // SAFETY: promised by the caller.
    prepare(unsafe { Avx2::assume() }, block, |q, out: &mut [u8; PART]| {
        // A loop: `map` may become a function for the baseline.
        for (out, q) in out.iter_mut().zip(q) {
            *out = (q as u8).wrapping_add(128);
        }
    });
}

/// # Safety
/// The CPU has AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn words(block: RowBlock<'_, f32>) {
    // SAFETY: promised by the caller.
    prepare(unsafe { Avx2::assume() }, block, |q, out: &mut [u8; 2 * PART]| {
        for (quad, out) in q.as_chunks::<4>().0.iter().zip(out.as_chunks_mut::<8>().0) {
            let words = [quad[0], quad[2], quad[1], quad[3]].map(|q| i16::from(q).to_ne_bytes());
            out.copy_from_slice(words.as_flattened());
        }
    });
}

/// # Safety
/// None: the type of [`PrepareFn`](crate::gemm::PrepareFn) is unsafe.
#[cfg(target_arch = "aarch64")]
pub(super) unsafe fn twice(block: RowBlock<'_, f32>) {
    prepare(Scalar, block, |q, out: &mut [u8; 2 * PART]| {
        for (quad, out) in q.as_chunks::<4>().0.iter().zip(out.as_chunks_mut::<8>().0) {
            let quad = quad.map(|q| q as u8);
            out.copy_from_slice([quad, quad].as_flattened());
        }
    });
}

/// Scales of groups, behind each of which `store` writes the group's numbers, some at a time, as the kernel reads them.
#[inline(always)]
fn prepare<V: Quantize, const BYTES: usize>(
    v: V,
    block: RowBlock<'_, f32>,
    store: impl Fn([i8; PART], &mut [u8; BYTES]),
) {
    let RowBlock { format, source, rows, row_stride } = block;
    for (i, row) in rows.chunks_mut(row_stride).enumerate().take(source.rows()) {
        for (start, out) in (0..source.cols()).step_by(GROUP).zip(row.chunks_exact_mut(format.block_bytes)) {
            let mut group = *group_of(source, i, start, &mut [0.0; GROUP]);
            spread(&mut group, GROUP.min(source.cols() - start));
            let parts = group.as_chunks::<PART>().0;
            let largest = parts.iter().fold(0, |largest, part| largest.max(v.largest(part)));
            let (scale, factor) = scale_for(largest);
            let (head, out) = out.split_at_mut(HEAD);
            head.copy_from_slice(&scale.to_ne_bytes());
            for (part, out) in parts.iter().zip(out.as_chunks_mut().0) {
                store(v.quantized(part, factor), out);
            }
        }
    }
}
