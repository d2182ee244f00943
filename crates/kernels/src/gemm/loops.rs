//! Loops 5 to 3 over operands that stay where they are: the product cut into blocks, which are spread over the threads.

use super::blocking::{Blocking, SHALLOW, Streams};
use super::chains::{DOT_SEGMENT, whole_chains};
use super::format::KBlocks;
use super::macro_kernel::{BBlock, Block, Product};
use super::microkernel::{Form, Ready, Tile};
use super::parts::EvenParts;
use super::strided::Strided;
use super::sweep::Sweep;
use super::tiles::Tiles;
use crate::scheme::{Output, Real};
use crate::scratch::PerWorker;
use crate::threads::{Parallel, run_tasks};
use std::ops::Range;
use std::ptr::null_mut;

/// A whole B in panels, or seen as such.
#[derive(Clone, Copy)]
pub(crate) struct WholeB {
    /// Element (0, 0).
    pub(crate) data: *const u8,
    /// Bytes from the panels of one tile's columns to those of the next.
    pub(crate) panel_stride: usize,
    /// Bytes from one block of a panel to the next.
    pub(crate) block_stride: usize,
    /// As [`TileArgs::b_stride`](super::tile_args::TileArgs::b_stride).
    pub(crate) stride: usize,
    /// As [`BBlock::needs_prefetch`].
    pub(crate) needs_prefetch: bool,
    /// As in [`SideWork::PrefetchB`](super::SideWork::PrefetchB), for formats that have groups.
    pub(crate) row_ahead: usize,
}

// SAFETY: the pointer stands for a shared borrow of Sync elements.
unsafe impl Sync for WholeB {}

impl WholeB {
    /// Panels whose blocks, `stride` bytes apart, have the columns of a step contiguous.
    pub(crate) fn of_rows(data: *const u8, panel_stride: usize, stride: usize) -> WholeB {
        WholeB { data, panel_stride, block_stride: stride, stride, needs_prefetch: false, row_ahead: 0 }
    }

    /// The panels from `panel` on, from their block `block` on.
    pub(crate) fn from(&self, panel: usize, block: usize) -> BBlock {
        let data = self.data.wrapping_add(panel * self.panel_stride + block * self.block_stride);
        BBlock {
            panel_stride: self.panel_stride,
            needs_prefetch: self.needs_prefetch,
            row_ahead: self.row_ahead,
            ..BBlock::of_rows(data, self.stride)
        }
    }
}

impl<E: Output> Ready<E> {
    /// `kc`, rounded so that blocks of K begin where the kernel can go on: the order of summation then does not depend on it.
    pub(super) fn block_of_k(self, kc: usize, k: usize) -> usize {
        match self.kernel().k_blocks {
            KBlocks::Chains => whole_chains(kc, k),
            KBlocks::Segments => DOT_SEGMENT,
            KBlocks::Multiples(of) => kc.max(1).checked_next_multiple_of(of).unwrap_or(usize::MAX),
            KBlocks::Whole => k.max(1),
        }
    }
}

impl<E: Output> Product<'_, E> {
    /// As [`Ready::block_of_k`], for this product.
    pub(crate) fn block_of_k(&self, kc: usize) -> usize {
        self.kernel.block_of_k(kc, self.k)
    }

    /// Computes the steps `ks` of the product on this thread, in one block. They begin where the kernel can go on; what does not begin the
    /// sum is added to C.
    ///
    /// # Safety
    /// As [`Product::run`], but that operands are valid for these steps.
    #[inline(always)]
    pub(crate) unsafe fn run_alone(&self, ks: Range<usize>, a: Strided<u8>, b: WholeB) {
        let panels = 0..self.n.div_ceil(self.kernel.tile().nr);
        let kernel = self.kernel.kernel();
        let a = a.from(0, ks.start / kernel.rows.block_k);
        let b = b.from(0, ks.start / kernel.panel.block_k);
        let _session = self.kernel.begin_session();
        // SAFETY: promised by the caller.
        unsafe { self.run_block(&Block { rows: 0..self.m, panels, ks }, a, b) }
    }

    /// A block of C of a short sum, by rows of tiles.
    ///
    /// # Safety
    /// As [`Product::run`], for a kernel that [`Sweep::fits`] and a C whose rows are contiguous.
    #[inline(never)] // Other blocks run on the same stack.
    unsafe fn sweep(&self, a: Strided<u8>, b: &WholeB, rows: Range<usize>, panels: Range<usize>) {
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
    #[inline(never)] // As `sweep`.
    unsafe fn dot_tiles(&self, a: Strided<u8>, b: &WholeB, rows: Range<usize>, panels: Range<usize>) {
        let Product { kernel, n, k, c, c_row_stride, alpha, beta, .. } = *self;
        let nr = kernel.tile().nr;
        for before in (0..k).step_by(DOT_SEGMENT) {
            let tiles = Tiles {
                kernel,
                k: DOT_SEGMENT.min(k - before),
                before,
                a: a.from(0, before),
                b: Strided { data: b.from(0, before).data, row_stride: b.block_stride, col_stride: b.stride },
                c,
                c_row_stride,
                alpha,
                beta: if before == 0 { beta } else { E::Sum::one() },
            };
            // SAFETY: promised by the caller.
            unsafe { tiles.run(rows.clone(), panels.start * nr..n.min(panels.end * nr)) };
        }
    }

    /// Computes the whole product. Each task is one block of C with all of its K, so no sum is ever split between threads.
    ///
    /// # Safety
    /// The fields and operands are valid as they say, and nobody else uses C meanwhile. `rooms` have
    /// [`Ready::expanded_bytes`] for each worker of the pool; without rooms, panels are read as they are.
    pub(crate) unsafe fn run(
        &self,
        a: Strided<u8>,
        b: WholeB,
        blocking: Blocking,
        rooms: Option<&PerWorker<'_, f32>>,
        pool: &dyn Parallel,
    ) {
        let kc = self.block_of_k(blocking.kc);
        // The time of a shallow product is that of writing C: tile by tile from left to right, not column of tiles by column.
        let rows_at_a_time = if self.k <= SHALLOW { self.kernel.tile().mr } else { self.m };
        let is_plain = self.c_col_stride == 1 && self.epilogue.is_none();
        let sweeps = is_plain && (1..=SHALLOW).contains(&self.k) && Sweep::fits(self.kernel, self.k);
        let is_lean_dot = is_plain && self.kernel.kernel().form == Form::Dot;
        self.for_each_block(blocking, 1, pool, |rows, panels, worker| {
            // SAFETY: a worker runs one task at a time.
            let expanded = rooms.map_or(null_mut(), |rooms| self.room_for_panels(kc, unsafe { rooms.get(worker) }));
            let _session = self.kernel.begin_session();
            if sweeps {
                // SAFETY: promised by the caller; tasks own disjoint blocks of C.
                return unsafe { self.sweep(a, &b, rows, panels) };
            }
            if is_lean_dot {
                // SAFETY: as above.
                return unsafe { self.dot_tiles(a, &b, rows, panels) };
            }
            // Loop 4. An empty K still has one block, which stores tiles of zeros.
            for start in (0..self.k.max(1)).step_by(kc) {
                let block = Block {
                    rows: rows.clone(),
                    panels: panels.clone(),
                    ks: start..self.k.min(start.saturating_add(kc)),
                };
                let b = b.from(panels.start, start / self.kernel.kernel().panel.block_k);
                let b = BBlock { expanded, ..b };
                for part in EvenParts::new(rows.len(), rows_at_a_time) {
                    let part = rows.start + part.start..rows.start + part.end;
                    let a = a.from(part.start, start / self.kernel.kernel().rows.block_k);
                    // SAFETY: promised by the caller; tasks own disjoint blocks of C.
                    unsafe { self.run_block(&Block { rows: part, ..block.clone() }, a, b) };
                }
            }
        });
    }

    /// Calls `compute(rows, panels, worker)` for blocks that make up C, spread over the pool. Each begins at a multiple of `unit` panels.
    pub(super) fn for_each_block(
        &self,
        Blocking { mc, nc, .. }: Blocking,
        unit: usize,
        pool: &dyn Parallel,
        compute: impl Fn(Range<usize>, Range<usize>, usize) + Sync,
    ) {
        if self.m == 0 || self.n == 0 {
            return;
        }
        let Tile { mr, nr } = self.kernel.tile();
        let panels = self.n.div_ceil(nr);
        if self.m <= mr {
            let streams = Streams::new(panels.div_ceil(unit), pool.threads());
            return run_tasks(pool, streams.count(), &|task, worker| {
                let units = streams.get(task);
                compute(0..self.m, units.start * unit..panels.min(units.end * unit), worker);
            });
        }
        let panels_per_block = (nc / nr).checked_next_multiple_of(unit).unwrap_or(panels);
        let (row_blocks, column_blocks) = (self.m.div_ceil(mc), panels.div_ceil(panels_per_block));
        // Loops 3 and 5: neighbouring tasks share their rows of A.
        run_tasks(pool, row_blocks * column_blocks, &|task, worker| {
            let (row_block, column_block) = (task / column_blocks, task % column_blocks);
            let rows = row_block * mc..self.m.min((row_block + 1) * mc);
            let panels = column_block * panels_per_block..panels.min((column_block + 1) * panels_per_block);
            compute(rows, panels, worker);
        });
    }
}
