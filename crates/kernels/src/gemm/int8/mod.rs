//! Products in eight bits: f32 rows and weights are quantised, products summed exactly in 32 bits within a group of weights, and the sums
//! of groups scaled and added in f32, group after group.
//!
//! ```text
//! H·x ≈ scale · q,  q in −127 … 127,  scale = max |H·x| / 127
//! C[i][j] = Σ over groups g of K   (scale_a[i][g] · scale_b[g][j]) · Σ_p q_a[i][p] · q_b[p][j]
//! ```
//!
//! Rows and columns have a scale for every [`GROUP`] elements, which H spreads before: sums and differences in which no number is much larger
//! than the others, and whose products add up to the same. A row's bytes depend on that row alone, and
//! the order of summation on K alone: results have the same bits for any number of rows, any tile, any threads and every instruction
//! set.

mod columns;
mod rows;
mod spread;
pub(super) mod tile;

use super::format::KBlocks;
use super::microkernel::{KernelParts, Microkernel};
use super::tile_args::TileFn;
use crate::cpu::Features;
use crate::scheme::Int8;
use crate::simd::QuadRows;

/// Elements of a row, and of a column, with one scale.
pub const GROUP: usize = 128;

/// Columns of a panel, whatever the kernel: one packed form serves all.
pub(super) const COLS: usize = 16;

/// Products that the instructions add at a time.
const QUAD: usize = 4;

/// A kernel whose tiles have the columns of one panel or of several.
pub(super) const fn record(
    name: &'static str,
    needs: Features,
    functions: &'static [&'static [TileFn<f32>]],
    rows: QuadRows,
) -> Microkernel<Int8> {
    // SAFETY: the functions of `tile.rs` read whole blocks of the steps of a call and leave C to `SumsInMemory`; those of `rows.rs` and
    // `columns.rs` ask for AVX2 at most, which every kernel of such rows needs.
    unsafe {
        Microkernel::from_parts(KernelParts {
            name,
            needs,
            lanes: COLS,
            functions,
            rows: rows::format(rows),
            panel: columns::PANEL,
            k_blocks: KBlocks::Multiples(GROUP),
            pack: columns::pack,
            column: columns::read,
            prepare: rows::prepare_as(rows),
            session: None,
        })
    }
}
