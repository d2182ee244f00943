//! Loops 2 and 1: one block of rows of A against a run of panels of B, tile by tile.

use super::epilogue::Epilogue;
use super::pack::Panels;
use super::registry::{Pair, Supported, TileArgs};
use crate::scheme::Scheme;
use crate::scratch::{LINE, Zeroable};
use std::ops::Range;

/// A whole product C (m, n) = finish(C₀ + A (m, k) · B (k, n)), as the loops see it: checked, with raw operands, so that threads
/// can write disjoint parts of C.
pub(crate) struct Product<'a, S: Scheme> {
    pub(crate) kernel: Supported<S>,
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
    /// Valid for reads at `i · a_row_stride + p · a_col_stride`.
    pub(crate) a: *const S::A,
    pub(crate) a_row_stride: usize,
    pub(crate) a_col_stride: usize,
    pub(crate) b: Panels<'a, S>,
    /// Valid for reads and writes at `i · c_row_stride + j · c_col_stride`, all distinct.
    pub(crate) c: *mut S::Acc,
    pub(crate) c_row_stride: usize,
    pub(crate) c_col_stride: usize,
    /// Whether C₀ is what C holds; zero otherwise.
    pub(crate) accumulate: bool,
    /// Sizes checked against (m, n).
    pub(crate) epilogue: &'a Epilogue<'a>,
}

// SAFETY: the pointers stand for borrows of Send + Sync elements, and each part of C is written by one task.
unsafe impl<S: Scheme> Sync for Product<'_, S> {}

/// The part of a product that one call of the macro-kernel computes.
pub(crate) struct Block {
    pub(crate) rows: Range<usize>,
    pub(crate) panels: Range<usize>,
    pub(crate) ks: Range<usize>,
}

impl<S: Scheme> Product<'_, S> {
    /// Computes the whole product on this thread, in one block.
    ///
    /// # Safety
    /// The fields are valid as they say, and nobody else uses C meanwhile.
    pub(crate) unsafe fn run_alone(&self) {
        let panels = 0..self.n.div_ceil(self.kernel.tile().nr);
        // SAFETY: promised by the caller.
        unsafe { self.run_block(Block { rows: 0..self.m, panels, ks: 0..self.k }) }
    }

    /// Adds the block's share of K to its part of C, and finishes it where that share is the last.
    ///
    /// # Safety
    /// The fields are valid as they say, and nobody else uses the block's part of C meanwhile.
    pub(crate) unsafe fn run_block(&self, block: Block) {
        let tile = self.kernel.tile();
        let (height, tiles) = (block.rows.len(), block.rows.len().div_ceil(tile.mr));
        let k = block.ks.len();
        for panel in block.panels.clone() {
            let b = self.b.rows(panel, block.ks.start, k);
            // A panel that is read once is a stream that the hardware sees by itself.
            let has_next = panel + 1 < block.panels.end && tiles > 1;
            let next = if has_next { self.b.rows(panel + 1, block.ks.start, k) } else { b };
            let col = panel * tile.nr;
            let cols = tile.nr.min(self.n - col);
            // Tiles of equal height: a last tile of one row would cost nearly as much as a full one.
            for index in 0..tiles {
                let row = block.rows.start + index * height / tiles;
                let rows = block.rows.start + (index + 1) * height / tiles - row;
                let a = self.a.wrapping_add(row * self.a_row_stride + block.ks.start * self.a_col_stride);
                let finish = if block.ks.end == self.k { self.epilogue.at(row, col) } else { None };
                let lines = index * k * LINE / size_of::<S::B>();
                let prefetch = if lines < k * tile.nr { next.wrapping_add(lines) } else { b };
                let args = TileArgs {
                    pairs: &[Pair { a, b }],
                    k,
                    a_row_stride: self.a_row_stride,
                    a_col_stride: self.a_col_stride,
                    c: self.c.wrapping_add(row * self.c_row_stride + col * self.c_col_stride),
                    c_row_stride: self.c_row_stride,
                    prefetch,
                    cols,
                    accumulate: self.accumulate || block.ks.start > 0,
                    finish: finish.as_ref(),
                };
                // SAFETY: the tile lies inside the product, whose fields the caller vouches for; 1 ≤ rows ≤ mr, 1 ≤ cols ≤ nr.
                unsafe {
                    if self.c_col_stride == 1 {
                        self.kernel.run(rows, &args);
                    } else {
                        self.run_strided(rows, args);
                    }
                }
            }
        }
    }

    /// A tile of a C whose columns are not next to each other, by way of a contiguous copy.
    ///
    /// # Safety
    /// As [`Product::run_block`].
    #[cold]
    unsafe fn run_strided(&self, rows: usize, args: TileArgs<'_, S>) {
        let mut copy = [S::Acc::zero(); MAX_TILE];
        let nr = self.kernel.tile().nr;
        let place = |i: usize, j: usize| args.c.wrapping_add(i * self.c_row_stride + j * self.c_col_stride);
        let each = || (0..rows).flat_map(|i| (0..args.cols).map(move |j| (i, j)));
        // SAFETY: the copy holds mr × nr elements (tested for every record); places of C are vouched for by the caller.
        unsafe {
            if args.accumulate {
                each().for_each(|(i, j)| copy[i * nr + j] = *place(i, j));
            }
            self.kernel.run(rows, &TileArgs { c: copy.as_mut_ptr(), c_row_stride: nr, ..args });
            each().for_each(|(i, j)| *place(i, j) = copy[i * nr + j]);
        }
    }
}

/// Elements of the largest tile in the registry.
pub(super) const MAX_TILE: usize = 384;
