//! Panels of B: for every group of K, spread, the scales and the sums of the columns, then bricks of [`COLS`] quads. With one scale for a
//! column, every block has it.

use super::{COLS, QUAD};
use crate::gemm::format::PanelFormat;
use crate::gemm::group::group_of;
use crate::gemm::panel::PanelBlock;
use crate::numbers::int8::{largest_magnitude, quantized, scale_for};
use crate::numbers::spread::spread;
use crate::view::MatRef;

/// Bytes of the scales, and of the sums.
pub(super) const SCALES: usize = COLS * size_of::<f32>();
pub(super) const SUMS: usize = COLS * size_of::<i32>();

/// Bytes of four steps of K.
pub(super) const BRICK: usize = COLS * QUAD;

/// One layout for every kernel.
pub(super) const fn format<const GROUP: usize, const WHOLE: bool>() -> PanelFormat {
    PanelFormat {
        layout: if WHOLE { "int8 in quads, one scale a column" } else { "int8 in quads, spread" },
        cols: COLS,
        block_k: GROUP,
        block_bytes: SCALES + SUMS + GROUP / QUAD * BRICK,
    }
}

/// Where the byte of step p and column j lies in a block.
fn place(p: usize, j: usize) -> usize {
    SCALES + SUMS + p / QUAD * BRICK + j * QUAD + p % QUAD
}

/// # Safety
/// None: the type of [`PackFn`](crate::gemm::PackFn) is unsafe.
pub(super) unsafe fn pack<const GROUP: usize, const WHOLE: bool>(block: PanelBlock<'_, f32>) {
    let PanelBlock { format, source, panel, row, col } = block;
    let (columns, bytes) = (source.transposed(), format.block_bytes);
    let of_columns = if WHOLE { largest_of_columns::<GROUP>(columns) } else { [0; COLS] };
    for start in (0..source.rows()).step_by(GROUP) {
        let out = &mut panel[(row + start) / GROUP * bytes..][..bytes];
        for j in 0..source.cols() {
            let mut group = *group_of(columns, j, start, &mut [0.0; GROUP]);
            let largest = if WHOLE {
                of_columns[j]
            } else {
                spread(&mut group, GROUP.min(source.rows() - start));
                largest_magnitude(&group)
            };
            pack_column(&group, scale_for(largest), col + j, out);
        }
    }
}

/// The largest magnitude of each of some columns, which are the rows here, as bits.
fn largest_of_columns<const GROUP: usize>(columns: MatRef<'_, f32>) -> [u32; COLS] {
    let mut largest = [0; COLS];
    for start in (0..columns.cols()).step_by(GROUP) {
        for (j, largest) in largest.iter_mut().enumerate().take(columns.rows()) {
            *largest = largest_magnitude(group_of(columns, j, start, &mut [0.0; GROUP])).max(*largest);
        }
    }
    largest
}

/// A group of a column into its block, by its scale and the factor that numbers are quantised by.
fn pack_column<const GROUP: usize>(group: &[f32; GROUP], (scale, factor): (f32, f32), j: usize, out: &mut [u8]) {
    let mut sum = 0;
    for (p, &x) in group.iter().enumerate() {
        let q = quantized(x, factor);
        sum += i32::from(q);
        out[place(p, j)] = q as u8;
    }
    out[j * size_of::<f32>()..][..size_of::<f32>()].copy_from_slice(&scale.to_ne_bytes());
    out[SCALES + j * size_of::<i32>()..][..size_of::<i32>()].copy_from_slice(&sum.to_ne_bytes());
}

/// out ← what column `col` of a panel stands for, rounded once: sums of its whole numbers are exact in f32.
pub(super) fn read<const GROUP: usize, const WHOLE: bool>(
    format: &PanelFormat,
    panel: &[u8],
    col: usize,
    out: &mut [f32],
) {
    for (out, block) in out.chunks_mut(GROUP).zip(panel.chunks_exact(format.block_bytes)) {
        let mut group = [0.0; GROUP];
        for (p, q) in group[..out.len()].iter_mut().enumerate() {
            *q = f32::from(block[place(p, col)] as i8);
        }
        if !WHOLE {
            spread(&mut group, out.len());
        }
        let scale = &block[col * size_of::<f32>()..][..size_of::<f32>()];
        let scale = f32::from_ne_bytes([scale[0], scale[1], scale[2], scale[3]]);
        for (out, q) in out.iter_mut().zip(group) {
            *out = scale * q;
        }
    }
}
