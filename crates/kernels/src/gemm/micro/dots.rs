//! Tiles of up to four rows by `sdot`, written by two kinds of kernels. Their sums stay in registers, which leave room for the exact sums
//! of a group in a part of the columns at a time.

use super::super::tile_args::TileArgs;
use super::in_memory::{SumsInMemory, add_scaled, multiply_add};
use crate::simd::{Biased, FourQuads, NarrowQuads, Neon, NeonDot};

/// Vectors of a panel.
pub(in crate::gemm) const VECTORS: usize = 4;

/// Steps of K that a load of each row takes.
pub(in crate::gemm) const STEPS: usize = 16;

/// Rows up to which there is room for the exact sums of all columns.
pub(in crate::gemm) const FEW_ROWS: usize = 2;

/// Words of four columns.
pub(in crate::gemm) type Words = <Neon as NarrowQuads<4>>::Words;

/// The sums of a tile.
pub(in crate::gemm) type Sums<const MR: usize> = [[[f32; 4]; VECTORS]; MR];

/// What the store goes on from.
///
/// # Safety
/// As [`SumsInMemory::begin`] for MR rows and a panel.
#[inline(always)]
pub(in crate::gemm) unsafe fn begin<const MR: usize>(args: &TileArgs<'_, f32>) -> Sums<MR> {
    let mut total = SumsInMemory::<4, VECTORS, MR>::zeros();
    // SAFETY: promised by the caller; the rows of a tile.
    unsafe {
        total.begin(MR, args);
        total.rows().cast::<Sums<MR>>().read()
    }
}

/// C ← store(sums)
///
/// # Safety
/// As [`SumsInMemory::store`] for MR rows and a panel.
#[inline(always)]
pub(in crate::gemm) unsafe fn store<const MR: usize>(d: NeonDot, sums: &Sums<MR>, args: &TileArgs<'_, f32>) {
    let mut total = SumsInMemory::<4, VECTORS, MR>::zeros();
    // SAFETY: promised by the caller; the rows of a tile.
    unsafe {
        total.rows().cast::<Sums<MR>>().write(*sums);
        total.store(d.neon(), MR, args);
    }
}

/// A number of each row, one as far behind another as rows are.
#[derive(Clone, Copy)]
pub(in crate::gemm) struct OfRows {
    /// That of the first row.
    pub(in crate::gemm) first: *const u8,
    pub(in crate::gemm) stride: usize,
}

impl OfRows {
    #[inline(always)]
    pub(in crate::gemm) fn row(self, row: usize) -> *const u8 {
        self.first.wrapping_add(row * self.stride)
    }

    /// # Safety
    /// Each row's number is valid for reads.
    #[inline(always)]
    unsafe fn float(self, row: usize) -> f32 {
        // SAFETY: promised by the caller.
        unsafe { self.row(row).cast::<f32>().read_unaligned() }
    }
}

/// Exact sums of a group for some vectors of columns.
pub(in crate::gemm) struct Exact<const WIDTH: usize, const MR: usize>([[Biased; WIDTH]; MR]);

impl<const WIDTH: usize, const MR: usize> Exact<WIDTH, MR> {
    /// What the sums of each row begin with.
    ///
    /// # Safety
    /// The addresses are valid for reads of four numbers.
    #[inline(always)]
    pub(in crate::gemm) unsafe fn start(d: NeonDot, starts: [*const [i32; 4]; MR]) -> Self {
        // SAFETY: promised by the caller.
        unsafe {
            let mut sums = [[d.biased(starts[0].cast()); WIDTH]; MR];
            for i in 0..MR {
                for j in usize::from(i == 0)..WIDTH {
                    sums[i][j] = d.biased(starts[i].cast());
                }
            }
            Exact(sums)
        }
    }

    /// sums += rows · words for quad LANE of the four of each row.
    #[inline(always)]
    pub(in crate::gemm) fn add_quad<const LANE: usize>(
        &mut self,
        d: NeonDot,
        rows: &[FourQuads; MR],
        words: [Words; WIDTH],
    ) {
        for (sums, &row) in self.0.iter_mut().zip(rows) {
            for (sums, words) in sums.iter_mut().zip(words) {
                *sums = d.add_quad::<LANE>(*sums, words, row);
            }
        }
    }

    /// sums += (scale of the row · scale of the column) · these, the last two rounded as one, for the columns from vector `first` on.
    ///
    /// # Safety
    /// The scales of rows are valid for reads.
    #[inline(always)]
    pub(in crate::gemm) unsafe fn add_scaled(
        &self,
        d: NeonDot,
        of_rows: OfRows,
        of_columns: [[f32; 4]; WIDTH],
        first: usize,
        sums: &mut Sums<MR>,
    ) {
        for i in 0..MR {
            // SAFETY: promised by the caller.
            let of_row = unsafe { of_rows.float(i) };
            for j in 0..WIDTH {
                let sum = &mut sums[i][first + j];
                *sum = d.now(add_scaled(d.neon(), *sum, of_row, of_columns[j], d.unbiased(self.0[i][j])));
            }
        }
    }
}

/// Four quads of each row.
///
/// # Safety
/// As many bytes of each row are valid for reads.
#[inline(always)]
pub(in crate::gemm) unsafe fn four_quads<const MR: usize>(d: NeonDot, rows: OfRows) -> [FourQuads; MR] {
    // SAFETY: promised by the caller.
    unsafe {
        let mut quads = [d.four_quads(rows.first); MR];
        for i in 1..MR {
            quads[i] = d.four_quads(rows.row(i));
        }
        quads
    }
}

/// sums += number of the row · number of the column, for the columns from vector `first` on.
///
/// # Safety
/// The numbers of rows are valid for reads.
#[inline(always)]
pub(in crate::gemm) unsafe fn add_products<const WIDTH: usize, const MR: usize>(
    d: NeonDot,
    of_rows: OfRows,
    of_columns: [[f32; 4]; WIDTH],
    first: usize,
    sums: &mut Sums<MR>,
) {
    for i in 0..MR {
        // SAFETY: promised by the caller.
        let of_row = unsafe { of_rows.float(i) };
        for j in 0..WIDTH {
            let sum = &mut sums[i][first + j];
            *sum = d.now(multiply_add(d.neon(), *sum, of_columns[j], [of_row; 4]));
        }
    }
}
