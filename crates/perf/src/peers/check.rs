//! A check of C that shares nothing with any product.

use super::operands::{Element, Operands};
use super::product::Product;
use super::sample::{Data, Numbers};
use super::stored::Stored;

/// What a right C must satisfy.
///
/// The check is Freivalds': for a random vector s, C·s must be op(A)·(op(B)·s), which takes three products with a vector in
/// f64 and sees any wrong element of C. Source: R. Freivalds, "Probabilistic machines can use less running time", IFIP 1977.
pub(super) struct Check {
    /// s, (n).
    probe: Vec<f64>,
    /// op(A)·(op(B)·s), (m).
    expected: Vec<f64>,
    /// As [`Dtype::rounding`](super::dtype::Dtype::rounding).
    rounding: f64,
}

impl Check {
    /// For the product of these operands, whose elements are rounded by `rounding` first.
    pub(super) fn new<T: Element>(operands: &Operands<T>, rounding: f64) -> Check {
        let product = operands.product();
        let mut numbers = Numbers::new(Data::Uniform, PROBE_SEED);
        let probe: Vec<f64> = (0..product.n).map(|_| numbers.next()).collect();
        let b_probe = times_vector::<T>(operands.b(), product.stored_b(), product.transpose_b, &probe);
        let expected = times_vector::<T>(operands.a(), product.stored_a(), product.transpose_a, &b_probe);
        Check { probe, expected, rounding }
    }

    /// How far C is from the right one, as a multiple of what rounding explains: up to 1 it is right. `None` if elements
    /// of C are not finite, or if something was written between its rows.
    ///
    /// With operands uniform in [−1, 1), rounding a sum of K products moves an element by about 0.14·u·K (standard deviation;
    /// u: the unit roundoff), a row of C·s by about 0.08·u·K·√N, and the check's own sums in f64 by as much for their u and by
    /// as much with K and N exchanged. Four times these without the small factors leaves room for any order of summation. Where A and B
    /// are rounded first, a row of C·s moves by the rounding of one product times √(K·N/3); eight times that are allowed.
    pub(super) fn error<T: Element>(&self, operands: &Operands<T>) -> Option<f64> {
        if !operands.has_intact_gaps() {
            return None;
        }
        let Product { n, k, .. } = operands.product();
        let (rows, sums) = (n as f64, k as f64);
        let check = f64::ROUNDOFF * (sums * rows.sqrt() + rows * sums.sqrt());
        let rounded = self.rounding * (sums * rows / 3.0).sqrt();
        let tolerance = 4.0 * (T::ROUNDOFF * sums * rows.sqrt() + check) + 8.0 * rounded;
        let found = times_vector::<T>(operands.c(), operands.product().stored_c(), false, &self.probe);
        let deviations = found.iter().zip(&self.expected).map(|(found, expected)| (found - expected).abs());
        let worst = deviations.fold(0.0, |worst: f64, x| if x.is_nan() { x } else { worst.max(x) + 0.0 * worst });
        worst.is_finite().then_some(worst / tolerance)
    }
}

const PROBE_SEED: u64 = 0xF12E;

/// op(M)·x for a matrix M, or for its transpose.
fn times_vector<T: Element>(numbers: &[T], matrix: Stored, transposed: bool, x: &[f64]) -> Vec<f64> {
    let rows = numbers.chunks_exact(matrix.leading).map(|row| &row[..matrix.cols]);
    if !transposed {
        let dot = |row: &[T]| row.iter().zip(x).map(|(&m, x)| m.into() * x).sum();
        return rows.map(dot).collect();
    }
    let mut y = vec![0.0; matrix.cols];
    for (row, x) in rows.zip(x) {
        y.iter_mut().zip(row).for_each(|(y, &m)| *y += m.into() * x);
    }
    y
}

#[cfg(test)]
mod tests {
    use super::super::operands::Matrices;
    use super::*;

    /// C = op(A)·op(B) by the definition, in the format itself.
    fn multiply<T: Element>(operands: &mut Operands<T>) {
        let product = operands.product();
        let Product { m, n, k, transpose_a, transpose_b, .. } = product;
        let (lda, ldb, ldc) = (product.stored_a().leading, product.stored_b().leading, product.stored_c().leading);
        let Matrices { a: stored_a, b: stored_b, c } = operands.matrices();
        for i in 0..m {
            for j in 0..n {
                let a = |p: usize| stored_a[if transpose_a { p * lda + i } else { i * lda + p }];
                let b = |p: usize| stored_b[if transpose_b { j * ldb + p } else { p * ldb + j }];
                c[i * ldc + j] = (0..k).fold(T::zero(), |sum, p| sum + a(p) * b(p));
            }
        }
    }

    fn operands<T: Element>(product: &str) -> (Operands<T>, Check) {
        let operands = Operands::new(product.parse().expect("a product"), Data::Uniform, 1).expect("little memory");
        let check = Check::new(&operands, 0.0);
        (operands, check)
    }

    fn assert_right<T: Element>(product: &str) {
        let (mut operands, check) = operands::<T>(product);
        assert_eq!(check.error(&operands), None, "{product}: nothing was written yet");
        multiply(&mut operands);
        let error = check.error(&operands).expect("finite");
        assert!(error < 0.5, "{product}: {error}");
    }

    #[test]
    fn error_of_a_right_product_is_small() {
        let tight =
            ["1x1x1", "7x5x3", "33x65x129tn", "64x64x64nt", "17x9x500tt", "1x300x700nt", "300x1x7", "2x2x20000"];
        for product in tight.into_iter().chain(["7x5x3@4:9:6", "33x65x129tn@40:65:70", "17x9x50tt@17:51:1024"]) {
            assert_right::<f32>(product);
            assert_right::<f64>(product);
        }
    }

    #[test]
    fn error_of_a_write_between_rows_is_none() {
        let (mut operands, check) = operands::<f32>("5x6x7@7:6:8");
        multiply(&mut operands);
        assert!(check.error(&operands).is_some());
        operands.matrices().c[4 * 8 + 6] = 0.0;
        assert_eq!(check.error(&operands), None);
    }

    #[test]
    fn error_of_one_wrong_element_is_large() {
        let (mut operands, check) = operands::<f32>("65x127x100");
        multiply(&mut operands);
        operands.matrices().c[64 * 127 + 126] *= 1.01;
        assert!(check.error(&operands).expect("finite") > 1.0);
    }

    #[test]
    fn error_of_a_transposed_operand_is_large() {
        let (operands, check) = operands::<f64>("8x8x8");
        let (a, b, _) = operands.into_parts();
        let mut operands = Operands::of("8x8x8nt".parse().expect("a product"), a, b).expect("the same sizes");
        multiply(&mut operands);
        assert!(check.error(&operands).expect("finite") > 1e9);
    }

    #[test]
    fn error_of_a_product_in_half_the_digits_is_large() {
        let (mut operands, check) = operands::<f32>("64x64x768");
        let half = |x: &mut f32| *x = f32::from_bits(x.to_bits() & 0xffff_0000);
        operands.matrices().a.iter_mut().for_each(half);
        multiply(&mut operands);
        assert!(check.error(&operands).expect("finite") > 1.0, "as a library would that computes in bf16 unasked");
    }

    #[test]
    fn error_of_an_element_that_was_not_written_is_none() {
        let (mut operands, check) = operands::<f64>("5x6x7");
        multiply(&mut operands);
        operands.matrices().c[29] = f64::NAN;
        assert_eq!(check.error(&operands), None);
        operands.matrices().c[29] = f64::INFINITY;
        assert_eq!(check.error(&operands), None);
    }
}
