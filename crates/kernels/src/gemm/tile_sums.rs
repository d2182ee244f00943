//! What a microkernel does besides multiplying, for kernels from outside that leave it to the library.
//!
//! ```text
//! sums = args.begin()             0, or C where the sums go on from it
//! sums += Σ Aᵢ·Bᵢ                 the kernel's own
//! args.end(s, &sums)              C ← store(sums)
//! ```

use super::epilogue::{Sums, TileEpilogue};
use super::microkernel::{Extra, Store, TileArgs};
use crate::scheme::Uniform;
use crate::scratch::Zeroable;
use crate::simd::Simd;

impl<S: Uniform> TileArgs<'_, S> {
    /// What the sums of a tile of ROWS rows and VECTORS vectors start from: C where [`TileArgs::store`] goes on from it, elsewhere
    /// zeros, as in the columns from [`TileArgs::cols`] on. Copies B where [`Extra::Copy`] asks for it.
    ///
    /// # Safety
    /// As [`TileFn`](super::TileFn), for a kernel of [`Form::Outer`](super::Form::Outer) with ROWS rows and VECTORS vectors of LANES.
    #[inline(always)]
    pub unsafe fn begin<const LANES: usize, const VECTORS: usize, const ROWS: usize>(
        &self,
    ) -> [[[S::E; LANES]; VECTORS]; ROWS] {
        if let (Extra::Copy { to, stride }, [pair]) = (self.extra, self.pairs) {
            for p in 0..self.k {
                // SAFETY: p < k and `cols` columns, for reads and for writes, promised by the caller.
                unsafe {
                    let (row, copy) = (pair.b.add(p * self.b_stride), to.add(p * stride));
                    row.copy_to_nonoverlapping(copy, self.cols);
                }
            }
        }
        let mut sums = [[[S::E::zero(); LANES]; VECTORS]; ROWS];
        if matches!(self.store, Store::Accumulate | Store::Finish { accumulate: true, .. }) {
            for (i, row) in sums.iter_mut().enumerate() {
                // SAFETY: row i < ROWS of C and its `cols` columns, promised by the caller.
                let c = unsafe { std::slice::from_raw_parts(self.c.add(i * self.c_row_stride), self.cols) };
                row.as_flattened_mut()[..self.cols].copy_from_slice(c);
            }
        }
        sums
    }

    /// C ← store(sums) for a tile of ROWS rows, by the instructions that `s` proves. LANES is a multiple of its lanes.
    ///
    /// # Safety
    /// As [`TileArgs::begin`].
    #[inline(always)]
    pub unsafe fn end<V: Simd<S::E>, const LANES: usize, const VECTORS: usize, const ROWS: usize>(
        &self,
        s: V,
        sums: &[[[S::E; LANES]; VECTORS]; ROWS],
    ) {
        const { assert!(LANES.is_multiple_of(V::LANES), "wanted whole vectors of the instruction set") };
        if let Store::Finish { finish, .. } = self.store {
            let sums = Sums {
                sums: sums.as_ptr().cast(),
                sums_row_stride: VECTORS * LANES,
                rows: ROWS,
                cols: self.cols,
                c: self.c,
                c_row_stride: self.c_row_stride,
            };
            // SAFETY: the rows of sums are whole vectors; C and the epilogue's operands are promised by the caller.
            return unsafe { finish.apply(s, sums) };
        }
        for (i, row) in sums.iter().enumerate() {
            for (j, &sum) in row.as_flattened()[..self.cols].iter().enumerate() {
                // SAFETY: row i < ROWS and column j < cols of C, promised by the caller.
                unsafe {
                    let c = self.c.add(i * self.c_row_stride + j);
                    *c = match self.store {
                        Store::Scale { alpha, beta } if beta == S::E::zero() => alpha * sum,
                        Store::Scale { alpha, beta } => alpha * sum + beta * *c,
                        _ => sum,
                    };
                }
            }
        }
    }
}
