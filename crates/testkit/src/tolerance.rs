//! How far a result in `f32` may lie from the exact one, as formulas of the length of a sum and the unit roundoff,
//! and the check that says where it lies farther.

use std::fmt;

/// Unit roundoff of `f32`, `u = 2⁻²⁴`: the largest relative error of one rounding to nearest.
pub const F32_ROUNDOFF: f64 = 1.0 / (1u64 << 24) as f64;
/// Unit roundoff of `f64`, `u = 2⁻⁵³`.
pub const F64_ROUNDOFF: f64 = 1.0 / (1u64 << 53) as f64;
/// The smallest positive `f32`, 2⁻¹⁴⁹: twice the largest error of one product that underflows.
const F32_SMALLEST: f64 = f32::from_bits(1) as f64;

/// `γ(n) = n·u / (1 − n·u)`, the bound on the relative error that `n` roundings in a row can build up.
///
/// Infinite where `n·u ≥ 1`. Source: N. J. Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd edition,
/// lemma 3.1.
pub fn gamma(n: usize, roundoff: f64) -> f64 {
    let growth = n as f64 * roundoff;
    if growth < 1.0 { growth / (1.0 - growth) } else { f64::INFINITY }
}

/// Bound on `|C − exact|` of one element of `C ← α·A·B + β·C` in `f32`, whatever the order of summation and with or
/// without fused multiply-add: `γ(k + 2)·magnitude`, and the underflow of `k + 2` products.
///
/// `magnitude` is the element of `|α||A||B| + |β||C|`. Source: Higham, section 3.5, with one rounding more for α and
/// one for the last sum.
pub fn gemm_bound(k: usize, magnitude: f64) -> f64 {
    gamma(k + 2, F32_ROUNDOFF) * magnitude + (k + 2) as f64 * F32_SMALLEST
}

/// `‖found − wanted‖₂ / ‖wanted‖₂`; zero for two zero vectors, NaN where either holds a NaN.
///
/// # Panics
/// When the lengths differ.
pub fn relative_error(found: &[f32], wanted: &[f64]) -> f64 {
    assert_eq!(found.len(), wanted.len(), "wanted vectors of one length");
    let difference: f64 = found.iter().zip(wanted).map(|(&f, &w)| (f64::from(f) - w).powi(2)).sum();
    let norm: f64 = wanted.iter().map(|w| w * w).sum();
    if difference == 0.0 { 0.0 } else { (difference / norm).sqrt() }
}

/// `max|found − wanted| / max|wanted|`; zero for two zero vectors, NaN where either holds a NaN.
///
/// # Panics
/// When the lengths differ.
pub fn max_relative_error(found: &[f32], wanted: &[f64]) -> f64 {
    assert_eq!(found.len(), wanted.len(), "wanted vectors of one length");
    let largest = |values: &mut dyn Iterator<Item = f64>| {
        values.fold(0.0, |m: f64, x| if m.is_nan() || x.is_nan() { f64::NAN } else { m.max(x.abs()) })
    };
    let difference = largest(&mut found.iter().zip(wanted).map(|(&f, &w)| f64::from(f) - w));
    if difference == 0.0 { 0.0 } else { difference / largest(&mut wanted.iter().copied()) }
}

/// `1 − a·b / (‖a‖ ‖b‖)`, from 0 (same direction) to 2 (opposite); NaN where either vector is zero.
///
/// # Panics
/// When the lengths differ.
pub fn cosine_distance(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len(), "wanted vectors of one length");
    let dot = |x: &[f32], y: &[f32]| -> f64 { x.iter().zip(y).map(|(&p, &q)| f64::from(p) * f64::from(q)).sum() };
    1.0 - dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// How many `f32` numbers lie from `a` up to `b`: 0 for equal values (±0 too) and for two NaN, `u32::MAX` where one
/// alone is NaN.
pub fn ulp_distance(a: f32, b: f32) -> u32 {
    // Signed magnitude to an integer line on which neighbouring floats are neighbours.
    let line = |x: f32| {
        let magnitude = i64::from(x.to_bits() & 0x7fff_ffff);
        if x.is_sign_negative() { -magnitude } else { magnitude }
    };
    match (a.is_nan(), b.is_nan()) {
        (true, true) => 0,
        (false, false) => line(a).abs_diff(line(b)) as u32,
        _ => u32::MAX,
    }
}

/// The largest [`ulp_distance`] of two vectors, 0 for empty ones.
///
/// # Panics
/// When the lengths differ.
pub fn max_ulp_distance(found: &[f32], wanted: &[f32]) -> u32 {
    assert_eq!(found.len(), wanted.len(), "wanted vectors of one length");
    found.iter().zip(wanted).map(|(&f, &w)| ulp_distance(f, w)).max().unwrap_or(0)
}

/// The first element that lies outside its bound, and how many do.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    /// Where the first bad element stands.
    pub index: usize,
    /// What it should be.
    pub wanted: f64,
    /// What it is.
    pub found: f32,
    /// How far the two may lie apart.
    pub bound: f64,
    /// How many elements lie outside their bound.
    pub failed: usize,
    /// How many elements were compared.
    pub total: usize,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, wanted, found, bound, failed, total } = self;
        let error = (f64::from(*found) - wanted).abs();
        write!(f, "element {index}: wanted {wanted:e}, found {found:e}, error {error:e}, bound {bound:e}; ")?;
        write!(f, "{failed} of {total} elements lie outside their bound")
    }
}

impl std::error::Error for Mismatch {}

/// Compares element by element: `|found − wanted| ≤ bound`.
///
/// A wanted NaN asks for a NaN. A wanted value that `f32` cannot hold but as an infinity may be that infinity.
///
/// # Errors
/// Returns the first element outside of its bound.
///
/// # Panics
/// When the lengths differ.
pub fn compare(found: &[f32], wanted: &[f64], bounds: &[f64]) -> Result<(), Mismatch> {
    assert_eq!(found.len(), wanted.len(), "wanted as many values as the oracle gives");
    assert_eq!(bounds.len(), wanted.len(), "wanted a bound for each value");
    let is_bad = |&i: &usize| !is_within(found[i], wanted[i], bounds[i]);
    let mut bad = (0..found.len()).filter(is_bad);
    let Some(index) = bad.next() else { return Ok(()) };
    let failed = 1 + bad.count();
    Err(Mismatch {
        index,
        wanted: wanted[index],
        found: found[index],
        bound: bounds[index],
        failed,
        total: found.len(),
    })
}

fn is_within(found: f32, wanted: f64, bound: f64) -> bool {
    if wanted.is_nan() {
        return found.is_nan();
    }
    let rounded = wanted as f32;
    (rounded.is_infinite() && found == rounded) || (f64::from(found) - wanted).abs() <= bound
}

/// Panics with the [`Mismatch`] and the name of the case where an element lies outside its bound.
///
/// # Panics
/// As said, and when the lengths differ.
#[track_caller]
pub fn assert_close(case: &str, found: &[f32], wanted: &[f64], bounds: &[f64]) {
    if let Err(mismatch) = compare(found, wanted, bounds) {
        panic!("{case}: {mismatch}");
    }
}

/// [`assert_close`] with the bound `absolute + relative·|wanted|` for each element.
///
/// # Panics
/// As [`assert_close`].
#[track_caller]
pub fn assert_close_by(case: &str, found: &[f32], wanted: &[f64], absolute: f64, relative: f64) {
    let bounds: Vec<f64> = wanted.iter().map(|w| absolute + relative * w.abs()).collect();
    assert_close(case, found, wanted, &bounds);
}

/// Panics where two vectors differ in any bit; NaN payloads and the sign of zero count.
///
/// # Panics
/// As said, and when the lengths differ.
#[track_caller]
pub fn assert_identical(case: &str, found: &[f32], wanted: &[f32]) {
    assert_eq!(found.len(), wanted.len(), "{case}: wanted vectors of one length");
    let differs = |&i: &usize| found[i].to_bits() != wanted[i].to_bits();
    let mut different = (0..found.len()).filter(differs);
    if let Some(index) = different.next() {
        let (f, w) = (found[index], wanted[index]);
        let (count, total) = (1 + different.count(), found.len());
        panic!("{case}: element {index}: wanted the bits of {w:e}, found {f:e}; {count} of {total} elements differ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gamma_follows_its_formula_and_becomes_infinite() {
        assert_eq!(gamma(0, F32_ROUNDOFF), 0.0);
        let n = 1000.0 * 2f64.powi(-24);
        assert_eq!(gamma(1000, F32_ROUNDOFF), n / (1.0 - n));
        assert_eq!(gamma(1 << 24, F32_ROUNDOFF), f64::INFINITY);
    }

    #[test]
    fn compare_value_outside_bound_reports_first_and_count() {
        let mismatch = compare(&[1.0, 2.0, 3.0], &[1.0, 2.5, 3.5], &[0.0, 0.4, 0.4]).unwrap_err();
        assert_eq!((mismatch.index, mismatch.failed, mismatch.total), (1, 2, 3));
        assert!(mismatch.to_string().contains("wanted 2.5e0, found 2e0"), "{mismatch}");
    }

    #[test]
    fn compare_nan_is_accepted_only_where_wanted() {
        assert!(compare(&[f32::NAN], &[f64::NAN], &[0.0]).is_ok());
        assert!(compare(&[f32::NAN], &[1.0], &[f64::INFINITY]).is_err());
        assert!(compare(&[1.0], &[f64::NAN], &[f64::INFINITY]).is_err());
        assert!(compare(&[1.0], &[1.5], &[f64::NAN]).is_err());
    }

    #[test]
    fn compare_overflow_is_accepted_as_infinity_of_the_right_sign() {
        assert!(compare(&[f32::INFINITY], &[1e39], &[0.0]).is_ok());
        assert!(compare(&[f32::NEG_INFINITY], &[1e39], &[0.0]).is_err());
        assert!(compare(&[f32::INFINITY], &[1e38], &[0.0]).is_err());
        assert!(compare(&[f32::INFINITY], &[f64::INFINITY], &[0.0]).is_ok());
    }

    #[test]
    fn ulp_distance_counts_across_zero() {
        assert_eq!(ulp_distance(0.0, -0.0), 0);
        assert_eq!(ulp_distance(f32::from_bits(1), -f32::from_bits(1)), 2);
        assert_eq!(ulp_distance(1.0, 1.0 + f32::EPSILON), 1);
        assert_eq!(ulp_distance(1.0, f32::NAN), u32::MAX);
        assert_eq!(ulp_distance(f32::MAX, f32::INFINITY), 1);
    }

    #[test]
    fn vector_errors_of_known_pairs_are_exact() {
        assert_eq!(relative_error(&[3.0, 5.0], &[3.0, 4.0]), 0.2);
        assert_eq!(max_relative_error(&[3.0, 5.0], &[3.0, 4.0]), 0.25);
        assert_eq!(relative_error(&[0.0], &[0.0]), 0.0);
        assert!(max_relative_error(&[f32::NAN, 0.0], &[1.0, 1.0]).is_nan());
        assert!(relative_error(&[f32::NAN], &[1.0]).is_nan());
        assert_eq!(cosine_distance(&[1.0, 0.0], &[0.0, 2.0]), 1.0);
        assert_eq!(cosine_distance(&[1.0, 0.0], &[-3.0, 0.0]), 2.0);
    }

    #[test]
    #[should_panic(expected = "element 1: wanted the bits of 0e0, found -0e0; 1 of 2")]
    fn assert_identical_sign_of_zero_panics() {
        assert_identical("zeros", &[1.0, -0.0], &[1.0, 0.0]);
    }
}
