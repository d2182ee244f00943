//! Exact sums of products of a group, and how they are scaled and added to the sums of a tile.

use super::Group;
use crate::gemm::grouped::format::Decode;
use crate::gemm::grouped::rows::{scale, scaled_sum};
use crate::gemm::micro::in_memory::{add_scaled, multiply_add};
use crate::gemm::micro::operands::keep_in_memory;
use crate::simd::NarrowQuads;
use std::ptr::null;

/// What the products of a group are scaled by, in memory: the sums take the registers.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Factors<const LANES: usize, const VECTORS: usize> {
    pub(super) scales: [[f32; LANES]; VECTORS],
    pub(super) minimums: [[f32; LANES]; VECTORS],
}

impl<const LANES: usize, const VECTORS: usize> Factors<LANES, VECTORS> {
    pub(super) const ZERO: Self = Factors { scales: [[0.0; LANES]; VECTORS], minimums: [[0.0; LANES]; VECTORS] };

    /// Those of the group's columns.
    ///
    /// # Safety
    /// As [`Group::multiply`].
    #[inline(always)]
    pub(super) unsafe fn read<F: Decode, Q: NarrowQuads<LANES>>(&mut self, q: Q, group: &Group<F>) {
        for j in 0..VECTORS {
            // SAFETY: promised by the caller; a group's fields lie inside its block.
            unsafe {
                self.scales[j] = F::scales(q, group.columns::<LANES>(j), group.within);
                if F::HAS_MINIMUM {
                    self.minimums[j] = F::minimums(q, group.columns::<LANES>(j), group.within);
                }
            }
        }
    }
}

/// Exact sums of products of a group, for some rows of the tile, which have not been added yet.
pub(super) struct Products<S, const LANES: usize, const VECTORS: usize, const MR: usize> {
    pub(super) sums: [[S; VECTORS]; MR],
    /// The blocks of the rows, and where in them the group begins.
    pub(super) rows: *const u8,
    pub(super) start: usize,
    /// Which row of the tile is the first, and before which one all have been added.
    pub(super) first: usize,
    pub(super) added: usize,
    pub(super) factors: *const Factors<LANES, VECTORS>,
}

impl<S: Copy, const LANES: usize, const VECTORS: usize, const MR: usize> Products<S, LANES, VECTORS, MR> {
    /// Zeros, which may be added with any row and factors of zero.
    #[inline(always)]
    pub(super) fn none(zeros: S, factors: *const Factors<LANES, VECTORS>) -> Self {
        Products { sums: [[zeros; VECTORS]; MR], rows: null(), start: 0, first: 0, added: 0, factors }
    }

    /// # Safety
    /// As [`Products::add_row`].
    #[inline(always)]
    pub(super) unsafe fn add_unless_they_wait<F, Q>(&self, q: Q, row_stride: usize, sums: *mut [[f32; LANES]; VECTORS])
    where
        F: Decode,
        Q: NarrowQuads<LANES, Sums = S>,
    {
        if !Q::SUMS_WAIT {
            // Sums that it still knows from the group before would have to be kept somewhere else.
            keep_in_memory();
            // SAFETY: promised by the caller.
            unsafe { self.add_all::<F, Q>(q, row_stride, sums) };
        }
    }

    /// # Safety
    /// As [`Products::add_row`].
    #[inline(always)]
    pub(super) unsafe fn add_all<F, Q>(&self, q: Q, row_stride: usize, sums: *mut [[f32; LANES]; VECTORS])
    where
        F: Decode,
        Q: NarrowQuads<LANES, Sums = S>,
    {
        for i in 0..MR {
            // SAFETY: promised by the caller.
            unsafe { self.add_row::<F, Q>(q, i, row_stride, sums) };
        }
    }

    /// sums += (scale · scale of the row) · products (+ minimum · (scale of the row · sum of the row)) for row i of these.
    ///
    /// # Safety
    /// As [`Group::multiply`], for the group that these are the products of, whose factors are valid for reads.
    #[inline(always)]
    pub(super) unsafe fn add_row<F, Q>(&self, q: Q, i: usize, row_stride: usize, sums: *mut [[f32; LANES]; VECTORS])
    where
        F: Decode,
        Q: NarrowQuads<LANES, Sums = S>,
    {
        if self.first + i < self.added {
            return;
        }
        // SAFETY: promised by the caller.
        unsafe {
            let row = self.rows.add(i * row_stride);
            let row_scale = row.add(scale(self.start)).cast::<f32>().read_unaligned();
            let row_sum = row.add(scaled_sum(F::GROUP, self.start)).cast::<f32>().read_unaligned();
            for j in 0..VECTORS {
                let products = q.to_floats(self.sums[i][j]);
                let place = sums.add(self.first + i).cast::<[f32; LANES]>().add(j);
                let mut sum = place.read();
                let scales = (*self.factors).scales[j];
                sum = add_scaled(q.floats(), sum, row_scale, scales, products);
                if F::HAS_MINIMUM {
                    sum = multiply_add(q.floats(), sum, (*self.factors).minimums[j], [row_sum; LANES]);
                }
                place.write(sum);
            }
        }
    }
}
