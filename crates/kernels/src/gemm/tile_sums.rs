//! What a microkernel does besides multiplying, for kernels from outside that leave it to the library.
//!
//! ```text
//! total = args.begin()
//! for each chain of args:
//!     sums = Σ Aᵢ·Bᵢ over the runs of the chain      the kernel's own
//!     total.add(sums)                                start(sums), then total + sums
//! total.end(s)                                       C ← store(total)
//! ```

use super::epilogue::{Sums, TileEpilogue};
use super::side_work::SideWork;
use super::tile_args::{Store, TileArgs};
use crate::scheme::Element;
use crate::simd::Simd;

/// The sums of the chains so far of a tile of ROWS rows and VECTORS vectors of LANES.
#[allow(missing_debug_implementations, reason = "it lives inside one call of a microkernel")]
pub struct TileTotal<'c, 'a, E: Element, const LANES: usize, const VECTORS: usize, const ROWS: usize> {
    args: &'c TileArgs<'a, E>,
    sums: [[[E; LANES]; VECTORS]; ROWS],
    is_empty: bool,
}

impl<'a, E: Element> TileArgs<'a, E> {
    /// A total without chains. Copies B if [`SideWork::CopyB`] asks for it.
    ///
    /// # Safety
    /// The arguments satisfy the contract of [`TileFn`](super::TileFn) for a kernel of [`Form::Outer`](super::Form::Outer) with ROWS
    /// rows and VECTORS vectors of LANES, until the last use of the result.
    #[inline(always)]
    pub unsafe fn begin<const LANES: usize, const VECTORS: usize, const ROWS: usize>(
        &self,
    ) -> TileTotal<'_, 'a, E, LANES, VECTORS, ROWS> {
        if let (SideWork::CopyB { to, stride }, [pair]) = (self.side_work, self.pairs) {
            for p in 0..self.steps {
                // SAFETY: a step of the only pair and its `cols` columns, for reads and for writes, by the contract of TileFn.
                unsafe {
                    let row = pair.b.add((self.offset + p) * self.b_stride).cast::<E>();
                    row.copy_to_nonoverlapping(to.add(p * stride).cast(), self.cols);
                }
            }
        }
        TileTotal { args: self, sums: [[[E::zero(); LANES]; VECTORS]; ROWS], is_empty: true }
    }
}

impl<E: Element, const LANES: usize, const VECTORS: usize, const ROWS: usize>
    TileTotal<'_, '_, E, LANES, VECTORS, ROWS>
{
    /// Adds the sums of the next chain; the columns from `cols` on may hold anything.
    #[inline(always)]
    pub fn add(&mut self, sums: &[[[E; LANES]; VECTORS]; ROWS]) {
        let alpha = if let Store::Scale { alpha, .. } = self.args.store { alpha } else { E::one() };
        if self.is_empty {
            self.begin_with(sums, alpha);
        } else if self.args.cols == VECTORS * LANES {
            self.add_whole(sums, alpha);
        } else {
            let cols = self.args.cols;
            for (total, sums) in self.sums.iter_mut().zip(sums) {
                for (total, &sum) in total.as_flattened_mut()[..cols].iter_mut().zip(sums.as_flattened()) {
                    *total = *total + scaled(sum, alpha);
                }
            }
        }
        self.is_empty = false;
    }

    /// All columns at once, by vectors: every chain but the first of most tiles.
    #[inline(always)]
    fn add_whole(&mut self, sums: &[[[E; LANES]; VECTORS]; ROWS], alpha: E) {
        for i in 0..ROWS {
            for j in 0..VECTORS {
                for lane in 0..LANES {
                    self.sums[i][j][lane] = self.sums[i][j][lane] + scaled(sums[i][j][lane], alpha);
                }
            }
        }
    }

    /// The first chain, which goes on from C where the store asks for it.
    #[inline(always)]
    fn begin_with(&mut self, sums: &[[[E; LANES]; VECTORS]; ROWS], alpha: E) {
        let cols = self.args.cols;
        // Columns past those of C stay zeros, of which an epilogue raises no flag.
        if !self.args.store.reads_c() && alpha == E::one() && cols == VECTORS * LANES {
            self.sums = *sums;
            return;
        }
        for (i, (total, sums)) in self.sums.iter_mut().zip(sums).enumerate() {
            for (j, (total, &sum)) in total.as_flattened_mut()[..cols].iter_mut().zip(sums.as_flattened()).enumerate() {
                // SAFETY: row i < ROWS and column j < cols of C, by the promise made to `begin`.
                *total = unsafe { added_to_c(self.args, i, j, scaled(sum, alpha)) };
            }
        }
    }

    /// C ← store(total), by the instructions that `s` proves. LANES is a multiple of its lanes.
    #[inline(always)]
    pub fn end<V: Simd<E>>(mut self, s: V) {
        const { assert!(LANES.is_multiple_of(V::LANES), "wanted whole vectors of the instruction set") };
        if self.is_empty {
            self.add(&[[[E::zero(); LANES]; VECTORS]; ROWS]);
        }
        let TileArgs { c, c_row_stride, cols, store, .. } = *self.args;
        if let Store::Epilogue { epilogue, .. } = store {
            let sums = Sums {
                sums: self.sums.as_ptr().cast(),
                sums_row_stride: VECTORS * LANES,
                rows: ROWS,
                cols,
                c,
                c_row_stride,
            };
            // SAFETY: the rows of sums are whole vectors; C and the epilogue's operands by the promise made to `begin`.
            return unsafe { epilogue.apply(s, sums) };
        }
        for (i, row) in self.sums.iter().enumerate() {
            // SAFETY: row i < ROWS and its columns below `cols` of C, by the promise made to `begin`.
            unsafe { c.add(i * c_row_stride).copy_from_nonoverlapping(row.as_ptr().cast(), cols) };
        }
    }
}

/// α · sum; a factor of 1 leaves even a NaN alone.
#[inline(always)]
fn scaled<E: Element>(sum: E, alpha: E) -> E {
    if alpha == E::one() { sum } else { alpha * sum }
}

/// What element (i, j) is after the first chain, whose sum is `sum`.
///
/// # Safety
/// If the store goes on from C or scales it, its element (i, j) is valid for reads.
#[inline(always)]
unsafe fn added_to_c<E: Element>(args: &TileArgs<'_, E>, i: usize, j: usize, sum: E) -> E {
    let c = args.c.wrapping_add(i * args.c_row_stride + j);
    match args.store {
        Store::Overwrite | Store::Epilogue { accumulate: false, .. } => sum,
        // SAFETY: promised by the caller.
        Store::Accumulate | Store::Epilogue { accumulate: true, .. } => unsafe { *c + sum },
        Store::Scale { beta, .. } if beta == E::zero() => sum,
        // SAFETY: promised by the caller.
        Store::Scale { beta, .. } => unsafe { sum + beta * *c },
    }
}
