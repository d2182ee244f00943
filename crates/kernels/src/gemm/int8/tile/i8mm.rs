//! The kernels by `smmla`: a panel in two halves, and up to twelve rows.

use super::Group;
use super::whole::{EXACT_STEPS, Run};
use crate::gemm::int8::columns::{BRICK, SCALES, SUMS};
use crate::gemm::int8::rows::HEAD;
use crate::gemm::int8::{COLS, QUAD};
use crate::gemm::micro::operands::keep_in_memory;
use crate::gemm::micro::squares::{
    ACROSS, HALF, IN_A_ROW, MOST_STEPS, OfRows, RowPairs, STEPS, SumsOfRow, Total, add_scaled, begin, blocks_of,
    square, start, store,
};
use crate::gemm::tile_args::TileArgs;
use crate::simd::{BIASES, NarrowQuads, NeonI8mm, Simd, Square};

/// # Safety
/// As [`TileFn`](crate::gemm::TileFn) for up to 2 · PAIRS rows and 16 columns, in the formats of this scheme, on a CPU with
/// NEON, `sdot` and `smmla`.
#[target_feature(enable = "neon,dotprod,i8mm")]
pub(in crate::gemm) unsafe fn neon_i8mm<const GROUP: usize, const WHOLE: bool, const PAIRS: usize>(
    args: &TileArgs<'_, f32>,
) {
    // SAFETY: the operands are blocks of these formats, promised by the caller.
    unsafe {
        let m = NeonI8mm::assume();
        let mut total = Total::zeros();
        begin::<PAIRS>(m, &mut total, args);
        let sums = total.rows();
        let (mut pairs, mut scales) = (RowPairs::<PAIRS>::new(), OfRows::<PAIRS>::ZERO);
        // Of whole rows and columns, for calls of all of K: zeros again at the end of each pair.
        let mut exact = [[[m.no_sums(); ACROSS]; PAIRS]; COLS / HALF];
        for piece in args.pieces(const { most_steps(GROUP, WHOLE) }) {
            let (run, end) = (Run::new::<GROUP>(args, &piece, 1), piece.offset + piece.steps);
            let is_last = !WHOLE || end.is_multiple_of(EXACT_STEPS) || end == args.k;
            for index in 0..run.blocks::<GROUP, WHOLE>() {
                let (block, steps) = run.block::<GROUP>(index);
                pairs.copy(index * GROUP / STEPS, block.rows.add(HEAD), block.row_stride, args.rows, steps);
            }
            scales.copy(run.group.rows, run.group.row_stride, args.rows);
            for half in 0..COLS / HALF {
                let mut products = if WHOLE { exact[half] } else { start(m, [(&raw const BIASES).cast(); PAIRS]) };
                for index in 0..run.blocks::<GROUP, WHOLE>() {
                    let (block, steps) = run.block::<GROUP>(index);
                    block.multiply_half(m, half, &pairs, index * GROUP / STEPS, steps, &mut products);
                }
                if is_last {
                    run.group.add_half::<WHOLE, PAIRS>(m, half, &products, &scales, sums);
                    products = [[m.no_sums(); ACROSS]; PAIRS];
                }
                if WHOLE {
                    exact[half] = products;
                }
            }
        }
        store::<PAIRS>(m, &mut total, args);
    }
}

/// Steps whose products stay in registers: of a group, or of as many blocks as rows are copied of.
const fn most_steps(group: usize, is_whole: bool) -> usize {
    assert!(EXACT_STEPS.is_multiple_of(MOST_STEPS) && MOST_STEPS.is_multiple_of(group), "wanted runs of whole blocks");
    if is_whole { MOST_STEPS } else { group }
}

impl Run {
    /// How many these are; a group is one.
    #[inline(always)]
    fn blocks<const GROUP: usize, const WHOLE: bool>(&self) -> usize {
        if WHOLE { blocks_of(GROUP, self.steps) } else { 1 }
    }

    /// One of the blocks, and its steps.
    #[inline(always)]
    fn block<const GROUP: usize>(&self, index: usize) -> (Group, usize) {
        let group = Group {
            rows: self.group.rows.wrapping_add(index * self.row_block),
            blocks: self.group.blocks.wrapping_add(index * self.column_block),
            ..self.group
        };
        (group, GROUP.min(self.steps - index * GROUP))
    }
}

impl Group {
    /// products += rows · columns of a half of the panel, for rows from the eight steps `first` of the copies on.
    ///
    /// # Safety
    /// The panel is valid for reads of a block, and these steps of the rows, at least one, were copied.
    #[inline(always)]
    unsafe fn multiply_half<const PAIRS: usize>(
        &self,
        m: NeonI8mm,
        half: usize,
        pairs: &RowPairs<PAIRS>,
        first: usize,
        steps: usize,
        products: &mut [[Square; ACROSS]; PAIRS],
    ) {
        const VECTOR: usize = 4 * QUAD;
        let mut columns = self.blocks.wrapping_add(SCALES + SUMS + half * HALF * QUAD);
        for eight in 0..blocks_of(STEPS, steps) {
            // SAFETY: promised by the caller; groups are whole pairs of bricks, filled up with zeros.
            unsafe {
                let [a, b] = m.eights_of_quads(m.floats().words(columns), m.floats().words(columns.add(BRICK)));
                let [c, d] = m.eights_of_quads(
                    m.floats().words(columns.add(VECTOR)),
                    m.floats().words(columns.add(BRICK + VECTOR)),
                );
                pairs.add_products(m, first + eight, [a, b, c, d], products);
            }
            columns = columns.wrapping_add(STEPS / QUAD * BRICK);
        }
    }

    /// sums += (scale of the row · scale of the column) · products of a half of the panel, which began with zeros if they are of whole rows.
    ///
    /// # Safety
    /// The panel is valid for reads of a block, `sums` for reads and writes of the rows of these pairs.
    #[inline(always)]
    unsafe fn add_half<const WHOLE: bool, const PAIRS: usize>(
        &self,
        m: NeonI8mm,
        half: usize,
        products: &[[Square; ACROSS]; PAIRS],
        scales: &OfRows<PAIRS>,
        sums: *mut SumsOfRow,
    ) {
        let s = m.floats();
        let of_columns = self.blocks.wrapping_add(half * HALF * size_of::<f32>()).cast::<f32>();
        // SAFETY: promised by the caller.
        unsafe {
            for squares in IN_A_ROW {
                let of_columns = squares.map(|across| m.of_columns(of_columns.add(2 * across)));
                for (pair, products) in products.iter().enumerate() {
                    for (across, of_columns) in squares.into_iter().zip(of_columns) {
                        let (place, products) = (square(sums, pair, half, across), products[across]);
                        let products = if WHOLE { m.to_floats(products) } else { m.unbiased(products) };
                        s.store(place, add_scaled(s, s.load(place), scales.pair(pair), of_columns, products));
                    }
                    keep_in_memory();
                }
            }
        }
    }
}
