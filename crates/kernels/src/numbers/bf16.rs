//! Numbers in bf16: the upper half of an f32.

/// Bits of a magnitude from which on a number is infinite or none.
const INFINITY: u32 = f32::INFINITY.to_bits();

/// What makes a NaN quiet.
const QUIET: u32 = 0x0040;

/// The bf16 nearest to x, the even one of two. Whole numbers in place of the conversion of AVX512-BF16, which flushes denormal numbers.
#[inline(always)]
pub(crate) fn f32_to_bf16(x: f32) -> u16 {
    let bits = x.to_bits();
    let is_odd = (bits >> 16) & 1;
    // A carry beyond the significand is the next power of two, and beyond the largest number infinity.
    let nearest = bits.wrapping_add(0x7fff + is_odd) >> 16;
    let quiet = (bits >> 16) | QUIET;
    (if bits & !(1 << 31) > INFINITY { quiet } else { nearest }) as u16
}

/// Rounds numbers, as many as both slices have: a loop that the compiler makes vectors of.
#[inline(always)]
pub(crate) fn round_to_bf16(x: &[f32], out: &mut [u16]) {
    for (half, &x) in out.iter_mut().zip(x) {
        *half = f32_to_bf16(x);
    }
}

/// The same number as f32.
#[inline(always)]
pub(crate) fn bf16_to_f32(x: u16) -> f32 {
    f32::from_bits(u32::from(x) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bf16_is_read_back() {
        for bits in 0..=u16::MAX {
            let x = bf16_to_f32(bits);
            let wanted = if x.is_nan() { bits | QUIET as u16 } else { bits };
            assert_eq!(f32_to_bf16(x), wanted, "{bits:#x}");
        }
    }

    #[test]
    fn numbers_between_two_are_rounded_to_the_nearest_even() {
        for low in (0..f32::INFINITY.to_bits() >> 16).chain([0x8000, 0x8001, 0xbf80, 0xff7f]) {
            let between = |part: u32| f32_to_bf16(f32::from_bits(low << 16 | part));
            let (low, next) = (low as u16, low as u16 + 1);
            assert_eq!([1, 0x7fff].map(between), [low; 2], "{low:#x}");
            assert_eq!(between(0x8000), if low.is_multiple_of(2) { low } else { next }, "{low:#x}");
            assert_eq!([0x8001, 0xffff].map(between), [next; 2], "{low:#x}");
        }
    }

    #[test]
    fn numbers_that_are_not_finite_stay_so() {
        for (x, wanted) in
            [(f32::INFINITY, 0x7f80), (f32::NEG_INFINITY, 0xff80), (f32::MAX, 0x7f80), (f32::MIN, 0xff80)]
        {
            assert_eq!(f32_to_bf16(x), wanted, "{x}");
        }
        for bits in [0x7f80_0001, 0x7fff_ffff, 0xff80_0001, 0xffff_ffff] {
            let found = bf16_to_f32(f32_to_bf16(f32::from_bits(bits)));
            assert!(found.is_nan() && found.to_bits() & (QUIET << 16) != 0, "{bits:#x}");
        }
    }
}
