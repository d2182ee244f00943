//! Tiles of which an instruction multiplies two rows by two columns (`smmla`), written by two kinds of kernels.
//!
//! Rows are copied two by two, in the order in which they are multiplied, a group at a time. Sums become squares of two rows and two
//! columns, in the same memory, and rows again once all is added.

use super::super::tile_args::TileArgs;
use super::in_memory::SumsInMemory;
use super::operands::keep_in_memory;
use crate::simd::{Eights, NeonI8mm, Simd, Square};
use std::arch::asm;
use std::mem::MaybeUninit;

/// Rows of the tallest tile.
pub(in crate::gemm) const MOST_ROWS: usize = 12;

/// Columns of a half of a panel: the squares of that many columns of all rows stay in registers.
pub(in crate::gemm) const HALF: usize = 8;

/// Squares of two rows and a half. Of those whose columns are of one vector the first lies in the sums of the first row, the second in
/// those of the second row.
pub(in crate::gemm) const ACROSS: usize = HALF / 2;

/// Squares of two rows and a half that follow each other in memory: the first ones of each vector, or the second ones.
pub(in crate::gemm) const IN_A_ROW: [[usize; 2]; 2] = [[0, 2], [1, 3]];

/// Steps of K that an instruction multiplies, and of those that are copied at a time.
pub(in crate::gemm) const STEPS: usize = 8;
const STEPS_OF_COPY: usize = 2 * STEPS;

/// Steps of which rows are copied at a time, those of the longest group at least.
pub(in crate::gemm) const MOST_STEPS: usize = 512;

/// The sums of a tile of one panel, and its vectors of four columns.
pub(in crate::gemm) type Total = SumsInMemory<4, 4, MOST_ROWS>;
pub(in crate::gemm) type SumsOfRow = [[f32; 4]; 4];

/// A group of the rows of a tile: for each eight steps eight bytes of each row.
#[repr(C, align(64))]
pub(in crate::gemm) struct RowPairs<const PAIRS: usize> {
    numbers: [MaybeUninit<[[[u8; STEPS]; 2]; PAIRS]>; MOST_STEPS / STEPS],
}

impl<const PAIRS: usize> RowPairs<PAIRS> {
    #[inline(always)]
    pub(in crate::gemm) fn new() -> Self {
        RowPairs { numbers: [MaybeUninit::uninit(); MOST_STEPS / STEPS] }
    }

    /// Copies steps of these rows, which become those from step 8 · `eight` on; if there are fewer rows than 2 · PAIRS, the last one is
    /// repeated. By assembly: the compiler would use the units that multiply.
    ///
    /// # Safety
    /// `rows` is valid for reads of `steps` bytes, rounded up to whole copies, at each of `height` rows, at most 2 · PAIRS; there are one
    /// to [`MOST_STEPS`] steps, those before included.
    #[inline(always)]
    pub(in crate::gemm) unsafe fn copy(
        &mut self,
        eight: usize,
        rows: *const u8,
        row_stride: usize,
        height: usize,
        steps: usize,
    ) {
        for pair in 0..PAIRS {
            let [mut first, mut second] = rows_of_pair(pair, height).map(|row| rows.wrapping_add(row * row_stride));
            let mut out = self.numbers.as_mut_ptr().wrapping_add(eight).cast::<[[u8; STEPS]; 2]>().wrapping_add(pair);
            for _ in 0..blocks_of(STEPS_OF_COPY, steps) {
                // SAFETY: promised by the caller; there is room for whole copies.
                unsafe {
                    asm!(
                        "ldp {a0}, {a1}, [{first}], #16",
                        "ldp {b0}, {b1}, [{second}], #16",
                        "stp {a0}, {b0}, [{out}]",
                        "stp {a1}, {b1}, [{out}, #{next}]",
                        first = inout(reg) first,
                        second = inout(reg) second,
                        out = in(reg) out,
                        next = const PAIRS * 2 * STEPS,
                        a0 = out(reg) _, a1 = out(reg) _, b0 = out(reg) _, b1 = out(reg) _,
                        options(nostack, preserves_flags),
                    );
                }
                out = out.wrapping_add(2 * PAIRS);
            }
        }
    }

    /// products += rows · columns for eight steps that were copied, from step 8 · `eight` on.
    ///
    /// # Safety
    /// These steps were copied.
    #[inline(always)]
    pub(in crate::gemm) unsafe fn add_products(
        &self,
        m: NeonI8mm,
        eight: usize,
        columns: [Eights; ACROSS],
        products: &mut [[Square; ACROSS]; PAIRS],
    ) {
        let numbers = self.numbers.as_ptr().wrapping_add(eight).cast::<[[u8; STEPS]; 2]>();
        for (pair, products) in products.iter_mut().enumerate() {
            // SAFETY: promised by the caller.
            let rows = unsafe { m.eights(numbers.add(pair).cast()) };
            for (products, columns) in products.iter_mut().zip(columns) {
                *products = m.add_products(*products, rows, columns);
            }
        }
        for products in products.iter_mut() {
            *products = m.now(*products);
        }
        keep_in_memory();
    }
}

/// Exact sums of a half that begin with these numbers of each pair, above [`BIAS`](crate::simd::BIAS) as bits.
///
/// # Safety
/// The addresses are valid for reads of four numbers.
#[inline(always)]
pub(in crate::gemm) unsafe fn start<const PAIRS: usize>(
    m: NeonI8mm,
    starts: [*const [u32; 4]; PAIRS],
) -> [[Square; ACROSS]; PAIRS] {
    let mut products = [[m.no_sums(); ACROSS]; PAIRS];
    for (products, start) in products.iter_mut().zip(starts) {
        for products in products {
            // SAFETY: promised by the caller.
            *products = unsafe { m.biased(start.cast()) };
        }
    }
    products
}

/// The number of blocks of `block` steps that `steps` steps, at least one, lie in. The compiler sees that there is one.
#[inline(always)]
pub(in crate::gemm) fn blocks_of(block: usize, steps: usize) -> usize {
    1 + (steps - 1) / block
}

/// A number of 32 bits of each row, as those of a pair are multiplied by squares: twice the first row's, twice the second's.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub(in crate::gemm) struct OfRows<const PAIRS: usize>([[u32; 4]; PAIRS]);

impl<const PAIRS: usize> OfRows<PAIRS> {
    pub(in crate::gemm) const ZERO: Self = OfRows([[0; 4]; PAIRS]);

    /// # Safety
    /// `p` is valid for reads of a number at each of `height` rows, at most 2 · PAIRS.
    #[inline(always)]
    pub(in crate::gemm) unsafe fn copy(&mut self, p: *const u8, row_stride: usize, height: usize) {
        // SAFETY: promised by the caller.
        unsafe { self.copy_as(p, row_stride, height, |number| number) };
    }

    /// What `change` makes of each number.
    ///
    /// # Safety
    /// As [`OfRows::copy`].
    #[inline(always)]
    pub(in crate::gemm) unsafe fn copy_as(
        &mut self,
        p: *const u8,
        row_stride: usize,
        height: usize,
        change: impl Fn(u32) -> u32,
    ) {
        for (pair, numbers) in self.0.iter_mut().enumerate() {
            // SAFETY: promised by the caller.
            let [a, b] = rows_of_pair(pair, height)
                .map(|row| change(unsafe { p.add(row * row_stride).cast::<u32>().read_unaligned() }));
            *numbers = [a, a, b, b];
        }
    }

    /// Those of a pair.
    #[inline(always)]
    pub(in crate::gemm) fn pair(&self, pair: usize) -> *const [u32; 4] {
        &self.0[pair]
    }
}

/// The two rows of a pair of a tile of this height, or the last row in their places.
#[inline(always)]
fn rows_of_pair(pair: usize, height: usize) -> [usize; 2] {
    [2 * pair, 2 * pair + 1].map(|row| row.min(height - 1))
}

/// The sums of a tile, which are zeros, become what the store goes on from, as squares.
///
/// # Safety
/// As [`SumsInMemory::begin`] for the rows of these pairs.
#[inline(always)]
pub(in crate::gemm) unsafe fn begin<const PAIRS: usize>(m: NeonI8mm, total: &mut Total, args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { total.begin(args.rows, args) };
    if args.store.reads_c() {
        exchange::<PAIRS>(m, total);
    }
}

/// C ← store(sums)
///
/// # Safety
/// As [`SumsInMemory::store`] for the rows of these pairs.
#[inline(always)]
pub(in crate::gemm) unsafe fn store<const PAIRS: usize>(m: NeonI8mm, total: &mut Total, args: &TileArgs<'_, f32>) {
    exchange::<PAIRS>(m, total);
    // SAFETY: promised by the caller.
    unsafe { total.store(m.floats(), args.rows, args) };
}

/// Makes squares of sums in rows, or rows of squares: two columns of the second row and two others of the first change places.
#[inline(always)]
fn exchange<const PAIRS: usize>(m: NeonI8mm, total: &mut Total) {
    const { assert!(2 * PAIRS <= MOST_ROWS, "wanted the rows of a tile") };
    let (s, sums) = (m.floats(), total.rows());
    for pair in 0..PAIRS {
        for vector in 0..4 {
            // SAFETY: two of the tile's rows.
            unsafe {
                let [a, b] =
                    [2 * pair, 2 * pair + 1].map(|row| sums.add(row).cast::<[f32; 4]>().add(vector).cast::<f32>());
                let [first, second] = m.exchange_halves(s.load(a), s.load(b));
                s.store(a, first);
                s.store(b, second);
            }
        }
    }
}

/// Where a square lies in the sums of a tile: of these rows, that half of the panel, and the columns 2 · `across` of it.
#[inline(always)]
pub(in crate::gemm) fn square(sums: *mut SumsOfRow, pair: usize, half: usize, across: usize) -> *mut f32 {
    let row = sums.wrapping_add(2 * pair + across % 2);
    row.cast::<[f32; 4]>().wrapping_add(half * (HALF / 4) + across / 2).cast()
}

/// sum + (number of the row · number of the column) · products for a square, the last two rounded as one.
///
/// # Safety
/// `of_rows` is valid for reads.
#[inline(always)]
pub(in crate::gemm) unsafe fn add_scaled<S: Simd<f32>>(
    s: S,
    sum: S::Reg,
    of_rows: *const [u32; 4],
    of_columns: S::Reg,
    products: S::Reg,
) -> S::Reg {
    const { assert!(S::LANES == 4, "wanted vectors of a square") };
    // SAFETY: promised by the caller.
    let of_rows = unsafe { s.load(of_rows.cast()) };
    s.mul_add(s.mul(of_rows, of_columns), products, sum)
}

/// sum + number of the row · number of the column for a square.
///
/// # Safety
/// `of_rows` is valid for reads.
#[inline(always)]
pub(in crate::gemm) unsafe fn add_product<S: Simd<f32>>(
    s: S,
    sum: S::Reg,
    of_rows: *const [u32; 4],
    of_columns: S::Reg,
) -> S::Reg {
    const { assert!(S::LANES == 4, "wanted vectors of a square") };
    // SAFETY: promised by the caller.
    s.mul_add(of_columns, unsafe { s.load(of_rows.cast()) }, sum)
}
