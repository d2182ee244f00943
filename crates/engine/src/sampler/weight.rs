//! Probabilities as integers, so that their sums are exact and the same in any order and on every platform.

use std::f64::consts::{LN_2, LOG2_E};

/// Weight of the likeliest token.
pub(super) const UNIT: u64 = 1 << 40;

/// Exponents below it count as it: `2⁴⁰·e⁻³⁰` rounds to zero.
const SMALLEST_EXPONENT: f64 = -30.0;
/// Added to an `f64` of magnitude below 2⁵¹ it rounds that to an integer, to nearest, which then stands in the low bits.
const ROUND_TO_INTEGER: f64 = (3u64 << 51) as f64;
/// The bits in which it stands, for an integer of at least 0.
const INTEGER_BITS: u64 = (1 << 51) - 1;

/// `2⁴⁰·e^exponent` to the nearest integer, for an exponent of at most 0.
///
/// Weights are relative to the likeliest token's; one of probability below 2⁻⁴¹ of that has weight 0. There is no
/// branch and no conversion in it, so that a loop over it becomes vector code on any x86-64 machine.
pub(super) fn weight(exponent: f64) -> u64 {
    let scaled = exponential(exponent.max(SMALLEST_EXPONENT)) * UNIT as f64;
    (scaled + ROUND_TO_INTEGER).to_bits() & INTEGER_BITS
}

/// `e^x` for `SMALLEST_EXPONENT ≤ x ≤ 0`, to a relative error below 10⁻¹⁴.
///
/// `x = k·ln 2 + r` with `|r| ≤ ln 2 / 2`, then `2ᵏ` times the Taylor polynomial of `e^r`. It uses sums and products
/// alone, in a fixed order: unlike the exponential of the C library it gives the same bits everywhere.
pub(super) fn exponential(x: f64) -> f64 {
    /// The first 32 bits of ln 2, so that the product with a small integer is exact, and the rest.
    const LN_2_HIGH: f64 = f64::from_bits(LN_2.to_bits() & !0x1f_ffff);
    const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    /// `1/n!` for n = 12 … 0.
    const TAYLOR: [f64; 13] = [
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        1.0 / 2.0,
        1.0,
        1.0,
    ];
    const EXPONENT_BIAS: u64 = 1023;
    let rounded = x * LOG2_E + ROUND_TO_INTEGER;
    let k = rounded - ROUND_TO_INTEGER;
    let r = (x - k * LN_2_HIGH) - k * LN_2_LOW;
    let series = TAYLOR.iter().fold(0.0, |sum, coefficient| sum * r + coefficient);
    let power = f64::from_bits((rounded.to_bits() + EXPONENT_BIAS) << 52); // 2ᵏ: k is in the low bits of `rounded`
    series * power
}

/// `ln x` for `1 ≤ x < 2⁶⁴`, to a relative error below 10⁻¹³.
///
/// `x = 2ᵏ·m` with `√½ ≤ m < √2`, then `2·artanh((m − 1)/(m + 1))` by its series: the same bits everywhere, as with [`exponential`].
pub(super) fn logarithm(x: f64) -> f64 {
    const MANTISSA_BITS: u32 = 52;
    let bits = x.to_bits();
    let mut exponent = (bits >> MANTISSA_BITS) as i64 - 1023;
    let mut mantissa = f64::from_bits(bits & ((1 << MANTISSA_BITS) - 1) | 1023 << MANTISSA_BITS);
    if mantissa > std::f64::consts::SQRT_2 {
        (mantissa, exponent) = (mantissa / 2.0, exponent + 1);
    }
    let t = (mantissa - 1.0) / (mantissa + 1.0);
    let square = t * t;
    // |t| ≤ 0.172, so that the term after t²³ is below 10⁻¹⁹.
    let series = (0..12).rev().fold(0.0, |sum, n| sum * square + 1.0 / f64::from(2 * n + 1));
    exponent as f64 * LN_2 + 2.0 * t * series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithm_over_its_range_agrees_with_the_standard_library() {
        for step in 0..20_000 {
            let x = 1.0 + f64::from(step) * f64::from(step) * 0.37;
            let (found, wanted) = (logarithm(x), x.ln());
            assert!((found - wanted).abs() <= 1e-13 * wanted.max(1e-3), "ln {x}: wanted {wanted:e}, found {found:e}");
        }
        assert_eq!(logarithm(1.0), 0.0);
    }

    #[test]
    fn exponential_over_its_range_agrees_with_the_standard_library() {
        for step in 0..=30_000 {
            let x = f64::from(step) * -0.001;
            let (found, wanted) = (exponential(x), x.exp());
            assert!((found - wanted).abs() <= 1e-14 * wanted, "e^{x}: wanted {wanted:e}, found {found:e}");
        }
    }

    #[test]
    fn weight_of_extremes_is_defined() {
        assert_eq!(weight(0.0), UNIT);
        assert_eq!(weight(-0.0), UNIT);
        assert_eq!(weight(-std::f64::consts::LN_2), UNIT / 2);
        assert_eq!(weight(-28.4), 1);
        assert_eq!((weight(-28.6), weight(f64::NEG_INFINITY)), (0, 0));
    }
}
