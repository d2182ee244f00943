//! The operations as their formulas in `f64`, with plain loops: slow, and the measure of everything fast.

use crate::matrix::View;
use crate::special::erfc;
use crate::tolerance::gemm_bound;

/// `C ← α·A·B + β·C` with A (m, k), B (k, n), C (m, n), any strides; a transposed operand is a transposed view.
///
/// As in the BLAS, C is not read where β = 0, and A and B are not read where α = 0.
#[derive(Clone, Copy, Debug)]
pub struct Gemm<'a> {
    /// Factor of the product.
    pub alpha: f32,
    /// Left operand (m, k).
    pub a: View<'a, f32>,
    /// Right operand (k, n).
    pub b: View<'a, f32>,
    /// Factor of the old C.
    pub beta: f32,
    /// The old C (m, n).
    pub c: View<'a, f32>,
}

impl Gemm<'_> {
    /// The new C, row-major (m, n).
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn exact(&self) -> Vec<f64> {
        self.evaluate(|x| x)
    }

    /// `|α||A||B| + |β||C|`, row-major (m, n): what the rounding errors are relative to.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn magnitude(&self) -> Vec<f64> {
        self.evaluate(f64::abs)
    }

    /// How far each element of a result in `f32` may lie from [`Gemm::exact`], see [`gemm_bound`].
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn bound(&self) -> Vec<f64> {
        self.magnitude().into_iter().map(|magnitude| gemm_bound(self.a.cols(), magnitude)).collect()
    }

    fn evaluate(&self, map: fn(f64) -> f64) -> Vec<f64> {
        let Self { alpha, a, b, beta, c } = *self;
        let (m, n, k) = (a.rows(), b.cols(), a.cols());
        assert_eq!((b.rows(), c.rows(), c.cols()), (k, m, n), "wanted B with k = {k} rows and C ({m}, {n})");
        let mapped = |x: f32| map(f64::from(x));
        let element = |i: usize, j: usize| {
            let mut sum = 0.0;
            if alpha != 0.0 {
                let product: f64 = (0..k).map(|p| mapped(a.at(i, p)) * mapped(b.at(p, j))).sum();
                sum += mapped(alpha) * product;
            }
            if beta != 0.0 {
                sum += mapped(beta) * mapped(c.at(i, j));
            }
            sum
        };
        (0..m).flat_map(|i| (0..n).map(move |j| element(i, j))).collect()
    }
}

/// `softmax(x)ᵢ = e^(xᵢ − max) / Σⱼ e^(xⱼ − max)` of each row of x (rows, cols), row-major.
///
/// A row of −∞ alone gives NaN, as the formula does.
pub fn softmax(x: View<'_, f32>) -> Vec<f64> {
    let row = |i: usize| softmax_row((0..x.cols()).map(|j| f64::from(x.at(i, j))).collect());
    (0..x.rows()).flat_map(row).collect()
}

fn softmax_row(mut x: Vec<f64>) -> Vec<f64> {
    let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    x.iter_mut().for_each(|v| *v = (*v - max).exp());
    let sum: f64 = x.iter().sum();
    x.iter_mut().for_each(|v| *v /= sum);
    x
}

/// `(x − mean) / √(variance + ε) · γ + β` of each row of x (rows, cols), row-major; the variance is the mean square of
/// the deviations. Source: Ba, Kiros, Hinton: *Layer Normalization*, arXiv:1607.06450.
///
/// # Panics
/// When γ or β has not `cols` values.
pub fn layer_norm(x: View<'_, f32>, gamma: &[f32], beta: &[f32], epsilon: f64) -> Vec<f64> {
    let width = x.cols();
    assert_eq!((gamma.len(), beta.len()), (width, width), "wanted gamma and beta of the rows' width");
    let mut normalized = Vec::with_capacity(x.rows() * width);
    for i in 0..x.rows() {
        let row: Vec<f64> = (0..width).map(|j| f64::from(x.at(i, j))).collect();
        let mean = row.iter().sum::<f64>() / width as f64;
        let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / width as f64;
        let scale = 1.0 / (variance + epsilon).sqrt();
        normalized.extend((0..width).map(|j| (row[j] - mean) * scale * f64::from(gamma[j]) + f64::from(beta[j])));
    }
    normalized
}

/// `GELU(x) = x·Φ(x) = x/2 · erfc(−x/√2)`. Source: Hendrycks, Gimpel: *Gaussian Error Linear Units*, arXiv:1606.08415.
pub fn gelu(x: f32) -> f64 {
    let x = f64::from(x);
    if x == f64::NEG_INFINITY { -0.0 } else { 0.5 * x * erfc(-x * std::f64::consts::FRAC_1_SQRT_2) }
}

/// `x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³)))`, the approximation of [`gelu`] that GPT-2 was trained with, computed as
/// `x · logistic(2·√(2/π)·(x + 0.044715·x³))`, which is the same and does not cancel for negative x.
pub fn gelu_tanh(x: f32) -> f64 {
    let x = f64::from(x);
    let inner = std::f64::consts::FRAC_2_PI.sqrt() * (x + 0.044715 * x * x * x);
    x_times_logistic(x, 2.0 * inner)
}

/// `SiLU(x) = x / (1 + e^(−x))`.
pub fn silu(x: f32) -> f64 {
    x_times_logistic(f64::from(x), f64::from(x))
}

fn x_times_logistic(x: f64, y: f64) -> f64 {
    if x == f64::NEG_INFINITY { -0.0 } else { x / (1.0 + (-y).exp()) }
}

/// Which keys a query may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask<'a> {
    /// Every key.
    None,
    /// The last query sees every key, each query before it one key less: query i of n sees keys `0..=i + keys − n`.
    Causal,
    /// The keys of [`Mask::Causal`], but only the last ones of each query, this many.
    Window(usize),
    /// Key j where `visible[j]`: padding of a batch.
    Keys(&'a [bool]),
}

/// One head of dot-product attention: `softmax(score(Q·Kᵀ))·V` with Q (n, d), K (m, d), V (m, v), the result (n, v) row-major; `score` is
/// what a product becomes before the softmax, usually times 1/√d. Source: Vaswani et al.: *Attention Is All You Need*, arXiv:1706.03762,
/// section 3.2.1.
///
/// # Panics
/// When the shapes do not fit, and where a causal mask or a window has more queries than keys.
pub fn attention(
    q: View<'_, f32>,
    k: View<'_, f32>,
    v: View<'_, f32>,
    score: impl Fn(f64) -> f64,
    mask: Mask<'_>,
) -> Vec<f64> {
    let (queries, keys, width) = (q.rows(), k.rows(), q.cols());
    assert_eq!((k.cols(), v.rows()), (width, keys), "wanted K of Q's width {width} and V with {keys} rows");
    let is_causal = matches!(mask, Mask::Causal | Mask::Window(_));
    assert!(!is_causal || queries <= keys, "wanted at most {keys} queries, found {queries}");
    let is_visible = |i: usize, j: usize| match mask {
        Mask::None => true,
        Mask::Causal => j + queries <= i + keys,
        Mask::Window(width) => j + queries <= i + keys && i + keys - (j + queries) < width,
        Mask::Keys(visible) => visible[j],
    };
    let mut result = Vec::with_capacity(queries * v.cols());
    for i in 0..queries {
        let visible: Vec<usize> = (0..keys).filter(|&j| is_visible(i, j)).collect();
        let score = |&j: &usize| score((0..width).map(|p| f64::from(q.at(i, p)) * f64::from(k.at(j, p))).sum::<f64>());
        let weights = softmax_row(visible.iter().map(score).collect());
        let mixed = |c: usize| visible.iter().zip(&weights).map(|(&j, w)| w * f64::from(v.at(j, c))).sum::<f64>();
        result.extend((0..v.cols()).map(mixed));
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::{Layout, Matrix};
    use crate::tolerance::F64_ROUNDOFF;

    fn assert_near(found: f64, wanted: f64) {
        let bound = 1e-14 * wanted.abs();
        assert!((found - wanted).abs() <= bound, "wanted {wanted:e}, found {found:e}");
    }

    #[test]
    fn gemm_of_transposed_and_strided_operands_matches_hand_computation() {
        let a = Matrix::with_layout(Layout::col_major(2, 3), &[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let b = Matrix::with_layout(Layout::padded(2, 3, 4), &[1.0f32, 0.0, -1.0, 2.0, 1.0, 0.0]); // Bᵀ
        let c = Matrix::with_layout(Layout::strided(2, 2, 2, 1), &[10.0f32, 20.0, 30.0, 40.0]);
        let gemm = Gemm { alpha: 2.0, a: a.view(), b: b.view().transposed(), beta: -1.0, c: c.view() };
        assert_eq!(gemm.exact(), [-14.0, -12.0, -34.0, -14.0]);
        assert_eq!(gemm.magnitude(), [18.0, 28.0, 50.0, 66.0]);
    }

    #[test]
    fn gemm_reads_no_operand_whose_factor_is_zero() {
        let nan = [f32::NAN];
        let one = [2.0f32];
        let (unread, read) = (View::row_major(&nan, 1, 1), View::row_major(&one, 1, 1));
        assert_eq!(Gemm { alpha: 1.0, a: read, b: read, beta: 0.0, c: unread }.exact(), [4.0]);
        assert_eq!(Gemm { alpha: 0.0, a: unread, b: unread, beta: 3.0, c: read }.exact(), [6.0]);
        assert!(Gemm { alpha: 1.0, a: unread, b: read, beta: 0.0, c: read }.exact()[0].is_nan());
    }

    #[test]
    fn gemm_without_k_scales_c() {
        let c = [1.0f32, 2.0];
        let gemm = Gemm {
            alpha: 1.0,
            a: View::row_major(&[], 1, 0),
            b: View::row_major(&[], 0, 2),
            beta: 0.5,
            c: View::row_major(&c, 1, 2),
        };
        assert_eq!(gemm.exact(), [0.5, 1.0]);
    }

    #[test]
    fn softmax_rows_sum_to_one_and_survive_large_values() {
        let x = [1000.0f32, 1000.0, -1000.0, 0.0, f32::NEG_INFINITY, 3f32.ln()];
        let found = softmax(View::row_major(&x, 2, 3));
        assert_eq!(&found[..3], [0.5, 0.5, 0.0]);
        assert!((found[3] - 0.25).abs() < 1e-7 && found[4] == 0.0 && (found[5] - 0.75).abs() < 1e-7);
    }

    #[test]
    fn layer_norm_of_known_row_is_exact() {
        let found = layer_norm(View::row_major(&[1.0, 3.0], 1, 2), &[2.0, 2.0], &[0.5, 0.5], 3.0);
        assert_eq!(found, [-0.5, 1.5]);
    }

    /// (x, GELU, GELU by tanh, SiLU) computed with 40 digits.
    const ACTIVATIONS: [(f32, f64, f64, f64); 7] = [
        (-6.0, -5.9195258702261885e-09, -8.439646700762297e-11, -0.014835738939808645),
        (-3.0, -0.0040496940948902835, -0.003637392081773019, -0.14227761953270035),
        (-1.0, -0.15865525393145705, -0.1588080093917233, -0.2689414213699951),
        (-0.25, -0.10032341857926907, -0.100324649298315, -0.10945587477855047),
        (0.25, 0.14967658142073093, 0.149675350701685, 0.14054412522144952),
        (1.0, 0.8413447460685429, 0.8411919906082767, 0.7310585786300049),
        (3.0, 2.99595030590511, 2.996362607918227, 2.8577223804672998),
    ];

    #[test]
    fn activations_of_tabled_points_agree() {
        for (x, exact, by_tanh, sigmoid) in ACTIVATIONS {
            assert_near(gelu(x), exact);
            assert_near(gelu_tanh(x), by_tanh);
            assert_near(silu(x), sigmoid);
        }
    }

    #[test]
    fn activations_of_infinities_are_their_limits() {
        for activation in [gelu, gelu_tanh, silu] {
            assert_eq!(activation(f32::INFINITY), f64::INFINITY);
            assert_eq!(activation(f32::NEG_INFINITY), 0.0);
            assert!(activation(f32::NAN).is_nan());
        }
    }

    #[test]
    fn attention_with_causal_mask_lets_each_query_see_the_past_only() {
        let q = [0.0f32; 2];
        let v = [3.0f32, 6.0, 9.0];
        let view = View::row_major(&q, 2, 1);
        let keys = View::row_major(&[1.0; 3], 3, 1);
        let found = attention(view, keys, View::row_major(&v, 3, 1), |score| score, Mask::Causal);
        assert!(
            (found[0] - 4.5).abs() <= 4.0 * F64_ROUNDOFF * 4.5 && (found[1] - 6.0).abs() <= 4.0 * F64_ROUNDOFF * 6.0
        );
    }

    #[test]
    fn attention_with_a_window_lets_each_query_see_the_last_keys_only() {
        let (q, v) = ([0.0f32; 3], [3.0f32, 6.0, 12.0, 24.0]);
        let (q, k, v) = (View::row_major(&q, 3, 1), View::row_major(&[1.0; 4], 4, 1), View::row_major(&v, 4, 1));
        assert_eq!(attention(q, k, v, |score| score, Mask::Window(1)), [6.0, 12.0, 24.0]);
        for (found, wanted) in attention(q, k, v, |score| score, Mask::Window(2)).into_iter().zip([4.5, 9.0, 18.0]) {
            assert_near(found, wanted);
        }
    }

    #[test]
    fn attention_with_key_mask_skips_hidden_keys_even_if_nan() {
        let k = [1.0f32, f32::NAN, 1.0];
        let v = [2.0f32, f32::NAN, 4.0];
        let mask = Mask::Keys(&[true, false, true]);
        let found =
            attention(View::row_major(&[1.0], 1, 1), View::row_major(&k, 3, 1), View::row_major(&v, 3, 1), |x| x, mask);
        assert_eq!(found, [3.0]);
    }
}
