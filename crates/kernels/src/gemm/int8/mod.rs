//! Products in eight bits: f32 rows and weights are quantised, products summed exactly in 32 bits as far as one scale reaches, and these
//! sums scaled and added in f32, group after group.
//!
//! ```text
//! H·x ≈ scale · q,  q in −127 … 127,  scale = max |H·x| / 127
//! C[i][j] = Σ over groups g of K   (scale_a[i][g] · scale_b[g][j]) · Σ_p q_a[i][p] · q_b[p][j]
//! ```
//!
//! | scheme | elements of a row, and of a column, with one scale |
//! |---|---|
//! | [`Int8`](crate::scheme::Int8) | 128: what models are quantised to |
//! | [`Int8Groups<16>`](crate::scheme::Int8Groups), of 32, of 64, of 256 | as many; 16 are too few to be spread |
//! | [`Int8PerChannel`](crate::scheme::Int8PerChannel) | all: the least work, and what other libraries mean by int8 |
//!
//! H spreads the elements of a group before: sums and differences in which no number is much larger than the others, and whose products
//! add up to the same. Where one scale serves all elements H is the identity. A row's bytes depend on that row alone, and the order of
//! summation on K alone: results have the same bits for any number of rows, any tile, any threads and every instruction set. A scale that
//! serves all of a column must be known before any of it is packed: such columns are packed whole.

mod columns;
mod rows;
pub(super) mod tile;

use super::format::KBlocks;
use super::microkernel::{KernelParts, Microkernel, Session};
use super::tile_args::TileFn;
use crate::cpu::Features;
use crate::scheme::{Int8By, Int8Kernels};
use crate::simd::QuadRows;

/// Elements of a row, and of a column, that have one scale in [`Int8`](crate::scheme::Int8).
pub const GROUP: usize = 128;

/// Columns of a panel, whatever the kernel: one packed form serves all.
pub(super) const COLS: usize = 16;

/// Products that the instructions add at a time.
const QUAD: usize = 4;

/// A kernel whose tiles have the columns of one panel or of several.
pub(super) const fn record<const GROUP: usize, const WHOLE: bool>(
    name: &'static str,
    needs: Features,
    functions: &'static [&'static [TileFn<f32>]],
    rows_at_once: usize,
    rows: QuadRows,
    session: Option<Session>,
) -> Microkernel<Int8By<GROUP, WHOLE>>
where
    Int8By<GROUP, WHOLE>: Int8Kernels,
{
    // SAFETY: the functions of `tile.rs` read whole blocks of the steps of a call, in the session given, and leave C to `SumsInMemory`;
    // those of `rows.rs` and `columns.rs` ask for AVX2 at most, which every kernel of such rows needs, or for AVX-512 where `needs` contain
    // it.
    unsafe {
        Microkernel::from_parts(KernelParts {
            name,
            needs,
            lanes: COLS,
            functions,
            rows_at_once,
            rows: rows::format::<GROUP, WHOLE>(rows),
            panel: columns::format::<GROUP, WHOLE>(),
            k_blocks: if WHOLE { KBlocks::Whole } else { KBlocks::Multiples(GROUP) },
            pack: columns::pack::<GROUP, WHOLE>,
            column: columns::read::<GROUP, WHOLE>,
            prepare: rows::prepare_as::<GROUP, WHOLE>(rows, needs),
            session,
        })
    }
}
