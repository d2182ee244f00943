//! The error function in `f64`, which the standard library lacks; the exact GELU stands on it.

use std::f64::consts::PI;

/// Below this the power series is used, above it the continued fraction.
const SERIES_LIMIT: f64 = 2.0;
/// Levels of the continued fraction: at `x = 2` fifty are enough for `f64`, and larger `x` need fewer.
const FRACTION_LEVELS: u32 = 100;

/// `erf(x) = 2/√π ∫₀ˣ e^(−t²) dt`, to a relative error of a few 10⁻¹⁶.
pub fn erf(x: f64) -> f64 {
    if x.abs() < SERIES_LIMIT { series(x) } else { (1.0 - fraction(x.abs())).copysign(x) }
}

/// `erfc(x) = 1 − erf(x)`: a relative error below 10⁻¹³ up to 2, and of a few 10⁻¹⁶·x² above it, where `1 − erf(x)`
/// would have lost every digit.
pub fn erfc(x: f64) -> f64 {
    if x < SERIES_LIMIT { 1.0 - erf(x) } else { fraction(x) }
}

/// `erf(x) = 2/√π · e^(−x²) · Σ 2ⁿ x²ⁿ⁺¹ / (1·3·…·(2n+1))`, a sum of terms of one sign, hence without cancellation.
/// Source: Abramowitz and Stegun, *Handbook of Mathematical Functions*, 7.1.6.
fn series(x: f64) -> f64 {
    let (mut term, mut sum, mut n) = (x, x, 0.0);
    while term.abs() > sum.abs() * 1e-17 {
        n += 1.0;
        term *= 2.0 * x * x / (2.0 * n + 1.0);
        sum += term;
    }
    2.0 / PI.sqrt() * (-x * x).exp() * sum
}

/// `erfc(x) = e^(−x²)/√π · 1/(x + (1/2)/(x + 1/(x + (3/2)/(x + 2/(x + …)))))` for `x > 0`, from the innermost level
/// outwards. Source: Abramowitz and Stegun, 7.1.14.
fn fraction(x: f64) -> f64 {
    let mut tail = x;
    for level in (1..=FRACTION_LEVELS).rev() {
        tail = x + f64::from(level) / 2.0 / tail;
    }
    (-x * x).exp() / (PI.sqrt() * tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (x, erf(x), erfc(x)) computed with 40 digits.
    const TABLE: [(f64, f64, f64); 11] = [
        (1e-10, 1.1283791670955126e-10, 0.999999999887162),
        (0.1, 0.1124629160182849, 0.8875370839817152),
        (0.5, 0.5204998778130465, 0.4795001221869535),
        (1.0, 0.8427007929497149, 0.15729920705028513),
        (1.5, 0.9661051464753108, 0.033894853524689274),
        (1.9, 0.9927904292352575, 0.00720957076474253),
        (2.0, 0.9953222650189527, 0.004677734981047266),
        (2.1, 0.997020533343667, 0.0029794666563329854),
        (3.0, 0.9999779095030014, 2.209049699858544e-05),
        (4.0, 0.9999999845827421, 1.541725790028002e-08),
        (5.5, 0.9999999999999927, 7.357847917974398e-15),
    ];

    #[test]
    fn erf_of_tabled_points_agrees_to_a_few_roundings() {
        for (x, wanted, _) in TABLE {
            assert!((erf(x) - wanted).abs() <= 1e-15 * wanted, "erf({x}): wanted {wanted:e}, found {:e}", erf(x));
            assert_eq!(erf(-x), -erf(x));
        }
    }

    #[test]
    fn erfc_of_tabled_points_keeps_relative_accuracy() {
        let far = [(10.0, 2.088487583762545e-45), (20.0, 5.395865611607901e-176), (26.0, 5.663192408856143e-296)];
        for (x, wanted) in TABLE.map(|(x, _, complement)| (x, complement)).into_iter().chain(far) {
            assert!((erfc(x) - wanted).abs() <= 1e-13 * wanted, "erfc({x}): wanted {wanted:e}, found {:e}", erfc(x));
        }
    }

    #[test]
    fn erf_of_extremes_is_their_limit() {
        assert_eq!((erf(0.0), erf(f64::INFINITY), erf(f64::NEG_INFINITY)), (0.0, 1.0, -1.0));
        assert_eq!((erfc(f64::INFINITY), erfc(f64::NEG_INFINITY)), (0.0, 2.0));
        assert!(erf(f64::NAN).is_nan() && erfc(f64::NAN).is_nan());
    }
}
