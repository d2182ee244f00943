//! The ways through a one-off product: which operand is packed, when, and by whom.

use super::blocking::Blocking;
use super::dispatch::{Shape, choose_one_off};
use super::loops::{WholeA, WholeB};
use super::macro_kernel::{Ahead, BBlock, Block, Product};
use super::microkernel::{Form, PackArgs, Supported};
use super::multiply::Gemm;
use super::plan::Ctx;
use crate::cpu::{Caches, Cpu};
use crate::scheme::Uniform;
use crate::scratch::{LINE, PerWorker, Zeroable};
use crate::threads::{Parallel, Serial};
use crate::view::MatMut;
use std::ops::Range;
use std::ptr::null_mut;

/// A product whose operands are turned so that C's columns are contiguous, with the way that it will be computed.
pub(super) struct OneOff<'a, S: Uniform> {
    product: Product<'a, S>,
    a: WholeA<S::E>,
    b: WholeA<S::E>,
    caches: Caches,
    way: Way,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Both operands are read where they are.
    InPlace,
    /// Each panel of B is packed by the worker that multiplies it with an A in place.
    PackPanels,
}

/// Elements of the buffer on the stack that takes the place of scratch memory that cannot be had.
const STACK: usize = 4096;

impl<'a, S: Uniform> OneOff<'a, S> {
    #[inline(always)]
    pub(super) fn new(cpu: &Cpu, gemm: &Gemm<'_, S>, c: &mut MatMut<'_, S::E>) -> Self {
        let (mut m, mut n, k) = (c.rows(), c.cols(), gemm.a.cols());
        let mut a = WholeA { data: gemm.a.as_ptr(), row_stride: gemm.a.row_stride(), col_stride: gemm.a.col_stride() };
        let mut b = WholeA { data: gemm.b.as_ptr(), row_stride: gemm.b.row_stride(), col_stride: gemm.b.col_stride() };
        let (mut c_row_stride, mut c_col_stride) = (c.row_stride(), c.col_stride());
        if (c_col_stride != 1 && c_row_stride == 1) || n == 1 {
            // Cᵀ = Bᵀ · Aᵀ
            (m, n) = (n, m);
            (a, b) = (b.transposed(), a.transposed());
            (c_row_stride, c_col_stride) = (c_col_stride, c_row_stride);
        }
        if a.col_stride == 1 && b.row_stride == 1 && packing_a_pays(m, n, k) {
            (m, n) = (n, m);
            (a, b) = (b.transposed(), a.transposed());
            (c_row_stride, c_col_stride) = (c_col_stride, c_row_stride);
        }
        let shape = Shape { m, n, k };
        let (kernel, way) = choose::<S>(cpu, shape, &a, &b);
        let (alpha, beta, c) = (gemm.alpha, gemm.beta, c.as_mut_ptr());
        let product = Product { kernel, m, n, k, c, c_row_stride, c_col_stride, alpha, beta, epilogue: None };
        OneOff { product, a, b, caches: cpu.caches(), way }
    }

    /// # Safety
    /// The operands and C are valid for the product's sizes, and nobody else uses C meanwhile.
    #[inline(always)]
    pub(super) unsafe fn run(&self, ctx: &mut Ctx<'_>) {
        // SAFETY: promised by the caller.
        unsafe {
            match self.way {
                Way::InPlace => self.run_in_place(ctx.pool),
                Way::PackPanels => self.run_pack_panels(ctx),
            }
        }
    }

    fn blocking(&self, threads: usize) -> Blocking {
        let Product { kernel, m, n, k, .. } = self.product;
        Blocking::choose(kernel.tile(), size_of::<S::E>(), self.caches, threads, Shape { m, n, k })
    }

    /// # Safety
    /// As [`OneOff::run`].
    #[inline(always)]
    unsafe fn run_in_place(&self, pool: &dyn Parallel) {
        let nr = self.product.kernel.tile().nr;
        let b = self.b;
        let whole = match self.product.kernel.record().form {
            Form::Outer => {
                WholeB { data: b.data, panel_stride: nr, row_stride: b.row_stride, stride: b.row_stride }
            }
            Form::Dot => {
                WholeB { data: b.data, panel_stride: nr * b.col_stride, row_stride: 1, stride: b.col_stride }
            }
        };
        // SAFETY: promised by the caller.
        unsafe {
            if pool.threads() == 1 {
                self.product.run_alone(self.a, whole);
            } else {
                self.product.run(self.a, whole, self.blocking(pool.threads()), pool);
            }
        }
    }

    /// # Safety
    /// As [`OneOff::run`].
    unsafe fn run_pack_panels(&self, ctx: &mut Ctx<'_>) {
        let Product { kernel, m, n, .. } = self.product;
        let (nr, threads) = (kernel.tile().nr, ctx.pool.threads());
        let kc = self.depth();
        let b_len = PerWorker::<S::E>::padded(kc * nr);
        let steps = Steps::choose(m, n.div_ceil(nr), kc, kernel.tile().mr, threads);
        // SAFETY: promised by the caller.
        unsafe {
            match ctx.scratch.take::<S::E>(threads * b_len) {
                Ok(scratch) => self.run_steps(steps, PerWorker::new(scratch, b_len), ctx.pool),
                Err(_) => {
                    let mut stack = [S::E::zero(); STACK];
                    let steps = Steps { kc: STACK / nr, rows: m, panels: n.div_ceil(nr) };
                    self.run_steps(steps, PerWorker::new(&mut stack, STACK), &Serial);
                }
            }
        }
    }

    /// # Safety
    /// As [`OneOff::run`]; a buffer has room for steps.kc rows of a panel.
    unsafe fn run_steps(&self, steps: Steps, buffers: PerWorker<'_, S::E>, pool: &dyn Parallel) {
        let Product { kernel, m, n, k, .. } = self.product;
        let nr = kernel.tile().nr;
        let panels = n.div_ceil(nr);
        let column_steps = panels.div_ceil(steps.panels);
        pool.run(m.div_ceil(steps.rows) * column_steps, &|task, worker| {
            let (row, panel) = (task / column_steps * steps.rows, task % column_steps * steps.panels);
            let rows = row..m.min(row + steps.rows);
            let last = panels.min(panel + steps.panels);
            for panel in panel..last {
                for start in (0..k).step_by(steps.kc) {
                    let ks = start..k.min(start + steps.kc);
                    // SAFETY: a worker runs one task at a time, and tasks write disjoint blocks of C; the rest is promised by the caller.
                    unsafe {
                        let buffer = buffers.get(worker);
                        let ahead = self.next_source(panel, &ks, steps.kc, last);
                        let b = if self.b.col_stride == 1 {
                            let (data, stride) = (self.b.at(start, panel * nr), self.b.row_stride);
                            BBlock { data, panel_stride: 0, stride, ahead, copy: buffer.as_mut_ptr() }
                        } else {
                            self.pack_b(panel, start, ks.len(), buffer);
                            BBlock { data: buffer.as_ptr(), panel_stride: 0, stride: nr, ahead, copy: null_mut() }
                        };
                        let block = Block { rows: rows.clone(), panels: panel..panel + 1, ks };
                        self.product.run_block(&block, self.a.from(row, start), b);
                    }
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
        let limit = if with_a >= SHALLOW { panel_alone.min(with_a) } else { panel_alone };
        k.div_ceil(k.div_ceil(limit.max(16)))
    }

    /// The part of B that is packed after block `ks` of `panel`, to be fetched meanwhile.
    fn next_source(&self, panel: usize, ks: &Range<usize>, kc: usize, last: usize) -> Ahead<S::E> {
        let Product { kernel, k, .. } = self.product;
        let (panel, start) = if ks.end < k { (panel, ks.end) } else { (panel + 1, 0) };
        if panel >= last {
            return Ahead::NONE;
        }
        let nr = kernel.tile().nr;
        let line = LINE / size_of::<S::E>();
        let WholeA { data, row_stride, col_stride } = self.b;
        let data = data.wrapping_add(start * row_stride + panel * nr * col_stride);
        let tiles = (nr / line).max(1);
        if col_stride == 1 {
            Ahead { data, tile_stride: line, stride: row_stride, tiles }
        } else {
            let rows = (k - start).min(kc);
            Ahead { data, tile_stride: nr / tiles * col_stride, stride: line * col_stride / rows.max(1), tiles }
        }
    }

    /// Rows `k0 .. k0 + k` of a panel of B into `out`.
    ///
    /// # Safety
    /// They exist, B is valid for reads, and `out` has room for k · nr elements.
    unsafe fn pack_b(&self, panel: usize, k0: usize, k: usize, out: &mut [S::E]) {
        let nr = self.product.kernel.tile().nr;
        let WholeA { data, row_stride, col_stride } = self.b;
        let col = panel * nr;
        let args = PackArgs {
            source: data.wrapping_add(k0 * row_stride + col * col_stride),
            rows: k,
            cols: nr.min(self.product.n - col),
            row_stride,
            col_stride,
            out: out.as_mut_ptr(),
            out_stride: nr,
        };
        // SAFETY: promised by the caller.
        unsafe { self.product.kernel.pack(&args) }
    }
}

/// How far the loops go at a time.
#[derive(Clone, Copy, Debug)]
struct Steps {
    /// Elements of K that a panel of B is packed for.
    kc: usize,
    /// Rows of C that a task computes.
    rows: usize,
    /// Panels that a task computes, one after the other.
    panels: usize,
}

impl Steps {
    /// Tasks enough for all threads, of whole panels as long as there are enough of them: each further block of rows packs B again.
    fn choose(m: usize, panels: usize, kc: usize, mr: usize, threads: usize) -> Steps {
        if threads == 1 {
            return Steps { kc, rows: m, panels };
        }
        let tasks = threads * TASKS_PER_THREAD;
        let row_blocks = (tasks / panels).clamp(1, m.div_ceil(mr));
        Steps {
            kc,
            rows: m.div_ceil(row_blocks).next_multiple_of(mr),
            panels: (panels * row_blocks / tasks).max(1),
        }
    }
}

/// Tasks for each thread, so that one that is held up leaves work to the others.
const TASKS_PER_THREAD: usize = 4;

/// The kernel and the way for an (m, n, k) product: a function of the shape and of which strides are 1, so that results do not
/// depend on alignment or threads.
#[inline(always)]
fn choose<S: Uniform>(cpu: &Cpu, shape: Shape, a: &WholeA<S::E>, b: &WholeA<S::E>) -> (Supported<S>, Way) {
    let Shape { m, n, k } = shape;
    let along_k = a.col_stride == 1 && b.row_stride == 1;
    if along_k && m <= DOT_ROWS && let Some(kernel) = choose_one_off(cpu, Form::Dot, shape, false) {
        return (kernel, Way::InPlace);
    }
    let kernel = choose_one_off(cpu, Form::Outer, shape, b.col_stride == 1).expect("every scheme has a scalar kernel of the outer form");
    let b_bytes = n * k * size_of::<S::E>();
    let way = if b.col_stride == 1 && (m <= IN_PLACE_ROWS || b_bytes <= cpu.caches().l2 / 2) {
        Way::InPlace
    } else {
        Way::PackPanels
    };
    (kernel, way)
}

/// Panels up to which the reading of A weighs more than that of B.
const FEW_PANELS: usize = 4;

/// Whether Cᵀ = Bᵀ · Aᵀ, with Aᵀ packed and Bᵀ read in place, is cheaper than packing B: both lie along k. It saves the packing of B,
/// which costs as much as some six rows of A, and pays for it with lanes that lie idle and with C written through a copy.
fn packing_a_pays(m: usize, n: usize, k: usize) -> bool {
    let idle = m.next_multiple_of(LANES) as f32 / m as f32;
    let turned = idle * (1.0 + 42.0 / k as f32);
    m > DOT_ROWS && m <= n && turned < 1.0 + 6.4 / m as f32
}

/// Lanes of the widest vectors.
const LANES: usize = 16;

/// Elements of K below which a panel is too short to be worth another pass over C.
const SHALLOW: usize = 512;

/// Rows up to which a B whose rows are contiguous is not worth packing.
const IN_PLACE_ROWS: usize = 12;

/// Rows up to which the products of rows with columns that lie along k beat the packing of B.
const DOT_ROWS: usize = 8;
