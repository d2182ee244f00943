//! Tiles whose rows and columns have one scale each: products stay in registers, in 32 bits, for as many blocks as these can hold.

use super::Group;
use crate::gemm::int8::columns::SCALES;
use crate::gemm::int8::{COLS, QUAD};
use crate::gemm::micro::in_memory::SumsInMemory;
use crate::gemm::tile_args::{Piece, TileArgs};
use crate::simd::Quads;

/// Steps of K whose products fit 32 bits: each is below 255 · 127, of an unsigned row.
pub(super) const EXACT_STEPS: usize = 1 << 16;

/// # Safety
/// As [`tile`](super::tile), for all of K.
#[inline(always)]
pub(super) unsafe fn tile<const GROUP: usize, Q, const LANES: usize, const VECTORS: usize, const MR: usize>(
    q: Q,
    args: &TileArgs<'_, f32>,
) where
    Q: Quads<LANES>,
{
    const { assert!(EXACT_STEPS.is_multiple_of(GROUP), "wanted sums of whole blocks") };
    // SAFETY: the operands are blocks of these formats, promised by the caller.
    unsafe {
        let mut total = SumsInMemory::<LANES, VECTORS, MR>::zeros();
        total.begin(MR, args);
        let sums = total.rows();
        for piece in args.pieces(EXACT_STEPS) {
            let run = Run::new::<GROUP>(args, &piece, const { (VECTORS * LANES).div_ceil(COLS) });
            let mut start = [q.no_sums(); VECTORS];
            for j in 0..VECTORS {
                start[j] = q.start(run.column_sums::<GROUP, LANES>(j).as_ptr());
            }
            let mut done = 0;
            while done < MR {
                // The last rows again rather than fewer: a constant number of sums stays in registers.
                let first = done.min(MR - const { rows_at_a_time::<Q, LANES>(MR) });
                let products = run.multiply::<GROUP, Q, LANES, VECTORS, MR>(q, first, start);
                for i in 0..const { rows_at_a_time::<Q, LANES>(MR) } {
                    if first + i >= done {
                        for j in 0..VECTORS {
                            run.group.add_scaled(q, first + i, j, products[i][j], sums);
                        }
                    }
                }
                done = first + const { rows_at_a_time::<Q, LANES>(MR) };
            }
        }
        total.store(q.floats(), MR, args);
    }
}

/// Rows that are multiplied at a time: where registers are left for sums that wait, twice as many, since none do here.
const fn rows_at_a_time<Q: Quads<LANES>, const LANES: usize>(rows: usize) -> usize {
    let most = if Q::SUMS_WAIT { 2 * Q::ROWS_AT_A_TIME } else { Q::ROWS_AT_A_TIME };
    if rows < most { rows } else { most }
}

/// Blocks of each row, and of the columns of each panel, one after the other.
#[derive(Clone, Copy)]
pub(super) struct Run {
    /// The first block.
    pub(super) group: Group,
    /// Bytes from one block of a row, and of a panel, to the next.
    pub(super) row_block: usize,
    pub(super) column_block: usize,
    pub(super) steps: usize,
}

impl Run {
    /// The blocks of a piece, of a tile of this many panels.
    #[inline(always)]
    pub(super) fn new<const GROUP: usize>(args: &TileArgs<'_, f32>, piece: &Piece, panels: usize) -> Run {
        let group = Group::new::<GROUP>(args, piece, panels);
        Run { group, row_block: args.a_col_stride, column_block: args.b_stride, steps: piece.steps }
    }

    /// start + the products of the rows from `first` on.
    ///
    /// # Safety
    /// The rows are valid for reads of these blocks, and so are the panels that the vectors lie in.
    #[inline(always)]
    unsafe fn multiply<const GROUP: usize, Q, const LANES: usize, const VECTORS: usize, const MR: usize>(
        self,
        q: Q,
        first: usize,
        start: [Q::Sums; VECTORS],
    ) -> [[Q::Sums; VECTORS]; MR]
    where
        Q: Quads<LANES>,
    {
        let rows = const { rows_at_a_time::<Q, LANES>(MR) };
        // SAFETY: blocks of these steps, promised by the caller.
        unsafe {
            let mut products = [start; MR];
            let Run { mut group, mut steps, .. } = self;
            while steps > 0 {
                let now = GROUP.min(steps);
                for quad in 0..now.div_ceil(QUAD) {
                    group.add_quad(q, first..first + rows, quad, &mut products);
                }
                group.rows = group.rows.wrapping_add(self.row_block);
                group.blocks = group.blocks.wrapping_add(self.column_block);
                steps -= now;
            }
            products
        }
    }

    /// What the bytes of the columns of a vector add up to over all blocks.
    ///
    /// # Safety
    /// As [`Run::multiply`].
    #[inline(always)]
    unsafe fn column_sums<const GROUP: usize, const LANES: usize>(&self, vector: usize) -> [i32; LANES] {
        let mut total = [0; LANES];
        for block in 0..self.steps.div_ceil(GROUP) {
            let place = self.group.columns::<LANES>(vector, SCALES + block * self.column_block, size_of::<i32>());
            // SAFETY: the sums of a block, promised by the caller.
            let sums = unsafe { place.cast::<[i32; LANES]>().read_unaligned() };
            for (total, sum) in total.iter_mut().zip(sums) {
                *total += sum;
            }
        }
        total
    }
}
