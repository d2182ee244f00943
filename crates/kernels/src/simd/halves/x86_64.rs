//! Numbers of 16 bits on AVX2 and AVX-512.

use super::{F16Loads, Halves};
use crate::simd::{Avx2, Avx2F16c, Avx512};
use std::arch::x86_64::*;

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

impl F16Loads for Avx2F16c {
    type Floats = Avx2;

    #[inline(always)]
    unsafe fn load(self, p: *const u16) -> __m256 {
        // SAFETY: eight numbers, promised by the caller; `self` proves F16C.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(p.cast())) }
    }

    #[inline(always)]
    unsafe fn load_first_filled(self, p: *const u16, first: __m256i) -> __m256 {
        // SAFETY: promised by the caller; `self` proves AVX2.
        unsafe {
            let numbers = self.load(p);
            let filled = _mm256_broadcastss_ps(_mm256_castps256_ps128(numbers));
            _mm256_blendv_ps(filled, numbers, _mm256_castsi256_ps(first))
        }
    }
}

impl F16Loads for Avx512 {
    type Floats = Avx512;

    #[inline(always)]
    unsafe fn load(self, p: *const u16) -> __m512 {
        // SAFETY: sixteen numbers, promised by the caller; `self` proves AVX-512 F.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(p.cast())) }
    }

    #[inline(always)]
    unsafe fn load_first_filled(self, p: *const u16, first: __mmask16) -> __m512 {
        // SAFETY: sixteen numbers, promised by the caller; `self` proves AVX-512 F, VL and BW.
        unsafe {
            let filled = _mm256_set1_epi16(p.cast::<i16>().read_unaligned());
            _mm512_cvtph_ps(_mm256_mask_loadu_epi16(filled, first, p.cast()))
        }
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
            _mm512_dpbf16_ps(sums, std::mem::transmute::<__m512, __m512bh>(pairs), pair)
        }
    }
}
