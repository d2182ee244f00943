//! Loops 5 to 3 over operands that stay where they are: the product cut into blocks, which are spread over the threads.

use super::blocking::{Blocking, SHALLOW, Streams};
use super::chains::DOT_SEGMENT;
use super::macro_kernel::{Ahead, BBlock, Block, EvenParts, Product};
use super::microkernel::Form;
use super::strided::Strided;
use super::sweep::Sweep;
use super::tiles::Tiles;
use crate::scheme::{Real, Scheme};
use crate::threads::{Parallel, run_tasks};
use std::ops::Range;

/// A whole B in panels, or seen as such.
#[derive(Clone, Copy)]
pub(crate) struct WholeB<T> {
    /// Element (0, 0).
    pub(crate) data: *const T,
    /// Elements from one panel to the next.
    pub(crate) panel_stride: usize,
    /// Elements from one row of a panel to the next.
    pub(crate) row_stride: usize,
    /// As [`TileArgs::b_stride`](super::microkernel::TileArgs::b_stride).
    pub(crate) stride: usize,
    /// As [`BBlock::is_far`].
    pub(crate) is_far: bool,
}

// SAFETY: the pointer stands for a shared borrow of Sync elements.
unsafe impl<T: Sync> Sync for WholeB<T> {}

impl<T> WholeB<T> {
    /// The panels from `panel` on, from their row `k` on.
    pub(crate) fn from(&self, panel: usize, k: usize) -> BBlock<T> {
        let data = self.data.wrapping_add(panel * self.panel_stride + k * self.row_stride);
        BBlock {
            data,
            panel_stride: self.panel_stride,
            stride: self.stride,
            ahead: Ahead::NONE,
            copy: std::ptr::null_mut(),
            is_far: self.is_far,
        }
    }
}

impl<S: Scheme> Product<'_, S> {
    /// Computes the whole product on this thread, in one block.
    ///
    /// # Safety
    /// As [`Product::run`].
    #[inline(always)]
    pub(crate) unsafe fn run_alone(&self, a: Strided<S::A>, b: WholeB<S::B>) {
        let panels = 0..self.n.div_ceil(self.kernel.tile().nr);
        // SAFETY: promised by the caller.
        unsafe { self.run_block(&Block { rows: 0..self.m, panels, ks: 0..self.k }, a.from(0, 0), b.from(0, 0)) }
    }

    /// A block of C of a short sum, by rows of tiles.
    ///
    /// # Safety
    /// As [`Product::run`], for a kernel that [`Sweep::fits`] and a C whose rows are contiguous.
    unsafe fn sweep(&self, a: Strided<S::A>, b: &WholeB<S::B>, rows: Range<usize>, panels: Range<usize>) {
        let nr = self.kernel.tile().nr;
        let cols = panels.start * nr..self.n.min(panels.end * nr);
        let sweep = Sweep {
            kernel: self.kernel,
            k: self.k,
            a,
            b: b.from(panels.start, 0).data,
            b_row_stride: b.stride,
            panel_stride: b.panel_stride,
            c: self.c.wrapping_add(cols.start),
            c_row_stride: self.c_row_stride,
            alpha: self.alpha,
            beta: self.beta,
        };
        // SAFETY: promised by the caller.
        unsafe { sweep.run(rows, cols.len()) }
    }

    /// A block of C of the dot form.
    ///
    /// # Safety
    /// As [`Product::run`], for a C whose rows are contiguous.
    unsafe fn dot_tiles(&self, a: Strided<S::A>, b: &WholeB<S::B>, rows: Range<usize>, panels: Range<usize>) {
        let Product { kernel, n, k, c, c_row_stride, alpha, beta, .. } = *self;
        let nr = kernel.tile().nr;
        for before in (0..k).step_by(DOT_SEGMENT) {
            let tiles = Tiles {
                kernel,
                k: DOT_SEGMENT.min(k - before),
                before,
                a: a.from(0, before),
                b: Strided { data: b.from(0, before).data, row_stride: b.row_stride, col_stride: b.stride },
                c,
                c_row_stride,
                alpha,
                beta: if before == 0 { beta } else { S::Acc::one() },
            };
            // SAFETY: promised by the caller.
            unsafe { tiles.run(rows.clone(), panels.start * nr..n.min(panels.end * nr)) };
        }
    }

    /// Computes the whole product. Each task is one block of C with all of its K, so no sum is ever split between threads.
    ///
    /// # Safety
    /// The fields and operands are valid as they say, and nobody else uses C meanwhile.
    pub(crate) unsafe fn run(&self, a: Strided<S::A>, b: WholeB<S::B>, blocking: Blocking, pool: &dyn Parallel) {
        let Blocking { mc, nc, .. } = blocking;
        let kc = self.whole_chains(blocking.kc);
        if self.m == 0 || self.n == 0 {
            return;
        }
        let nr = self.kernel.tile().nr;
        let (panels, panels_per_block) = (self.n.div_ceil(nr), nc / nr);
        let column_blocks = panels.div_ceil(panels_per_block);
        let row_blocks = self.m.div_ceil(mc);

        // The time of a shallow product is that of writing C: tile by tile from left to right, not column of tiles by column.
        let rows_at_a_time = if self.k <= SHALLOW { self.kernel.tile().mr } else { self.m };
        let sweeps = self.k <= SHALLOW && self.c_col_stride == 1 && self.epilogue.is_none() && self.k > 0;
        let sweeps = sweeps && Sweep::fits(self.kernel, self.k);
        let is_lean_dot = self.kernel.record().form() == Form::Dot && self.c_col_stride == 1 && self.epilogue.is_none();
        let compute = |rows: Range<usize>, panels: Range<usize>| {
            if sweeps {
                // SAFETY: promised by the caller; tasks own disjoint blocks of C.
                return unsafe { self.sweep(a, &b, rows, panels) };
            }
            if is_lean_dot {
                // SAFETY: as above.
                return unsafe { self.dot_tiles(a, &b, rows, panels) };
            }
            // Loop 4. An empty K still has one block, which finishes a tile of zeros.
            for start in (0..self.k.max(1)).step_by(kc) {
                let block = Block {
                    rows: rows.clone(),
                    panels: panels.clone(),
                    ks: start..self.k.min(start.saturating_add(kc)),
                };
                let b = b.from(panels.start, start);
                for part in EvenParts::new(rows.len(), rows_at_a_time) {
                    let part = rows.start + part.start..rows.start + part.end;
                    let a = a.from(part.start, start);
                    // SAFETY: promised by the caller; tasks own disjoint blocks of C.
                    unsafe { self.run_block(&Block { rows: part, ..block.clone() }, a, b) };
                }
            }
        };
        if self.m <= self.kernel.tile().mr {
            let streams = Streams::new(panels, pool.threads());
            return run_tasks(pool, streams.count(), &|task, _worker| compute(0..self.m, streams.get(task)));
        }
        // Loops 3 and 5: neighbouring tasks share their rows of A.
        run_tasks(pool, row_blocks * column_blocks, &|task, _worker| {
            let (row_block, column_block) = (task / column_blocks, task % column_blocks);
            let rows = row_block * mc..self.m.min((row_block + 1) * mc);
            compute(rows, column_block * panels_per_block..panels.min((column_block + 1) * panels_per_block));
        });
    }
}
