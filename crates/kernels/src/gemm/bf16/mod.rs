//! Products with weights in bf16: f32 rows, weights rounded to the upper half of an f32, sums in f32.
//!
//! ```text
//! C[i][j] = Σ_p a[i][p] · bf16(b[p][j])        in the chains of f32 products
//! ```
//!
//! A rounded weight is the nearest number of eight significant bits, the even one of two. Infinities stay, finite numbers beyond the
//! largest bf16 become infinite as in any rounding, NaN stays NaN and becomes quiet, denormal numbers are rounded like others. All kernels
//! read the same packed weights, and compute from them by one of two arithmetics, whose results differ:
//!
//! | kernels | rows | products and sums | denormal numbers | equal bits |
//! |---|---|---|---|---|
//! | `widen` | as they are | weights are widened to f32, which is exact, and multiplied by fused multiply-adds in the order of k | kept | on every instruction set: those of a product in f32, fused, with rounded weights |
//! | `vdpbf16ps` | rounded as weights are | two products at a time, the second of a pair first, each added by a fused multiply-add that rounds to nearest whatever the thread's mode is and raises no flag | operands count as zeros, and so do the sums of a chain | on all CPUs that follow the instruction's description |
//!
//! In both, the bits of a row depend on that row and on K alone: not on other rows, tiles, blocks or threads. Both stay within
//! γ(K + 2)·|A|·|B| of the exact product of the rounded operands, γ(n) = n·ε / (1 − n·ε) with ε = 2⁻²⁴; `vdpbf16ps` has 2·K·2⁻¹²⁶ and
//! the denormal operands on top. To round the rows of the first family would make it slower and less accurate.
//!
//! Source: Intel SDM volume 2, VDPBF16PS: "FP32 FMA with DAZ in, FTZ out and RNE rounding. MXCSR neither consulted nor updated", and the
//! order of a pair.

mod panel;
#[cfg(target_arch = "x86_64")]
mod rows;
pub(super) mod tile;

use super::format::{KBlocks, RowFormat};
use super::micro::copy::CopyBlock;
use super::microkernel::{KernelParts, Microkernel, Supported};
use super::panel::{PrepareFn, Rows};
use super::tile_args::TileFn;
use crate::cpu::Features;
use crate::scheme::{Bf16, F32, Scheme};
use crate::simd::Entry;

/// Columns of a panel, whatever the kernel: one packed form serves all.
const COLS: usize = 16;

/// Products of a block: a pair of bf16 fills the 32 bits of a lane.
const PAIR: usize = 2;

/// Whether the kernel widens weights to f32: then it multiplies no faster than kernels of f32, and only the reading of weights is faster.
pub fn widens(kernel: Supported<Bf16>) -> bool {
    kernel.record().row_format().is_in_place
}

/// A kernel that widens weights and reads rows where they are, on the vectors of V.
pub(super) const fn widening<V: Entry<CopyBlock<f32>>>(
    name: &'static str,
    needs: Features,
    lanes: usize,
    functions: &'static [&'static [TileFn<f32>]],
) -> Microkernel<Bf16> {
    record(name, needs, lanes, functions, (RowFormat::of_elements::<f32>(F32::NAME), Rows::prepare::<F32, V>))
}

/// A kernel of `vdpbf16ps`.
#[cfg(target_arch = "x86_64")]
pub(super) const fn pairing(
    name: &'static str,
    needs: Features,
    functions: &'static [&'static [TileFn<f32>]],
) -> Microkernel<Bf16> {
    record(name, needs, COLS, functions, (rows::FORMAT, rows::prepare))
}

const fn record(
    name: &'static str,
    needs: Features,
    lanes: usize,
    functions: &'static [&'static [TileFn<f32>]],
    (rows, prepare): (RowFormat, PrepareFn<Bf16>),
) -> Microkernel<Bf16> {
    // SAFETY: the functions of `tile.rs` read the blocks of the steps of a call and the columns below `cols`, and write as the f32 kernels
    // do; what prepares rows asks for no more than the kernel needs, and `panel::pack` for nothing.
    unsafe {
        Microkernel::from_parts(KernelParts {
            name,
            needs,
            lanes,
            functions,
            rows,
            panel: panel::FORMAT,
            k_blocks: KBlocks::Chains,
            pack: panel::pack,
            column: panel::read,
            prepare,
            session: None,
        })
    }
}
