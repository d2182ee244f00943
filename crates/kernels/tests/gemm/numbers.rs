//! The element types as the tests see them: seeded values, exact products, and how far a result may lie from those.

use cke_kernels::scheme::{self, Uniform};
use cke_testkit::{Data, Element, View, tolerance};

/// A scheme of one element type that the tests have values and an oracle for.
pub(crate) trait Tested: Uniform<E: Number> {}
impl<S: Uniform<E: Number>> Tested for S {}

/// An element type.
pub(crate) trait Number: scheme::Element + From<f32> + Element + Into<f64> {
    /// Unit roundoff.
    const ROUNDOFF: f64;
    /// The smallest positive value: twice the largest error of a product that underflows.
    const SMALLEST: f64;

    /// `len` values uniform in (−1, 1), with fractions as long as the type has them.
    fn uniform(data: &mut Data, len: usize) -> Vec<Self>;
    /// The nearest value.
    fn rounded(x: f64) -> Self;
    /// self · factor + sum, rounded once.
    fn fused(self, factor: Self, sum: Self) -> Self;
    /// The bits, to tell apart what compares equal and to compare what does not.
    fn bits(self) -> u64;
}

impl Number for f32 {
    const ROUNDOFF: f64 = tolerance::F32_ROUNDOFF;
    const SMALLEST: f64 = f32::from_bits(1) as f64;

    fn uniform(data: &mut Data, len: usize) -> Vec<f32> {
        data.uniform(len)
    }
    fn rounded(x: f64) -> f32 {
        x as f32
    }
    fn fused(self, factor: f32, sum: f32) -> f32 {
        self.mul_add(factor, sum)
    }
    fn bits(self) -> u64 {
        self.to_bits().into()
    }
}

impl Number for f64 {
    const ROUNDOFF: f64 = tolerance::F64_ROUNDOFF;
    const SMALLEST: f64 = f64::from_bits(1);

    fn uniform(data: &mut Data, len: usize) -> Vec<f64> {
        // Odd multiples of 2⁻⁵³.
        let value = |bits: u64| (2 * (bits >> 11) as i64 + 1 - (1 << 53)) as f64 / (1u64 << 53) as f64;
        (0..len).map(|_| value(data.bits())).collect()
    }
    fn rounded(x: f64) -> f64 {
        x
    }
    fn fused(self, factor: f64, sum: f64) -> f64 {
        self.mul_add(factor, sum)
    }
    fn bits(self) -> u64 {
        self.to_bits()
    }
}

/// C ← α · Σ Aᵢ·Bᵢ + β · C in twice the precision of `f64`. As in the BLAS, what has a factor of 0 is not read.
pub(crate) struct Exact<'a, E> {
    pub(crate) alpha: E,
    pub(crate) pairs: Vec<(View<'a, E>, View<'a, E>)>,
    pub(crate) beta: E,
    pub(crate) c: View<'a, E>,
}

/// What an element of C should be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    /// The value, rounded to `f64`.
    pub(crate) value: f64,
    /// What the rounding took away.
    pub(crate) rest: f64,
    /// |α| · Σ |Aᵢ||Bᵢ| + |β||C|.
    pub(crate) magnitude: f64,
    /// How far off a result may be.
    pub(crate) bound: f64,
}

/// a + b as a rounded sum and its error. Source: D. E. Knuth, *The Art of Computer Programming*, volume 2, section 4.2.2.
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let of_b = sum - a;
    (sum, (a - (sum - of_b)) + (b - of_b))
}

/// a · b as a rounded product and its error.
fn two_product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    (product, a.mul_add(b, -product))
}

impl<E: Number> Exact<'_, E> {
    /// Element (i, j). The bound is γ(k + 2) · magnitude and the underflow of k + 2 products, whatever the order of summation.
    ///
    /// Sources: T. Ogita, S. M. Rump, S. Oishi, *Accurate sum and dot product*, algorithm 5.3; N. J. Higham, *Accuracy and
    /// Stability of Numerical Algorithms*, section 3.5, with one rounding more for α and one for the last sum.
    pub(crate) fn element(&self, i: usize, j: usize) -> Expected {
        let (alpha, beta): (f64, f64) = (self.alpha.into(), self.beta.into());
        let (mut sum, mut rest, mut magnitude, mut roundings) = (0.0, 0.0, 0.0, 2);
        if alpha != 0.0 {
            for (a, b) in &self.pairs {
                roundings += a.cols();
                for p in 0..a.cols() {
                    let (product, error) = two_product(a.at(i, p).into(), b.at(p, j).into());
                    let (next, lost) = two_sum(sum, product);
                    (sum, rest, magnitude) = (next, rest + (error + lost), magnitude + product.abs());
                }
            }
            let (product, error) = two_product(alpha, sum);
            (sum, rest, magnitude) = (product, alpha * rest + error, alpha.abs() * magnitude);
        }
        if beta != 0.0 {
            let (product, error) = two_product(beta, self.c.at(i, j).into());
            let (next, lost) = two_sum(sum, product);
            (sum, rest, magnitude) = (next, rest + (error + lost), magnitude + product.abs());
        }
        let bound = tolerance::gamma(roundings, E::ROUNDOFF) * magnitude + roundings as f64 * E::SMALLEST;
        Expected { value: sum, rest: if sum.is_finite() { rest } else { 0.0 }, magnitude, bound }
    }

    /// Compares the whole of C, or about [`SAMPLES`] products' worth of it.
    #[track_caller]
    pub(crate) fn check(&self, name: &str, found: View<'_, E>) {
        let (m, n) = (self.c.rows(), self.c.cols());
        let k: usize = self.pairs.iter().map(|(a, _)| a.cols()).sum();
        // Odd, so that the sample does not keep to some columns of a tile.
        let step = (m * n * k / SAMPLES) | 1;
        for index in (0..m * n).step_by(step).chain((m * n).checked_sub(1)) {
            let (i, j) = (index / n, index % n);
            self.element(i, j).check(&format_args!("{name}: ({i}, {j})"), found.at(i, j));
        }
    }
}

/// Products that a check of C computes at most, about.
const SAMPLES: usize = 500_000;

impl Expected {
    /// Panics where `found` is further off than it may be. A NaN or an infinity is exact.
    #[track_caller]
    pub(crate) fn check<E: Number>(&self, name: &dyn std::fmt::Display, found: E) {
        let Expected { value, rest, bound, .. } = *self;
        let rounded: f64 = E::rounded(value).into();
        let exact: f64 = found.into();
        let is_right = if !value.is_finite() {
            exact == value || (exact.is_nan() && value.is_nan())
        } else {
            ((exact - value) - rest).abs() <= bound || (rounded.is_infinite() && exact == rounded)
        };
        assert!(is_right, "{name}: wanted {value:e} within {bound:e}, found {exact:e}");
    }
}

/// Panics where two vectors differ in any bit.
#[track_caller]
pub(crate) fn assert_same_bits<E: Number>(name: &str, found: &[E], wanted: &[E]) {
    assert_eq!(found.len(), wanted.len(), "{name}: lengths");
    for (index, (f, w)) in found.iter().zip(wanted).enumerate() {
        assert_eq!(f.bits(), w.bits(), "{name}: element {index}: wanted the bits of {w:?}, found {f:?}");
    }
}

#[test]
fn exact_product_keeps_what_double_precision_loses() {
    // 1·1 + 2⁻⁶⁰·1 − 1·1 = 2⁻⁶⁰, and 3 · 2⁻⁶⁰ − 0.5 · 2⁻⁵⁹ = 2⁻⁵⁹.
    let tiny = 2f64.powi(-60);
    let (a, b, c) = ([1.0, tiny, -1.0], [1.0; 3], [2.0 * tiny]);
    let c = View::row_major(&c, 1, 1);
    let exact =
        Exact { alpha: 3.0, pairs: vec![(View::row_major(&a, 1, 3), View::row_major(&b, 3, 1))], beta: -0.5, c };
    let Expected { value, rest, .. } = exact.element(0, 0);
    assert_eq!(value + rest, 2.0 * tiny);
}

#[test]
#[should_panic(expected = "wanted inf")]
fn finite_result_for_an_infinite_sum_is_refused() {
    let (a, one) = ([f32::INFINITY], [1.0]);
    let view = View::row_major(&one, 1, 1);
    Exact { alpha: 1.0, pairs: vec![(View::row_major(&a, 1, 1), view)], beta: 0.0, c: view }.check("1x1", view);
}
