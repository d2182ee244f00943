//! Products tile by tile with both operands where they lie: for whole sums, with little to do between two tiles.

use super::microkernel::{Form, Ready};
use super::parts::EvenParts;
use super::side_work::{PrefetchStream, SideWork};
use super::strided::Strided;
use super::tile_args::{Pair, Store, TileArgs};
use crate::scheme::Output;
use std::ops::Range;

/// C ← α · A·B + β · C. C's rows are contiguous; the rows of B are, or for the dot form A and B lie along k.
pub(super) struct Tiles<E: Output> {
    pub(super) kernel: Ready<E>,
    pub(super) k: usize,
    /// Products of the sum that C holds already.
    pub(super) before: usize,
    pub(super) a: Strided<u8>,
    pub(super) b: Strided<u8>,
    pub(super) c: *mut E,
    pub(super) c_row_stride: usize,
    pub(super) alpha: E::Sum,
    pub(super) beta: E::Sum,
}

impl<E: Output> Tiles<E> {
    /// Computes these rows and columns of C.
    ///
    /// # Safety
    /// The operands are valid for reads and C for reads and writes in these rows and columns, which nobody else uses meanwhile.
    #[inline(always)]
    pub(super) unsafe fn run(&self, rows: Range<usize>, cols: Range<usize>) {
        let Tiles { kernel, k, before, a, b, c, c_row_stride, alpha, beta } = *self;
        let tile = kernel.tile();
        let is_dot = kernel.kernel().form == Form::Dot;
        let b_stride = if is_dot { b.col_stride } else { b.row_stride };
        let mut args = TileArgs {
            pairs: &[Pair { a: a.data, b: b.data }],
            k,
            offset: 0,
            before,
            steps: k,
            a_row_stride: a.row_stride,
            a_col_stride: a.col_stride,
            b_stride,
            panel_stride: 0,
            c,
            c_row_stride,
            side_work: SideWork::Nothing,
            rows: tile.mr,
            cols: tile.nr,
            store: Store::scaled(alpha, beta),
        };
        for col in cols.clone().step_by(tile.nr) {
            args.cols = tile.nr.min(cols.end - col);
            if is_dot && col + tile.nr < cols.end {
                let next = b.at(0, col + tile.nr);
                args.side_work = SideWork::Prefetch(PrefetchStream::rows(next, tile.nr, b_stride, b.row_stride));
            }
            for part in EvenParts::new(rows.len(), tile.mr) {
                let row = rows.start + part.start;
                args.c = c.wrapping_add(row * c_row_stride + col);
                let pair = Pair { a: a.at(row, 0), b: b.at(0, col) };
                // SAFETY: the tile lies inside C, and its rows and columns inside A and B, which the caller vouches for.
                unsafe { kernel.run(&TileArgs { pairs: &[pair], rows: part.len(), ..args }) };
                args.side_work = SideWork::Nothing;
            }
        }
    }
}
