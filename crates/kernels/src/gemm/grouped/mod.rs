//! Products with weights of few bits in groups along K, in the formats that GGUF files hold and that of GPTQ and AWQ.
//!
//! ```text
//! x ≈ scale · q,   q in −127 … 127,   scale = max |x| / 127 over 32 elements of a row
//! w = d · (q − zero)   or   w = d · q + m,   with d and m for each group of 16 or 32 along K
//! C[i][j] = Σ over groups g of K   (d[g][j] · scale[i][g]) · Σ_p q[i][p] · (q[p][j] − zero) + m[g][j] · (scale[i][g] · Σ_p q[i][p])
//! ```
//!
//! Sums over p are exact. Sums over g are fused multiply-adds in f32, in the order of K, a group's minimum after its products. A row's bytes depend
//! on that row alone, and the order of summation on K alone: results have the same bits for any number of rows, any tile, any threads and
//! every instruction set.
//!
//! A panel holds for 16 columns the bytes of the blocks in which files have a column's weights, field by field: halves, bytes and words of
//! four bytes, each of the 16 columns after the other. So weights from a file are packed without loss, and weights packed from f32 are what
//! a file of that format would hold.

mod blocks;
#[cfg(target_arch = "x86_64")]
mod expanded;
mod format;
mod formats;
mod quantize;
mod rows;
pub(super) mod tile;

#[cfg(target_arch = "x86_64")]
pub(super) use expanded::Expanded;
pub use format::{BlockLayout, Fields, FormatVisitor, GroupFormat};
pub use formats::{AnyFormat, Int4_128, Iq4Nl, Iq4Xs, Q2_K, Q3_K, Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0};
pub use rows::{ROW_BLOCK, ROW_GROUP};

use self::format::{COLS, Decode, panel, take_turns};
use super::format::KBlocks;
#[cfg(target_arch = "x86_64")]
use super::microkernel::TileKernel;
use super::microkernel::{KernelParts, Microkernel};
use super::tile_args::TileFn;
use crate::cpu::Features;
use crate::scheme::Grouped;
#[cfg(target_arch = "x86_64")]
use crate::simd::{TILE_ROWS, TileUnit};

/// What rows and columns are quantised by.
#[derive(Clone, Copy, Debug)]
pub(super) enum Preparation {
    /// Plain Rust for the baseline of the architecture.
    Baseline,
    /// The same, compiled for AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Columns as by [`Preparation::Avx2`], rows compiled for AVX-512.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// Blocks of K begin at blocks of rows, and where the fields of blocks lie as in the first one.
const fn k_blocks<F: Decode>() -> usize {
    let turns = if take_turns::<F>() { 2 } else { 1 };
    if turns * F::BLOCK > ROW_BLOCK { turns * F::BLOCK } else { ROW_BLOCK }
}

/// A kernel whose tiles have the columns of one panel or of several.
///
/// # Safety
/// `functions` are those of `tile.rs` for the format F, one for each number of rows and of panels, and use no instructions beyond `needs`; these contain
/// what rows and columns are prepared by.
pub(super) const unsafe fn record<F: Decode + GroupFormat>(
    name: &'static str,
    needs: Features,
    functions: &'static [&'static [TileFn<f32>]],
    rows_at_once: usize,
    preparation: Preparation,
) -> Microkernel<Grouped<F>> {
    let (pack, prepare) = preparation.functions::<F>();
    // SAFETY: the functions of `tile.rs` read whole blocks of the steps of a call and leave C to `SumsInMemory`; what they and the
    // functions of `rows.rs` and `blocks.rs` ask of the CPU is in `needs`, promised by the caller.
    unsafe {
        Microkernel::from_parts(KernelParts {
            name,
            needs,
            lanes: COLS,
            functions,
            rows_at_once,
            rows: rows::FORMAT,
            panel: panel::<F>(),
            k_blocks: KBlocks::Multiples(k_blocks::<F>()),
            pack,
            column: blocks::read::<F>,
            prepare,
            session: None,
        })
    }
}

/// The kernel's tiles by expanded panels.
///
/// # Safety
/// The functions are those of `tile.rs` of the format [`Expanded<F>`](Expanded), and use no instructions beyond its own.
#[cfg(target_arch = "x86_64")]
pub(super) const unsafe fn expanded_tiles<F: Decode + GroupFormat>(
    kernel: Microkernel<Grouped<F>>,
    functions: &'static [&'static [TileFn<f32>]],
) -> TileKernel<f32> {
    let rows_at_once = kernel.tiles.rows_at_once;
    // SAFETY: promised by the caller.
    unsafe { kernel.tiles_by(expanded::panel::<F>(), functions, rows_at_once, None) }
}

/// The kernel's tiles by expanded panels on a unit with tiles.
///
/// # Safety
/// The kernel needs the unit, and the function is that of `tile/tiles.rs` for both.
#[cfg(target_arch = "x86_64")]
pub(super) const unsafe fn expanded_on_tiles<F: Decode + GroupFormat, U: TileUnit>(
    kernel: Microkernel<Grouped<F>>,
    functions: &'static [&'static [TileFn<f32>]],
) -> TileKernel<f32> {
    // SAFETY: promised by the caller.
    unsafe { kernel.tiles_by(expanded::panel::<F>(), functions, TILE_ROWS, Some(tile::session_of::<F, U>())) }
}
