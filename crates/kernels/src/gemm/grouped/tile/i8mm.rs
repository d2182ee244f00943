//! The kernels by `smmla`: a panel in two halves, and up to twelve rows.

use super::super::format::Decode;
use super::super::rows::{NUMBERS, ROW_BLOCK, negative_sum, scale, scaled_sum};
use super::dotprod::{start_of, zero};
use super::{Factors, Group};
use crate::gemm::micro::operands::keep_in_memory;
use crate::gemm::micro::squares::{
    ACROSS, HALF, IN_A_ROW, OfRows, RowPairs, STEPS, SumsOfRow, Total, add_product, add_scaled, begin, square, start,
    store,
};
use crate::gemm::tile_args::TileArgs;
use crate::simd::{BIASES, Eights, NeonI8mm, Simd, Square};

/// Vectors of a panel, and of a half.
const VECTORS: usize = 4;
const VECTORS_OF_HALF: usize = HALF / 4;

/// # Safety
/// As [`TileFn`](crate::gemm::TileFn) for up to 2 · PAIRS rows and 16 columns, with rows and panels of the format F, on a CPU with NEON,
/// `sdot` and `smmla`.
#[target_feature(enable = "neon,dotprod,i8mm")]
pub(in crate::gemm) unsafe fn neon_i8mm<F: Decode, const PAIRS: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: the operands are blocks of these formats, promised by the caller.
    unsafe {
        let m = NeonI8mm::assume();
        let mut total = Total::zeros();
        begin::<PAIRS>(m, &mut total, args);
        let sums = total.rows();
        let mut pairs = RowPairs::<PAIRS>::new();
        let mut factors = GroupFactors::<PAIRS>::ZERO;
        for piece in args.pieces(ROW_BLOCK) {
            let groups = piece.steps.div_ceil(F::GROUP);
            let first = Group::<F>::new(args, &piece, 0, 1);
            pairs.copy(0, first.rows.add(NUMBERS), first.row_stride, args.rows, groups * F::GROUP);
            for index in 0..groups {
                let group = Group::<F>::new(args, &piece, index, 1);
                factors.read(m, &group, args.rows);
                for half in 0..VECTORS / VECTORS_OF_HALF {
                    let products = group.multiply_half(m, half, &pairs, &factors);
                    factors.add_products::<F>(m, half, &products, sums);
                }
            }
        }
        store::<PAIRS>(m, &mut total, args);
    }
}

/// What a group's products begin with, and what they are scaled by.
struct GroupFactors<const PAIRS: usize> {
    columns: Factors<4, VECTORS>,
    scales: OfRows<PAIRS>,
    sums: OfRows<PAIRS>,
    starts: OfRows<PAIRS>,
}

impl<const PAIRS: usize> GroupFactors<PAIRS> {
    const ZERO: Self =
        GroupFactors { columns: Factors::ZERO, scales: OfRows::ZERO, sums: OfRows::ZERO, starts: OfRows::ZERO };

    /// # Safety
    /// As [`Group::multiply`] for `height` rows and a panel.
    #[inline(always)]
    unsafe fn read<F: Decode>(&mut self, m: NeonI8mm, group: &Group<F>, height: usize) {
        let (rows, stride) = (group.rows, group.row_stride);
        // SAFETY: promised by the caller.
        unsafe {
            self.columns.read(m.floats(), group);
            self.scales.copy(rows.add(scale(group.start)), stride, height);
            if F::HAS_MINIMUM {
                self.sums.copy(rows.add(scaled_sum(F::GROUP, group.start)), stride, height);
            }
            if const { zero::<F>() } != 0 {
                self.starts.copy_as(rows.add(negative_sum(F::GROUP, group.start)), stride, height, start_of::<F>);
            }
        }
    }

    /// sums += (scale · scale of the row) · products (+ minimum · (scale of the row · sum of the row)) for a half of the panel.
    ///
    /// # Safety
    /// `sums` is valid for reads and writes of the rows of these pairs.
    #[inline(always)]
    unsafe fn add_products<F: Decode>(
        &self,
        m: NeonI8mm,
        half: usize,
        products: &[[Square; ACROSS]; PAIRS],
        sums: *mut SumsOfRow,
    ) {
        let s = m.floats();
        let first = half * HALF;
        let scales = self.columns.scales.as_flattened()[first..].as_ptr();
        let minimums = self.columns.minimums.as_flattened()[first..].as_ptr();
        // SAFETY: promised by the caller; a half of the factors of columns.
        unsafe {
            for squares in IN_A_ROW {
                let scales = squares.map(|across| m.of_columns(scales.add(2 * across)));
                let minimums = squares.map(|across| m.of_columns(minimums.add(2 * across)));
                for (pair, products) in products.iter().enumerate() {
                    for (i, across) in squares.into_iter().enumerate() {
                        let (place, products) = (square(sums, pair, half, across), m.unbiased(products[across]));
                        let mut sum = add_scaled(s, s.load(place), self.scales.pair(pair), scales[i], products);
                        if F::HAS_MINIMUM {
                            sum = add_product(s, sum, self.sums.pair(pair), minimums[i]);
                        }
                        s.store(place, sum);
                    }
                    keep_in_memory();
                }
            }
        }
    }
}

impl<F: Decode> Group<F> {
    /// The exact sums of products of a half of the panel.
    ///
    /// # Safety
    /// `block` is valid for reads of a block of the panel, and the rows of the group were copied.
    #[inline(always)]
    unsafe fn multiply_half<const PAIRS: usize>(
        &self,
        m: NeonI8mm,
        half: usize,
        pairs: &RowPairs<PAIRS>,
        factors: &GroupFactors<PAIRS>,
    ) -> [[Square; ACROSS]; PAIRS] {
        const { assert!(F::GROUP == 2 * STEPS || F::GROUP == 4 * STEPS, "wanted a group of two or four eights") };
        let mut starts = [(&raw const BIASES).cast(); PAIRS];
        if const { zero::<F>() } != 0 {
            for (pair, start) in starts.iter_mut().enumerate() {
                *start = factors.starts.pair(pair);
            }
        }
        // SAFETY: promised by the caller.
        unsafe {
            let mut products = start(m, starts);
            self.add_eight::<0, PAIRS>(m, half, pairs, &mut products);
            self.add_eight::<1, PAIRS>(m, half, pairs, &mut products);
            if F::GROUP > 2 * STEPS {
                self.add_eight::<2, PAIRS>(m, half, pairs, &mut products);
                self.add_eight::<3, PAIRS>(m, half, pairs, &mut products);
            }
            products
        }
    }

    /// products += rows · weights for eight steps of a half of the panel.
    ///
    /// # Safety
    /// As [`Group::multiply_half`].
    #[inline(always)]
    unsafe fn add_eight<const EIGHT: usize, const PAIRS: usize>(
        &self,
        m: NeonI8mm,
        half: usize,
        pairs: &RowPairs<PAIRS>,
        products: &mut [[Square; ACROSS]; PAIRS],
    ) {
        // SAFETY: promised by the caller.
        unsafe {
            let [a, b] = self.eights(m, half * VECTORS_OF_HALF, EIGHT);
            let [c, d] = self.eights(m, half * VECTORS_OF_HALF + 1, EIGHT);
            pairs.add_products(m, self.start / STEPS + EIGHT, [a, b, c, d], products);
        }
    }

    /// Eight weights of each column of a vector.
    ///
    /// # Safety
    /// As [`Group::multiply_half`].
    #[inline(always)]
    unsafe fn eights(&self, m: NeonI8mm, vector: usize, eight: usize) -> [Eights; 2] {
        let columns = self.columns::<4>(vector);
        // SAFETY: promised by the caller.
        unsafe {
            let first = F::words(m.floats(), columns, self.within, 2 * eight);
            m.eights_of_quads(first, F::words(m.floats(), columns, self.within, 2 * eight + 1))
        }
    }
}
