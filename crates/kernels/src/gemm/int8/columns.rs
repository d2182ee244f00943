//! Panels of B: for every group of K, spread, the scales and the sums of the columns, then bricks of [`COLS`] quads.

use super::spread::spread;
use super::{COLS, GROUP, QUAD};
use crate::gemm::format::PanelFormat;
use crate::gemm::group::group_of;
use crate::gemm::panel::PanelBlock;
use crate::numbers::int8::{quantized, scale_of};

/// Bytes of the scales, and of the sums.
pub(super) const SCALES: usize = COLS * size_of::<f32>();
pub(super) const SUMS: usize = COLS * size_of::<i32>();

/// Bytes of four steps of K.
pub(super) const BRICK: usize = COLS * QUAD;

/// One layout for every kernel.
pub(super) const PANEL: PanelFormat = PanelFormat {
    layout: "int8 in quads, spread",
    cols: COLS,
    block_k: GROUP,
    block_bytes: SCALES + SUMS + GROUP / QUAD * BRICK,
};

/// Where the byte of step p and column j lies in a block.
fn place(p: usize, j: usize) -> usize {
    SCALES + SUMS + p / QUAD * BRICK + j * QUAD + p % QUAD
}

/// # Safety
/// None: the type of [`PackFn`](crate::gemm::PackFn) is unsafe.
pub(super) unsafe fn pack(block: PanelBlock<'_, f32>) {
    let PanelBlock { source, panel, row, col, .. } = block;
    for start in (0..source.rows()).step_by(GROUP) {
        let out = &mut panel[(row + start) / GROUP * PANEL.block_bytes..][..PANEL.block_bytes];
        for j in 0..source.cols() {
            let mut group = *group_of(source.transposed(), j, start, &mut [0.0; GROUP]);
            spread(&mut group, GROUP.min(source.rows() - start));
            pack_column(&group, col + j, out);
        }
    }
}

/// A group of a column into its block.
fn pack_column(group: &[f32; GROUP], j: usize, out: &mut [u8]) {
    let (scale, factor) = scale_of(group);
    let mut sum = 0;
    for (p, &x) in group.iter().enumerate() {
        let q = quantized(x, factor);
        sum += i32::from(q);
        out[place(p, j)] = q as u8;
    }
    out[j * size_of::<f32>()..][..size_of::<f32>()].copy_from_slice(&scale.to_ne_bytes());
    out[SCALES + j * size_of::<i32>()..][..size_of::<i32>()].copy_from_slice(&sum.to_ne_bytes());
}

/// out ← what column `col` of a panel stands for.
pub(super) fn read(_format: &PanelFormat, panel: &[u8], col: usize, out: &mut [f32]) {
    for (out, block) in out.chunks_mut(GROUP).zip(panel.chunks_exact(PANEL.block_bytes)) {
        let mut group = [0.0; GROUP];
        let scale = &block[col * size_of::<f32>()..][..size_of::<f32>()];
        let scale = f32::from_ne_bytes([scale[0], scale[1], scale[2], scale[3]]);
        for (p, x) in group[..out.len()].iter_mut().enumerate() {
            *x = scale * f32::from(block[place(p, col)] as i8);
        }
        spread(&mut group, out.len());
        out.copy_from_slice(&group[..out.len()]);
    }
}
