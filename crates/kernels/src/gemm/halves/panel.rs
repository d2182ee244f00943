//! Panels of B: bricks of two steps of [`COLS`] columns.

use super::{COLS, Half, PAIR};
use crate::gemm::format::PanelFormat;
use crate::gemm::group::group_of;
use crate::gemm::panel::PanelBlock;

/// Bytes of a number.
const BYTES: usize = size_of::<u16>();

/// Bytes of a brick.
const BRICK_BYTES: usize = COLS * PAIR * BYTES;

/// One layout for every kernel.
pub(super) const fn format<H: Half>() -> PanelFormat {
    PanelFormat { layout: H::LAYOUT, cols: COLS, block_k: PAIR, block_bytes: BRICK_BYTES }
}

/// Steps of a column that are packed at a time: with all columns, what a first cache level holds.
const STEPS: usize = 64;

/// # Safety
/// None: the type of [`PackFn`](crate::gemm::PackFn) is unsafe.
pub(super) unsafe fn pack<H: Half>(block: PanelBlock<'_, f32>) {
    let PanelBlock { source, panel, row, col, .. } = block;
    for start in (0..source.rows()).step_by(STEPS) {
        let steps = STEPS.min(source.rows() - start);
        let bricks = &mut panel[(row + start) / PAIR * BRICK_BYTES..];
        for j in 0..source.cols() {
            let mut halves = [0; STEPS];
            H::narrow(group_of(source.transposed(), j, start, &mut [0.0; STEPS]), &mut halves);
            let pairs = halves[..steps.next_multiple_of(PAIR)].as_chunks::<PAIR>().0;
            for (brick, pair) in bricks.as_chunks_mut::<BRICK_BYTES>().0.iter_mut().zip(pairs) {
                let numbers = brick.as_chunks_mut::<BYTES>().0;
                for (step, half) in pair.iter().enumerate() {
                    numbers[H::place(step, col + j)] = half.to_ne_bytes();
                }
            }
        }
    }
}

/// out ← what column `col` of a panel stands for.
pub(super) fn read<H: Half>(_format: &PanelFormat, panel: &[u8], col: usize, out: &mut [f32]) {
    for (pair, brick) in out.chunks_mut(PAIR).zip(panel.as_chunks::<BRICK_BYTES>().0) {
        let numbers = brick.as_chunks::<BYTES>().0;
        for (step, x) in pair.iter_mut().enumerate() {
            *x = H::widen(u16::from_ne_bytes(numbers[H::place(step, col)]));
        }
    }
}
