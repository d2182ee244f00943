//! Vectors of f32 whose lanes hold two numbers in bf16 each.

use super::{Avx2, Avx512, Simd};
use std::arch::x86_64::*;

/// Takes bf16 out of lanes, as f32: exact, and without a floating-point flag.
pub(crate) trait Halves: Simd<f32> {
    /// The lower half of each lane.
    fn first_halves(self, pairs: Self::Reg) -> Self::Reg;

    /// The upper half of each lane.
    fn second_halves(self, pairs: Self::Reg) -> Self::Reg;
}

/// The upper half of a lane.
const UPPER: i32 = !0xffff;

impl Halves for Avx2 {
    #[inline(always)]
    fn first_halves(self, pairs: __m256) -> __m256 {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_castps_si256(pairs))) }
    }

    #[inline(always)]
    fn second_halves(self, pairs: __m256) -> __m256 {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_and_ps(pairs, _mm256_castsi256_ps(_mm256_set1_epi32(UPPER))) }
    }
}

impl Halves for Avx512 {
    #[inline(always)]
    fn first_halves(self, pairs: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512 F.
        unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_castps_si512(pairs))) }
    }

    #[inline(always)]
    fn second_halves(self, pairs: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512 F.
        unsafe { _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(pairs), _mm512_set1_epi32(UPPER))) }
    }
}

/// Proof that the CPU has AVX512-BF16 and AVX-512 F.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512Bf16(());

impl Avx512Bf16 {
    /// # Safety
    /// The CPU has AVX512-BF16 and AVX-512 F.
    #[inline(always)]
    pub(crate) unsafe fn assume() -> Avx512Bf16 {
        Avx512Bf16(())
    }

    /// For each lane: (sums + second · second) + first · first of the pair and the lane's own. Denormal operands and sums are zeros;
    /// rounded to nearest whatever the thread's mode is, without a floating-point flag.
    #[inline(always)]
    pub(crate) fn add_products(self, sums: __m512, pair: i32, pairs: __m512) -> __m512 {
        // SAFETY: `self` proves the instructions; all of these types are 64 bytes of numbers.
        unsafe {
            let pair: __m512bh = std::mem::transmute(_mm512_set1_epi32(pair));
            _mm512_dpbf16_ps(sums, pair, std::mem::transmute::<__m512, __m512bh>(pairs))
        }
    }
}
