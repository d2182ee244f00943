//! The columns of a tile: where its vectors lie in a row.

use crate::simd::Simd;

/// Where the vectors of a tile's row lie. If the last one would go beyond the last column, it lies further left and shares columns with
/// the one before, which come out the same from both; so there are neither masks nor idle lanes. Only a single vector can be too short
/// for that, and one that is a panel by itself has no columns to share.
#[derive(Clone, Copy)]
pub(in crate::gemm) struct Columns<F, const NV: usize> {
    /// The first column of the last vector.
    last: usize,
    /// The lanes of the last vector that are columns, and whether it is whole.
    pub(in crate::gemm) first: F,
    pub(in crate::gemm) is_whole: bool,
}

impl<F: Copy, const NV: usize> Columns<F, NV> {
    #[inline(always)]
    pub(super) fn new<E: Copy, S: Simd<E, First = F>>(s: S, cols: usize) -> Self {
        let last = if NV == 1 { 0 } else { cols - S::LANES };
        Columns { last, first: s.first(cols), is_whole: NV > 1 || cols == S::LANES }
    }

    /// Vectors that do not share columns.
    #[inline(always)]
    pub(super) fn of_panels<E: Copy, S: Simd<E, First = F>>(s: S, cols: usize) -> Self {
        let last = (NV - 1) * S::LANES;
        Columns { last, first: s.first(cols - last), is_whole: cols - last == S::LANES }
    }

    #[inline(always)]
    pub(in crate::gemm) fn first_of<E: Copy, S: Simd<E>>(&self, vector: usize) -> usize {
        if vector == NV - 1 { self.last } else { vector * S::LANES }
    }

    /// Vector j of a row. In lanes that do not exist it has the first column: zeros there would make NaN of an infinite A, and raise an
    /// exception for nothing.
    ///
    /// # Safety
    /// j < NV, and the row's columns are valid for reads.
    #[inline(always)]
    pub(in crate::gemm) unsafe fn load<E: Copy, S: Simd<E, First = F>>(&self, s: S, row: *const E, j: usize) -> S::Reg {
        // SAFETY: columns of the row, promised by the caller.
        unsafe {
            let vector = row.add(self.first_of::<E, S>(j));
            if NV == 1 || !self.is_whole && j == NV - 1 {
                s.load_first_filled(vector, self.first)
            } else {
                s.load(vector)
            }
        }
    }

    /// Stores vector j of a row. Masked stores are slow on some CPUs, and if they miss the cache on all.
    ///
    /// # Safety
    /// j < NV, and the row's columns are valid for writes.
    #[inline(always)]
    pub(super) unsafe fn store<E: Copy, S: Simd<E, First = F>>(&self, s: S, row: *mut E, j: usize, vector: S::Reg) {
        // SAFETY: columns of the row, promised by the caller.
        unsafe {
            let place = row.add(self.first_of::<E, S>(j));
            if self.is_whole || j < NV - 1 {
                s.store(place, vector);
            } else {
                s.store_first(place, vector, self.first);
            }
        }
    }
}
