//! Rows of A for `vdpbf16ps`: pairs of numbers in bf16.

use super::PAIR;
use crate::gemm::format::RowFormat;
use crate::gemm::group::group_of;
use crate::gemm::panel::RowBlock;
use crate::numbers::bf16::round_to_bf16;

/// Bytes of a pair.
const PAIR_BYTES: usize = PAIR * size_of::<u16>();

pub(super) const FORMAT: RowFormat = RowFormat {
    layout: "bf16 rows in pairs",
    block_k: PAIR,
    block_bytes: PAIR_BYTES,
    is_in_place: false,
    needs_whole_rows: false,
};

/// Numbers that are rounded at a time.
const GROUP: usize = 64;

/// # Safety
/// The CPU has AVX-512 F, VL, BW and DQ.
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
pub(super) unsafe fn prepare(block: RowBlock<'_, f32>) {
    let RowBlock { format, source, rows, row_stride } = block;
    let k = source.cols();
    for (i, row) in rows.chunks_mut(row_stride).enumerate().take(source.rows()) {
        let row = &mut row[..format.row_bytes(k)];
        for (start, out) in (0..k).step_by(GROUP).zip(row.chunks_mut(GROUP * size_of::<u16>())) {
            let mut halves = [0u16; GROUP];
            round_to_bf16(group_of(source, i, start, &mut [0.0; GROUP]), &mut halves);
            // SAFETY: bytes of numbers, at most as many as `out` has. Through bytes of single numbers the compiler makes no vectors of it.
            unsafe { halves.as_ptr().cast::<u8>().copy_to_nonoverlapping(out.as_mut_ptr(), out.len()) };
        }
    }
}
