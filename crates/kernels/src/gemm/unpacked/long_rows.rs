//! One row against a B whose rows are contiguous and come from beyond L2: rows of B in long pieces, sums in memory.

use super::super::chains::chain_end;
use super::super::macro_kernel::Product;
use super::super::microkernel::Form;
use super::super::room::{ROOM, with_room};
use super::super::select::Shape;
use super::super::strided::Strided;
use super::super::tile_args::RowStepsArgs;
use super::super::tiles::Tiles;
use super::pack_on_the_fly::OneOff;
use super::select::reads_long_rows;
use crate::scheme::{Real, Uniform};
use crate::scratch::LINE;
use crate::threads::{Parallel, run_tasks};
use std::ops::Range;

impl<S: Uniform> OneOff<'_, S> {
    /// Whether [`OneOff::run_long_rows`] computes it.
    pub(super) fn has_long_rows(&self) -> bool {
        let Product { kernel, m, n, k, c_col_stride, .. } = self.product;
        let is_outer = kernel.kernel().form == Form::Outer && kernel.kernel().row_steps.is_some();
        is_outer && c_col_stride == 1 && reads_long_rows(Shape { m, n, k }, &self.b, self.caches)
    }

    /// # Safety
    /// As [`OneOff::run`], for one row, contiguous rows of B and C and a kernel that has `row_steps`.
    pub(super) unsafe fn run_long_rows(&self, pool: &dyn Parallel) {
        let n = self.product.n;
        let line = LINE / size_of::<S::E>();
        let widest = ROOM / size_of::<S::E>() / 2;
        let cols = n.div_ceil(n.div_ceil(widest).next_multiple_of(pool.threads())).next_multiple_of(line);
        run_tasks(pool, n.div_ceil(cols), &|task, _worker| {
            let cols = task * cols..n.min((task + 1) * cols);
            // SAFETY: columns of the product, promised by the caller, of which there are no more than half the room takes.
            let done = with_room(|sums: *mut S::E| unsafe { self.long_rows(cols.clone(), sums) });
            if done.is_none() {
                // SAFETY: as above.
                unsafe { self.row_of_tiles(cols) }
            }
        });
    }

    /// These columns, whose sums over a chain are kept in `sums`.
    ///
    /// # Safety
    /// As [`OneOff::run_long_rows`]; the sums have room for the columns, rounded up to whole vectors.
    unsafe fn long_rows(&self, cols: Range<usize>, sums: *mut S::E) {
        let Product { kernel, k, c, alpha, beta, .. } = self.product;
        let (a, b) = (self.a.bytes(), self.b.bytes());
        // SAFETY: columns of C, promised by the caller, whom nobody else writes to; the sums are as many.
        let c = unsafe { std::slice::from_raw_parts_mut(c.add(cols.start), cols.len()) };
        let mut start = 0;
        while start < k {
            let end = chain_end(start).min(k);
            let args = RowStepsArgs {
                a: self.a.at(0, start),
                a_col_stride: a.col_stride,
                b: self.b.at(start, cols.start),
                b_row_stride: b.row_stride,
                steps: end - start,
                cols: cols.len(),
                sums,
                is_first: true,
            };
            // SAFETY: steps of A and B, promised by the caller; the first writes all sums, which are then read.
            let sums = unsafe {
                kernel.row_steps(&args);
                std::slice::from_raw_parts(sums.cast_const(), cols.len())
            };
            let is_single = start == 0 && end == k;
            let beta = if start == 0 { beta } else { S::E::one() };
            for (c, &sum) in c.iter_mut().zip(sums) {
                *c = added::<S::E>(*c, beta, if alpha == S::E::one() { sum } else { alpha * sum }, is_single);
            }
            start = end;
        }
    }

    /// The same tile by tile.
    ///
    /// # Safety
    /// As [`OneOff::run_long_rows`].
    #[cold]
    unsafe fn row_of_tiles(&self, cols: Range<usize>) {
        let Product { kernel, k, c, c_row_stride, alpha, beta, .. } = self.product;
        let (a, b): (Strided<u8>, Strided<u8>) = (self.a.bytes(), self.b.bytes());
        let tiles = Tiles { kernel, k, before: 0, a, b, c, c_row_stride, alpha, beta };
        // SAFETY: promised by the caller.
        unsafe { tiles.run(0..1, cols) }
    }
}

/// β · c + the sum of a chain as tiles add them: from zero if β is 0, but for a single chain.
#[inline(always)]
fn added<E: Real>(c: E, beta: E, sum: E, is_single: bool) -> E {
    if beta == E::zero() {
        if is_single { sum } else { beta + sum }
    } else if beta == E::one() {
        c + sum
    } else {
        beta * c + sum
    }
}
