//! Rows of A: for every group, spread, a scale and its numbers, filled up with zeros. With one scale for the row, every block has it.

use crate::cpu::Features;
use crate::gemm::format::RowFormat;
use crate::gemm::group::group_of;
use crate::gemm::panel::{PrepareFn, RowBlock};
use crate::numbers::int8::scale_for;
use crate::scheme::{Int8By, Int8Kernels};
use crate::simd::{PART, QuadRows, Quantize, Scalar};
use crate::view::MatRef;

#[cfg(target_arch = "x86_64")]
use crate::cpu::Isa;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};

/// Bytes of a scale.
pub(super) const HEAD: usize = size_of::<f32>();

/// The rows of a kernel.
pub(super) const fn format<const GROUP: usize, const WHOLE: bool>(rows: QuadRows) -> RowFormat {
    let layout = match (rows, WHOLE) {
        (QuadRows::Bytes, false) => "int8 rows",
        (QuadRows::Bytes, true) => "int8 rows of one scale",
        #[cfg(target_arch = "x86_64")]
        (QuadRows::Offset, false) => "int8 rows + 128",
        #[cfg(target_arch = "x86_64")]
        (QuadRows::Offset, true) => "int8 rows of one scale + 128",
        #[cfg(target_arch = "x86_64")]
        (QuadRows::Words, false) => "int8 rows in 16 bits",
        #[cfg(target_arch = "x86_64")]
        (QuadRows::Words, true) => "int8 rows of one scale in 16 bits",
        #[cfg(target_arch = "aarch64")]
        (QuadRows::Twice, false) => "int8 rows, each quad twice",
        #[cfg(target_arch = "aarch64")]
        (QuadRows::Twice, true) => "int8 rows of one scale, each quad twice",
    };
    let block_bytes = HEAD + GROUP * rows.number_bytes();
    RowFormat { layout, block_k: GROUP, block_bytes, is_in_place: false, needs_whole_rows: WHOLE }
}

/// What prepares the rows of a kernel with these needs.
#[cfg_attr(target_arch = "aarch64", expect(unused_variables, reason = "one way for all kernels of 64-bit ARM"))]
pub(super) const fn prepare_as<const GROUP: usize, const WHOLE: bool>(
    rows: QuadRows,
    needs: Features,
) -> PrepareFn<Int8By<GROUP, WHOLE>>
where
    Int8By<GROUP, WHOLE>: Int8Kernels,
{
    match rows {
        #[cfg(target_arch = "x86_64")]
        QuadRows::Bytes if needs.contains(Isa::Avx512.needs()) => bytes_avx512::<GROUP, WHOLE>,
        QuadRows::Bytes => bytes::<GROUP, WHOLE>,
        #[cfg(target_arch = "x86_64")]
        QuadRows::Offset if needs.contains(Isa::Avx512.needs()) => offset_avx512::<GROUP, WHOLE>,
        #[cfg(target_arch = "x86_64")]
        QuadRows::Offset => offset::<GROUP, WHOLE>,
        #[cfg(target_arch = "x86_64")]
        QuadRows::Words => words::<GROUP, WHOLE>,
        #[cfg(target_arch = "aarch64")]
        QuadRows::Twice => twice::<GROUP, WHOLE>,
    }
}

/// Prepares rows as plain Rust compiles for the baseline.
///
/// # Safety
/// None: the type of [`PrepareFn`](crate::gemm::PrepareFn) is unsafe.
pub(super) unsafe fn bytes<const GROUP: usize, const WHOLE: bool>(block: RowBlock<'_, f32>) {
    prepare::<GROUP, WHOLE, _, _>(Scalar, block, |q, out| *out = q.map(|q| q as u8));
}

/// # Safety
/// The CPU has AVX-512 F, VL, BW and DQ.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
pub(super) unsafe fn bytes_avx512<const GROUP: usize, const WHOLE: bool>(block: RowBlock<'_, f32>) {
    // SAFETY: promised by the caller.
    prepare::<GROUP, WHOLE, _, _>(unsafe { Avx512::assume() }, block, |q, out: &mut [u8; PART]| {
        // A loop, as in `store_offset`.
        for (out, q) in out.iter_mut().zip(q) {
            *out = q as u8;
        }
    });
}

/// # Safety
/// The CPU has AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn offset<const GROUP: usize, const WHOLE: bool>(block: RowBlock<'_, f32>) {
    // SAFETY: promised by the caller.
    prepare::<GROUP, WHOLE, _, _>(unsafe { Avx2::assume() }, block, store_offset);
}

/// # Safety
/// The CPU has AVX-512 F, VL, BW and DQ.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
pub(super) unsafe fn offset_avx512<const GROUP: usize, const WHOLE: bool>(block: RowBlock<'_, f32>) {
    // SAFETY: promised by the caller.
    prepare::<GROUP, WHOLE, _, _>(unsafe { Avx512::assume() }, block, store_offset);
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn store_offset(q: [i8; PART], out: &mut [u8; PART]) {
    // A loop: `map` may become a function for the baseline.
    for (out, q) in out.iter_mut().zip(q) {
        *out = (q as u8).wrapping_add(128);
    }
}

/// # Safety
/// The CPU has AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn words<const GROUP: usize, const WHOLE: bool>(block: RowBlock<'_, f32>) {
    // SAFETY: promised by the caller.
    prepare::<GROUP, WHOLE, _, _>(unsafe { Avx2::assume() }, block, |q, out: &mut [u8; 2 * PART]| {
        for (quad, out) in q.as_chunks::<4>().0.iter().zip(out.as_chunks_mut::<8>().0) {
            let words = [quad[0], quad[2], quad[1], quad[3]].map(|q| i16::from(q).to_ne_bytes());
            out.copy_from_slice(words.as_flattened());
        }
    });
}

/// # Safety
/// None: the type of [`PrepareFn`](crate::gemm::PrepareFn) is unsafe.
#[cfg(target_arch = "aarch64")]
pub(super) unsafe fn twice<const GROUP: usize, const WHOLE: bool>(block: RowBlock<'_, f32>) {
    prepare::<GROUP, WHOLE, _, _>(Scalar, block, |q, out: &mut [u8; 2 * PART]| {
        for (quad, out) in q.as_chunks::<4>().0.iter().zip(out.as_chunks_mut::<8>().0) {
            let quad = quad.map(|q| q as u8);
            out.copy_from_slice([quad, quad].as_flattened());
        }
    });
}

/// Scales of groups, behind each of which `store` writes the group's numbers, some at a time, as the kernel reads them.
#[inline(always)]
fn prepare<const GROUP: usize, const WHOLE: bool, V: Quantize, const BYTES: usize>(
    v: V,
    block: RowBlock<'_, f32>,
    store: impl Fn([i8; PART], &mut [u8; BYTES]),
) {
    const { assert!(GROUP.is_multiple_of(PART) || GROUP < PART, "wanted groups of whole parts, or less than one") };
    let RowBlock { format, source, rows, row_stride } = block;
    for (i, row) in rows.chunks_mut(row_stride).enumerate().take(source.rows()) {
        let blocks = row.chunks_exact_mut(format.block_bytes).take(source.cols().div_ceil(GROUP));
        if WHOLE {
            prepare_whole::<GROUP, V, BYTES>(v, source, i, blocks, &store);
        } else {
            prepare_groups::<GROUP, V, BYTES>(v, source, i, blocks, &store);
        }
    }
}

/// Groups whose numbers are spread before the first is quantised: from the numbers of a group to their scale it is a long way, which many
/// can go at the same time.
const AT_A_TIME: usize = 4;

/// Row i, whose groups have a scale each.
#[inline(always)]
fn prepare_groups<'o, const GROUP: usize, V: Quantize, const BYTES: usize>(
    v: V,
    source: MatRef<'_, f32>,
    i: usize,
    mut blocks: impl Iterator<Item = &'o mut [u8]>,
    store: &impl Fn([i8; PART], &mut [u8; BYTES]),
) {
    let mut copied = [0.0; GROUP];
    let mut groups = [[0.0; GROUP]; AT_A_TIME];
    let mut largest = [0; AT_A_TIME];
    for first in (0..source.cols()).step_by(AT_A_TIME * GROUP) {
        let starts = (first..source.cols()).step_by(GROUP);
        for ((start, group), largest) in starts.zip(&mut groups).zip(&mut largest) {
            v.spread(group_of(source, i, start, &mut copied), GROUP.min(source.cols() - start), group);
            *largest = v.largest(group);
        }
        let scales = largest.map(scale_for);
        for ((group, scale), block) in groups.iter().zip(scales).zip(&mut blocks) {
            write_block(v, group, scale, block, store);
        }
    }
}

/// Row i with one scale.
#[inline(always)]
fn prepare_whole<'o, const GROUP: usize, V: Quantize, const BYTES: usize>(
    v: V,
    source: MatRef<'_, f32>,
    i: usize,
    blocks: impl Iterator<Item = &'o mut [u8]>,
    store: &impl Fn([i8; PART], &mut [u8; BYTES]),
) {
    let mut copied = [0.0; GROUP];
    let mut largest = 0;
    for start in (0..source.cols()).step_by(GROUP) {
        largest = largest.max(v.largest(group_of(source, i, start, &mut copied)));
    }
    let scale = scale_for(largest);
    for (start, block) in (0..source.cols()).step_by(GROUP).zip(blocks) {
        write_block(v, group_of(source, i, start, &mut copied), scale, block, store);
    }
}

/// A group's scale, and its numbers by the factor beside that. A group of less than a part is filled up to one.
#[inline(always)]
fn write_block<const GROUP: usize, V: Quantize, const BYTES: usize>(
    v: V,
    group: &[f32; GROUP],
    (scale, factor): (f32, f32),
    block: &mut [u8],
    store: &impl Fn([i8; PART], &mut [u8; BYTES]),
) {
    let (head, numbers) = block.split_at_mut(HEAD);
    head.copy_from_slice(&scale.to_ne_bytes());
    if GROUP < PART {
        let (mut part, mut bytes) = ([0.0; PART], [0; BYTES]);
        part[..GROUP].copy_from_slice(group);
        store(v.quantized(&part, factor), &mut bytes);
        numbers.copy_from_slice(&bytes[..GROUP * (BYTES / PART)]);
    }
    for (part, out) in group.as_chunks::<PART>().0.iter().zip(numbers.as_chunks_mut().0) {
        store(v.quantized(part, factor), out);
    }
}
