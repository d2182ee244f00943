//! Products with weights in bf16: f32 rows, weights rounded to the upper half of an f32, sums in f32.
//!
//! ```text
//! C[i][j] = Σ_p a[i][p] · bf16(b[p][j])        in the chains of f32 products
//! ```
//!
//! A rounded weight is the nearest number of eight significant bits, the even one of two. Infinities stay, finite numbers beyond the
//! largest bf16 become infinite as in any rounding, NaN stays NaN and becomes quiet, denormal numbers are rounded like others. All kernels
//! read the same packed weights, and compute from them by one of three arithmetics, whose results differ:
//!
//! | kernels | rows | products and sums | denormal numbers | equal bits |
//! |---|---|---|---|---|
//! | `widen` | as they are | weights are widened to f32, which is exact, and multiplied by fused multiply-adds in the order of k | kept | on every instruction set: those of a product in f32, fused, with rounded weights |
//! | `vdpbf16ps` | rounded as weights are | two products at a time, the second of a pair first, each added by a fused multiply-add that rounds to nearest whatever the thread's mode is and raises no flag | operands count as zeros, and so do the sums of a chain | on all CPUs that follow the instruction's description |
//! | `tdpbf16ps` | rounded as weights are | in steps of 32 products: those of even places and those of odd ones apart, each by fused multiply-adds from zero; both sums are added, and the result to the chain's. Rounds to nearest whatever the thread's mode is and raises no flag | as with `vdpbf16ps` | as with `vdpbf16ps` |
//!
//! In all, the bits of a row depend on that row and on K alone: not on other rows, tiles, blocks or threads. All stay within
//! γ(K + 2)·|A|·|B| of the exact product of the rounded operands, γ(n) = n·ε / (1 − n·ε) with ε = 2⁻²⁴; the last two have 2·K·2⁻¹²⁶ and
//! the denormal operands on top. A CPU computes by the last that it has: on an Intel Xeon, `tdpbf16ps` is eight times as fast as
//! `vdpbf16ps`. To round the rows of the first family would make it slower and less accurate.
//!
//! Source: Intel SDM volume 2, TDPBF16PS and VDPBF16PS: "FP32 FMA with DAZ in, FTZ out and RNE rounding. MXCSR neither consulted nor
//! updated", and the order of sums.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod pairs;
#[cfg(target_arch = "x86_64")]
mod rows;
#[cfg(target_arch = "aarch64")]
#[path = "tile_aarch64.rs"]
pub(super) mod tile;
#[cfg(target_arch = "x86_64")]
pub(super) mod tile;
#[cfg(target_arch = "x86_64")]
pub(super) mod tiles;

use super::halves::{Half, PAIR};
use super::microkernel::Supported;
use crate::numbers::bf16::{bf16_to_f32, round_to_bf16};
use crate::scheme::Bf16;

#[cfg(target_arch = "x86_64")]
use {
    super::halves::{COLS, record},
    super::microkernel::Microkernel,
    super::tile_args::TileFn,
    crate::cpu::Features,
};

/// A pair of bf16 fills the 32 bits of a lane, the first step in the lower half.
impl Half for Bf16 {
    const LAYOUT: &'static str = "bf16 in pairs";

    #[inline(always)]
    fn place(step: usize, col: usize) -> usize {
        col * PAIR + step
    }

    #[inline(always)]
    fn narrow(x: &[f32], out: &mut [u16]) {
        round_to_bf16(x, out);
    }

    #[inline(always)]
    fn widen(half: u16) -> f32 {
        bf16_to_f32(half)
    }
}

/// Whether the kernel widens weights to f32: then it multiplies no faster than kernels of f32, and only the reading of weights is faster.
pub fn widens(kernel: Supported<Bf16>) -> bool {
    kernel.record().row_format().is_in_place
}

/// A kernel of `vdpbf16ps`.
#[cfg(target_arch = "x86_64")]
pub(super) const fn pairing(
    name: &'static str,
    needs: Features,
    functions: &'static [&'static [TileFn<f32>]],
) -> Microkernel<Bf16> {
    record(name, needs, COLS, functions, (rows::FORMAT, rows::prepare), None)
}
