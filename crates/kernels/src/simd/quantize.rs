//! Rows in eight bits by vectors: what prepares the rows of integer kernels is written in.

use super::Scalar;
use crate::numbers::int8::{largest_magnitude, quantized, scale_for};
use crate::numbers::spread::spread;

/// Numbers that are quantised at a time.
pub(crate) const PART: usize = 32;

/// Parts whose scales are made at a time.
pub(crate) const PARTS: usize = 8;

/// The arithmetic of [`numbers::int8`](crate::numbers::int8) on [`PART`] numbers at a time or some of these, with the same bits on every
/// instruction set.
pub(crate) trait Quantize: Copy {
    /// As [`largest_magnitude`], for N numbers, a multiple of [`PART`].
    fn largest<const N: usize>(self, numbers: &[f32; N]) -> u32;

    /// The same for each of several parts.
    #[inline(always)]
    fn largest_of_each(self, parts: &[[f32; PART]; PARTS]) -> [u32; PARTS] {
        let mut largest = [0; PARTS];
        for (largest, part) in largest.iter_mut().zip(parts) {
            *largest = self.largest(part);
        }
        largest
    }

    /// Scales and factors as [`scale_for`] makes them.
    fn scales(self, largest: &[u32; PARTS]) -> ([f32; PARTS], [f32; PARTS]);

    /// Each number as [`quantized`] makes it.
    fn quantized(self, part: &[f32; PART], factor: f32) -> [i8; PART];

    /// The same for each of several parts.
    #[inline(always)]
    fn quantized_parts(self, parts: &[[f32; PART]; PARTS], factors: &[f32; PARTS]) -> [[i8; PART]; PARTS] {
        let mut numbers = [[0; PART]; PARTS];
        for i in 0..PARTS {
            numbers[i] = self.quantized(&parts[i], factors[i]);
        }
        numbers
    }

    /// out ← the first `len` numbers of a group, as [`spread`] makes them, and the others.
    #[inline(always)]
    fn spread<const N: usize>(self, group: &[f32; N], len: usize, out: &mut [f32; N]) {
        *out = *group;
        spread(out, len);
    }

    /// For both halves of each part the sum of the first two numbers of every four, and that of the others.
    fn sums(self, parts: &[[i8; PART]; PARTS]) -> [[[i16; 2]; 2]; PARTS];
}

impl Quantize for Scalar {
    #[inline(always)]
    fn largest<const N: usize>(self, numbers: &[f32; N]) -> u32 {
        largest_magnitude(numbers)
    }

    #[inline(always)]
    fn scales(self, largest: &[u32; PARTS]) -> ([f32; PARTS], [f32; PARTS]) {
        let both = largest.map(scale_for);
        (both.map(|(scale, _)| scale), both.map(|(_, factor)| factor))
    }

    #[inline(always)]
    fn quantized(self, part: &[f32; PART], factor: f32) -> [i8; PART] {
        part.map(|x| quantized(x, factor))
    }

    #[inline(always)]
    fn sums(self, parts: &[[i8; PART]; PARTS]) -> [[[i16; 2]; 2]; PARTS] {
        let of_pairs =
            |half: &[i8], first: usize| half[first..].chunks(4).map(|q| i16::from(q[0]) + i16::from(q[1])).sum();
        let of_half = |half: &[i8]| [of_pairs(half, 0), of_pairs(half, 2)];
        parts.map(|part| [of_half(&part[..PART / 2]), of_half(&part[PART / 2..])])
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{PART, PARTS, Quantize};
    use crate::numbers::int8::{INFINITY, LARGEST, NEGLIGIBLE, ROUNDING};
    use crate::simd::Avx2;
    use std::arch::x86_64::*;

    /// Lanes of a vector, and vectors of a part.
    const LANES: usize = 8;
    const VECTORS: usize = PART / LANES;

    impl Quantize for Avx2 {
        #[inline(always)]
        fn largest<const N: usize>(self, numbers: &[f32; N]) -> u32 {
            // SAFETY: `self` proves AVX2; loads of the numbers, whole vectors.
            unsafe {
                let mut eight = _mm256_setzero_si256();
                for first in (0..N).step_by(LANES) {
                    let x = _mm256_loadu_si256(numbers.as_ptr().add(first).cast());
                    eight = _mm256_max_epi32(eight, _mm256_and_si256(x, _mm256_set1_epi32(i32::MAX)));
                }
                let four = _mm_max_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256::<1>(eight));
                let two = _mm_max_epi32(four, _mm_shuffle_epi32::<0b01_00_11_10>(four));
                let one = _mm_max_epi32(two, _mm_shuffle_epi32::<0b10_11_00_01>(two));
                _mm_cvtsi128_si32(one) as u32
            }
        }

        #[inline(always)]
        fn scales(self, largest: &[u32; PARTS]) -> ([f32; PARTS], [f32; PARTS]) {
            // SAFETY: `self` proves AVX2; the arrays are vectors.
            unsafe {
                let bits = _mm256_loadu_si256(largest.as_ptr().cast());
                let is_infinite = _mm256_castsi256_ps(_mm256_cmpgt_epi32(bits, _mm256_set1_epi32(INFINITY as i32 - 1)));
                let largest = _mm256_castsi256_ps(bits);
                let is_negligible = _mm256_cmp_ps::<_CMP_LT_OQ>(largest, _mm256_set1_ps(NEGLIGIBLE));
                let has_none = _mm256_or_ps(is_infinite, is_negligible);
                // Ones instead, of which divisions raise no flag.
                let largest = _mm256_blendv_ps(largest, _mm256_set1_ps(1.0), has_none);
                let scales = _mm256_div_ps(largest, _mm256_set1_ps(LARGEST));
                let scales = _mm256_andnot_ps(is_negligible, scales);
                let scales = _mm256_blendv_ps(scales, _mm256_set1_ps(f32::NAN), is_infinite);
                let factors = _mm256_andnot_ps(has_none, _mm256_div_ps(_mm256_set1_ps(LARGEST), largest));
                (std::mem::transmute::<__m256, [f32; 8]>(scales), std::mem::transmute::<__m256, [f32; 8]>(factors))
            }
        }

        #[inline(always)]
        fn quantized(self, part: &[f32; PART], factor: f32) -> [i8; PART] {
            // SAFETY: `self` proves AVX2; loads of a part; its numbers are a vector of bytes.
            unsafe {
                let factor = _mm256_set1_ps(factor);
                let has_factor = _mm256_cmp_ps::<_CMP_NEQ_OQ>(factor, _mm256_setzero_ps());
                let mut numbers = [_mm256_setzero_si256(); VECTORS];
                for (vector, numbers) in numbers.iter_mut().enumerate() {
                    let x = _mm256_and_ps(_mm256_loadu_ps(part.as_ptr().add(vector * LANES)), has_factor);
                    let scaled = _mm256_min_ps(_mm256_mul_ps(x, factor), _mm256_set1_ps(LARGEST));
                    let scaled = _mm256_max_ps(scaled, _mm256_set1_ps(-LARGEST));
                    let rounded = _mm256_castps_si256(_mm256_add_ps(scaled, _mm256_set1_ps(ROUNDING)));
                    *numbers = _mm256_sub_epi32(rounded, _mm256_set1_epi32(ROUNDING.to_bits() as i32));
                }
                let [a, b, c, d] = numbers;
                // Halves of vectors are packed by themselves: the last step brings them into order.
                let packed = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
                let in_order = _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
                std::mem::transmute::<__m256i, [i8; PART]>(in_order)
            }
        }

        #[inline(always)]
        fn sums(self, parts: &[[i8; PART]; PARTS]) -> [[[i16; 2]; 2]; PARTS] {
            let mut sums = [[[0; 2]; 2]; PARTS];
            for (sums, part) in sums.iter_mut().zip(parts) {
                // SAFETY: `self` proves AVX2; a part is a vector of bytes.
                *sums = unsafe {
                    let numbers = _mm256_loadu_si256(part.as_ptr().cast());
                    let pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), numbers);
                    let two_words = _mm256_add_epi16(pairs, _mm256_shuffle_epi32::<0b01_00_11_10>(pairs));
                    let halves = _mm256_add_epi16(two_words, _mm256_shuffle_epi32::<0b10_11_00_01>(two_words));
                    let both = [_mm256_castsi256_si128(halves), _mm256_extracti128_si256::<1>(halves)];
                    both.map(|half| std::mem::transmute::<i32, [i16; 2]>(_mm_cvtsi128_si32(half)))
                };
            }
            sums
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::{PART, PARTS, Quantize};
    use crate::numbers::int8::{LARGEST, ROUNDING};
    use crate::numbers::spread::{WIDE_BLOCK, spread};
    use crate::simd::{Avx2, Avx512};
    use std::arch::x86_64::*;

    /// Lanes of a vector.
    const LANES: usize = 16;

    impl Quantize for Avx512 {
        #[inline(always)]
        fn largest<const N: usize>(self, numbers: &[f32; N]) -> u32 {
            // SAFETY: `self` proves AVX-512.
            unsafe { _mm512_reduce_max_epu32(largest_of_lanes(numbers)) }
        }

        /// By a tree of shuffles that ends with the largest of each part in a lane of its own.
        #[inline(always)]
        fn largest_of_each(self, parts: &[[f32; PART]; PARTS]) -> [u32; PARTS] {
            // SAFETY: `self` proves AVX-512; eight lanes are an array.
            unsafe {
                let [a, b, c, d, e, f, g, h] = parts;
                let (first, last) = (largest_of_four([a, b, c, d]), largest_of_four([e, f, g, h]));
                std::mem::transmute::<__m256i, [u32; PARTS]>(_mm256_set_m128i(last, first))
            }
        }

        #[inline(always)]
        fn scales(self, largest: &[u32; PARTS]) -> ([f32; PARTS], [f32; PARTS]) {
            // SAFETY: a CPU with AVX-512 has AVX2 and FMA.
            unsafe { Avx2::assume() }.scales(largest)
        }

        #[inline(always)]
        fn quantized(self, part: &[f32; PART], factor: f32) -> [i8; PART] {
            // SAFETY: `self` proves AVX-512; a part is two vectors of bytes.
            unsafe {
                let [a, b] = whole_numbers(part, factor);
                // One vector, which is stored and loaded whole.
                let packed = _mm256_set_m128i(_mm512_cvtsepi32_epi8(b), _mm512_cvtsepi32_epi8(a));
                std::mem::transmute::<__m256i, [i8; PART]>(_mm256_max_epi8(packed, _mm256_set1_epi8(-LARGEST as i8)))
            }
        }

        /// Two parts at a time, which are a vector of bytes. Packing saturates to −128, which becomes −127.
        #[inline(always)]
        fn quantized_parts(self, parts: &[[f32; PART]; PARTS], factors: &[f32; PARTS]) -> [[i8; PART]; PARTS] {
            // SAFETY: `self` proves AVX-512; the numbers are vectors of bytes.
            unsafe {
                let mut numbers = [_mm512_setzero_si512(); PARTS / 2];
                for (pair, numbers) in numbers.iter_mut().enumerate() {
                    let [a, b] = whole_numbers(&parts[2 * pair], factors[2 * pair]);
                    let [c, d] = whole_numbers(&parts[2 * pair + 1], factors[2 * pair + 1]);
                    let packed = _mm512_packs_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
                    *numbers = quarters_in_order(_mm512_max_epi8(packed, _mm512_set1_epi8(-LARGEST as i8)));
                }
                std::mem::transmute::<[__m512i; PARTS / 2], [[i8; PART]; PARTS]>(numbers)
            }
        }

        /// The numbers of a block of 32 that are added lie in the halves of two vectors.
        #[inline(always)]
        fn spread<const N: usize>(self, group: &[f32; N], len: usize, out: &mut [f32; N]) {
            if len < N || !N.is_multiple_of(WIDE_BLOCK) {
                *out = *group;
                return spread(out, len);
            }
            for (block, out) in group.as_chunks::<WIDE_BLOCK>().0.iter().zip(out.as_chunks_mut::<WIDE_BLOCK>().0) {
                // SAFETY: `self` proves AVX-512; eight vectors of a block.
                unsafe {
                    let (place, out) = (block.as_ptr(), out.as_mut_ptr());
                    let mut x = [_mm512_setzero_ps(); WIDE_BLOCK / LANES];
                    for (i, x) in x.iter_mut().enumerate() {
                        *x = _mm512_loadu_ps(place.add(i * LANES));
                    }
                    for i in (0..x.len()).step_by(2) {
                        let (ab, cd) = (sum_and_difference(x[i]), sum_and_difference(x[i + 1]));
                        (x[i], x[i + 1]) = (_mm512_add_ps(ab, cd), _mm512_sub_ps(ab, cd));
                    }
                    let half = _mm512_set1_ps(0.5);
                    for x in &mut x {
                        *x = _mm512_mul_ps(*x, half);
                    }
                    for i in 0..2 {
                        let (a, b, c, d) = (x[i], x[i + 2], x[i + 4], x[i + 6]);
                        let (sum, difference) = (_mm512_add_ps(a, b), _mm512_sub_ps(a, b));
                        let (other_sum, other_difference) = (_mm512_add_ps(c, d), _mm512_sub_ps(c, d));
                        x[i] = _mm512_mul_ps(half, _mm512_add_ps(sum, other_sum));
                        x[i + 2] = _mm512_mul_ps(half, _mm512_add_ps(difference, other_difference));
                        x[i + 4] = _mm512_mul_ps(half, _mm512_sub_ps(sum, other_sum));
                        x[i + 6] = _mm512_mul_ps(half, _mm512_sub_ps(difference, other_difference));
                    }
                    for (i, x) in x.into_iter().enumerate() {
                        _mm512_storeu_ps(out.add(i * LANES), x);
                    }
                }
            }
        }

        /// Sums of two by `vpmaddubsw`, then of these the words of each half.
        #[inline(always)]
        fn sums(self, parts: &[[i8; PART]; PARTS]) -> [[[i16; 2]; 2]; PARTS] {
            // SAFETY: `self` proves AVX-512; two parts are a vector of bytes, and the sums one of 16 bits.
            unsafe {
                let mut words = [_mm512_setzero_si512(); PARTS / 2];
                for (pair, words) in words.iter_mut().enumerate() {
                    let numbers = _mm512_loadu_si512(parts.as_ptr().add(2 * pair).cast());
                    *words = _mm512_maddubs_epi16(_mm512_set1_epi8(1), numbers);
                }
                let [a, b, c, d] = words;
                let low = _mm512_add_epi16(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
                let high = _mm512_add_epi16(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
                // In each quarter: of one half of a part of each pair.
                let sums = _mm512_add_epi16(_mm512_unpacklo_epi64(low, high), _mm512_unpackhi_epi64(low, high));
                std::mem::transmute::<__m512i, [[[i16; 2]; 2]; PARTS]>(quarters_in_order(sums))
            }
        }
    }

    /// The whole numbers nearest to factor · x for a part; 0 if the factor is. They may be 1 beyond the largest, as a caller's rounding mode
    /// makes them.
    ///
    /// # Safety
    /// The CPU has AVX-512 F.
    #[inline(always)]
    unsafe fn whole_numbers(part: &[f32; PART], factor: f32) -> [__m512i; 2] {
        // SAFETY: promised by the caller; loads of a part.
        unsafe {
            let factor = _mm512_set1_ps(factor);
            let has_factor = _mm512_cmp_ps_mask::<_CMP_NEQ_OQ>(factor, _mm512_setzero_ps());
            let mut halves = [_mm512_setzero_si512(); 2];
            for (half, numbers) in halves.iter_mut().enumerate() {
                // Not loaded, rather than multiplied and left out: the product of an infinity would raise a flag.
                let x = _mm512_maskz_loadu_ps(has_factor, part.as_ptr().add(half * LANES));
                let scaled = _mm512_mul_ps(x, factor);
                let rounded = _mm512_castps_si512(_mm512_add_ps(scaled, _mm512_set1_ps(ROUNDING)));
                *numbers = _mm512_sub_epi32(rounded, _mm512_set1_epi32(ROUNDING.to_bits() as i32));
            }
            halves
        }
    }

    /// The first words of each quarter, then their second ones, and so on.
    ///
    /// # Safety
    /// The CPU has AVX-512 F.
    #[inline(always)]
    unsafe fn quarters_in_order(words: __m512i) -> __m512i {
        // SAFETY: promised by the caller.
        unsafe {
            let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            _mm512_permutexvar_epi32(order, words)
        }
    }

    /// The sum of the halves of a vector, and behind it what the first has more than the second.
    ///
    /// # Safety
    /// The CPU has AVX-512 F.
    #[inline(always)]
    unsafe fn sum_and_difference(x: __m512) -> __m512 {
        // SAFETY: promised by the caller.
        unsafe {
            let exchanged = _mm512_shuffle_f32x4::<0b01_00_11_10>(x, x);
            let sum = _mm512_add_ps(x, exchanged);
            _mm512_mask_sub_ps(sum, 0xff00, exchanged, x)
        }
    }

    /// The largest magnitude of each of four parts, as bits.
    ///
    /// # Safety
    /// The CPU has AVX-512 F.
    #[inline(always)]
    unsafe fn largest_of_four([a, b, c, d]: [&[f32; PART]; 4]) -> __m128i {
        // SAFETY: promised by the caller.
        unsafe {
            let (a, b, c, d) = (largest_of_lanes(a), largest_of_lanes(b), largest_of_lanes(c), largest_of_lanes(d));
            let low = _mm512_max_epu32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
            let high = _mm512_max_epu32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
            // In each quarter: of a quarter of the lanes of each part.
            let all = _mm512_max_epu32(_mm512_unpacklo_epi64(low, high), _mm512_unpackhi_epi64(low, high));
            let half = _mm256_max_epu32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64::<1>(all));
            _mm_max_epu32(_mm256_castsi256_si128(half), _mm256_extracti128_si256::<1>(half))
        }
    }

    /// The largest magnitudes of the numbers of each lane, as bits.
    ///
    /// # Safety
    /// The CPU has AVX-512 F.
    #[inline(always)]
    unsafe fn largest_of_lanes<const N: usize>(numbers: &[f32; N]) -> __m512i {
        const { assert!(N.is_multiple_of(LANES), "wanted whole vectors") };
        // SAFETY: promised by the caller; loads of the numbers, whole vectors.
        unsafe {
            let mut largest = _mm512_setzero_si512();
            for first in (0..N).step_by(LANES) {
                let x = _mm512_loadu_si512(numbers.as_ptr().add(first).cast());
                largest = _mm512_max_epu32(largest, _mm512_and_si512(x, _mm512_set1_epi32(i32::MAX)));
            }
            largest
        }
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use crate::simd::{Avx2, Avx512};

    fn check<V: Quantize>(v: V) {
        let specials = [0.0, -0.0, 1e-40, 1e-36, f32::NAN, -f32::NAN, f32::INFINITY, f32::MIN, f32::MAX, 0.5, -126.5];
        let bits = |(a, b): ([f32; PARTS], [f32; PARTS])| (a.map(f32::to_bits), b.map(f32::to_bits));
        for seed in 0..200u32 {
            let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
            let mut number = |i: usize| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let is_special = seed % 4 == 3 && state >> 26 == 0;
                if is_special { specials[i % specials.len()] } else { (state >> 8) as f32 / 1e6 - 8.0 }
            };
            let parts: [[f32; PART]; PARTS] = std::array::from_fn(|_| std::array::from_fn(&mut number));
            let largest = v.largest_of_each(&parts);
            assert_eq!(largest, Scalar.largest_of_each(&parts));
            let all: &[f32; PART * PARTS] = parts.as_flattened().try_into().unwrap();
            assert_eq!(v.largest(all), Scalar.largest(all));
            let odd = [
                largest[0],
                0,
                1,
                0x7f80_0000,
                0x7fc0_0000,
                1e-36f32.to_bits(),
                1e-34f32.to_bits(),
                f32::MAX.to_bits(),
            ];
            assert_eq!(bits(v.scales(&odd)), bits(Scalar.scales(&odd)));
            assert_eq!(bits(v.scales(&largest)), bits(Scalar.scales(&largest)));
            let factors = Scalar.scales(&largest).1;
            let quantized = |part: usize| Scalar.quantized(&parts[part], factors[part]);
            let numbers: [[i8; PART]; PARTS] = std::array::from_fn(quantized);
            for part in 0..PARTS {
                assert_eq!(v.quantized(&parts[part], factors[part]), numbers[part]);
            }
            assert_eq!(v.quantized_parts(&parts, &factors), numbers);
            assert_eq!(v.sums(&numbers), Scalar.sums(&numbers));
            let spread = |len: usize| {
                let (mut found, mut wanted) = ([0.0; PART * PARTS], [0.0; PART * PARTS]);
                v.spread(all, len, &mut found);
                Scalar.spread(all, len, &mut wanted);
                (found.map(f32::to_bits), wanted.map(f32::to_bits))
            };
            if all.iter().all(|x| x.is_finite()) {
                for (found, wanted) in [spread(all.len()), spread(100)] {
                    assert_eq!(found, wanted);
                }
            }
        }
    }

    #[test]
    fn vectors_have_the_bits_of_plain_rust() {
        use std::arch::is_x86_feature_detected as has;
        if has!("avx2") && has!("fma") {
            // SAFETY: checked.
            check(unsafe { Avx2::assume() });
        }
        if has!("avx512f") && has!("avx512vl") && has!("avx512bw") && has!("avx512dq") {
            // SAFETY: checked.
            check(unsafe { Avx512::assume() });
        }
    }
}
