//! Products tile by tile with both operands where they lie: for whole sums, with little to do between two tiles.

use super::macro_kernel::{EvenParts, store};
use super::microkernel::{Extra, Form, Lines, Pair, Supported, TileArgs};
use super::strided::Strided;
use crate::scheme::Scheme;
use std::ops::Range;

/// C ← α · A·B + β · C. C's rows are contiguous; the rows of B are, or for the dot form A and B lie along k.
pub(super) struct Tiles<S: Scheme> {
    pub(super) kernel: Supported<S>,
    pub(super) k: usize,
    /// Products of the sum that C holds already.
    pub(super) before: usize,
    pub(super) a: Strided<S::A>,
    pub(super) b: Strided<S::B>,
    pub(super) c: *mut S::Acc,
    pub(super) c_row_stride: usize,
    pub(super) alpha: S::Acc,
    pub(super) beta: S::Acc,
}

impl<S: Scheme> Tiles<S> {
    /// Computes these rows and columns of C.
    ///
    /// # Safety
    /// The operands are valid for reads and C for reads and writes in these rows and columns, which nobody else uses meanwhile.
    #[inline(always)]
    pub(super) unsafe fn run(&self, rows: Range<usize>, cols: Range<usize>) {
        let Tiles { kernel, k, before, a, b, c, c_row_stride, alpha, beta } = *self;
        let tile = kernel.tile();
        let is_dot = kernel.record().form() == Form::Dot;
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
            c,
            c_row_stride,
            extra: Extra::Nothing,
            cols: tile.nr,
            store: store(alpha, beta),
        };
        for col in cols.clone().step_by(tile.nr) {
            args.cols = tile.nr.min(cols.end - col);
            if is_dot && col + tile.nr < cols.end {
                args.extra = Extra::Prefetch(Lines::rows(b.at(0, col + tile.nr), tile.nr, b_stride));
            }
            for part in EvenParts::new(rows.len(), tile.mr) {
                let row = rows.start + part.start;
                args.c = c.wrapping_add(row * c_row_stride + col);
                let pair = Pair { a: a.at(row, 0), b: b.at(0, col) };
                // SAFETY: the tile lies inside C, and its rows and columns inside A and B, which the caller vouches for.
                unsafe { kernel.run(part.len(), &TileArgs { pairs: &[pair], ..args }) };
                args.extra = Extra::Nothing;
            }
        }
    }
}
