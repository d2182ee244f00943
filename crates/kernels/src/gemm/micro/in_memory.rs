//! The sums of a tile in memory, for kernels whose registers are full of the sums of a group, which are scaled and added to those.

use super::super::epilogue::{Sums, TileEpilogue};
use super::super::tile_args::{Store, TileArgs};
use super::operands::opaque;
use crate::simd::Simd;

/// The sums of a tile of up to ROWS rows and VECTORS vectors of LANES. Vectors do not cross cache lines.
#[repr(C, align(64))]
pub(in crate::gemm) struct SumsInMemory<const LANES: usize, const VECTORS: usize, const ROWS: usize>(
    [[[f32; LANES]; VECTORS]; ROWS],
);

impl<const LANES: usize, const VECTORS: usize, const ROWS: usize> SumsInMemory<LANES, VECTORS, ROWS> {
    #[inline(always)]
    pub(in crate::gemm) fn zeros() -> Self {
        SumsInMemory([[[0.0; LANES]; VECTORS]; ROWS])
    }

    /// sums ← what the store goes on from: zeros, or what C holds. With an α they stay zeros, and [`SumsInMemory::store`] does the rest.
    /// Asks for what an epilogue will read.
    ///
    /// # Safety
    /// The arguments satisfy the contract of [`TileFn`](super::super::TileFn) for `rows` rows, at most ROWS, and VECTORS vectors of LANES.
    #[inline(always)]
    pub(in crate::gemm) unsafe fn begin(&mut self, rows: usize, args: &TileArgs<'_, f32>) {
        if let Store::Epilogue { epilogue, .. } = args.store {
            epilogue.prefetch(rows, args.cols);
        }
        if args.store.reads_c() && !is_scaled(args) {
            let beta = if let Store::Scale { beta, .. } = args.store { beta } else { 1.0 };
            // SAFETY: promised by the caller.
            unsafe { self.read(rows, args, beta) };
        }
    }

    /// sums ← β · C
    ///
    /// # Safety
    /// As [`SumsInMemory::begin`], for a store that reads C.
    #[inline(never)]
    unsafe fn read(&mut self, rows: usize, args: &TileArgs<'_, f32>, beta: f32) {
        for (i, row) in self.0.iter_mut().enumerate().take(rows) {
            for (j, sum) in row.as_flattened_mut()[..args.cols].iter_mut().enumerate() {
                // SAFETY: row i and column j of the tile, promised by the caller.
                let c = unsafe { *args.c.wrapping_add(i * args.c_row_stride + j) };
                // Zeros become positive, as they do when a product of zero is added to them.
                *sum = if beta == 1.0 { c + 0.0 } else { beta * c + 0.0 };
            }
        }
    }

    /// Row 0, from which kernels count. The compiler is not to keep in registers what is behind it.
    #[inline(always)]
    pub(in crate::gemm) fn rows(&mut self) -> *mut [[f32; LANES]; VECTORS] {
        opaque(self.0.as_ptr()).cast_mut()
    }

    /// C ← store(sums)
    ///
    /// # Safety
    /// As [`SumsInMemory::begin`], with the same arguments.
    #[inline(always)]
    pub(in crate::gemm) unsafe fn store<S: Simd<f32>>(&mut self, s: S, rows: usize, args: &TileArgs<'_, f32>) {
        const { assert!(LANES.is_multiple_of(S::LANES), "wanted whole vectors of the instruction set") };
        let TileArgs { c, c_row_stride, cols, store, .. } = *args;
        // SAFETY: the rows of sums are whole vectors; C and the epilogue's operands are promised by the caller.
        unsafe {
            if let Store::Epilogue { epilogue, .. } = store {
                let sums = self.rows().cast_const().cast();
                let sums = Sums { sums, sums_row_stride: VECTORS * LANES, rows, cols, c, c_row_stride };
                return epilogue.apply(s, sums);
            }
            if is_scaled(args) {
                self.scale(rows, args);
            }
            for (i, row) in self.0.iter().enumerate().take(rows) {
                c.add(i * c_row_stride).copy_from_nonoverlapping(row.as_ptr().cast(), cols);
            }
        }
    }

    /// sums ← α · sums + β · C
    ///
    /// # Safety
    /// As [`SumsInMemory::begin`].
    #[inline(never)]
    unsafe fn scale(&mut self, rows: usize, args: &TileArgs<'_, f32>) {
        let Store::Scale { alpha, beta } = args.store else { return };
        for (i, row) in self.0.iter_mut().enumerate().take(rows) {
            for (j, sum) in row.as_flattened_mut()[..args.cols].iter_mut().enumerate() {
                let c = args.c.wrapping_add(i * args.c_row_stride + j);
                // SAFETY: row i and column j of the tile, promised by the caller; read only if the store does.
                *sum = alpha * *sum + if beta == 0.0 { 0.0 } else { beta * unsafe { *c } };
            }
        }
    }
}

/// sum + factor · scales · products in each lane, the last two rounded as one.
#[inline(always)]
pub(in crate::gemm) fn add_scaled<S: Simd<f32>, const LANES: usize>(
    s: S,
    sum: [f32; LANES],
    factor: f32,
    scales: [f32; LANES],
    products: [f32; LANES],
) -> [f32; LANES] {
    let mut factors = scales;
    if const { S::LANES == 1 } {
        for lane in 0..LANES {
            factors[lane] = factor * scales[lane];
        }
    } else {
        factors = of_register(s, s.mul(s.splat(factor), to_register(s, scales)));
    }
    multiply_add(s, sum, factors, products)
}

/// sum + a · b in each lane, rounded once. By vectors: the compiler does not see one in a loop over four lanes.
#[inline(always)]
pub(in crate::gemm) fn multiply_add<S: Simd<f32>, const LANES: usize>(
    s: S,
    mut sum: [f32; LANES],
    a: [f32; LANES],
    b: [f32; LANES],
) -> [f32; LANES] {
    if const { S::LANES > 1 } {
        return of_register(s, s.mul_add(to_register(s, a), to_register(s, b), to_register(s, sum)));
    }
    // The vector of one lane rounds twice.
    for lane in 0..LANES {
        sum[lane] = a[lane].mul_add(b[lane], sum[lane]);
    }
    sum
}

#[inline(always)]
fn to_register<S: Simd<f32>, const LANES: usize>(s: S, x: [f32; LANES]) -> S::Reg {
    const { assert!(LANES == S::LANES || S::LANES == 1, "wanted a vector of the instruction set, if it has vectors") };
    // SAFETY: LANES elements.
    unsafe { s.load(x.as_ptr()) }
}

#[inline(always)]
fn of_register<S: Simd<f32>, const LANES: usize>(s: S, v: S::Reg) -> [f32; LANES] {
    const { assert!(LANES == S::LANES || S::LANES == 1, "wanted a vector of the instruction set, if it has vectors") };
    let mut x = [0.0; LANES];
    // SAFETY: LANES elements.
    unsafe { s.store(x.as_mut_ptr(), v) };
    x
}

/// Whether the sums of this call take a factor, so that they must not be mixed with what C holds before it.
#[inline(always)]
fn is_scaled(args: &TileArgs<'_, f32>) -> bool {
    matches!(args.store, Store::Scale { alpha, .. } if alpha != 1.0)
}
