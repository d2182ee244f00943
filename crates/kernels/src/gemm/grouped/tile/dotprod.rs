//! The kernels by `sdot`: sums in registers.

use super::super::format::Decode;
use super::super::rows::{NUMBERS, ROW_BLOCK, negative_sum, scale, scaled_sum};
use super::Group;
use crate::gemm::micro::dots::{
    Exact, FEW_ROWS, OfRows, STEPS, Sums, VECTORS, Words, add_products, begin, four_quads, store,
};
use crate::gemm::micro::operands::keep_in_memory;
use crate::gemm::side_work::STREAMED_ROWS;
use crate::gemm::tile_args::TileArgs;
use crate::simd::{BIAS, BIASES, Neon, NeonDot};

/// # Safety
/// As [`TileFn`](crate::gemm::TileFn) for MR rows and 16 columns, with rows and panels of the format F, on a CPU with NEON and `sdot`.
#[target_feature(enable = "neon,dotprod")]
pub(in crate::gemm) unsafe fn neon_dotprod<F: Decode, const MR: usize>(args: &TileArgs<'_, f32>) {
    // SAFETY: the operands are blocks of these formats, promised by the caller.
    unsafe {
        let d = NeonDot::assume();
        let mut sums = begin::<MR>(args);
        let mut starts = Starts::<MR>([[0; 2]; MR]);
        for piece in args.pieces(ROW_BLOCK) {
            for index in 0..piece.steps.div_ceil(F::GROUP) {
                let group = Group::<F>::new(args, &piece, index, 1);
                if MR <= STREAMED_ROWS && group.ahead > 0 {
                    group.prefetch::<Neon, 4, VECTORS>(d.neon());
                }
                let starts = starts.read(&group);
                if MR <= FEW_ROWS {
                    group.add::<0, VECTORS, MR>(d, starts, &mut sums);
                } else {
                    group.add::<0, { VECTORS / 2 }, MR>(d, starts, &mut sums);
                    group.add::<{ VECTORS / 2 }, { VECTORS / 2 }, MR>(d, starts, &mut sums);
                }
            }
        }
        store(d, &sums, args);
    }
}

/// What the exact sums of rows begin with: four times each. Written by integer registers, since the others are taken.
#[repr(C, align(16))]
struct Starts<const MR: usize>([[u64; 2]; MR]);

impl<const MR: usize> Starts<MR> {
    /// Those of a group.
    ///
    /// # Safety
    /// The rows of the group are valid for reads of a block.
    #[inline(always)]
    unsafe fn read<F: Decode>(&mut self, group: &Group<F>) -> [*const [i32; 4]; MR] {
        let mut starts = [(&raw const BIASES).cast(); MR];
        if const { zero::<F>() } != 0 {
            let sums = group.of_rows(negative_sum(F::GROUP, group.start));
            for i in 0..MR {
                // SAFETY: promised by the caller.
                self.0[i] = [twice(start_of::<F>(unsafe { sums.row(i).cast::<u32>().read_unaligned() })); 2];
                starts[i] = (&raw const self.0[i]).cast();
            }
        }
        starts
    }
}

/// What weights have too much when they are multiplied.
pub(super) const fn zero<F: Decode>() -> i32 {
    if F::BITS == 8 { 0 } else { F::ZERO }
}

/// What the exact sums of a row begin with, minus the sum of whose numbers is given.
#[inline(always)]
pub(super) fn start_of<F: Decode>(negative_sum: u32) -> u32 {
    BIAS.to_bits().wrapping_add(negative_sum << const { zero::<F>() }.trailing_zeros())
}

#[inline(always)]
fn twice(number: u32) -> u64 {
    u64::from(number) << 32 | u64::from(number)
}

impl<F: Decode> Group<F> {
    /// What lies at an offset of the blocks of the rows.
    #[inline(always)]
    fn of_rows(&self, offset: usize) -> OfRows {
        OfRows { first: self.rows.wrapping_add(offset), stride: self.row_stride }
    }

    /// sums += (scale · scale of the row) · products (+ minimum · (scale of the row · sum of the row)), for the columns of WIDTH vectors
    /// from FIRST on.
    ///
    /// # Safety
    /// The rows are valid for reads of a block, and so is the panel; `starts` are valid for reads.
    #[inline(always)]
    unsafe fn add<const FIRST: usize, const WIDTH: usize, const MR: usize>(
        &self,
        d: NeonDot,
        starts: [*const [i32; 4]; MR],
        sums: &mut Sums<MR>,
    ) {
        const { assert!(F::GROUP == STEPS || F::GROUP == 2 * STEPS, "wanted a group of one or two sixteens") };
        // SAFETY: promised by the caller.
        unsafe {
            let mut exact = Exact::<WIDTH, MR>::start(d, starts);
            self.add_sixteen::<0, FIRST, WIDTH, MR>(d, &mut exact);
            if F::GROUP > STEPS {
                self.add_sixteen::<1, FIRST, WIDTH, MR>(d, &mut exact);
            }
            keep_in_memory();
            let [scales, minimums] = self.factors::<FIRST, WIDTH>(d.neon());
            exact.add_scaled(d, self.of_rows(scale(self.start)), scales, FIRST, sums);
            if F::HAS_MINIMUM {
                add_products(d, self.of_rows(scaled_sum(F::GROUP, self.start)), minimums, FIRST, sums);
            }
        }
    }

    /// exact += rows · weights for sixteen steps.
    ///
    /// # Safety
    /// As [`Group::add`].
    #[inline(always)]
    unsafe fn add_sixteen<const SIXTEEN: usize, const FIRST: usize, const WIDTH: usize, const MR: usize>(
        &self,
        d: NeonDot,
        exact: &mut Exact<WIDTH, MR>,
    ) {
        // SAFETY: promised by the caller.
        unsafe {
            let rows = four_quads::<MR>(d, self.of_rows(NUMBERS + self.start + SIXTEEN * STEPS));
            exact.add_quad::<0>(d, &rows, self.words_of::<FIRST, WIDTH>(d.neon(), 4 * SIXTEEN));
            exact.add_quad::<1>(d, &rows, self.words_of::<FIRST, WIDTH>(d.neon(), 4 * SIXTEEN + 1));
            exact.add_quad::<2>(d, &rows, self.words_of::<FIRST, WIDTH>(d.neon(), 4 * SIXTEEN + 2));
            exact.add_quad::<3>(d, &rows, self.words_of::<FIRST, WIDTH>(d.neon(), 4 * SIXTEEN + 3));
        }
    }

    /// The weights of a quad of some vectors.
    ///
    /// # Safety
    /// As [`Group::add`].
    #[inline(always)]
    unsafe fn words_of<const FIRST: usize, const WIDTH: usize>(&self, n: Neon, quad: usize) -> [Words; WIDTH] {
        keep_in_memory();
        // SAFETY: promised by the caller.
        unsafe {
            let mut words = [F::words(n, self.columns::<4>(FIRST), self.within, quad); WIDTH];
            for j in 1..WIDTH {
                words[j] = F::words(n, self.columns::<4>(FIRST + j), self.within, quad);
            }
            words
        }
    }

    /// Scales and minimums of some vectors.
    ///
    /// # Safety
    /// As [`Group::add`].
    #[inline(always)]
    unsafe fn factors<const FIRST: usize, const WIDTH: usize>(&self, n: Neon) -> [[[f32; 4]; WIDTH]; 2] {
        let mut factors = [[[0.0; 4]; WIDTH]; 2];
        for j in 0..WIDTH {
            // SAFETY: promised by the caller.
            unsafe {
                factors[0][j] = F::scales(n, self.columns::<4>(FIRST + j), self.within);
                if F::HAS_MINIMUM {
                    factors[1][j] = F::minimums(n, self.columns::<4>(FIRST + j), self.within);
                }
            }
        }
        factors
    }
}
