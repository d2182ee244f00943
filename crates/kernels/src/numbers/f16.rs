//! Numbers in f16: IEEE 754 binary16. By integers, so that no rounding mode matters and no flag is raised; the bits are those of F16C.

/// Bits of the mantissa that f32 has more.
const MORE: u32 = 13;

/// How much larger the exponent of f32 is, in place.
const BIAS: u32 = (127 - 15) << 23;

/// The step between numbers without an exponent: 2⁻²⁴.
const SMALLEST: f32 = 5.960_464_5e-8;

/// The same number in f32; a NaN becomes a quiet one.
#[inline(always)]
pub(crate) fn f16_to_f32(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let magnitude = u32::from(half & 0x7FFF);
    let bits = match magnitude {
        0..0x400 => (magnitude as f32 * SMALLEST).to_bits(),
        0x400..0x7C00 => (magnitude << MORE) + BIAS,
        0x7C00 => f32::INFINITY.to_bits(),
        _ => (magnitude << MORE) | f32::NAN.to_bits(),
    };
    f32::from_bits(sign | bits)
}

/// The nearest number, the even one of two; an infinity from 65520 on. A NaN keeps the upper bits of its payload and becomes quiet.
#[inline(always)]
pub(crate) fn f32_to_f16(x: f32) -> u16 {
    let sign = (x.to_bits() >> 16) as u16 & 0x8000;
    let magnitude = x.to_bits() & 0x7FFF_FFFF;
    let bits = if magnitude > f32::INFINITY.to_bits() {
        0x7E00 | magnitude >> MORE & 0x1FF
    } else if magnitude < BIAS + (1 << 23) {
        // No exponent is left: multiples of 2⁻²⁴. From a shift by 25 on nothing is.
        let significand = magnitude & 0x7F_FFFF | 0x80_0000;
        shifted_to_nearest(significand, (126 - (magnitude >> 23)).min(25))
    } else {
        shifted_to_nearest(magnitude - BIAS, MORE).min(0x7C00)
    };
    sign | bits as u16
}

/// x / 2ⁿ to the nearest whole number, the even one of two; n ≥ 1.
#[inline(always)]
fn shifted_to_nearest(x: u32, n: u32) -> u32 {
    let is_odd = (x >> n) & 1;
    (x + (1 << (n - 1)) - 1 + is_odd) >> n
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the definition, in f64.
    fn value(half: u16) -> f64 {
        let (exponent, mantissa) = (i32::from(half >> 10 & 31), f64::from(half & 1023));
        let magnitude = match exponent {
            0 => mantissa * 2f64.powi(-24),
            31 if mantissa == 0.0 => f64::INFINITY,
            31 => f64::NAN,
            _ => (1024.0 + mantissa) * 2f64.powi(exponent - 25),
        };
        if half >> 15 == 1 { -magnitude } else { magnitude }
    }

    #[test]
    fn every_half_is_the_number_of_its_definition_and_comes_back() {
        for half in 0..=u16::MAX {
            let (found, wanted) = (f16_to_f32(half), value(half));
            if wanted.is_nan() {
                assert!(found.is_nan() && f16_to_f32(f32_to_f16(found)).is_nan());
                continue;
            }
            assert_eq!(f64::from(found).to_bits(), wanted.to_bits(), "{half:#x}");
            assert_eq!(f32_to_f16(found), half);
        }
    }

    #[test]
    fn numbers_between_two_halves_become_the_nearer_or_the_even_one() {
        for half in 0..0x7BFFu16 {
            let (low, high) = (f16_to_f32(half), f16_to_f32(half + 1));
            let middle = (low + high) / 2.0;
            let even = half + (half & 1);
            assert_eq!(f32_to_f16(middle), even, "{half:#x}");
            assert_eq!(f32_to_f16(middle.next_down()), half);
            assert_eq!(f32_to_f16(middle.next_up()), half + 1);
            assert_eq!(f32_to_f16(-middle), even | 0x8000);
        }
        assert_eq!((f32_to_f16(65519.9), f32_to_f16(65520.0), f32_to_f16(f32::MAX)), (0x7BFF, 0x7C00, 0x7C00));
        assert_eq!((f32_to_f16(1e-30), f32_to_f16(-0.0)), (0, 0x8000));
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code, reason = "an instruction beside plain Rust")]
    fn instructions_of_the_cpu_convert_alike() {
        use std::arch::x86_64::{
            _mm_cvtph_ps, _mm_cvtps_ph, _mm_cvtsi32_si128, _mm_cvtss_f32, _mm_extract_epi16, _mm_set_ss,
        };

        #[target_feature(enable = "f16c")]
        fn widened(half: u16) -> f32 {
            _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(i32::from(half))))
        }

        #[target_feature(enable = "f16c")]
        fn narrowed(x: f32) -> u16 {
            _mm_extract_epi16::<0>(_mm_cvtps_ph::<0>(_mm_set_ss(x))) as u16
        }

        if !is_x86_feature_detected!("f16c") {
            return;
        }
        for half in 0..=u16::MAX {
            // SAFETY: the CPU has F16C.
            let found = unsafe { widened(half) };
            assert_eq!(found.to_bits(), f16_to_f32(half).to_bits(), "{half:#x}");
        }
        for bits in (0..=u32::MAX).step_by(9973) {
            let x = f32::from_bits(bits);
            // SAFETY: the CPU has F16C.
            let found = unsafe { narrowed(x) };
            assert_eq!(found, f32_to_f16(x), "{x}: {bits:#x}");
        }
    }
}
