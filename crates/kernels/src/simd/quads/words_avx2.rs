//! Words of 16 columns times four rows on AVX2, in assembly: with intrinsics the compiler holds more values at a time than there are
//! registers, and stores them.

use super::narrow_x86_64::Avx2F16c;
use std::arch::asm;
use std::arch::x86_64::*;

/// Words that are multiplied at a time.
pub(crate) const FOUR_WORDS: usize = 4;

/// Rows that are multiplied at a time.
pub(crate) const FOUR_ROWS: usize = 4;

/// For each row a sum of each of 16 columns, in two vectors.
pub(crate) type SumsOfRows = [[__m256i; 2]; FOUR_ROWS];

/// Words of 16 columns, a byte for each weight.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct WordsOf16(pub(crate) [[u8; 32]; 2]);

impl WordsOf16 {
    pub(crate) const ZERO: Self = WordsOf16([[0; 32]; 2]);
}

/// `four_words!(word, sums, rows, stride, words; …)`: what the lines of `word!` for each of four words make of the sums, with more operands.
macro_rules! four_words {
    ($word:ident, $sums:ident, $rows:ident, $stride:ident, $words:ident; $($operands:tt)*) => {{
        let [[mut a0, mut a1], [mut b0, mut b1], [mut c0, mut c1], [mut d0, mut d1]] = $sums;
        asm!(
            $word!("0", "0"),
            $word!("64", "4"),
            $word!("128", "8"),
            $word!("192", "12"),
            words = in(reg) $words,
            rows = in(reg) $rows,
            stride = in(reg) $stride,
            three = in(reg) 3 * $stride,
            a0 = inout(ymm_reg) a0, a1 = inout(ymm_reg) a1, b0 = inout(ymm_reg) b0, b1 = inout(ymm_reg) b1,
            c0 = inout(ymm_reg) c0, c1 = inout(ymm_reg) c1, d0 = inout(ymm_reg) d0, d1 = inout(ymm_reg) d1,
            w0 = out(ymm_reg) _, w1 = out(ymm_reg) _, row = out(ymm_reg) _, x = out(ymm_reg) _, y = out(ymm_reg) _,
            $($operands)*
            options(nostack, preserves_flags, readonly, pure)
        );
        [[a0, a1], [b0, b1], [c0, c1], [d0, d1]]
    }};
}

/// The lines of a word, as bytes without a sign, at this place in the words and in the rows.
#[rustfmt::skip]
macro_rules! unsigned_word {
    ($word:literal, $place:literal) => {
        concat!(
            "vmovdqu {w0}, [{words} + ", $word, "]\n",
            "vmovdqu {w1}, [{words} + ", $word, " + 32]\n",
            unsigned_word!(@row "{rows}", $place, "{a0}", "{a1}"),
            unsigned_word!(@row "{rows} + {stride}", $place, "{b0}", "{b1}"),
            unsigned_word!(@row "{rows} + 2*{stride}", $place, "{c0}", "{c1}"),
            unsigned_word!(@row "{rows} + {three}", $place, "{d0}", "{d1}"),
        )
    };
    (@row $row:literal, $place:literal, $first:literal, $second:literal) => {
        concat!(
            "vpbroadcastd {row}, [", $row, " + ", $place, "]\n",
            "vpmaddubsw {x}, {w0}, {row}\n",
            "vpmaddubsw {y}, {w1}, {row}\n",
            "vpaddw ", $first, ", ", $first, ", {x}\n",
            "vpaddw ", $second, ", ", $second, ", {y}\n",
        )
    };
}

/// The same for bytes with a sign: their magnitudes times rows with their signs.
#[rustfmt::skip]
macro_rules! signed_word {
    ($word:literal, $place:literal) => {
        concat!(
            "vpabsb {w0}, [{words} + ", $word, "]\n",
            "vpabsb {w1}, [{words} + ", $word, " + 32]\n",
            signed_word!(@row "{rows}", $place, $word, "{a0}", "{a1}"),
            signed_word!(@row "{rows} + {stride}", $place, $word, "{b0}", "{b1}"),
            signed_word!(@row "{rows} + 2*{stride}", $place, $word, "{c0}", "{c1}"),
            signed_word!(@row "{rows} + {three}", $place, $word, "{d0}", "{d1}"),
        )
    };
    (@row $row:literal, $place:literal, $word:literal, $first:literal, $second:literal) => {
        concat!(
            "vpbroadcastd {row}, [", $row, " + ", $place, "]\n",
            "vpsignb {x}, {row}, [{words} + ", $word, "]\n",
            "vpsignb {y}, {row}, [{words} + ", $word, " + 32]\n",
            "vpmaddubsw {x}, {w0}, {x}\n",
            "vpmaddubsw {y}, {w1}, {y}\n",
            "vpmaddwd {x}, {x}, {ones}\n",
            "vpmaddwd {y}, {y}, {ones}\n",
            "vpaddd ", $first, ", ", $first, ", {x}\n",
            "vpaddd ", $second, ", ", $second, ", {y}\n",
        )
    };
}

impl Avx2F16c {
    /// Words of a vector of columns as bytes.
    #[inline(always)]
    pub(crate) fn bytes(self, words: __m256i) -> [u8; 32] {
        // SAFETY: any bits are bytes.
        unsafe { std::mem::transmute(words) }
    }

    /// For each column two numbers of 16 bits, shifted up.
    ///
    /// # Safety
    /// `p` is valid for reads of both; no alignment is needed.
    #[inline(always)]
    pub(crate) unsafe fn short_start(self, p: *const u8, bits: u32) -> __m256i {
        // SAFETY: promised by the caller; `self` proves AVX2.
        unsafe { _mm256_sll_epi16(_mm256_set1_epi32(p.cast::<i32>().read_unaligned()), _mm_cvtsi32_si128(bits as i32)) }
    }

    /// a − b in 32 bits.
    #[inline(always)]
    pub(crate) fn subtract(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_sub_epi32(a, b) }
    }

    /// sums + rows · words, without signs, in 16 bits: two sums for each column, modulo 2¹⁶. Exact if the row's bytes are −127 to 127, the weights
    /// below 128 and the results fit 16 bits.
    ///
    /// # Safety
    /// `words` is valid for reads of [`FOUR_WORDS`] [`WordsOf16`], and each of [`FOUR_ROWS`] rows, `stride` bytes apart, for reads of as many
    /// words. No alignment is needed.
    #[target_feature(enable = "avx2")]
    #[inline]
    pub(crate) unsafe fn add_short_products_of_rows(
        self,
        sums: SumsOfRows,
        words: *const u8,
        rows: *const u8,
        stride: usize,
    ) -> SumsOfRows {
        // SAFETY: loads of four words and of four words of each row, promised by the caller; `self` proves AVX2.
        unsafe { four_words!(unsigned_word, sums, rows, stride, words;) }
    }

    /// sums + rows · words, with signs, in 32 bits. Exact if the row's bytes are −127 to 127 and the sums fit 32 bits.
    ///
    /// # Safety
    /// As [`Avx2F16c::add_short_products_of_rows`].
    #[target_feature(enable = "avx2")]
    #[inline]
    pub(crate) unsafe fn add_signed_products_of_rows(
        self,
        sums: SumsOfRows,
        words: *const u8,
        rows: *const u8,
        stride: usize,
    ) -> SumsOfRows {
        // SAFETY: as for bytes without a sign.
        unsafe { four_words!(signed_word, sums, rows, stride, words; ones = in(ymm_reg) _mm256_set1_epi16(1),) }
    }
}
