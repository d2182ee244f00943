//! Words of few-bit weights on AVX2, AVX-VNNI and AVX512-VNNI.

use super::narrow::NarrowQuads;
use super::x86_64::{Encoding, Vex};
use super::{Avx512Vnni, AvxVnni, Quads};
use crate::simd::{Avx2, Avx512};
use std::arch::x86_64::*;

/// Proof that the CPU has AVX2, FMA and F16C.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2F16c(Avx2);

impl Avx2F16c {
    /// # Safety
    /// The CPU has AVX2, FMA and F16C.
    #[inline(always)]
    pub(crate) unsafe fn assume() -> Avx2F16c {
        // SAFETY: promised by the caller.
        Avx2F16c(unsafe { Avx2::assume() })
    }
}

/// Proof that the CPU has AVX2, FMA, F16C and `vpdpbusd` on 256-bit vectors in an encoding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AvxVnniF16c<E = Vex>(AvxVnni<E>, Avx2F16c);

impl<E: Encoding> AvxVnniF16c<E> {
    /// # Safety
    /// The CPU has AVX2, FMA, F16C and `vpdpbusd` in the encoding.
    #[inline(always)]
    pub(crate) unsafe fn assume() -> Self {
        // SAFETY: promised by the caller.
        unsafe { AvxVnniF16c(AvxVnni::assume(), Avx2F16c::assume()) }
    }
}

/// What makes signed bytes unsigned: their upper bit turned adds 128.
const SIGN: i8 = i8::MIN;

// SAFETY: each load is one of 32, 16, eight or four bytes. `self` proves AVX2, FMA and F16C.
unsafe impl NarrowQuads<8> for Avx2F16c {
    type Floats = Avx2;
    type Words = __m256i;
    type Row = __m256i;
    /// Two sums of 16 bits for each column.
    type Short = __m256i;
    type Sums = __m256i;
    const OFFSET: i32 = 0;
    const SHORT_SUMS: bool = true;
    const SUMS_WAIT: bool = false;

    #[inline(always)]
    fn floats(self) -> Avx2 {
        self.0
    }

    #[inline(always)]
    unsafe fn words(self, p: *const u8) -> __m256i {
        // SAFETY: promised by the caller; `self` proves AVX2.
        unsafe { _mm256_loadu_si256(p.cast()) }
    }

    #[inline(always)]
    fn and(self, words: __m256i, mask: u8) -> __m256i {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_and_si256(words, _mm256_set1_epi8(mask as i8)) }
    }

    #[inline(always)]
    fn or(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_or_si256(a, b) }
    }

    #[inline(always)]
    fn shift_left(self, words: __m256i, bits: usize) -> __m256i {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_sll_epi32(words, _mm_cvtsi32_si128(bits as i32)) }
    }

    #[inline(always)]
    fn shift_right(self, words: __m256i, bits: usize) -> __m256i {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_srl_epi32(words, _mm_cvtsi32_si128(bits as i32)) }
    }

    #[inline(always)]
    fn look_up(self, table: &[i8; 16], words: __m256i) -> __m256i {
        // SAFETY: a table of 16 bytes; `self` proves AVX2.
        unsafe {
            let table = _mm256_broadcastsi128_si256(_mm_loadu_si128(table.as_ptr().cast()));
            _mm256_shuffle_epi8(table, words)
        }
    }

    #[inline(always)]
    unsafe fn halves(self, p: *const u8) -> [f32; 8] {
        // SAFETY: promised by the caller; `self` proves F16C; both types are 32 bytes of numbers.
        unsafe { std::mem::transmute(_mm256_cvtph_ps(_mm_loadu_si128(p.cast()))) }
    }

    #[inline(always)]
    unsafe fn unsigned_bytes(self, p: *const u8) -> [f32; 8] {
        // SAFETY: promised by the caller; `self` proves AVX2; both types are 32 bytes of numbers.
        unsafe { std::mem::transmute(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(p.cast())))) }
    }

    #[inline(always)]
    unsafe fn signed_bytes(self, p: *const u8) -> [f32; 8] {
        // SAFETY: promised by the caller; `self` proves AVX2; both types are 32 bytes of numbers.
        unsafe { std::mem::transmute(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(p.cast())))) }
    }

    #[inline(always)]
    fn signed(self, words: __m256i) -> __m256i {
        words
    }

    #[inline(always)]
    unsafe fn row(self, p: *const u8) -> __m256i {
        // SAFETY: promised by the caller; `self` proves AVX2.
        unsafe { _mm256_set1_epi32(p.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    fn no_products(self) -> __m256i {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_setzero_si256() }
    }

    #[inline(always)]
    fn no_sums(self) -> __m256i {
        self.no_products()
    }

    #[inline(always)]
    unsafe fn start(self, p: *const i32, bits: u32) -> __m256i {
        // SAFETY: promised by the caller; `self` proves AVX2.
        unsafe { _mm256_sll_epi32(_mm256_set1_epi32(p.read_unaligned()), _mm_cvtsi32_si128(bits as i32)) }
    }

    #[inline(always)]
    fn add_unsigned_products(self, sums: __m256i, weights: __m256i, row: __m256i) -> __m256i {
        self.add(sums, self.add_products(self.no_products(), weights, row))
    }

    /// In 16 bits: a sum of two products is at most 2 · 127 times the largest weight, and 8 · 15, 4 · 31 and 2 · 63 of those pairs stay
    /// below 2¹⁵.
    #[inline(always)]
    fn add_products(self, short: __m256i, weights: __m256i, row: __m256i) -> __m256i {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_add_epi16(short, _mm256_maddubs_epi16(weights, row)) }
    }

    /// Magnitudes of weights times rows with the weights' signs: 2 · 128 · 127 is below 2¹⁵.
    #[inline(always)]
    fn add_signed_products(self, sums: __m256i, weights: __m256i, row: __m256i) -> __m256i {
        // SAFETY: `self` proves AVX2.
        unsafe {
            let products = _mm256_maddubs_epi16(_mm256_abs_epi8(weights), _mm256_sign_epi8(row, weights));
            self.add(sums, products)
        }
    }

    #[inline(always)]
    fn add(self, sums: __m256i, short: __m256i) -> __m256i {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_add_epi32(sums, _mm256_madd_epi16(short, _mm256_set1_epi16(1))) }
    }

    #[inline(always)]
    fn to_floats(self, sums: __m256i) -> [f32; 8] {
        self.0.to_floats(sums)
    }
}

// SAFETY: each load is one of 32, 16, eight or four bytes. `self` proves AVX2, FMA, F16C and `vpdpbusd` in the encoding.
unsafe impl<E: Encoding> NarrowQuads<8> for AvxVnniF16c<E> {
    type Floats = Avx2;
    type Words = __m256i;
    type Row = __m256i;
    type Short = __m256i;
    type Sums = __m256i;
    const OFFSET: i32 = 128;
    const SHORT_SUMS: bool = false;
    const SUMS_WAIT: bool = false;

    #[inline(always)]
    fn floats(self) -> Avx2 {
        self.0.floats()
    }

    #[inline(always)]
    unsafe fn words(self, p: *const u8) -> __m256i {
        // SAFETY: promised by the caller.
        unsafe { self.1.words(p) }
    }

    #[inline(always)]
    fn and(self, words: __m256i, mask: u8) -> __m256i {
        self.1.and(words, mask)
    }

    #[inline(always)]
    fn or(self, a: __m256i, b: __m256i) -> __m256i {
        self.1.or(a, b)
    }

    #[inline(always)]
    fn shift_left(self, words: __m256i, bits: usize) -> __m256i {
        self.1.shift_left(words, bits)
    }

    #[inline(always)]
    fn shift_right(self, words: __m256i, bits: usize) -> __m256i {
        self.1.shift_right(words, bits)
    }

    #[inline(always)]
    fn look_up(self, table: &[i8; 16], words: __m256i) -> __m256i {
        self.1.look_up(table, words)
    }

    #[inline(always)]
    unsafe fn halves(self, p: *const u8) -> [f32; 8] {
        // SAFETY: promised by the caller.
        unsafe { self.1.halves(p) }
    }

    #[inline(always)]
    unsafe fn unsigned_bytes(self, p: *const u8) -> [f32; 8] {
        // SAFETY: promised by the caller.
        unsafe { self.1.unsigned_bytes(p) }
    }

    #[inline(always)]
    unsafe fn signed_bytes(self, p: *const u8) -> [f32; 8] {
        // SAFETY: promised by the caller.
        unsafe { self.1.signed_bytes(p) }
    }

    #[inline(always)]
    fn signed(self, words: __m256i) -> __m256i {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_xor_si256(words, _mm256_set1_epi8(SIGN)) }
    }

    #[inline(always)]
    unsafe fn row(self, p: *const u8) -> __m256i {
        // SAFETY: promised by the caller; `self` proves AVX2.
        unsafe { _mm256_set1_epi32(p.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    fn no_products(self) -> __m256i {
        self.1.no_products()
    }

    #[inline(always)]
    fn no_sums(self) -> __m256i {
        self.1.no_products()
    }

    #[inline(always)]
    unsafe fn start(self, p: *const i32, bits: u32) -> __m256i {
        // SAFETY: promised by the caller; `self` proves AVX2.
        unsafe { _mm256_sll_epi32(_mm256_set1_epi32(p.read_unaligned()), _mm_cvtsi32_si128(bits as i32)) }
    }

    #[inline(always)]
    fn add_unsigned_products(self, sums: __m256i, weights: __m256i, row: __m256i) -> __m256i {
        NarrowQuads::add_products(self, sums, weights, row)
    }

    #[inline(always)]
    fn add_products(self, short: __m256i, weights: __m256i, row: __m256i) -> __m256i {
        // SAFETY: `self` proves AVX2 and `vpdpbusd` in the encoding.
        unsafe { E::add_products(short, weights, row) }
    }

    #[inline(always)]
    fn add_signed_products(self, sums: __m256i, weights: __m256i, row: __m256i) -> __m256i {
        self.add_products(sums, weights, row)
    }

    #[inline(always)]
    fn add(self, sums: __m256i, short: __m256i) -> __m256i {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_add_epi32(sums, short) }
    }

    #[inline(always)]
    fn to_floats(self, sums: __m256i) -> [f32; 8] {
        self.0.to_floats(sums)
    }
}

// SAFETY: each load is one of 64, 32, 16 or four bytes. `self` proves AVX512-VNNI and AVX-512 F, VL, BW and DQ.
unsafe impl NarrowQuads<16> for Avx512Vnni {
    type Floats = Avx512;
    type Words = __m512i;
    type Row = __m512i;
    type Short = __m512i;
    type Sums = __m512i;
    const OFFSET: i32 = 128;
    const SHORT_SUMS: bool = false;
    const SUMS_WAIT: bool = true;

    #[inline(always)]
    fn floats(self) -> Avx512 {
        Quads::floats(self)
    }

    #[inline(always)]
    unsafe fn words(self, p: *const u8) -> __m512i {
        // SAFETY: promised by the caller; `self` proves AVX-512 F.
        unsafe { _mm512_loadu_si512(p.cast()) }
    }

    #[inline(always)]
    fn and(self, words: __m512i, mask: u8) -> __m512i {
        // SAFETY: `self` proves AVX-512 F.
        unsafe { _mm512_and_si512(words, _mm512_set1_epi8(mask as i8)) }
    }

    #[inline(always)]
    fn or(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: `self` proves AVX-512 F.
        unsafe { _mm512_or_si512(a, b) }
    }

    #[inline(always)]
    fn shift_left(self, words: __m512i, bits: usize) -> __m512i {
        // SAFETY: `self` proves AVX-512 F.
        unsafe { _mm512_sll_epi32(words, _mm_cvtsi32_si128(bits as i32)) }
    }

    #[inline(always)]
    fn shift_right(self, words: __m512i, bits: usize) -> __m512i {
        // SAFETY: `self` proves AVX-512 F.
        unsafe { _mm512_srl_epi32(words, _mm_cvtsi32_si128(bits as i32)) }
    }

    #[inline(always)]
    fn look_up(self, table: &[i8; 16], words: __m512i) -> __m512i {
        // SAFETY: a table of 16 bytes; `self` proves AVX-512 F and BW.
        unsafe {
            let table = _mm512_broadcast_i32x4(_mm_loadu_si128(table.as_ptr().cast()));
            _mm512_shuffle_epi8(table, words)
        }
    }

    #[inline(always)]
    unsafe fn halves(self, p: *const u8) -> [f32; 16] {
        // SAFETY: promised by the caller; `self` proves AVX-512 F; both types are 64 bytes of numbers.
        unsafe { std::mem::transmute(_mm512_cvtph_ps(_mm256_loadu_si256(p.cast()))) }
    }

    #[inline(always)]
    unsafe fn unsigned_bytes(self, p: *const u8) -> [f32; 16] {
        // SAFETY: promised by the caller; `self` proves AVX-512 F; both types are 64 bytes of numbers.
        unsafe { std::mem::transmute(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(p.cast())))) }
    }

    #[inline(always)]
    unsafe fn signed_bytes(self, p: *const u8) -> [f32; 16] {
        // SAFETY: promised by the caller; `self` proves AVX-512 F; both types are 64 bytes of numbers.
        unsafe { std::mem::transmute(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(p.cast())))) }
    }

    #[inline(always)]
    fn signed(self, words: __m512i) -> __m512i {
        // SAFETY: `self` proves AVX-512 F.
        unsafe { _mm512_xor_si512(words, _mm512_set1_epi8(SIGN)) }
    }

    #[inline(always)]
    unsafe fn row(self, p: *const u8) -> __m512i {
        // SAFETY: promised by the caller; `self` proves AVX-512 F.
        unsafe { _mm512_set1_epi32(p.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    fn no_products(self) -> __m512i {
        // SAFETY: `self` proves AVX-512 F.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    fn no_sums(self) -> __m512i {
        self.no_products()
    }

    #[inline(always)]
    unsafe fn start(self, p: *const i32, bits: u32) -> __m512i {
        // SAFETY: promised by the caller; `self` proves AVX-512 F.
        unsafe { _mm512_sll_epi32(_mm512_set1_epi32(p.read_unaligned()), _mm_cvtsi32_si128(bits as i32)) }
    }

    #[inline(always)]
    fn add_unsigned_products(self, sums: __m512i, weights: __m512i, row: __m512i) -> __m512i {
        NarrowQuads::add_products(self, sums, weights, row)
    }

    #[inline(always)]
    fn add_products(self, short: __m512i, weights: __m512i, row: __m512i) -> __m512i {
        // SAFETY: `self` proves AVX512-VNNI.
        unsafe { _mm512_dpbusd_epi32(short, weights, row) }
    }

    #[inline(always)]
    fn add_signed_products(self, sums: __m512i, weights: __m512i, row: __m512i) -> __m512i {
        NarrowQuads::add_products(self, sums, weights, row)
    }

    #[inline(always)]
    fn now(self, sums: __m512i) -> __m512i {
        // SAFETY: `self` proves AVX-512 F.
        unsafe { in_register(sums) }
    }

    #[inline(always)]
    fn add(self, sums: __m512i, short: __m512i) -> __m512i {
        // SAFETY: `self` proves AVX-512 F.
        unsafe { _mm512_add_epi32(sums, short) }
    }

    #[inline(always)]
    fn to_floats(self, sums: __m512i) -> [f32; 16] {
        Quads::to_floats(self, sums)
    }
}

/// The same vector, in a register here.
///
/// # Safety
/// The CPU has AVX-512 F.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn in_register(mut vector: __m512i) -> __m512i {
    // SAFETY: no instruction at all.
    unsafe { std::arch::asm!("/* {} */", inout(zmm_reg) vector, options(nomem, nostack, preserves_flags)) };
    vector
}
