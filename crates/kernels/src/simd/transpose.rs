//! Transposition of square blocks in registers, one row of the block in each.
//!
//! A register is P parts of 128 bits with W elements each, and the block has P·W rows. Seen as P × P tiles of W × W
//! elements, it is transposed in place in two steps:
//!
//! ```text
//! within the parts:  each tile is transposed    for each q: rows W·q, W·q + 1, …, W·q + W − 1
//! by whole parts:    the tiles change places    for each c: rows c, W + c, …, (P − 1)·W + c
//! ```
//! Both transpose groups of two or four registers, by instructions that take a pair of registers to a pair. A block of N
//! rows takes N·log₂N of them.

use super::Simd;

/// The first `rows` rows of a block, `cols` elements of each; zero in the rest of the N registers.
///
/// # Safety
/// As [`Simd::transpose`] of its source.
#[inline(always)]
pub(super) unsafe fn load<E: Copy + Default, S: Simd<E>, const N: usize>(
    s: S,
    p: *const E,
    row_stride: usize,
    rows: usize,
    cols: usize,
) -> [S::Reg; N] {
    const { assert!(N == S::LANES) };
    // Loops of constant length, here and below, so that they unroll and `x` stays in registers.
    let mut x = [s.splat(E::default()); N];
    if rows == N && cols == N {
        for i in 0..N {
            // SAFETY: promised by the caller.
            x[i] = unsafe { s.load(p.add(i * row_stride)) };
        }
    } else {
        let first = s.first(cols);
        for i in 0..N {
            if i < rows {
                // SAFETY: promised by the caller for the first `cols` elements.
                x[i] = unsafe { s.load_first(p.add(i * row_stride), first) };
            }
        }
    }
    x
}

/// Stores `cols` elements of the first `rows` of N registers.
///
/// # Safety
/// As [`Simd::transpose`] of its target.
#[inline(always)]
pub(super) unsafe fn store<E: Copy, S: Simd<E>, const N: usize>(
    s: S,
    x: &[S::Reg; N],
    p: *mut E,
    row_stride: usize,
    rows: usize,
    cols: usize,
) {
    const { assert!(N == S::LANES) };
    if rows == N && cols == N {
        for i in 0..N {
            // SAFETY: promised by the caller.
            unsafe { s.store(p.add(i * row_stride), x[i]) };
        }
    } else {
        let first = s.first(cols);
        for i in 0..N {
            if i < rows {
                // SAFETY: promised by the caller for the first `cols` elements.
                unsafe { s.store_first(p.add(i * row_stride), x[i], first) };
            }
        }
    }
}

/// Functions from a pair of registers to a pair, by one intrinsic for each result.
macro_rules! pairs {
    ($($name:ident($proof:ty, $reg:ty) => $first:expr, $second:expr;)*) => {$(
        #[inline(always)]
        fn $name(_: $proof, a: $reg, b: $reg) -> [$reg; 2] {
            // SAFETY: the first argument proves the instruction set; nothing else is asked.
            unsafe { [$first(a, b), $second(a, b)] }
        }
    )*};
}

/// Transposes two registers of a block by one function on pairs.
// The functions are named in macros, not passed as values: only calls by name are sure to be inlined.
macro_rules! two {
    ($s:expr, $x:expr, $first:expr, $step:expr, $exchange:ident) => {{
        let [i, j] = [$first, $first + $step];
        [$x[i], $x[j]] = $exchange($s, $x[i], $x[j]);
    }};
}

/// Transposes four registers of a block: `$gather` brings what two results take from two rows into one register,
/// `$separate` makes the two results of two of those.
macro_rules! four {
    ($s:expr, $x:expr, $first:expr, $step:expr, $gather:ident, $separate:ident) => {{
        let [i, j, k, l] = [0, 1, 2, 3].map(|row| $first + row * $step);
        let [a, b] = $gather($s, $x[i], $x[j]);
        let [c, d] = $gather($s, $x[k], $x[l]);
        [$x[i], $x[j]] = $separate($s, a, c);
        [$x[k], $x[l]] = $separate($s, b, d);
    }};
}

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
pub(super) use aarch64::{f32x4, f64x2};
#[cfg(target_arch = "x86_64")]
pub(super) use x86_64::{f32x8, f32x16, f64x4, f64x8};
