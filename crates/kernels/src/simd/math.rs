//! Elementary functions on vectors, generic over [`Lanewise`]. Relative errors are bounds for results that are normal numbers,
//! tested over the whole range of f32; below 1.2e-38 results are off by so much of 1.2e-38. NaN gives NaN, and the sign of
//! a zero is unspecified.

use super::Lanewise;

/// c₀ + c₁x + c₂x² + … by Horner's rule.
#[inline(always)]
fn polynomial<S: Lanewise<f32>, const N: usize>(s: S, x: S::Reg, coefficients: [f32; N]) -> S::Reg {
    let mut sum = s.splat(coefficients[N - 1]);
    for i in (0..N - 1).rev() {
        sum = s.mul_add(sum, x, s.splat(coefficients[i]));
    }
    sum
}

/// eˣ, relative error below 1.3e-7; gradual underflow to 0 below −103.98, +∞ above 88.73.
///
/// x = n·ln 2 + r with |r| ≤ ln 2 / 2; eʳ by a polynomial fitted at Chebyshev nodes; ln 2 in two parts (Cody and Waite).
#[inline(always)]
pub fn exp<S: Lanewise<f32>>(s: S, x: S::Reg) -> S::Reg {
    const LN2_HIGH: f32 = 0.693_359_4; // 10 significant bits: n · LN2_HIGH is exact
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // NaN passes both, being the second operand.
    let x = s.min(s.splat(89.0), s.max(s.splat(-105.0), x));
    let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    let r = s.mul_add(n, s.splat(-LN2_HIGH), x);
    let r = s.mul_add(n, s.splat(-LN2_LOW), r);
    let tail = polynomial(s, r, [0.5, 0.166_665_77, 0.041_666_465, 0.008_363_18, 0.001_393_365_2]);
    let e_to_r = s.mul_add(s.mul(r, r), tail, s.add(r, s.splat(1.0)));
    s.scale_by_power(e_to_r, n)
}

/// 2ˣ with the eight significant bits of bf16, relative error below 2⁻⁸ · 1.01; 0 below −150, +∞ above 127.997.
///
/// x = n + r with |r| ≤ 1/2; 2ʳ by a polynomial, relative error below 3e-6, which is 1 at 0; rounded by Dekker's splitting, in the caller's
/// rounding mode (the bound is that of the nearest). Source: Dekker, "A floating-point technique for extending the available precision", 1971.
#[inline(always)]
pub fn rounded_power_of_two<S: Lanewise<f32>>(s: S, x: S::Reg) -> S::Reg {
    const SPLIT: f32 = 65_537.0; // 2¹⁶ + 1: of 24 significant bits, 16 go
    // NaN passes both, being the second operand.
    let x = s.min(s.splat(129.0), s.max(s.splat(-152.0), x));
    let n = s.round(x);
    let power = polynomial(s, s.sub(x, n), [1.0, 0.693_124_2, 0.240_241, 0.055_906_426, 0.009_582_853]);
    let scaled = s.mul(power, s.splat(SPLIT));
    s.scale_by_power(s.sub(scaled, s.sub(scaled, power)), n)
}

/// 1 / (1 + e⁻ˣ), relative error below 2e-7; 0 below −88.73, where the true value is below 3e-39.
#[inline(always)]
pub fn sigmoid<S: Lanewise<f32>>(s: S, x: S::Reg) -> S::Reg {
    let one = s.splat(1.0);
    s.div(one, s.add(one, exp(s, s.sub(s.splat(0.0), x))))
}

/// tanh x, relative error below 3e-7: an odd polynomial for |x| < 0.625, 2·sigmoid(2x) − 1 elsewhere.
#[inline(always)]
pub fn tanh<S: Lanewise<f32>>(s: S, x: S::Reg) -> S::Reg {
    let square = s.mul(x, x);
    let tail = polynomial(s, square, [-0.333_333_33, 0.133_328_9, -0.053_863_836, 0.021_045_264, -0.006_154_550_6]);
    let near = s.mul_add(s.mul(x, square), tail, x);
    let far = s.sub(s.mul(s.splat(2.0), sigmoid(s, s.add(x, x))), s.splat(1.0));
    s.select(s.less(square, s.splat(0.625 * 0.625)), near, far)
}

/// The standard normal distribution function Φ(x) = erfc(−x/√2) / 2, relative error below 1.3e-6 from x = −5 upwards
/// and below 8e-6 further out, where the rounding of x²/2 grows with it.
///
/// erfc(t) = τ·exp(−t² + p(τ)) with τ = 1 / (1 + t/2) for t ≥ 0: the form of Numerical Recipes §6.2 with a polynomial of our
/// own, fitted at Chebyshev nodes on 0 ≤ t ≤ 10. Both tails keep their relative precision, which 1 + erf loses.
#[inline(always)]
pub fn normal_cdf<S: Lanewise<f32>>(s: S, x: S::Reg) -> S::Reg {
    let one = s.splat(1.0);
    let magnitude = s.max(x, s.sub(s.splat(0.0), x));
    let t = s.mul(magnitude, s.splat(std::f32::consts::FRAC_1_SQRT_2));
    let tau = s.div(one, s.mul_add(t, s.splat(0.5), one));
    let p = polynomial(
        s,
        tau,
        [
            -1.265_448,
            0.998_632_8,
            0.386_640_4,
            0.034_602_8,
            0.001_267_586_5,
            -0.080_280_43,
            -0.696_251_87,
            1.156_733_8,
            -0.680_827_2,
            0.144_930_21,
        ],
    );
    let exponent = s.mul_add(s.mul(magnitude, s.splat(-0.5)), magnitude, p);
    let upper_tail = s.mul(s.mul(tau, s.splat(0.5)), exp(s, exponent));
    s.select(s.less(x, s.splat(0.0)), upper_tail, s.sub(one, upper_tail))
}
