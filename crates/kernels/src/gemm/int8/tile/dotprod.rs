//! The kernels by `sdot`: scales of whole rows and columns by the body for all, those of groups by sums in registers.

use super::{Group, whole};
use crate::gemm::int8::columns::{BRICK, SCALES, SUMS};
use crate::gemm::int8::rows::HEAD;
use crate::gemm::int8::{COLS, QUAD};
use crate::gemm::micro::dots::{Exact, FEW_ROWS, OfRows, STEPS, Sums, VECTORS, Words, begin, four_quads, store};
use crate::gemm::micro::operands::keep_in_memory;
use crate::gemm::side_work::STREAMED_ROWS;
use crate::gemm::tile_args::TileArgs;
use crate::simd::{BIASES, NarrowQuads, NeonDot, Simd};

/// # Safety
/// As [`TileFn`](crate::gemm::TileFn) for MR rows and 16 columns, in the formats of this scheme, on a CPU with NEON and `sdot`.
#[target_feature(enable = "neon,dotprod")]
pub(in crate::gemm) unsafe fn neon_dotprod<const GROUP: usize, const WHOLE: bool, const MR: usize>(
    args: &TileArgs<'_, f32>,
) {
    // SAFETY: the operands are blocks of these formats, promised by the caller.
    unsafe {
        let d = NeonDot::assume();
        if WHOLE {
            return whole::tile::<GROUP, NeonDot, 4, VECTORS, MR>(d, args);
        }
        let mut sums = begin::<MR>(args);
        for piece in args.pieces(GROUP) {
            let group = Group::new::<GROUP>(args, &piece, 1);
            if MR <= FEW_ROWS {
                group.add::<0, VECTORS, MR>(d, piece.steps, &mut sums);
            } else {
                group.add::<0, { VECTORS / 2 }, MR>(d, piece.steps, &mut sums);
                group.add::<{ VECTORS / 2 }, { VECTORS / 2 }, MR>(d, piece.steps, &mut sums);
            }
        }
        store(d, &sums, args);
    }
}

impl Group {
    /// sums += (scale of the row · scale of the column) · products, for the columns of WIDTH vectors from FIRST on.
    ///
    /// # Safety
    /// The rows are valid for reads of a block, and so is the panel; there is at least one step.
    #[inline(always)]
    unsafe fn add<const FIRST: usize, const WIDTH: usize, const MR: usize>(
        &self,
        d: NeonDot,
        steps: usize,
        sums: &mut Sums<MR>,
    ) {
        // SAFETY: promised by the caller; groups are whole sixteens, filled up with zeros.
        unsafe {
            let mut exact = Exact::<WIDTH, MR>::start(d, [(&raw const BIASES).cast(); MR]);
            for sixteen in 0..1 + (steps - 1) / STEPS {
                self.add_sixteen::<FIRST, WIDTH, MR>(d, sixteen, &mut exact);
            }
            let scales = self.scales::<FIRST, WIDTH>();
            exact.add_scaled(d, OfRows { first: self.rows, stride: self.row_stride }, scales, FIRST, sums);
        }
    }

    /// exact += rows · columns for sixteen steps.
    ///
    /// # Safety
    /// As [`Group::add`].
    #[inline(always)]
    unsafe fn add_sixteen<const FIRST: usize, const WIDTH: usize, const MR: usize>(
        &self,
        d: NeonDot,
        sixteen: usize,
        exact: &mut Exact<WIDTH, MR>,
    ) {
        let bricks = self.blocks.wrapping_add(SCALES + SUMS + sixteen * (STEPS / QUAD) * BRICK);
        let rows = OfRows { first: self.rows.wrapping_add(HEAD + sixteen * STEPS), stride: self.row_stride };
        if MR <= STREAMED_ROWS && FIRST == 0 && self.ahead > 0 {
            for quad in 0..STEPS / QUAD {
                Simd::<f32>::prefetch(d.neon(), bricks.wrapping_add(quad * BRICK + self.ahead).cast());
            }
        }
        // SAFETY: promised by the caller.
        unsafe {
            let rows = four_quads::<MR>(d, rows);
            exact.add_quad::<0>(d, &rows, words_of::<FIRST, WIDTH>(d, bricks));
            exact.add_quad::<1>(d, &rows, words_of::<FIRST, WIDTH>(d, bricks.wrapping_add(BRICK)));
            exact.add_quad::<2>(d, &rows, words_of::<FIRST, WIDTH>(d, bricks.wrapping_add(2 * BRICK)));
            exact.add_quad::<3>(d, &rows, words_of::<FIRST, WIDTH>(d, bricks.wrapping_add(3 * BRICK)));
        }
    }

    /// # Safety
    /// The panel is valid for reads of its scales.
    #[inline(always)]
    unsafe fn scales<const FIRST: usize, const WIDTH: usize>(&self) -> [[f32; 4]; WIDTH] {
        // SAFETY: promised by the caller.
        unsafe { self.blocks.cast::<[f32; 4]>().add(FIRST).cast::<[[f32; 4]; WIDTH]>().read_unaligned() }
    }
}

/// The quads of some vectors of a brick.
///
/// # Safety
/// The brick is valid for reads.
#[inline(always)]
unsafe fn words_of<const FIRST: usize, const WIDTH: usize>(d: NeonDot, brick: *const u8) -> [Words; WIDTH] {
    const { assert!(4 * VECTORS == COLS && BRICK == COLS * QUAD, "wanted vectors of a panel") };
    keep_in_memory();
    // SAFETY: promised by the caller.
    unsafe {
        let mut words = [d.neon().words(brick.wrapping_add(FIRST * 4 * QUAD)); WIDTH];
        for j in 1..WIDTH {
            words[j] = d.neon().words(brick.wrapping_add((FIRST + j) * 4 * QUAD));
        }
        words
    }
}
