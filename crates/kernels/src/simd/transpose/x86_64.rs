//! Blocks in registers of 256 and 512 bits.

use crate::simd::{Avx2, Avx512};
use std::arch::x86_64::*;

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

/// The rows of 16 × 16 elements become its columns.
#[inline(always)]
pub(in crate::simd) fn f32x16(s: Avx512, x: &mut [__m512; 16]) {
    for q in 0..4 {
        four!(s, x, 4 * q, 1, zip_f32x16, pair_f32x16);
    }
    for c in 0..4 {
        four!(s, x, c, 4, halves_f32x16, parts_f32x16);
    }
}

/// The rows of 8 × 8 elements become its columns.
#[inline(always)]
pub(in crate::simd) fn f64x8(s: Avx512, x: &mut [__m512d; 8]) {
    for q in 0..4 {
        two!(s, x, 2 * q, 1, zip_f64x8);
    }
    for c in 0..2 {
        four!(s, x, c, 2, halves_f64x8, parts_f64x8);
    }
}

/// The rows of 8 × 8 elements become its columns.
#[inline(always)]
pub(in crate::simd) fn f32x8(s: Avx2, x: &mut [__m256; 8]) {
    for q in 0..2 {
        four!(s, x, 4 * q, 1, zip_f32x8, pair_f32x8);
    }
    for c in 0..4 {
        two!(s, x, c, 4, halves_f32x8);
    }
}

/// The rows of 4 × 4 elements become its columns.
#[inline(always)]
pub(in crate::simd) fn f64x4(s: Avx2, x: &mut [__m256d; 4]) {
    for q in 0..2 {
        two!(s, x, 2 * q, 1, zip_f64x4);
    }
    for c in 0..2 {
        two!(s, x, c, 2, halves_f64x4);
    }
}
