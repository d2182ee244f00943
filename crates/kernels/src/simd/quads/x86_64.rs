//! Quads on AVX2, AVX-VNNI and AVX512-VNNI.

use super::Quads;
use crate::simd::{Avx2, Avx512};
use std::arch::x86_64::*;

/// Proof that the CPU has AVX-VNNI, AVX2 and FMA.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AvxVnni(Avx2);

impl AvxVnni {
    /// # Safety
    /// The CPU has AVX-VNNI, AVX2 and FMA.
    #[inline(always)]
    pub(crate) unsafe fn assume() -> AvxVnni {
        // SAFETY: promised by the caller.
        AvxVnni(unsafe { Avx2::assume() })
    }
}

/// Proof that the CPU has AVX512-VNNI and AVX-512 F, VL, BW and DQ.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512Vnni(Avx512);

impl Avx512Vnni {
    /// # Safety
    /// The CPU has AVX512-VNNI and AVX-512 F, VL, BW and DQ.
    #[inline(always)]
    pub(crate) unsafe fn assume() -> Avx512Vnni {
        // SAFETY: promised by the caller.
        Avx512Vnni(unsafe { Avx512::assume() })
    }
}

/// A quad of a row as `vpmaddubsw` takes it: its magnitudes, and its signs, which go to the column.
#[derive(Clone, Copy)]
pub(crate) struct SignedRow {
    magnitudes: __m256i,
    signs: __m256i,
}

// SAFETY: each load is one of 32 or four bytes. `self` proves AVX2.
unsafe impl Quads<8> for Avx2 {
    type Floats = Avx2;
    type Columns = __m256i;
    type Row = SignedRow;
    type Sums = __m256i;

    #[inline(always)]
    fn floats(self) -> Avx2 {
        self
    }

    #[inline(always)]
    unsafe fn start(self, _column_sums: *const i32) -> __m256i {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_setzero_si256() }
    }

    #[inline(always)]
    unsafe fn columns(self, p: *const i8) -> __m256i {
        // SAFETY: promised by the caller; `self` proves AVX2.
        unsafe { _mm256_loadu_si256(p.cast()) }
    }

    #[inline(always)]
    unsafe fn row(self, p: *const i8) -> SignedRow {
        // SAFETY: promised by the caller; `self` proves AVX2.
        unsafe {
            let signs = _mm256_set1_epi32(p.cast::<i32>().read_unaligned());
            SignedRow { magnitudes: _mm256_abs_epi8(signs), signs }
        }
    }

    /// A pair of products is at most 2 · 127 · 127 = 32,258, so that 16 bits hold it.
    #[inline(always)]
    fn add_products(self, sums: __m256i, columns: __m256i, row: SignedRow) -> __m256i {
        // SAFETY: `self` proves AVX2.
        unsafe {
            let pairs = _mm256_maddubs_epi16(row.magnitudes, _mm256_sign_epi8(columns, row.signs));
            _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        }
    }

    #[inline(always)]
    fn to_floats(self, sums: __m256i) -> [f32; 8] {
        // SAFETY: `self` proves AVX2; both types are 32 bytes of numbers.
        unsafe { std::mem::transmute(_mm256_cvtepi32_ps(sums)) }
    }
}

/// What the bytes of rows have gained where the instruction takes them unsigned.
const OFFSET: i32 = 128;

// SAFETY: each load is one of 32 or four bytes. `self` proves AVX-VNNI.
unsafe impl Quads<8> for AvxVnni {
    type Floats = Avx2;
    type Columns = __m256i;
    type Row = __m256i;
    type Sums = __m256i;

    #[inline(always)]
    fn floats(self) -> Avx2 {
        self.0
    }

    #[inline(always)]
    unsafe fn start(self, column_sums: *const i32) -> __m256i {
        // SAFETY: promised by the caller; `self` proves AVX2.
        unsafe { _mm256_mullo_epi32(_mm256_loadu_si256(column_sums.cast()), _mm256_set1_epi32(-OFFSET)) }
    }

    #[inline(always)]
    unsafe fn columns(self, p: *const i8) -> __m256i {
        // SAFETY: promised by the caller; `self` proves AVX2.
        unsafe { _mm256_loadu_si256(p.cast()) }
    }

    #[inline(always)]
    unsafe fn row(self, p: *const i8) -> __m256i {
        // SAFETY: promised by the caller; `self` proves AVX2.
        unsafe { _mm256_set1_epi32(p.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    fn add_products(self, sums: __m256i, columns: __m256i, row: __m256i) -> __m256i {
        // SAFETY: `self` proves AVX-VNNI.
        unsafe { _mm256_dpbusd_avx_epi32(sums, row, columns) }
    }

    #[inline(always)]
    fn to_floats(self, sums: __m256i) -> [f32; 8] {
        // SAFETY: `self` proves AVX2; both types are 32 bytes of numbers.
        unsafe { std::mem::transmute(_mm256_cvtepi32_ps(sums)) }
    }
}

// SAFETY: each load is one of 64 or four bytes. `self` proves AVX512-VNNI.
unsafe impl Quads<16> for Avx512Vnni {
    type Floats = Avx512;
    type Columns = __m512i;
    type Row = __m512i;
    type Sums = __m512i;

    #[inline(always)]
    fn floats(self) -> Avx512 {
        self.0
    }

    #[inline(always)]
    unsafe fn start(self, column_sums: *const i32) -> __m512i {
        // SAFETY: promised by the caller; `self` proves AVX-512 F.
        unsafe { _mm512_mullo_epi32(_mm512_loadu_si512(column_sums.cast()), _mm512_set1_epi32(-OFFSET)) }
    }

    #[inline(always)]
    unsafe fn columns(self, p: *const i8) -> __m512i {
        // SAFETY: promised by the caller; `self` proves AVX-512 F.
        unsafe { _mm512_loadu_si512(p.cast()) }
    }

    #[inline(always)]
    unsafe fn row(self, p: *const i8) -> __m512i {
        // SAFETY: promised by the caller; `self` proves AVX-512 F.
        unsafe { _mm512_set1_epi32(p.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    fn add_products(self, sums: __m512i, columns: __m512i, row: __m512i) -> __m512i {
        // SAFETY: `self` proves AVX512-VNNI.
        unsafe { _mm512_dpbusd_epi32(sums, row, columns) }
    }

    #[inline(always)]
    fn to_floats(self, sums: __m512i) -> [f32; 16] {
        // SAFETY: `self` proves AVX-512 F; both types are 64 bytes of numbers.
        unsafe { std::mem::transmute(_mm512_cvtepi32_ps(sums)) }
    }
}
