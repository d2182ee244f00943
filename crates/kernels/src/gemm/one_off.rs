//! The ways through a one-off product: which operand is packed, when, and by whom.

use super::blocking::Blocking;
use super::dispatch::{Shape, choose_in_place};
use super::loops::{WholeA, WholeB};
use super::macro_kernel::{ABlock, ALayout, BBlock, Block, EvenParts, Product};
use super::microkernel::{Form, PackArgs, Supported};
use super::multiply::Gemm;
use super::plan::Ctx;
use crate::cpu::{Caches, Cpu};
use crate::scheme::Uniform;
use crate::scratch::{PerWorker, Zeroable};
use crate::threads::{Parallel, Serial};
use crate::view::MatMut;

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
    /// Each panel of B is packed by the worker that multiplies it with all of A.
    PackPanels,
    /// Blocks of B are packed by all workers together; A is read in place, or packed block by block.
    PackBlocks { pack_a: bool },
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
                Way::PackBlocks { pack_a } => self.run_pack_blocks(ctx, pack_a),
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
        let Product { kernel, n, k, .. } = self.product;
        let (nr, kc) = (kernel.tile().nr, self.blocking(1).kc);
        let panels = n.div_ceil(nr);
        let mut stack = [S::E::zero(); STACK];
        let (pool, kc, buffers): (&dyn Parallel, _, _) =
            match ctx.scratch.take_per_worker(ctx.pool.threads(), kc * nr) {
                Ok(buffers) => (ctx.pool, kc, buffers),
                Err(_) => (&Serial, STACK / nr, PerWorker::new(&mut stack, STACK)),
            };
        pool.run(panels, &|panel, worker| {
            for start in (0..k).step_by(kc) {
                let ks = start..k.min(start + kc);
                // SAFETY: a worker runs one task at a time; the rest is promised by the caller.
                unsafe {
                    let buffer = buffers.get(worker);
                    self.pack_b(panel, start, ks.len(), buffer);
                    let b = BBlock { data: buffer.as_ptr(), panel_stride: 0, stride: nr };
                    let block = Block { rows: 0..self.product.m, panels: panel..panel + 1, ks };
                    self.product.run_block(&block, self.a.from(0, start), b);
                }
            }
        });
    }

    /// # Safety
    /// As [`OneOff::run`].
    unsafe fn run_pack_blocks(&self, ctx: &mut Ctx<'_>, pack_a: bool) {
        let Product { kernel, m, n, k, .. } = self.product;
        let nr = kernel.tile().nr;
        let threads = ctx.pool.threads();
        let Blocking { mc, kc, .. } = self.blocking(threads);
        let nc = nc(self.caches, kc, nr, size_of::<S::E>()).min(n.next_multiple_of(nr));
        let a_len = if pack_a { PerWorker::<S::E>::padded(mc * kc) } else { 0 };
        let Ok(scratch) = ctx.scratch.take::<S::E>(kc * nc + threads * a_len) else {
            // SAFETY: promised by the caller.
            return unsafe { self.run_pack_panels(ctx) };
        };
        let (b_block, a_blocks) = scratch.split_at_mut(kc * nc);
        let b_block = Shared(b_block.as_mut_ptr());
        let a_blocks = PerWorker::new(a_blocks, a_len);
        for first in (0..n.div_ceil(nr)).step_by(nc / nr) {
            let panels = first..n.div_ceil(nr).min(first + nc / nr);
            for start in (0..k).step_by(kc) {
                let ks = start..k.min(start + kc);
                let panel_len = nr * ks.len();
                ctx.pool.run(panels.len(), &|index, _worker| {
                    // SAFETY: each task writes one panel of the block.
                    unsafe {
                        let out = std::slice::from_raw_parts_mut(b_block.at(index * panel_len), panel_len);
                        self.pack_b(first + index, start, ks.len(), out);
                    }
                });
                ctx.pool.run(m.div_ceil(mc), &|index, worker| {
                    let rows = index * mc..m.min((index + 1) * mc);
                    let b = BBlock { data: b_block.at(0), panel_stride: panel_len, stride: nr };
                    // SAFETY: a worker runs one task at a time, and tasks own disjoint rows of C; the rest is promised by the caller.
                    unsafe {
                        let a = if pack_a {
                            self.pack_a(rows.start, rows.len(), start, ks.len(), a_blocks.get(worker))
                        } else {
                            self.a.from(rows.start, start)
                        };
                        self.product.run_block(&Block { rows, panels: panels.clone(), ks: ks.clone() }, a, b);
                    }
                });
            }
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

    /// The block of A into `out`, tile after tile.
    ///
    /// # Safety
    /// It exists, A is valid for reads, and `out` has room for rows · k elements.
    unsafe fn pack_a(&self, row: usize, rows: usize, k0: usize, k: usize, out: &mut [S::E]) -> ABlock<S::E> {
        let WholeA { data, row_stride, col_stride } = self.a;
        for part in EvenParts::new(rows, self.product.kernel.tile().mr) {
            let args = PackArgs {
                source: data.wrapping_add((row + part.start) * row_stride + k0 * col_stride),
                rows: k,
                cols: part.len(),
                row_stride: col_stride,
                col_stride: row_stride,
                out: out[part.start * k..][..part.len() * k].as_mut_ptr(),
                out_stride: part.len(),
            };
            // SAFETY: promised by the caller.
            unsafe { self.product.kernel.pack(&args) }
        }
        ABlock { data: out.as_ptr(), layout: ALayout::Packed }
    }
}

/// A buffer whose parts are written by one task each.
struct Shared<E>(*mut E);

// SAFETY: stands for an exclusive borrow of a slice; tasks write disjoint parts.
unsafe impl<E: Send> Sync for Shared<E> {}

impl<E> Shared<E> {
    fn at(&self, offset: usize) -> *mut E {
        self.0.wrapping_add(offset)
    }
}

/// Columns of a block of B that leave half of the last cache level to everything else.
fn nc(caches: Caches, kc: usize, nr: usize, element_bytes: usize) -> usize {
    let bytes = caches.l3.max(2 * caches.l2) / 2;
    (bytes / element_bytes / kc / nr).max(1) * nr
}

/// The kernel and the way for an (m, n, k) product: a function of the shape and of which strides are 1, so that results do not
/// depend on alignment or threads.
#[inline(always)]
fn choose<S: Uniform>(cpu: &Cpu, shape: Shape, a: &WholeA<S::E>, b: &WholeA<S::E>) -> (Supported<S>, Way) {
    let tune = TUNE.load(std::sync::atomic::Ordering::Relaxed);
    if tune%16 != 15 {
    let (way, kern) = (tune % 16, tune / 16);
    let along_k = a.col_stride == 1 && b.row_stride == 1;
    let kernel = |form: Form| -> Supported<S> {
        S::kernels().iter().filter_map(|k| k.on(cpu))
            .filter(|x| x.record().isa == cpu.isa() && x.record().form == form)
            .enumerate().filter(|(i,_)| kern == 99 || *i == kern).map(|x| x.1)
            .min_by_key(|x| super::dispatch::cycles(x.record(), shape)).unwrap()
    };
    return match way {
        1 if along_k => (kernel(Form::Dot), Way::InPlace),
        2 if b.col_stride == 1 => (kernel(Form::Outer), Way::InPlace),
        3 => (kernel(Form::Outer), Way::PackPanels),
        4 => (kernel(Form::Outer), Way::PackBlocks { pack_a: false }),
        _ => (kernel(Form::Outer), Way::PackBlocks { pack_a: true }),
    }
    }
    let Shape { m, n, k } = shape;
    let along_k = a.col_stride == 1 && b.row_stride == 1;
    if along_k && m <= DOT_ROWS && let Some(kernel) = choose_in_place(cpu, Form::Dot, shape) {
        return (kernel, Way::InPlace);
    }
    let kernel = choose_in_place(cpu, Form::Outer, shape).expect("every scheme has a scalar kernel of the outer form");
    let tile = kernel.tile();
    let a_bytes = m * k * size_of::<S::E>();
    let b_bytes = n * k * size_of::<S::E>();
    let way = if b.col_stride == 1 && (m <= 4 * tile.mr || b_bytes <= cpu.caches().l2 / 2) {
        Way::InPlace
    } else if a_bytes <= cpu.caches().l2 / 2 {
        Way::PackPanels
    } else {
        Way::PackBlocks { pack_a: n > 4 * tile.nr }
    };
    (kernel, way)
}

/// Rows up to which the products of rows with columns that lie along k beat the packing of B.
const DOT_ROWS: usize = 12;

pub static TUNE: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(15);
