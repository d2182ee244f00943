//! Products of short sums: rows of tiles from left to right, so that C is written in long pieces, with little to do between two tiles.

use super::chains::FIRST_CHAIN;
use super::microkernel::Ready;
use super::parts::EvenParts;
use super::strided::Strided;
use super::tile_args::SweepArgs;
use crate::scheme::Output;
use crate::scratch::Zeroable;
use std::ops::Range;

/// C ← α · A·B + β · C with a B whose panels are contiguous rows: packed ones, or pieces of the rows of a B in place.
pub(super) struct Sweep<E: Output> {
    pub(super) kernel: Ready<E>,
    pub(super) k: usize,
    pub(super) a: Strided<u8>,
    /// Element (0, 0) of the first panel, and bytes from one row of a panel to the next, and from one panel to the next.
    pub(super) b: *const u8,
    pub(super) b_row_stride: usize,
    pub(super) panel_stride: usize,
    /// Element (0, 0); its rows are contiguous.
    pub(super) c: *mut E,
    pub(super) c_row_stride: usize,
    pub(super) alpha: E::Sum,
    pub(super) beta: E::Sum,
}

impl<E: Output> Sweep<E> {
    /// Whether a kernel sweeps sums of `k` products.
    #[inline]
    pub(super) fn fits(kernel: Ready<E>, k: usize) -> bool {
        k <= FIRST_CHAIN && !kernel.kernel().sweeps.is_empty()
    }

    /// Whether the panels are pieces of the same rows.
    fn is_in_place(&self) -> bool {
        self.panel_stride == self.kernel.kernel().panel.block_bytes
    }

    /// Computes these rows of the first `n` columns of C.
    ///
    /// # Safety
    /// [`Sweep::fits`]; the operands are valid for reads and C for reads and writes in these rows and columns, which nobody else uses
    /// meanwhile.
    #[inline(always)]
    pub(super) unsafe fn run(&self, rows: Range<usize>, n: usize) {
        let record = self.kernel.kernel();
        let (mr, nr) = (record.tile.mr, record.tile.nr);
        // Small products are spared two divisions.
        let (panels, rest) = if n < nr { (0, n) } else { (n / nr, n % nr) };
        // Where C is not read, columns too few for a vector are computed as a whole one that begins further left, over columns that it
        // gives the same values as the panel before.
        let lanes = record.lanes;
        let shift = if rest > 0 && rest < lanes && n >= lanes && self.beta == E::Sum::zero() && self.is_in_place() {
            lanes - rest
        } else {
            0
        };
        let (whole, last) = (record.sweeps[0].len() - 1, rest.saturating_sub(1) / record.lanes);
        for part in EvenParts::new(rows.len(), mr) {
            let functions = record.sweeps[part.len() - 1];
            let row = rows.start + part.start;
            let mut args = SweepArgs {
                a: self.a.at(row, 0),
                a_row_stride: self.a.row_stride,
                a_col_stride: self.a.col_stride,
                b: self.b,
                b_row_stride: self.b_row_stride,
                panel_stride: self.panel_stride,
                c: self.c.wrapping_add(row * self.c_row_stride),
                c_row_stride: self.c_row_stride,
                k: self.k,
                alpha: self.alpha,
                beta: self.beta,
                panels,
                cols: nr,
            };
            // SAFETY: the CPU by `Supported`; the functions are those for these rows and columns, which the caller vouches for.
            unsafe {
                if panels > 0 {
                    functions[whole](&args);
                }
                if rest > 0 {
                    args.b =
                        args.b.wrapping_add(panels * self.panel_stride).wrapping_sub(shift * record.rows.block_bytes);
                    args.c = args.c.wrapping_add(panels * nr - shift);
                    (args.panels, args.cols) = (1, rest + shift);
                    functions[last](&args);
                }
            }
        }
    }
}
