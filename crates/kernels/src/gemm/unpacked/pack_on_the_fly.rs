//! One-off products in blocks: which operand is packed, when, and by which worker.

use super::super::blocking::Blocking;
use super::super::loops::WholeB;
use super::super::macro_kernel::{Ahead, BBlock, Block, Product};
use super::super::microkernel::{Form, Tile};
use super::super::plan::Ctx;
use super::super::select::{Shape, choose_one_off};
use super::super::strided::{Strided, padded_row};
use super::Gemm;
use super::select::{
    Gathered, Packing, choose_outer, dot_form, gathering_a_pays, is_far_apart, is_narrow, packing_a_pays,
};
use crate::cpu::{Caches, Cpu};
use crate::scheme::Uniform;
use crate::scratch::{LINE, PerWorker};
use crate::threads::{Parallel, for_each_chunk, run_tasks};
use crate::view::MatMut;
use std::ops::Range;
use std::ptr::null_mut;

/// A product whose operands are turned so that C's columns are contiguous, with what will be packed.
pub(super) struct OneOff<'a, S: Uniform> {
    pub(super) product: Product<'a, S::E>,
    pub(super) a: Strided<S::E>,
    pub(super) b: Strided<S::E>,
    pub(super) caches: Caches,
    pub(super) packing: Packing,
    pub(super) gathered: Gathered,
    /// Whether it is Cᵀ = Bᵀ · Aᵀ.
    pub(super) is_turned: bool,
}

impl<'a, S: Uniform> OneOff<'a, S> {
    #[inline(always)]
    pub(super) fn new(cpu: &Cpu, gemm: &Gemm<'_, S>, c: &mut MatMut<'_, S::E>) -> Self {
        let (alpha, beta, k, mut c) = (gemm.alpha, gemm.beta, gemm.a.cols(), c.reborrow());
        let (mut a, mut b) = (Strided::of(&gemm.a), Strided::of(&gemm.b));
        // A single column becomes a single row; else C is turned if that makes its rows contiguous.
        let mut is_turned = c.cols() == 1 || (c.rows() != 1 && c.col_stride() != 1 && c.row_stride() == 1);
        if is_turned {
            (a, b, c) = (b.transposed(), a.transposed(), c.transposed());
        }
        let mut shape = Shape { m: c.rows(), n: c.cols(), k };
        let dot = dot_form(shape, &a, &b)
            .and_then(|gathered| Some((choose_one_off::<S>(cpu, Form::Dot, shape, false)?, gathered)));
        let (kernel, packing, gathered) = match dot {
            Some((kernel, gathered)) => (kernel, Packing::InPlace, gathered),
            None => {
                let along_k = a.col_stride == 1 && b.row_stride == 1;
                if is_narrow(shape, &a)
                    || (along_k && !b.transposed().shares_sets() && packing_a_pays(shape.m, shape.n, k))
                {
                    is_turned = !is_turned;
                    (a, b, c) = (b.transposed(), a.transposed(), c.transposed());
                    shape = Shape { m: shape.n, n: shape.m, k };
                }
                let (kernel, packing) = choose_outer::<S>(cpu, shape, &b);
                let packing = if is_scattered(shape, &a, kernel.tile()) { Packing::Panels } else { packing };
                let gathers_a = packing == Packing::InPlace && gathering_a_pays(shape, &a, kernel.tile());
                (kernel, packing, if gathers_a { Gathered::A } else { Gathered::Neither })
            }
        };
        let Shape { m, n, k } = shape;
        let (c_row_stride, c_col_stride, c) = (c.row_stride(), c.col_stride(), c.as_mut_ptr());
        let product = Product { kernel, m, n, k, c, c_row_stride, c_col_stride, alpha, beta, epilogue: None };
        OneOff { product, a, b, caches: cpu.caches(), packing, gathered, is_turned }
    }

    /// # Safety
    /// The operands and C are valid for the product's sizes, and nobody else uses C meanwhile.
    #[inline(always)]
    pub(super) unsafe fn run(&self, ctx: &mut Ctx<'_>) {
        // SAFETY: promised by the caller.
        unsafe {
            match self.packing {
                Packing::InPlace if self.has_long_rows() => self.run_long_rows(ctx.pool),
                Packing::InPlace if self.gathered != Gathered::Neither => self.run_gathered(ctx),
                Packing::InPlace => self.run_in_place(ctx.pool),
                Packing::Panels => self.run_pack_panels(ctx),
                Packing::WholeB => self.run_pack_b(ctx),
            }
        }
    }

    fn blocking(&self, threads: usize) -> Blocking {
        let Product { kernel, m, n, k, .. } = self.product;
        let bytes = size_of::<S::E>();
        Blocking::choose(kernel.tile(), (bytes, bytes), self.caches, threads, Shape { m, n, k })
    }

    /// # Safety
    /// As [`OneOff::run`].
    #[inline(always)]
    pub(super) unsafe fn run_in_place(&self, pool: &dyn Parallel) {
        let Product { kernel, m, n, k, .. } = self.product;
        let (nr, b) = (kernel.tile().nr, self.b);
        let mut blocking = self.blocking(pool.threads());
        let whole = match kernel.kernel().form {
            Form::Outer | Form::Blocks => {
                let elements = self.caches.l2 / size_of::<S::E>();
                let needs_prefetch = n.saturating_mul(k) > 2 * elements;
                if n.saturating_mul(k) > elements / 2 || m.saturating_mul(k) > elements / 2 {
                    // The rows of a block of K stay in L2 from one panel to the next, which takes its pieces from the same pages.
                    blocking.kc = blocking.kc.min((elements / 2 / (m.min(blocking.mc) + n)).max(SHORTEST_BLOCK));
                }
                let (panel_stride, stride) = (nr * size_of::<S::E>(), b.bytes().row_stride);
                WholeB { needs_prefetch, ..WholeB::of_rows(b.data.cast(), panel_stride, stride) }
            }
            Form::Dot => {
                let Strided { data, row_stride, col_stride } = b.bytes();
                let (panel_stride, stride) = (nr * col_stride, col_stride);
                WholeB { block_stride: row_stride, ..WholeB::of_rows(data, panel_stride, stride) }
            }
        };
        // SAFETY: promised by the caller.
        unsafe { self.product.run(self.a.bytes(), whole, blocking, None, pool) };
    }

    /// With all of B packed first, and A copied if its rows are hard to read.
    ///
    /// # Safety
    /// As [`OneOff::run`].
    unsafe fn run_pack_b(&self, ctx: &mut Ctx<'_>) {
        let Product { kernel, m, n, k, .. } = self.product;
        let nr = kernel.tile().nr;
        let (panel_len, a_stride) = (k * nr, padded_row::<S::E>(k));
        let copies_a = self.copies_a() && m.saturating_mul(a_stride) <= LARGEST_WHOLE_A / size_of::<S::E>();
        let a_len = if copies_a { m * a_stride } else { 0 };
        let b_len = n.div_ceil(nr).saturating_mul(panel_len);
        let Ok(scratch) = ctx.scratch.take::<S::E>(b_len.saturating_add(a_len)) else {
            // SAFETY: promised by the caller.
            return unsafe { self.run_without_memory() };
        };
        let (b_copy, a_copy) = scratch.split_at_mut(b_len);
        // Rows of B are read in long pieces, columns whole.
        let depth = if self.b.col_stride == 1 { ROWS_AT_A_TIME } else { k };
        for_each_chunk(ctx.pool, b_copy, PANELS_PER_COPY * panel_len, |chunk, out| {
            for start in (0..k).step_by(depth) {
                for (index, out) in out.chunks_mut(panel_len).enumerate() {
                    let (panel, rows) = (chunk * PANELS_PER_COPY + index, depth.min(k - start));
                    // SAFETY: the panel exists and B is valid for reads, promised by the caller; `out` has room for it.
                    unsafe { self.pack_b(panel, start, rows, &mut out[start * nr..]) };
                }
            }
        });
        let (panel_stride, stride) = (panel_len * size_of::<S::E>(), nr * size_of::<S::E>());
        let data = b_copy.as_ptr().cast();
        let b = WholeB::of_rows(data, panel_stride, stride);
        // SAFETY: promised by the caller; the copies hold all panels, and all rows of A.
        unsafe {
            let a = if copies_a { self.copy_a(0..m, a_copy, a_stride, ctx.pool) } else { self.a };
            self.product.run(a.bytes(), b, self.blocking(ctx.pool.threads()), None, ctx.pool);
        }
    }

    /// # Safety
    /// As [`OneOff::run`].
    unsafe fn run_pack_panels(&self, ctx: &mut Ctx<'_>) {
        let Product { kernel, m, n, k, .. } = self.product;
        let (tile, threads) = (kernel.tile(), ctx.pool.threads());
        let kc = self.product.block_of_k(self.depth());
        let b_len = PerWorker::<S::E>::padded(kc.saturating_mul(tile.nr));
        let a_stride = padded_row::<S::E>(k);
        let copies_a = self.copies_a();
        let rows = if copies_a { (LARGEST_COPY / size_of::<S::E>() / a_stride).clamp(tile.mr, m) } else { m };
        let a_len = if copies_a { rows.saturating_mul(a_stride) } else { 0 };
        let panels = n.div_ceil(tile.nr);
        // SAFETY: promised by the caller.
        unsafe {
            let Ok(scratch) = ctx.scratch.take::<S::E>(a_len.saturating_add(threads.saturating_mul(b_len))) else {
                return self.run_without_memory();
            };
            let (copy, buffers) = scratch.split_at_mut(a_len);
            let buffers = PerWorker::new(buffers, b_len);
            for start in (0..m).step_by(rows) {
                let block = start..m.min(start + rows);
                let a = if copies_a {
                    self.copy_a(block.clone(), copy, a_stride, ctx.pool)
                } else {
                    Strided { data: self.a.at(start, 0), ..self.a }
                };
                let c_bytes = block.len().saturating_mul(n).saturating_mul(size_of::<S::E>());
                let steps = Steps::choose(block.len(), panels, kc, tile.mr, threads, c_bytes <= self.caches.l2 / 4);
                self.run_steps(block, a, steps, &buffers, ctx.pool);
            }
        }
    }

    /// Column by column, each read in place: slow, but the same order of summation.
    ///
    /// # Safety
    /// As [`OneOff::run`].
    #[cold]
    unsafe fn run_without_memory(&self) {
        let Product { n, c, c_col_stride, .. } = self.product;
        for j in 0..n {
            let column = Product { n: 1, c: c.wrapping_add(j * c_col_stride), ..self.product };
            let (data, stride) = (self.b.at(0, j).cast(), self.b.bytes().row_stride);
            let b = WholeB::of_rows(data, 0, stride);
            // SAFETY: a column of C and the column of B that it takes, promised by the caller.
            unsafe { column.run_alone(0..column.k, self.a.bytes(), b) };
        }
    }

    /// Whether A is copied to rows that are contiguous, which costs as much as a few columns of B.
    pub(super) fn copies_a(&self) -> bool {
        let Product { kernel, m, n, k, .. } = self.product;
        let is_reused = n > COLUMNS_FOR_COPY && m > kernel.tile().mr;
        let is_far_apart = is_reused || is_scattered(Shape { m, n, k }, &self.a, kernel.tile());
        self.a.copy_saves_sets(m, n, kernel.tile().mr) || (self.a.col_stride != 1 && is_far_apart)
    }

    /// The block of rows of A in `copy`, its rows `stride` apart.
    ///
    /// # Safety
    /// As [`OneOff::run`]; the copy has room for the block.
    unsafe fn copy_a(
        &self,
        rows: Range<usize>,
        copy: &mut [S::E],
        stride: usize,
        pool: &dyn Parallel,
    ) -> Strided<S::E> {
        let k = self.product.k;
        for_each_chunk(pool, &mut copy[..rows.len() * stride], ROWS_PER_COPY * stride, |chunk, out| {
            let first = chunk * ROWS_PER_COPY;
            let source = self.a.from(rows.start + first, 0);
            let args = source.copied_to(ROWS_PER_COPY.min(rows.len() - first), k, out.as_mut_ptr(), stride);
            // SAFETY: the rows exist and A is valid for reads, promised by the caller; `out` has a stride for each of them.
            unsafe { self.product.kernel.copy(&args) };
        });
        Strided { data: copy.as_ptr(), row_stride: stride, col_stride: 1 }
    }

    /// # Safety
    /// As [`OneOff::run`] for these rows of C, of which `a` has the rows of A; a buffer has room for steps.kc rows of a panel.
    unsafe fn run_steps(
        &self,
        rows: Range<usize>,
        a: Strided<S::E>,
        steps: Steps,
        buffers: &PerWorker<'_, S::E>,
        pool: &dyn Parallel,
    ) {
        let Product { kernel, n, k, .. } = self.product;
        let nr = kernel.tile().nr;
        let panels = n.div_ceil(nr);
        let column_steps = steps.columns;
        run_tasks(pool, rows.len().div_ceil(steps.rows) * column_steps, &|task, worker| {
            let _session = kernel.begin_session();
            let (row, column) = (task / column_steps * steps.rows, task % column_steps);
            let own = column * panels / column_steps..(column + 1) * panels / column_steps;
            let rows_of_c = rows.start + row..rows.end.min(rows.start + row + steps.rows);
            // Where this worker will probably go on when all work at the same speed.
            let next_task = (column + pool.threads()) * panels / column_steps;
            for index in 0..own.len() * k.div_ceil(steps.kc) {
                let (panel, start) = steps.at(index, &own, k);
                let ks = start..k.min(start + steps.kc);
                let next = if index + 1 < own.len() * k.div_ceil(steps.kc) {
                    steps.at(index + 1, &own, k)
                } else {
                    (next_task, 0)
                };
                let ahead = self.next_source(next, steps.kc);
                // SAFETY: a worker runs one task at a time, and tasks write disjoint blocks of C; the rest is promised by the caller.
                unsafe {
                    let buffer = buffers.get(worker);
                    let (data, copy, stride) = if self.b.col_stride == 1 {
                        let (data, stride) = (self.b.at(start, panel * nr).cast(), self.b.bytes().row_stride);
                        (data, buffer.as_mut_ptr().cast(), stride)
                    } else {
                        self.pack_b(panel, start, ks.len(), buffer);
                        (buffer.as_ptr().cast(), null_mut(), nr * size_of::<S::E>())
                    };
                    let b = BBlock { ahead, copy, ..BBlock::of_rows(data, stride) };
                    let block = Block { rows: rows_of_c.clone(), panels: panel..panel + 1, ks };
                    self.product.run_block(&block, a.from(row, start).bytes(), b);
                }
            }
        });
    }

    /// How much of K a panel of B is packed for: with the panel, the source of the next one and, where it is small, A in L2.
    fn depth(&self) -> usize {
        let Product { kernel, m, n, k, .. } = self.product;
        let (nr, elements) = (kernel.tile().nr, self.caches.l2 / size_of::<S::E>());
        // Few panels: A is read as seldom as possible.
        let panel_alone = if n <= FEW_PANELS * nr { elements / 2 } else { elements / 3 } / nr;
        let with_a = elements * 3 / 4 / (m + 2 * nr);
        let limit = if with_a >= SHORTEST_PANEL { panel_alone.min(with_a) } else { panel_alone };
        k.div_ceil(k.div_ceil(limit.max(16)))
    }

    /// What is read of B to pack its panel from row `start` on, to be fetched before.
    fn next_source(&self, (panel, start): (usize, usize), kc: usize) -> Ahead {
        let Product { kernel, n, k, .. } = self.product;
        let nr = kernel.tile().nr;
        if panel * nr >= n {
            return Ahead::NONE;
        }
        let Strided { row_stride, col_stride, .. } = self.b.bytes();
        let data = self.b.at(start, panel * nr).cast();
        let tiles = (nr * size_of::<S::E>() / LINE).max(1);
        if self.b.col_stride == 1 {
            // One line more: rows need not start on one.
            Ahead { data, tile_stride: LINE, stride: row_stride, tiles: tiles + 1 }
        } else {
            let rows = (k - start).min(kc);
            let stride = LINE / size_of::<S::E>() * col_stride / rows.max(1);
            Ahead { data, tile_stride: nr / tiles * col_stride, stride, tiles }
        }
    }

    /// Rows `k0 .. k0 + k` of a panel of B into `out`.
    ///
    /// # Safety
    /// They exist, B is valid for reads, and `out` has room for k · nr elements.
    unsafe fn pack_b(&self, panel: usize, k0: usize, k: usize, out: &mut [S::E]) {
        let nr = self.product.kernel.tile().nr;
        let col = panel * nr;
        let cols = nr.min(self.product.n - col);
        let args = self.b.from(k0, col).copied_to(k, cols, out.as_mut_ptr(), nr);
        // SAFETY: promised by the caller.
        unsafe { self.product.kernel.copy(&args) }
    }
}

/// Whether each step of K takes a piece of A from a page of its own, several times: caches and pages are then used up by little data.
pub(super) fn is_scattered<E>(Shape { m, n, k }: Shape, a: &Strided<E>, tile: Tile) -> bool {
    is_far_apart(a) && m > tile.mr && n >= LEAST_REUSE && k > LEAST_DEPTH
}

/// Panels up to which the reading of A weighs more than that of B.
const FEW_PANELS: usize = 4;

/// Elements of K below which a panel is too short to be worth another pass over C.
const SHORTEST_PANEL: usize = 512;

/// Elements of K from which on another pass over C costs little.
const SHORTEST_BLOCK: usize = 512;
/// Elements of K up to which all of A stays in the cache anyhow.
const LEAST_DEPTH: usize = 32;
/// Columns of B that pay for a copy of A which is hard to read.
const LEAST_REUSE: usize = 8;
/// Rows of B that are packed into several panels before the next ones.
const ROWS_AT_A_TIME: usize = 64;
/// Bytes of A up to which all of it is copied beside a packed B.
const LARGEST_WHOLE_A: usize = 128 << 20;
/// Bytes of a copy of A at a time.
const LARGEST_COPY: usize = 16 << 20;
/// Panels of B that are packed by one task, if all of B is packed first.
const PANELS_PER_COPY: usize = 16;
/// Rows of A that are copied by one task.
const ROWS_PER_COPY: usize = 64;
/// Columns of B from which on the copying of A pays.
const COLUMNS_FOR_COPY: usize = 256;

/// How far the loops go at a time.
#[derive(Clone, Copy, Debug)]
struct Steps {
    /// Elements of K that a panel of B is packed for.
    kc: usize,
    /// Rows of C that a task computes.
    rows: usize,
    /// Tasks that share the panels, each some that follow each other.
    columns: usize,
    /// Whether a part of K is done for all panels before the next one, as long as C stays in the cache: A is then read once.
    parts_first: bool,
}

impl Steps {
    /// The panel of step `index` and where its part of K begins, for a task of these panels.
    fn at(&self, index: usize, panels: &Range<usize>, k: usize) -> (usize, usize) {
        let parts = k.div_ceil(self.kc);
        if self.parts_first {
            (panels.start + index % panels.len(), index / panels.len() * self.kc)
        } else {
            (panels.start + index / parts, index % parts * self.kc)
        }
    }

    /// Tasks enough for all threads, of whole panels as long as there are enough of them: each further block of rows packs B again.
    fn choose(m: usize, panels: usize, kc: usize, mr: usize, threads: usize, parts_first: bool) -> Steps {
        if threads == 1 {
            return Steps { kc, rows: m, columns: 1, parts_first };
        }
        let tasks = threads.saturating_mul(TASKS_PER_THREAD);
        let row_blocks = (threads.saturating_mul(ROW_BLOCKS_PER_THREAD) / panels).clamp(1, m.div_ceil(mr));
        Steps { kc, rows: m.div_ceil(row_blocks).next_multiple_of(mr), columns: panels.min(tasks), parts_first }
    }
}

/// Tasks for each thread, so that one that is held up leaves work to the others.
const TASKS_PER_THREAD: usize = 16;
/// Blocks of rows for each thread where there is but one panel.
const ROW_BLOCKS_PER_THREAD: usize = 4;
