//! Products with weights in f16: f32 rows, weights rounded to IEEE 754 binary16, products and sums in f32.
//!
//! ```text
//! C[i][j] = Σ_p a[i][p] · f16(b[p][j])         in the chains of f32 products
//! ```
//!
//! A rounded weight is the nearest number of eleven significant bits, the even one of two: multiples of 2⁻²⁴ below 2⁻¹⁴, so that what lies
//! within ±2⁻²⁵ becomes a zero of its sign. Finite numbers from 65520 on become infinite, as in any rounding of IEEE 754. NaN stays NaN and
//! becomes quiet. Weights that are f16 already lose nothing.
//!
//! All kernels read the same packed weights, widen them to f32, which is exact (denormal numbers of f16 are normal ones of f32), and
//! multiply rows as they are by fused multiply-adds in the order of k. The bits are the same on every instruction set: those of a product
//! in f32, fused, with rounded weights. Those of a row depend on that row and on K alone: not on other rows, tiles, blocks or threads.
//! An element stays within γ(K + 2)·|A|·|B| of the exact product with the rounded weights, γ(n) = n·ε / (1 − n·ε) with ε = 2⁻²⁴.
//!
//! Source: IEEE 754-2019, binary16; Intel SDM volume 2, VCVTPH2PS, which widens denormal numbers whatever MXCSR says.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) mod tile;

use super::halves::{COLS, Half};
use crate::numbers::f16::f16_to_f32;
use crate::scheme::F16;
use crate::simd;

/// The columns of a step lie side by side: what an instruction widens to a vector.
impl Half for F16 {
    const LAYOUT: &'static str = "f16 in rows";

    #[inline(always)]
    fn place(step: usize, col: usize) -> usize {
        step * COLS + col
    }

    fn narrow(x: &[f32], out: &mut [u16]) {
        simd::f16::narrow_on_host(x, out);
    }

    #[inline(always)]
    fn widen(half: u16) -> f32 {
        f16_to_f32(half)
    }
}
