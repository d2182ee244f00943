//! α · A · B + β · C with about 100 bits, by error-free transformations: the measure for `f32` and `f64` alike.
//!
//! Source: Ogita, Rump, Oishi: *Accurate Sum and Dot Product*, SIAM J. Sci. Comput. 26 (2005), algorithms TwoSum, TwoProduct, Dot2.

use crate::bindings::Number;
use cke_testkit::View;
use cke_testkit::tolerance::{F64_ROUNDOFF, gamma};

/// The operands; op(A) and op(B) are transposed views.
pub(crate) struct Gemm<'a, T> {
    pub(crate) alpha: T,
    pub(crate) a: View<'a, T>,
    pub(crate) b: View<'a, T>,
    pub(crate) beta: T,
    pub(crate) c: View<'a, T>,
}

impl<T: Number> Gemm<'_, T> {
    /// Panics if an element of `found` (row-major) is farther from the exact one than γ(k + 2) · (|α||A||B| + |β||C|) and the
    /// underflow of as many products. All operands must be finite.
    #[track_caller]
    pub(crate) fn assert_computed(&self, case: &dyn std::fmt::Debug, found: &[T]) {
        let (m, n) = (self.a.rows(), self.b.cols());
        assert_eq!(found.len(), m * n, "{case:?}");
        for i in 0..m {
            for j in 0..n {
                let (exact, bound) = self.element(i, j);
                let found: f64 = found[i * n + j].into();
                let error = (found - exact).abs();
                assert!(error <= bound, "({i}, {j}) of {case:?}: wanted {exact:e} ± {bound:e}, found {found:e}");
            }
        }
    }

    fn element(&self, i: usize, j: usize) -> (f64, f64) {
        let [alpha, beta] = [self.alpha, self.beta].map(Into::<f64>::into);
        let (mut sum, mut magnitude) = (Double(0.0, 0.0), 0.0);
        if alpha != 0.0 {
            for p in 0..self.a.cols() {
                let [a, b]: [f64; 2] = [self.a.at(i, p).into(), self.b.at(p, j).into()];
                sum = sum.plus(Double::product(a, b));
                magnitude += (a * b).abs();
            }
            sum = sum.times(alpha);
            magnitude *= alpha.abs();
        }
        if beta != 0.0 {
            let c: f64 = self.c.at(i, j).into();
            sum = sum.plus(Double::product(beta, c));
            magnitude += (beta * c).abs();
        }
        let roundings = self.a.cols() + 2;
        // The last term is the rounding of the oracle itself.
        let bound = (gamma(roundings, T::ROUNDOFF) + F64_ROUNDOFF) * magnitude + roundings as f64 * T::SMALLEST;
        (sum.0 + sum.1, bound)
    }
}

/// The unevaluated sum of two numbers.
#[derive(Clone, Copy)]
struct Double(f64, f64);

impl Double {
    fn product(a: f64, b: f64) -> Double {
        let high = a * b;
        Double(high, a.mul_add(b, -high))
    }

    fn plus(self, other: Double) -> Double {
        let high = self.0 + other.0;
        let z = high - self.0;
        let low = (self.0 - (high - z)) + (other.0 - z);
        Double(high, low + self.1 + other.1)
    }

    fn times(self, factor: f64) -> Double {
        let Double(high, low) = Double::product(self.0, factor);
        Double(high, low + self.1 * factor)
    }
}
