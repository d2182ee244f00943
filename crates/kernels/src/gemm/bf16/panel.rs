//! Panels of B: bricks of [`COLS`] pairs, each two steps of a column, the first one in the lower half.

use super::{COLS, PAIR};
use crate::gemm::format::PanelFormat;
use crate::gemm::group::group_of;
use crate::gemm::panel::PanelBlock;
use crate::numbers::bf16::{bf16_to_f32, f32_to_bf16};

/// Bytes of a pair.
const PAIR_BYTES: usize = PAIR * size_of::<u16>();

/// One layout for every kernel.
pub(super) const FORMAT: PanelFormat =
    PanelFormat { layout: "bf16 in pairs", cols: COLS, block_k: PAIR, block_bytes: COLS * PAIR_BYTES };

/// Steps of a column that are packed at a time: with all columns, what a first cache level holds.
const STEPS: usize = 64;

/// # Safety
/// None: the type of [`PackFn`](crate::gemm::PackFn) is unsafe.
pub(super) unsafe fn pack(block: PanelBlock<'_, f32>) {
    let PanelBlock { source, panel, row, col, .. } = block;
    for start in (0..source.rows()).step_by(STEPS) {
        let steps = STEPS.min(source.rows() - start);
        let bricks = &mut panel[(row + start) / PAIR * FORMAT.block_bytes..];
        for j in 0..source.cols() {
            let column = group_of::<STEPS>(source.transposed(), j, start);
            let pairs = column[..steps.next_multiple_of(PAIR)].as_chunks::<PAIR>().0;
            for (brick, pair) in bricks.chunks_exact_mut(FORMAT.block_bytes).zip(pairs) {
                let bytes = pair.map(|x| f32_to_bf16(x).to_ne_bytes());
                brick[(col + j) * PAIR_BYTES..][..PAIR_BYTES].copy_from_slice(bytes.as_flattened());
            }
        }
    }
}

/// out ← what column `col` of a panel stands for.
pub(super) fn read(_format: &PanelFormat, panel: &[u8], col: usize, out: &mut [f32]) {
    for (pair, brick) in out.chunks_mut(PAIR).zip(panel.chunks_exact(FORMAT.block_bytes)) {
        let bytes = &brick[col * PAIR_BYTES..][..PAIR_BYTES];
        for (x, bytes) in pair.iter_mut().zip(bytes.as_chunks::<2>().0) {
            *x = bf16_to_f32(u16::from_ne_bytes(*bytes));
        }
    }
}
