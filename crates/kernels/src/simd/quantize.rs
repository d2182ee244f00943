//! Rows in eight bits by vectors: what prepares the rows of integer kernels is written in.

use super::Scalar;
use crate::numbers::int8::{largest_magnitude, quantized, scale_for};

/// Numbers that are quantised at a time.
pub(crate) const PART: usize = 32;

/// The arithmetic of [`numbers::int8`](crate::numbers::int8) on [`PART`] numbers at a time, with the same bits on every instruction set.
pub(crate) trait Quantize: Copy {
    /// As [`largest_magnitude`].
    fn largest(self, part: &[f32; PART]) -> u32;

    /// Scales and factors as [`scale_for`] makes them.
    fn scales(self, largest: &[u32; 8]) -> ([f32; 8], [f32; 8]);

    /// Each number as [`quantized`] makes it.
    fn quantized(self, part: &[f32; PART], factor: f32) -> [i8; PART];

    /// The sums of each half.
    fn sums(self, part: &[i8; PART]) -> [i32; 2];
}

impl Quantize for Scalar {
    #[inline(always)]
    fn largest(self, part: &[f32; PART]) -> u32 {
        largest_magnitude(part)
    }

    #[inline(always)]
    fn scales(self, largest: &[u32; 8]) -> ([f32; 8], [f32; 8]) {
        let both = largest.map(scale_for);
        (both.map(|(scale, _)| scale), both.map(|(_, factor)| factor))
    }

    #[inline(always)]
    fn quantized(self, part: &[f32; PART], factor: f32) -> [i8; PART] {
        part.map(|x| quantized(x, factor))
    }

    #[inline(always)]
    fn sums(self, part: &[i8; PART]) -> [i32; 2] {
        let (low, high) = part.split_at(PART / 2);
        [low, high].map(|half| half.iter().map(|&q| i32::from(q)).sum())
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{PART, Quantize};
    use crate::numbers::int8::{INFINITY, LARGEST, NEGLIGIBLE, ROUNDING};
    use crate::simd::Avx2;
    use std::arch::x86_64::*;

    /// Lanes of a vector, and vectors of a part.
    const LANES: usize = 8;
    const VECTORS: usize = PART / LANES;

    impl Quantize for Avx2 {
        #[inline(always)]
        fn largest(self, part: &[f32; PART]) -> u32 {
            // SAFETY: `self` proves AVX2; loads of a part.
            unsafe {
                let magnitude = |vector: usize| {
                    let x = _mm256_loadu_si256(part.as_ptr().add(vector * LANES).cast());
                    _mm256_and_si256(x, _mm256_set1_epi32(i32::MAX))
                };
                let (a, b) =
                    (_mm256_max_epi32(magnitude(0), magnitude(1)), _mm256_max_epi32(magnitude(2), magnitude(3)));
                let eight = _mm256_max_epi32(a, b);
                let four = _mm_max_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256::<1>(eight));
                let two = _mm_max_epi32(four, _mm_shuffle_epi32::<0b01_00_11_10>(four));
                let one = _mm_max_epi32(two, _mm_shuffle_epi32::<0b10_11_00_01>(two));
                _mm_cvtsi128_si32(one) as u32
            }
        }

        #[inline(always)]
        fn scales(self, largest: &[u32; 8]) -> ([f32; 8], [f32; 8]) {
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
        fn sums(self, part: &[i8; PART]) -> [i32; 2] {
            // SAFETY: `self` proves AVX2; a part is a vector of bytes.
            unsafe {
                let numbers = _mm256_loadu_si256(part.as_ptr().cast());
                let pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), numbers);
                let fours = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
                let eights = _mm256_add_epi32(fours, _mm256_shuffle_epi32::<0b01_00_11_10>(fours));
                let halves = _mm256_add_epi32(eights, _mm256_shuffle_epi32::<0b10_11_00_01>(eights));
                [_mm256_cvtsi256_si32(halves), _mm_cvtsi128_si32(_mm256_extracti128_si256::<1>(halves))]
            }
        }
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use crate::simd::Avx2;

    #[test]
    fn vectors_have_the_bits_of_plain_rust() {
        if !std::arch::is_x86_feature_detected!("avx2") || !std::arch::is_x86_feature_detected!("fma") {
            return;
        }
        // SAFETY: checked.
        let v = unsafe { Avx2::assume() };
        let specials = [0.0, -0.0, 1e-40, 1e-36, f32::NAN, f32::INFINITY, f32::MIN, f32::MAX, 0.5, -126.5];
        for seed in 0..200u32 {
            let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
            let part: [f32; PART] = std::array::from_fn(|i| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let is_special = seed % 4 == 3 && state >> 28 == 0;
                if is_special { specials[i % specials.len()] } else { (state >> 8) as f32 / 1e6 - 8.0 }
            });
            let largest = v.largest(&part);
            assert_eq!(largest, Scalar.largest(&part));
            let all =
                [largest, 0, 1, 0x7f80_0000, 0x7fc0_0000, 1e-36f32.to_bits(), 1e-34f32.to_bits(), f32::MAX.to_bits()];
            let bits = |(a, b): ([f32; 8], [f32; 8])| (a.map(f32::to_bits), b.map(f32::to_bits));
            assert_eq!(bits(v.scales(&all)), bits(Scalar.scales(&all)));
            let factor = Scalar.scales(&all).1[0];
            let numbers = v.quantized(&part, factor);
            assert_eq!(numbers, Scalar.quantized(&part, factor));
            assert_eq!(v.sums(&numbers), Scalar.sums(&numbers));
        }
    }
}
