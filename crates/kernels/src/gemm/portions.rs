//! Products whose results are not the f32 that kernels leave in C: a thread makes a portion of them in a room of its own, which stays in
//! its caches, and stores from there what becomes of them. So for
//!
//! - C = act(G) · U + residual with the two halves G and U of a product's columns, of which the room has the same columns. Nothing is
//!   interleaved: B's panels lie as those of any product, and a task reads them in two places;
//! - results in other numbers: [`Destination`](super::Destination).

use super::blocking::Blocking;
use super::destination::Place;
use super::epilogue::{ApplyEpilogue, Epilogue, F32Epilogue, Sums};
use super::loops::WholeB;
use super::macro_kernel::{Ahead, BBlock, Block, Product};
use super::microkernel::{Ready, Tile};
use super::parts::part_of;
use super::select::Shape;
use super::strided::{Strided, padded_row};
use crate::cpu::Cpu;
use crate::scratch::PerWorker;
use crate::simd::dispatch;
use crate::threads::Parallel;
use std::ops::Range;
use std::ptr::null_mut;

/// Elements that stay in the second cache level beside the operands.
const ELEMENTS: usize = 16 << 10;

/// The same where K is cut: each portion then reads all of its rows of A again.
const ELEMENTS_OF_CUT_SUMS: usize = 64 << 10;

/// What a thread holds of C, or of each half.
#[derive(Clone, Copy, Debug)]
pub(super) struct Portion {
    rows: usize,
    /// Panels of C that are stored together.
    unit: usize,
    units: usize,
    row_stride: usize,
    halves: usize,
}

impl Portion {
    /// For a product with these rows and columns of C, of which some are [stored together](Place::columns_together).
    pub(super) fn new(
        kernel: Ready<f32>,
        Blocking { mc, kc, .. }: Blocking,
        Shape { m, n, k }: Shape,
        columns_together: usize,
        is_gate: bool,
    ) -> Portion {
        let Tile { mr, nr } = kernel.tile();
        // As many as columns that a C without rows may have, too.
        let panels = n.div_ceil(nr).clamp(1, usize::MAX / nr);
        let unit = panels_together(nr, columns_together).min(panels);
        let elements = if kc < k { ELEMENTS_OF_CUT_SUMS } else { ELEMENTS };
        // A unit of more elements is as many rows as a tile all the same.
        let rows_of_unit = (ELEMENTS_OF_CUT_SUMS / (unit * nr)).max(1).next_multiple_of(mr);
        let rows = if m <= mr { m } else { m.min(mc).min(rows_of_unit) };
        let units = (elements / (unit * nr) / rows.max(1)).clamp(1, panels.div_ceil(unit));
        // With columns before the second half, its portions reach into one more panel.
        let has_before = is_gate && columns_before(kernel, n) > 0;
        let row_stride = padded_row::<f32>((units * unit + usize::from(has_before)).saturating_mul(nr));
        Portion { rows, unit, units, row_stride, halves: 1 + usize::from(is_gate) }
    }

    /// Elements of the room. Saturates.
    pub(super) fn elements(self) -> usize {
        self.rows.saturating_mul(self.row_stride).saturating_mul(self.halves)
    }
}

/// The fewest panels of `nr` columns that are whole times `columns`.
fn panels_together(nr: usize, columns: usize) -> usize {
    let (mut a, mut b) = (nr, columns);
    while b > 0 {
        (a, b) = (b, a % b);
    }
    columns / a
}

/// Columns of the second half's first panel that are the last ones of the first half.
fn columns_before(kernel: Ready<f32>, n: usize) -> usize {
    n % kernel.panel_format().cols
}

/// Scale and bias of both halves, from the first column of their first panel on, for a C of n columns.
pub(super) fn epilogues<'a>(whole: &Epilogue<'a>, kernel: Ready<f32>, n: usize) -> [Epilogue<'a>; 2] {
    [whole.linear_part(0..n), whole.linear_part(n - columns_before(kernel, n)..2 * n)]
}

/// Columns of a product: all, or a half.
struct Half<'a> {
    /// With the columns before. Its C is the room of whoever computes a part of it.
    product: Product<'a, f32>,
    b: WholeB,
    /// Columns of its first panel that do not belong to it.
    before: usize,
}

/// A product that is computed portion by portion.
pub(super) struct InPortions<'a> {
    cpu: &'a Cpu,
    first: Half<'a>,
    /// Of a gate, which is the second half of its columns.
    second: Option<Half<'a>>,
    kc: usize,
    portion: Portion,
    /// With the columns of C.
    whole: Product<'a, f32>,
    place: Place,
}

// SAFETY: the pointers stand for borrows of Sync elements, and each element of C is written by one task.
unsafe impl Sync for InPortions<'_> {}

/// Columns of one half, and steps of K.
struct Step {
    half: usize,
    /// Panels of C.
    panels: Range<usize>,
    ks: Range<usize>,
}

impl<'a> InPortions<'a> {
    /// `whole` is the product with the columns of C alone, whose own C is not used; `b` are its panels.
    pub(super) fn new(
        cpu: &'a Cpu,
        whole: Product<'a, f32>,
        b: WholeB,
        place: Place,
        portion: Portion,
        blocking: Blocking,
    ) -> Self {
        let first = Half::new(&whole, b, 0, whole.epilogue, portion);
        InPortions { cpu, first, second: None, kc: whole.block_of_k(blocking.kc), portion, whole, place }
    }

    /// The same of a gate: `b` has the panels of both halves, `linear` their [`epilogues`].
    pub(super) fn gated(self, linear: &'a [Epilogue<'a>; 2]) -> Self {
        let InPortions { whole, portion, first: Half { b, .. }, .. } = self;
        let kernel = whole.kernel;
        let (before, panels_before) = (columns_before(kernel, whole.n), whole.n / kernel.panel_format().cols);
        let panel_stride = b.panel_stride / kernel.kernel().panels_of_tile();
        let second = WholeB { data: b.data.wrapping_add(panels_before * panel_stride), ..b };
        InPortions {
            first: Half::new(&whole, b, 0, Some(&linear[0]), portion),
            second: Some(Half::new(&whole, second, before, Some(&linear[1]), portion)),
            ..self
        }
    }

    /// Computes C.
    ///
    /// # Safety
    /// As [`Product::run`] for `whole` and all of B, with a C in the place; `rooms` has room for the elements of the portion for each worker
    /// of the pool.
    pub(super) unsafe fn run(
        &self,
        a: Strided<u8>,
        blocking: Blocking,
        rooms: &PerWorker<'_, f32>,
        pool: &dyn Parallel,
    ) {
        let blocking = Blocking { mc: self.portion.rows.max(1), ..blocking };
        self.whole.for_each_block(blocking, self.portion.unit, pool, |rows, panels, worker| {
            if panels.is_empty() {
                return;
            }
            let _session = self.whole.kernel.begin_session();
            // SAFETY: promised by the caller; each worker has its room, and tasks own disjoint blocks of C.
            unsafe { self.run_block(a, rows, panels, rooms.get(worker)) };
        });
    }

    /// Computes a block of C, portion by portion.
    ///
    /// # Safety
    /// As [`InPortions::run`] for this block.
    unsafe fn run_block(&self, a: Strided<u8>, rows: Range<usize>, panels: Range<usize>, room: &mut [f32]) {
        let Portion { rows: height, row_stride, .. } = self.portion;
        assert!(room.len() >= self.portion.elements() && rows.len() <= height, "wanted room for the portion");
        let kernel = self.whole.kernel;
        let nr = kernel.tile().nr;
        let (room, for_panels) = room.split_at_mut(PerWorker::<f32>::padded(self.portion.elements()));
        let expanded = self.whole.room_for_panels(self.kc, for_panels);
        let places = [0, height * row_stride].map(|at| room.as_mut_ptr().wrapping_add(at));
        let last = usize::from(self.second.is_some());
        let mut next = self.step(&panels, 0);
        for index in 1.. {
            let Some(step) = next else { break };
            next = self.step(&panels, index);
            let half = self.half(step.half);
            let ahead = next.as_ref().map_or(Ahead::NONE, |next| self.half(next.half).ahead(next));
            // Where the first row and column of C would be.
            let c = places[step.half].wrapping_sub(rows.start * row_stride + step.panels.start * nr);
            let product = Product { c, ..half.product };
            let block = Block { rows: rows.clone(), panels: half.panels(&step.panels), ks: step.ks.clone() };
            let a = a.from(rows.start, step.ks.start / kernel.row_format().block_k);
            // SAFETY: the operands by the caller's promise; the room has the block's rows and columns.
            unsafe { product.run_block(&block, a, BBlock { ahead, expanded, ..half.block(&step) }) };
            if step.half == last && step.ks.end == self.whole.k {
                let columns = step.panels.start * nr..self.whole.n.min(step.panels.end * nr);
                // SAFETY: these columns, of both halves if there are two, were just computed.
                unsafe { self.close(rows.clone(), columns, places) };
            }
        }
    }

    fn half(&self, index: usize) -> &Half<'a> {
        if index == 0 { &self.first } else { self.second.as_ref().expect("steps of as many halves as there are") }
    }

    /// The step of this index, of those that make a block of C: in order, for each portion all halves of each block of K.
    fn step(&self, panels: &Range<usize>, index: usize) -> Option<Step> {
        let (k, kc, Portion { unit, units, halves, .. }) = (self.whole.k, self.kc, self.portion);
        // An empty K still has one block.
        let blocks = k.div_ceil(kc).max(1);
        let (half, block, portion) = (index % halves, index / halves % blocks, index / halves / blocks);
        let columns = panels.len().div_ceil(unit);
        let portions = columns.div_ceil(units);
        if portion >= portions {
            return None;
        }
        let part = part_of(columns, portions, portion);
        let panels = panels.start + part.start * unit..panels.end.min(panels.start + part.end * unit);
        Some(Step { half, panels, ks: block * kc..k.min((block * kc).saturating_add(kc)) })
    }

    /// Stores these columns, which lie in the room: in the first of `places`, or with a gate their halves in both.
    ///
    /// # Safety
    /// They do, and the place is valid for writes there.
    #[inline(never)] // Kernels run on the same stack.
    unsafe fn close(&self, rows: Range<usize>, columns: Range<usize>, [first, second]: [*mut f32; 2]) {
        let row_stride = self.portion.row_stride;
        if let Some(half) = &self.second {
            let values = (second.wrapping_add(half.before).cast_const(), row_stride);
            // Straight into C where its columns are contiguous.
            let (c, c_row_stride, is_stored) = match self.place {
                Place::F32 { c, row_stride, col_stride: 1 } => {
                    (c.wrapping_add(rows.start * row_stride + columns.start), row_stride, true)
                }
                _ => (first, row_stride, false),
            };
            let gates = first.cast_const();
            let (rows, cols) = (rows.clone(), columns.len());
            let sums = Sums { sums: gates, sums_row_stride: row_stride, rows: rows.len(), cols, c, c_row_stride };
            self.apply_gate(sums, (rows.start, columns.start), values);
            if is_stored {
                return;
            }
        }
        // SAFETY: passed on.
        unsafe { self.place.store(self.cpu, rows, columns, (first.cast_const(), row_stride)) };
    }

    /// act(gates) · values + residual for the part of C whose first element is (row, col).
    #[inline(never)] // Products without a gate store on the same stack.
    fn apply_gate(&self, gates: Sums<f32>, (row, col): (usize, usize), values: (*const f32, usize)) {
        let Epilogue { activation, residual, .. } = self.whole.epilogue.expect("a gate is a part of an epilogue");
        let residual = residual.as_ref().map(|x| {
            let stride = x.row_stride();
            (x.as_ptr().wrapping_add(row * stride + col), stride)
        });
        let epilogue = F32Epilogue::gate(*activation, values, residual);
        dispatch(self.cpu, ApplyEpilogue { sums: gates, epilogue: &epilogue });
    }
}

impl<'a> Half<'a> {
    fn new(
        whole: &Product<'a, f32>,
        b: WholeB,
        before: usize,
        epilogue: Option<&'a Epilogue<'a>>,
        portion: Portion,
    ) -> Self {
        let product = Product {
            n: before + whole.n,
            c: null_mut(),
            c_row_stride: portion.row_stride,
            c_col_stride: 1,
            epilogue,
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
