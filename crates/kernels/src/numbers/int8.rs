//! Numbers in eight bits: x ≈ scale · q, or x ≈ scale · (q − zero).

/// The largest magnitude of a symmetric number: as many lie above zero as below.
pub(crate) const LARGEST: f32 = 127.0;

/// Steps from the smallest to the largest number above a zero point.
const STEPS: f32 = 255.0;

/// Largest magnitudes below which a group counts as zeros: their scale would not be a normal number.
pub(crate) const NEGLIGIBLE: f32 = 1e-35;

/// Bits of a magnitude from which on a number is infinite or none.
pub(crate) const INFINITY: u32 = f32::INFINITY.to_bits();

/// 1.5 · 2²³: to add it to a smaller number rounds that to a whole one, in the lowest bits of the sum.
pub(crate) const ROUNDING: f32 = 12_582_912.0;

/// The scale of a group and the factor that numbers are quantised by: NaN and 0 if one of the numbers is not finite, so that every
/// product with the group is NaN, too.
#[inline(always)]
pub(crate) fn scale_of(group: &[f32]) -> (f32, f32) {
    scale_for(largest_magnitude(group))
}

/// The largest magnitude, as bits: integers in the same order, of which those of NaN come last.
#[inline(always)]
pub(crate) fn largest_magnitude(group: &[f32]) -> u32 {
    group.iter().map(|x| x.to_bits() & !(1 << 31)).max().unwrap_or(0)
}

/// As [`scale_of`], for a group with this largest magnitude.
#[inline(always)]
pub(crate) fn scale_for(largest: u32) -> (f32, f32) {
    if largest >= INFINITY {
        return (f32::NAN, 0.0);
    }
    let largest = f32::from_bits(largest);
    if largest < NEGLIGIBLE { (0.0, 0.0) } else { (largest / LARGEST, LARGEST / largest) }
}

/// The whole number nearest to factor · x, the even one of two. 0 if the factor is.
#[inline(always)]
pub(crate) fn quantized(x: f32, factor: f32) -> i8 {
    let scaled = or_zero(x, factor) * factor;
    // Above by less than a rounding at most, which a caller's rounding mode could make a whole one.
    let scaled = if scaled > LARGEST { LARGEST } else { scaled };
    let scaled = if scaled < -LARGEST { -LARGEST } else { scaled };
    (scaled + ROUNDING).to_bits() as i8
}

/// x, or 0 if the factor is. Chosen before the multiplication, whose product would be invalid if x is infinite: the compiler multiplies
/// first and chooses then where it may.
#[inline(always)]
fn or_zero(x: f32, factor: f32) -> f32 {
    if factor == 0.0 { 0.0 } else { x }
}

/// Scale, inverse and zero point of a group whose numbers lie on both sides of zero unevenly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Affine {
    /// The step.
    pub(crate) scale: f32,
    /// The factor that numbers are quantised by.
    pub(crate) factor: f32,
    /// What stands for 0.
    pub(crate) zero: i8,
}

/// The step between the least and the greatest of a group's numbers and 0, in 255 parts. The scale is NaN and all else 0 if one of the
/// numbers is not finite.
#[inline(always)]
pub(crate) fn affine_of(group: &[f32]) -> Affine {
    let (mut low, mut high) = (0, 0);
    for &x in group {
        let key = ordered(x.to_bits());
        low = low.min(key);
        high = high.max(key);
    }
    let infinity = INFINITY as i32;
    if high >= infinity || low <= ordered(f32::NEG_INFINITY.to_bits()) {
        return Affine { scale: f32::NAN, factor: 0.0, zero: 0 };
    }
    let (low, high) = (f32::from_bits(ordered(low as u32) as u32), f32::from_bits(high as u32));
    if high < NEGLIGIBLE && low > -NEGLIGIBLE {
        return Affine { scale: 0.0, factor: 0.0, zero: 0 };
    }
    // Each quotient is finite, which the difference may not be.
    let scale = high / STEPS - low / STEPS;
    let factor = 1.0 / scale;
    Affine { scale, factor, zero: affine(0.0, factor, nearest(-128.0 - low * factor)) }
}

/// The bits of an f32 as a number that has the same order; the same again makes the bits of it.
#[inline(always)]
fn ordered(bits: u32) -> i32 {
    let bits = bits as i32;
    bits ^ (((bits >> 31) as u32) >> 1) as i32
}

/// The whole number nearest to factor · x, the even one of two, above `zero`. `zero` if the factor is 0.
#[inline(always)]
pub(crate) fn affine(x: f32, factor: f32, zero: i32) -> i8 {
    let scaled = or_zero(x, factor) * factor;
    // Neither sum overflows; said so that no check for it stands in the way of vectors.
    nearest(scaled).wrapping_add(zero).clamp(-128, 127) as i8
}

/// The nearest whole number of one below 2²² in magnitude.
#[inline(always)]
fn nearest(x: f32) -> i32 {
    ((x + ROUNDING).to_bits() as i32).wrapping_sub(ROUNDING.to_bits() as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_the_nearest_even() {
        for (x, wanted) in
            [(0.5, 0), (1.5, 2), (2.5, 2), (-0.5, 0), (-1.5, -2), (126.5, 126), (127.4, 127), (-300.0, -127)]
        {
            assert_eq!(quantized(x, 1.0), wanted, "{x}");
        }
        for whole in -127..=127i8 {
            assert_eq!(quantized(f32::from(whole), 1.0), whole);
        }
    }

    #[test]
    fn every_number_is_within_half_a_step() {
        let group: Vec<f32> = (0..256).map(|i| ((i * 37 % 256) as f32 - 128.0) * 0.013).collect();
        let (scale, factor) = scale_of(&group);
        for &x in &group {
            let back = scale * f32::from(quantized(x, factor));
            assert!((x - back).abs() <= scale * 0.5001, "{x}: {back}");
        }
    }

    #[test]
    fn groups_without_a_scale_are_zeros_or_nan() {
        assert_eq!(scale_of(&[0.0, -0.0]), (0.0, 0.0));
        assert_eq!(scale_of(&[1e-40, -1e-36]), (0.0, 0.0));
        assert_eq!(scale_of(&[]), (0.0, 0.0));
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let (scale, factor) = scale_of(&[1.0, bad, 2.0]);
            assert!(scale.is_nan() && factor == 0.0);
            assert_eq!(quantized(bad, factor), 0);
        }
        let (scale, factor) = scale_of(&[f32::MAX, 1.0]);
        assert_eq!((quantized(f32::MAX, factor), quantized(1.0, factor)), (127, 0));
        assert!(scale.is_finite() && factor > 0.0);
    }

    #[test]
    fn ordered_bits_have_the_order_of_the_numbers_and_come_back() {
        let ascending = [f32::NEG_INFINITY, f32::MIN, -1.0, -1e-45, -0.0, 0.0, 1e-45, 1.0, f32::MAX, f32::INFINITY];
        let keys = ascending.map(|x| ordered(x.to_bits()));
        assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
        assert_eq!(keys.map(|key| ordered(key as u32) as u32), ascending.map(f32::to_bits));
        assert!(ordered(f32::NAN.to_bits()) > keys[9] && ordered((-f32::NAN).to_bits()) < keys[0]);
    }

    #[test]
    fn every_number_above_a_zero_point_is_within_half_a_step_and_zero_is_exact() {
        for (low, high) in [(-1.0, 3.0), (0.0, 5.0), (-7.0, 0.0), (2.0, 3.0), (-1e-30, 3e37), (f32::MIN, f32::MAX)] {
            let between = |i: u16| low * (1.0 - f32::from(i) / 256.0) + high * (f32::from(i) / 256.0);
            let group: Vec<f32> = (0..=256).map(between).collect();
            let Affine { scale, factor, zero } = affine_of(&group);
            for &x in group.iter().chain([&0.0]) {
                let steps = i32::from(affine(x, factor, zero.into())) - i32::from(zero);
                let error = (f64::from(x) - f64::from(scale) * f64::from(steps)).abs();
                assert!(error <= f64::from(scale) * 0.5001, "{x} of {low} to {high}: {steps} steps of {scale}");
            }
            assert_eq!(affine(0.0, factor, zero.into()), zero);
        }
    }

    #[test]
    fn groups_without_a_step_are_zeros_or_nan() {
        for group in [&[][..], &[0.0, -0.0], &[1e-40, -1e-36]] {
            assert_eq!(affine_of(group), Affine { scale: 0.0, factor: 0.0, zero: 0 });
        }
        for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let Affine { scale, factor, zero } = affine_of(&[1.0, bad, -2.0]);
            assert!(scale.is_nan() && factor == 0.0 && zero == 0);
            assert_eq!(affine(bad, factor, 0), 0);
        }
    }
}
