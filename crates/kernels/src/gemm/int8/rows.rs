//! Rows of A: for every group a scale and its bytes, filled up with zeros.

use super::ROW_GROUP;
use super::quantize::{quantized, scale_of};
use crate::gemm::format::RowFormat;
use crate::gemm::panel::RowBlock;
use crate::view::MatRef;

/// Bytes of a scale.
pub(super) const HEAD: usize = size_of::<f32>();

/// For instructions that take rows signed.
pub(super) const SIGNED: RowFormat = format("int8 rows");

/// For instructions that take them unsigned: each byte is 128 more.
pub(super) const UNSIGNED: RowFormat = format("int8 rows + 128");

const fn format(layout: &'static str) -> RowFormat {
    RowFormat { layout, block_k: ROW_GROUP, block_bytes: HEAD + ROW_GROUP, is_in_place: false }
}

/// # Safety
/// None: the type of [`PrepareFn`](crate::gemm::PrepareFn) is unsafe.
pub(super) unsafe fn prepare_signed(block: RowBlock<'_, f32>) {
    prepare(block, 0);
}

/// # Safety
/// None, as above.
pub(super) unsafe fn prepare_unsigned(block: RowBlock<'_, f32>) {
    prepare(block, 128);
}

fn prepare(block: RowBlock<'_, f32>, offset: u8) {
    let RowBlock { format, source, rows, row_stride } = block;
    for (i, row) in rows.chunks_mut(row_stride).enumerate().take(source.rows()) {
        for (start, out) in (0..source.cols()).step_by(ROW_GROUP).zip(row.chunks_exact_mut(format.block_bytes)) {
            let mut group = [0.0; ROW_GROUP];
            let group = elements(source, i, start, &mut group);
            let (scale, factor) = scale_of(group);
            let (head, bytes) = out.split_at_mut(HEAD);
            head.copy_from_slice(&scale.to_ne_bytes());
            for (byte, &x) in bytes.iter_mut().zip(group) {
                *byte = (quantized(x, factor) as u8).wrapping_add(offset);
            }
        }
    }
}

/// A group of a row from element `start` on, filled up with zeros.
pub(super) fn elements<'g>(
    x: MatRef<'_, f32>,
    row: usize,
    start: usize,
    group: &'g mut [f32; ROW_GROUP],
) -> &'g [f32; ROW_GROUP] {
    let len = ROW_GROUP.min(x.cols() - start);
    let (first, stride) = (x.as_ptr().wrapping_add(row * x.row_stride() + start * x.col_stride()), x.col_stride());
    for (p, out) in group[..len].iter_mut().enumerate() {
        // SAFETY: element (row, start + p) of the view.
        *out = unsafe { *first.wrapping_add(p * stride) };
    }
    group
}
