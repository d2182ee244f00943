//! C = act(G) · U + residual for the two halves G and U of a product's columns. A thread computes some columns of both at a time and makes
//! those of C of them, so that the halves are never in memory, only in a room of the thread that stays in its caches.
//!
//! Nothing is interleaved: B's panels lie as those of any product, and a task reads them in two places.

use super::blocking::Blocking;
use super::epilogue::{ApplyEpilogue, Epilogue, F32Epilogue, Sums};
use super::loops::WholeB;
use super::macro_kernel::{Ahead, BBlock, Block, EvenParts, Product};
use super::microkernel::{Ready, Tile};
use super::select::Shape;
use super::strided::{Strided, padded_row};
use crate::cpu::Cpu;
use crate::ops::activation::Activation;
use crate::scratch::PerWorker;
use crate::simd::dispatch;
use crate::threads::Parallel;
use std::ops::Range;
use std::ptr::null_mut;

/// Elements of a half that stay in the second cache level beside the operands.
const ELEMENTS: usize = 16 << 10;

/// The same where K is cut: each portion then reads all of its rows of A again.
const ELEMENTS_OF_CUT_SUMS: usize = 64 << 10;

/// What a thread holds of each half.
#[derive(Clone, Copy, Debug)]
pub(super) struct Portion {
    rows: usize,
    /// Panels of C.
    panels: usize,
    row_stride: usize,
}

impl Portion {
    /// For a product with these rows and columns of C.
    pub(super) fn new(kernel: Ready<f32>, Blocking { mc, kc, .. }: Blocking, Shape { m, n, k }: Shape) -> Portion {
        let Tile { mr, nr } = kernel.tile();
        let rows = if m <= mr { m } else { m.min(mc) };
        let elements = if kc < k { ELEMENTS_OF_CUT_SUMS } else { ELEMENTS };
        let panels = (elements / nr / rows.max(1)).clamp(1, n.div_ceil(nr).max(1));
        let row_stride = padded_row::<f32>(panels * nr + columns_before(kernel, n));
        Portion { rows, panels, row_stride }
    }

    /// Elements of both halves. Saturates.
    pub(super) fn elements(self) -> usize {
        self.rows.saturating_mul(self.row_stride).saturating_mul(2)
    }
}

/// Columns of the second half's first panel that are the last ones of the first half.
fn columns_before(kernel: Ready<f32>, n: usize) -> usize {
    n % kernel.panel_format().cols
}

/// Scale and bias of both halves, from the first column of their first panel on, for a C of n columns.
pub(super) fn epilogues<'a>(whole: &Epilogue<'a>, kernel: Ready<f32>, n: usize) -> [Epilogue<'a>; 2] {
    [whole.linear_part(0..n), whole.linear_part(n - columns_before(kernel, n)..2 * n)]
}

/// One half of the columns.
struct Half<'a> {
    /// With the columns before. Its C is the room of whoever computes a part of it.
    product: Product<'a, f32>,
    b: WholeB,
    /// Columns of its first panel that do not belong to it.
    before: usize,
}

/// Both halves and what becomes of them.
pub(super) struct Gated<'a> {
    cpu: &'a Cpu,
    halves: [Half<'a>; 2],
    kc: usize,
    portion: Portion,
    activation: Activation,
    /// First element and row stride.
    residual: Option<(*const f32, usize)>,
    /// C, as in a [`Product`].
    whole: Product<'a, f32>,
}

// SAFETY: the pointers stand for borrows of Sync elements, and each element of C is written by one task.
unsafe impl Sync for Gated<'_> {}

/// Columns of one half, and steps of K.
struct Step {
    half: usize,
    /// Panels of C.
    panels: Range<usize>,
    ks: Range<usize>,
}

impl<'a> Gated<'a> {
    /// `whole` is the product with the columns of C alone, `b` the panels of both halves; `linear` are their [`epilogues`].
    pub(super) fn new(
        cpu: &'a Cpu,
        whole: Product<'a, f32>,
        b: WholeB,
        linear: &'a [Epilogue<'a>; 2],
        portion: Portion,
        blocking: Blocking,
    ) -> Self {
        let kernel = whole.kernel;
        let (before, panels_before) = (columns_before(kernel, whole.n), whole.n / kernel.panel_format().cols);
        let panel_stride = b.panel_stride / kernel.kernel().panels_of_tile();
        let second = WholeB { data: b.data.wrapping_add(panels_before * panel_stride), ..b };
        let epilogue = whole.epilogue.expect("a gate is a part of an epilogue");
        Gated {
            cpu,
            halves: [
                Half::new(&whole, b, 0, &linear[0], portion),
                Half::new(&whole, second, before, &linear[1], portion),
            ],
            kc: whole.block_of_k(blocking.kc),
            portion,
            activation: epilogue.activation,
            residual: epilogue.residual.map(|residual| (residual.as_ptr(), residual.row_stride())),
            whole,
        }
    }

    /// Computes C.
    ///
    /// # Safety
    /// As [`Product::run`] for `whole` and both halves of B; `rooms` has room for the elements of the portion for each worker of the pool.
    pub(super) unsafe fn run(
        &self,
        a: Strided<u8>,
        blocking: Blocking,
        rooms: &PerWorker<'_, f32>,
        pool: &dyn Parallel,
    ) {
        self.whole.for_each_block(blocking, pool, |rows, panels, worker| {
            let _session = self.whole.kernel.begin_session();
            // SAFETY: promised by the caller; each worker has its room, and tasks own disjoint blocks of C.
            unsafe { self.run_block(a, rows, panels, rooms.get(worker)) };
        });
    }

    /// Computes a block of C, portion by portion.
    ///
    /// # Safety
    /// As [`Gated::run`] for this block.
    unsafe fn run_block(&self, a: Strided<u8>, rows: Range<usize>, panels: Range<usize>, room: &mut [f32]) {
        let Portion { rows: height, row_stride, .. } = self.portion;
        assert!(room.len() >= self.portion.elements() && rows.len() <= height, "wanted room for the portion");
        let kernel = self.whole.kernel;
        let nr = kernel.tile().nr;
        let places = [0, height * row_stride].map(|at| room.as_mut_ptr().wrapping_add(at));
        let mut steps = self.steps(panels).peekable();
        while let Some(step) = steps.next() {
            let half = &self.halves[step.half];
            let ahead = steps.peek().map_or(Ahead::NONE, |next| self.halves[next.half].ahead(next));
            // Where the first row and column of C would be.
            let c = places[step.half].wrapping_sub(rows.start * row_stride + step.panels.start * nr);
            let product = Product { c, ..half.product };
            let block = Block { rows: rows.clone(), panels: half.panels(&step.panels), ks: step.ks.clone() };
            let a = a.from(rows.start, step.ks.start / kernel.row_format().block_k);
            // SAFETY: the operands by the caller's promise; the room has the block's rows and columns.
            unsafe { product.run_block(&block, a, BBlock { ahead, ..half.block(&step) }) };
            if step.half == 1 && step.ks.end == self.whole.k {
                let columns = step.panels.start * nr..self.whole.n.min(step.panels.end * nr);
                // SAFETY: both halves of these columns were just computed.
                unsafe { self.close(rows.clone(), columns, places) };
            }
        }
    }

    /// What makes a block of C, in order: for each portion both halves of each block of K.
    fn steps(&self, panels: Range<usize>) -> impl Iterator<Item = Step> {
        let (k, kc) = (self.whole.k, self.kc);
        EvenParts::new(panels.len(), self.portion.panels).flat_map(move |part| {
            let panels = panels.start + part.start..panels.start + part.end;
            (0..k.max(1)).step_by(kc).flat_map(move |start| {
                let ks = start..k.min(start.saturating_add(kc));
                [0, 1].map(|half| Step { half, panels: panels.clone(), ks: ks.clone() })
            })
        })
    }

    /// C ← act(gates) · values + residual, for the columns whose halves lie in `places`.
    ///
    /// # Safety
    /// They do, and C is valid for writes there.
    unsafe fn close(&self, rows: Range<usize>, columns: Range<usize>, [gates, values]: [*mut f32; 2]) {
        let Product { c, c_row_stride, c_col_stride, .. } = self.whole;
        let row_stride = self.portion.row_stride;
        let values = values.wrapping_add(self.halves[1].before).cast_const();
        let of_block = |(x, stride): (*const f32, usize)| (x.wrapping_add(rows.start * stride + columns.start), stride);
        let epilogue = F32Epilogue::gate(self.activation, (values, row_stride), self.residual.map(of_block));
        let c = c.wrapping_add(rows.start * c_row_stride + columns.start * c_col_stride);
        // Where C's columns are not contiguous, over the gates first.
        let (place, place_stride) = if c_col_stride == 1 { (c, c_row_stride) } else { (gates, row_stride) };
        let sums = Sums {
            sums: gates.cast_const(),
            sums_row_stride: row_stride,
            rows: rows.len(),
            cols: columns.len(),
            c: place,
            c_row_stride: place_stride,
        };
        dispatch(self.cpu, ApplyEpilogue { sums, epilogue: &epilogue });
        if c_col_stride == 1 {
            return;
        }
        for i in 0..rows.len() {
            for j in 0..columns.len() {
                // SAFETY: an element of the room and one of C, promised by the caller.
                unsafe { *c.add(i * c_row_stride + j * c_col_stride) = *gates.add(i * row_stride + j) };
            }
        }
    }
}

impl<'a> Half<'a> {
    fn new(whole: &Product<'a, f32>, b: WholeB, before: usize, epilogue: &'a Epilogue<'a>, portion: Portion) -> Self {
        let product = Product {
            n: before + whole.n,
            c: null_mut(),
            c_row_stride: portion.row_stride,
            c_col_stride: 1,
            epilogue: Some(epilogue),
            ..*whole
        };
        Half { product, b, before }
    }

    /// The half's panels with the columns of these panels of C.
    fn panels(&self, of_c: &Range<usize>) -> Range<usize> {
        let nr = self.product.kernel.tile().nr;
        of_c.start..self.product.n.min(self.before + of_c.end * nr).div_ceil(nr)
    }

    /// B of a step of this half.
    fn block(&self, step: &Step) -> BBlock {
        self.b.from(step.panels.start, step.ks.start / self.product.kernel.panel_format().block_k)
    }

    /// What a step reads first.
    fn ahead(&self, step: &Step) -> Ahead {
        let b = self.block(step);
        self.product.ahead(b.data, &b, step.ks.len())
    }
}
