//! Quads on AVX2, AVX-VNNI and AVX512-VNNI.

use super::{QuadRows, Quads};
use crate::simd::{Avx2, Avx512};
use std::arch::x86_64::*;
use std::marker::PhantomData;

/// An encoding of `vpdpbusd` on 256-bit vectors.
pub(crate) trait Encoding: Copy {
    /// sums + the products of unsigned and signed bytes, four for each lane.
    ///
    /// # Safety
    /// The CPU has AVX2, and the instruction in this encoding.
    unsafe fn add_products(sums: __m256i, unsigned: __m256i, signed: __m256i) -> __m256i;
}

/// That of AVX-VNNI.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vex;

impl Encoding for Vex {
    #[inline(always)]
    unsafe fn add_products(sums: __m256i, unsigned: __m256i, signed: __m256i) -> __m256i {
        // SAFETY: promised by the caller.
        unsafe { _mm256_dpbusd_avx_epi32(sums, unsigned, signed) }
    }
}

/// That of AVX512-VNNI and AVX512-VL, by which CPUs without AVX-VNNI run the tests of its kernels.
#[cfg(test)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evex;

#[cfg(test)]
impl Encoding for Evex {
    #[inline(always)]
    unsafe fn add_products(sums: __m256i, unsigned: __m256i, signed: __m256i) -> __m256i {
        // SAFETY: promised by the caller.
        unsafe { _mm256_dpbusd_epi32(sums, unsigned, signed) }
    }
}

/// Proof that the CPU has AVX2, FMA and `vpdpbusd` on 256-bit vectors in an encoding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AvxVnni<E = Vex>(Avx2, PhantomData<E>);

impl<E: Encoding> AvxVnni<E> {
    /// # Safety
    /// The CPU has AVX2, FMA and `vpdpbusd` in the encoding.
    #[inline(always)]
    pub(crate) unsafe fn assume() -> Self {
        // SAFETY: promised by the caller.
        AvxVnni(unsafe { Avx2::assume() }, PhantomData)
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

/// Quads of eight columns, or one of a row eight times, widened to 16 bits: their first and third numbers, and the others.
#[derive(Clone, Copy)]
pub(crate) struct Widened {
    even: __m256i,
    odd: __m256i,
}

// SAFETY: each load is one of 32 or eight bytes. `self` proves AVX2.
unsafe impl Quads<8> for Avx2 {
    type Floats = Avx2;
    type Columns = Widened;
    type Row = Widened;
    type Sums = __m256i;
    const ROWS: QuadRows = QuadRows::Words;
    const ROWS_AT_A_TIME: usize = 4;
    const SUMS_WAIT: bool = false;

    #[inline(always)]
    fn floats(self) -> Avx2 {
        self
    }

    #[inline(always)]
    fn no_sums(self) -> __m256i {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_setzero_si256() }
    }

    #[inline(always)]
    unsafe fn start(self, _column_sums: *const i32) -> __m256i {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_setzero_si256() }
    }

    /// Each 16 bits hold two neighbours: shifts widen the upper one, and the lower one from its place.
    #[inline(always)]
    unsafe fn columns(self, p: *const i8) -> Widened {
        // SAFETY: promised by the caller; `self` proves AVX2.
        unsafe {
            let quads = _mm256_loadu_si256(p.cast());
            Widened { even: _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(quads)), odd: _mm256_srai_epi16::<8>(quads) }
        }
    }

    #[inline(always)]
    unsafe fn row(self, p: *const u8) -> Widened {
        // SAFETY: promised by the caller; `self` proves AVX2.
        unsafe {
            Widened {
                even: _mm256_set1_epi32(p.cast::<i32>().read_unaligned()),
                odd: _mm256_set1_epi32(p.add(4).cast::<i32>().read_unaligned()),
            }
        }
    }

    /// By `vpmaddwd` on widened bytes, of which two go through in a cycle where `vpmaddubsw` would need `vpsignb` and a second
    /// multiplication for as many products, or saturate.
    #[inline(always)]
    fn add_products(self, sums: __m256i, columns: Widened, row: Widened) -> __m256i {
        // SAFETY: `self` proves AVX2.
        unsafe {
            let sums = _mm256_add_epi32(sums, _mm256_madd_epi16(columns.even, row.even));
            _mm256_add_epi32(sums, _mm256_madd_epi16(columns.odd, row.odd))
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

// SAFETY: each load is one of 32 or four bytes. `self` proves AVX2 and `vpdpbusd` in the encoding.
unsafe impl<E: Encoding> Quads<8> for AvxVnni<E> {
    type Floats = Avx2;
    type Columns = __m256i;
    type Row = __m256i;
    type Sums = __m256i;
    const ROWS: QuadRows = QuadRows::Offset;
    const ROWS_AT_A_TIME: usize = 6;
    const SUMS_WAIT: bool = false;

    #[inline(always)]
    fn floats(self) -> Avx2 {
        self.0
    }

    #[inline(always)]
    fn no_sums(self) -> __m256i {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_setzero_si256() }
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
    unsafe fn row(self, p: *const u8) -> __m256i {
        // SAFETY: promised by the caller; `self` proves AVX2.
        unsafe { _mm256_set1_epi32(p.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    fn add_products(self, sums: __m256i, columns: __m256i, row: __m256i) -> __m256i {
        // SAFETY: `self` proves AVX2 and `vpdpbusd` in the encoding.
        unsafe { E::add_products(sums, row, columns) }
    }

    #[inline(always)]
    fn to_floats(self, sums: __m256i) -> [f32; 8] {
        self.0.to_floats(sums)
    }
}

// SAFETY: each load is one of 64 or four bytes. `self` proves AVX512-VNNI.
unsafe impl Quads<16> for Avx512Vnni {
    type Floats = Avx512;
    type Columns = __m512i;
    type Row = __m512i;
    type Sums = __m512i;
    const ROWS: QuadRows = QuadRows::Offset;
    const ROWS_AT_A_TIME: usize = 4;
    const SUMS_WAIT: bool = true;

    #[inline(always)]
    fn floats(self) -> Avx512 {
        self.0
    }

    #[inline(always)]
    fn no_sums(self) -> __m512i {
        // SAFETY: `self` proves AVX-512 F.
        unsafe { _mm512_setzero_si512() }
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
    unsafe fn row(self, p: *const u8) -> __m512i {
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
