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

use super::{Avx2, Avx512, Simd};
use std::arch::x86_64::*;

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

// Within each part of 128 bits: a₀b₀a₁b₁, a₂b₂a₃b₃ of four elements; a₀b₀, a₁b₁ of two.
pairs! {
    zip_f32x16(Avx512, __m512) => _mm512_unpacklo_ps, _mm512_unpackhi_ps;
    zip_f32x8(Avx2, __m256) => _mm256_unpacklo_ps, _mm256_unpackhi_ps;
    zip_f64x8(Avx512, __m512d) => _mm512_unpacklo_pd, _mm512_unpackhi_pd;
    zip_f64x4(Avx2, __m256d) => _mm256_unpacklo_pd, _mm256_unpackhi_pd;
}

// Within each part: a₀a₁b₀b₁, a₂a₃b₂b₃.
pairs! {
    pair_f32x16(Avx512, __m512) => _mm512_shuffle_ps::<0x44>, _mm512_shuffle_ps::<0xee>;
    pair_f32x8(Avx2, __m256) => _mm256_shuffle_ps::<0x44>, _mm256_shuffle_ps::<0xee>;
}

// Of four parts: A₀A₁B₀B₁, A₂A₃B₂B₃; of two parts: A₀B₀, A₁B₁.
pairs! {
    halves_f32x16(Avx512, __m512) => _mm512_shuffle_f32x4::<0x44>, _mm512_shuffle_f32x4::<0xee>;
    halves_f64x8(Avx512, __m512d) => _mm512_shuffle_f64x2::<0x44>, _mm512_shuffle_f64x2::<0xee>;
    halves_f32x8(Avx2, __m256) => _mm256_permute2f128_ps::<0x20>, _mm256_permute2f128_ps::<0x31>;
    halves_f64x4(Avx2, __m256d) => _mm256_permute2f128_pd::<0x20>, _mm256_permute2f128_pd::<0x31>;
}

// Of four parts: A₀A₂B₀B₂, A₁A₃B₁B₃.
pairs! {
    parts_f32x16(Avx512, __m512) => _mm512_shuffle_f32x4::<0x88>, _mm512_shuffle_f32x4::<0xdd>;
    parts_f64x8(Avx512, __m512d) => _mm512_shuffle_f64x2::<0x88>, _mm512_shuffle_f64x2::<0xdd>;
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

/// The rows of 16 × 16 elements become its columns.
#[inline(always)]
pub(super) fn f32x16(s: Avx512, x: &mut [__m512; 16]) {
    for q in 0..4 {
        four!(s, x, 4 * q, 1, zip_f32x16, pair_f32x16);
    }
    for c in 0..4 {
        four!(s, x, c, 4, halves_f32x16, parts_f32x16);
    }
}

/// The rows of 8 × 8 elements become its columns.
#[inline(always)]
pub(super) fn f64x8(s: Avx512, x: &mut [__m512d; 8]) {
    for q in 0..4 {
        two!(s, x, 2 * q, 1, zip_f64x8);
    }
    for c in 0..2 {
        four!(s, x, c, 2, halves_f64x8, parts_f64x8);
    }
}

/// The rows of 8 × 8 elements become its columns.
#[inline(always)]
pub(super) fn f32x8(s: Avx2, x: &mut [__m256; 8]) {
    for q in 0..2 {
        four!(s, x, 4 * q, 1, zip_f32x8, pair_f32x8);
    }
    for c in 0..4 {
        two!(s, x, c, 4, halves_f32x8);
    }
}

/// The rows of 4 × 4 elements become its columns.
#[inline(always)]
pub(super) fn f64x4(s: Avx2, x: &mut [__m256d; 4]) {
    for q in 0..2 {
        two!(s, x, 2 * q, 1, zip_f64x4);
    }
    for c in 0..2 {
        two!(s, x, c, 2, halves_f64x4);
    }
}
