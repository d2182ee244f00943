//! The operands of a product, and a check of C that shares nothing with any product.

use super::native::Packed;
use super::product::Product;
use super::session::Multiply;
use super::worker::WorkerError;
use cke_kernels::Error;
use cke_kernels::scheme::{F32, F64, Real, Uniform};
use cke_kernels::scratch::AlignedBuf;

/// A format that products are computed in.
pub(super) trait Element: Real + Into<f64> {
    /// The letter of its routines in the BLAS.
    const LETTER: char;
    /// Unit roundoff, half the distance from 1 to the next number.
    const ROUNDOFF: f64;
    /// What no product writes where it is right.
    const NAN: Self;
    /// The kernels' word for it.
    type Scheme: Uniform<E = Self>;

    /// The nearest number.
    fn nearest(x: f64) -> Self;

    /// Products with B packed ahead, as [`Packed::new`] says.
    ///
    /// # Errors
    /// As there, and where the kernels do not have them in this format.
    fn packed(threads: usize, kernel: Option<&str>) -> Result<Box<dyn Multiply<Self>>, WorkerError>;
}

impl Element for f32 {
    const LETTER: char = 's';
    const ROUNDOFF: f64 = f32::EPSILON as f64 / 2.0;
    const NAN: f32 = f32::NAN;
    type Scheme = F32;

    fn nearest(x: f64) -> f32 {
        x as f32
    }

    fn packed(threads: usize, kernel: Option<&str>) -> Result<Box<dyn Multiply<f32>>, WorkerError> {
        Ok(Box::new(Packed::new(threads, kernel)?))
    }
}

impl Element for f64 {
    const LETTER: char = 'd';
    const ROUNDOFF: f64 = f64::EPSILON / 2.0;
    const NAN: f64 = f64::NAN;
    type Scheme = F64;

    fn nearest(x: f64) -> f64 {
        x
    }

    fn packed(_threads: usize, _kernel: Option<&str>) -> Result<Box<dyn Multiply<f64>>, WorkerError> {
        Err(WorkerError::NotPacked)
    }
}

/// A, B and C of one product, the first two random and never zero as a whole, and what a right C must satisfy.
///
/// The check is Freivalds': for a random vector s, C·s must be op(A)·(op(B)·s), which takes three products with a vector in
/// f64 and sees any wrong element of C. Source: R. Freivalds, "Probabilistic machines can use less running time", IFIP 1977.
pub(super) struct Operands<T: Element> {
    /// What is computed from them.
    product: Product,
    /// (m, k), or (k, m) where it is transposed.
    a: AlignedBuf<T>,
    /// (k, n), or (n, k) where it is transposed.
    b: AlignedBuf<T>,
    /// (m, n).
    c: AlignedBuf<T>,
    /// s, (n).
    probe: Vec<f64>,
    /// op(A)·(op(B)·s), (m).
    expected: Vec<f64>,
}

impl<T: Element> Operands<T> {
    /// Random A and B, always the same for the same product, and a C that holds no numbers.
    ///
    /// # Errors
    /// Where the memory cannot be had.
    pub(super) fn new(product: Product) -> Result<Operands<T>, Error> {
        let Product { m, n, k, transpose_a, transpose_b } = product;
        let mut random = SplitMix(0x5EED);
        let a = uniform(m.saturating_mul(k), &mut random)?;
        let b = uniform(k.saturating_mul(n), &mut random)?;
        let mut c = AlignedBuf::zeroed(m.saturating_mul(n))?;
        c.fill(T::NAN);
        let probe: Vec<f64> = (0..n).map(|_| random.uniform()).collect();
        let b_probe = times_vector::<T>(&b, (k, n), transpose_b, &probe);
        let expected = times_vector::<T>(&a, (m, k), transpose_a, &b_probe);
        Ok(Operands { product, a, b, c, probe, expected })
    }

    /// What is computed from them.
    pub(super) fn product(&self) -> Product {
        self.product
    }

    /// A, B and C, of the sizes that the product says, row-major without gaps.
    pub(super) fn matrices(&mut self) -> (&[T], &[T], &mut [T]) {
        (&self.a, &self.b, &mut self.c)
    }

    /// How far C is from the right one, as a multiple of what rounding explains: up to 1 it is right. `None` where elements
    /// of C are not finite.
    ///
    /// With operands uniform in [−1, 1), rounding a sum of K products moves an element by about 0.14·u·K (standard deviation;
    /// u: the unit roundoff), a row of C·s by about 0.08·u·K·√N, and the check's own sums in f64 by as much for their u and by
    /// as much with K and N exchanged. Four times these without the small factors leaves room for any order of summation.
    pub(super) fn error(&self) -> Option<f64> {
        let Product { m, n, k, .. } = self.product;
        let (rows, sums) = (n as f64, k as f64);
        let check = f64::ROUNDOFF * (sums * rows.sqrt() + rows * sums.sqrt());
        let tolerance = 4.0 * (T::ROUNDOFF * sums * rows.sqrt() + check);
        let found = times_vector::<T>(&self.c, (m, n), false, &self.probe);
        let deviations = found.iter().zip(&self.expected).map(|(found, expected)| (found - expected).abs());
        let worst = deviations.fold(0.0, |worst: f64, x| if x.is_nan() { x } else { worst.max(x) + 0.0 * worst });
        worst.is_finite().then_some(worst / tolerance)
    }
}

/// `len` numbers uniform in [−1, 1).
fn uniform<T: Element>(len: usize, random: &mut SplitMix) -> Result<AlignedBuf<T>, Error> {
    let mut numbers = AlignedBuf::zeroed(len)?;
    numbers.iter_mut().for_each(|x| *x = T::nearest(random.uniform()));
    Ok(numbers)
}

/// op(M)·x for op(M) (rows, cols), stored row-major, or as its transpose.
fn times_vector<T: Element>(stored: &[T], (rows, cols): (usize, usize), transposed: bool, x: &[f64]) -> Vec<f64> {
    if !transposed {
        let dot = |row: &[T]| row.iter().zip(x).map(|(&m, x)| m.into() * x).sum();
        return stored.chunks_exact(cols).map(dot).collect();
    }
    let mut y = vec![0.0; rows];
    for (column, x) in stored.chunks_exact(rows).zip(x) {
        y.iter_mut().zip(column).for_each(|(y, &m)| *y += m.into() * x);
    }
    y
}

/// Source: G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A multiple of 2⁻⁵² in [−1, 1).
    fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 * (2.0 / (1u64 << 53) as f64) - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C = op(A)·op(B) by the definition, in the format itself.
    fn multiply<T: Element>(operands: &mut Operands<T>) {
        let Product { m, n, k, transpose_a, transpose_b } = operands.product;
        for i in 0..m {
            for j in 0..n {
                let a = |p: usize| operands.a[if transpose_a { p * m + i } else { i * k + p }];
                let b = |p: usize| operands.b[if transpose_b { j * k + p } else { p * n + j }];
                operands.c[i * n + j] = (0..k).fold(T::zero(), |sum, p| sum + a(p) * b(p));
            }
        }
    }

    fn operands<T: Element>(product: &str) -> Operands<T> {
        Operands::new(product.parse().expect("a product")).expect("little memory")
    }

    fn assert_right<T: Element>(product: &str) {
        let mut operands = operands::<T>(product);
        assert_eq!(operands.error(), None, "{product}: nothing was written yet");
        multiply(&mut operands);
        let error = operands.error().expect("finite");
        assert!(error < 0.5, "{product}: {error}");
    }

    #[test]
    fn error_of_a_right_product_is_small() {
        for product in
            ["1x1x1", "7x5x3", "33x65x129tn", "64x64x64nt", "17x9x500tt", "1x300x700nt", "300x1x7", "2x2x20000"]
        {
            assert_right::<f32>(product);
            assert_right::<f64>(product);
        }
    }

    #[test]
    fn error_of_one_wrong_element_is_large() {
        let mut operands = operands::<f32>("65x127x100");
        multiply(&mut operands);
        operands.c[64 * 127 + 126] *= 1.01;
        assert!(operands.error().expect("finite") > 1.0);
    }

    #[test]
    fn error_of_a_transposed_operand_is_large() {
        let mut operands = operands::<f64>("8x8x8");
        operands.product.transpose_b = true;
        multiply(&mut operands);
        operands.product.transpose_b = false;
        assert!(operands.error().expect("finite") > 1e9);
    }

    #[test]
    fn error_of_a_product_in_half_the_digits_is_large() {
        let mut operands = operands::<f32>("64x64x768");
        let half = |x: &mut f32| *x = f32::from_bits(x.to_bits() & 0xffff_0000);
        operands.a.iter_mut().for_each(half);
        multiply(&mut operands);
        assert!(operands.error().expect("finite") > 1.0, "as a library would that computes in bf16 unasked");
    }

    #[test]
    fn error_of_an_element_that_was_not_written_is_none() {
        let mut operands = operands::<f64>("5x6x7");
        multiply(&mut operands);
        operands.c[29] = f64::NAN;
        assert_eq!(operands.error(), None);
        operands.c[29] = f64::INFINITY;
        assert_eq!(operands.error(), None);
    }
}
