//! The exact values of sums, and how far a result is from them.

use super::attention::{Attention, Head, softmax};
use super::operands::{Element, Operands};
use super::product::Product;
use serde::{Deserialize, Serialize};
use std::thread;

/// The errors of many elements: each is |found − exact| / Σ |products|, which does not depend on the size of the numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Errors {
    /// Elements.
    pub count: usize,
    /// Root mean square.
    pub rms: f64,
    /// The largest.
    pub max: f64,
}

impl Errors {
    /// Those of both.
    #[must_use]
    pub fn and(self, other: Errors) -> Errors {
        let squares = |errors: Errors| errors.count as f64 * errors.rms * errors.rms;
        let count = self.count + other.count;
        let rms = ((squares(self) + squares(other)) / count.max(1) as f64).sqrt();
        Errors { count, rms, max: self.max.max(other.max) }
    }
}

/// An element of the exact result: `high + low`, and the sum of the products' absolute values.
#[derive(Clone, Copy, Debug, Default)]
struct Exact {
    high: f64,
    low: f64,
    magnitude: f64,
}

impl Exact {
    fn error(self, found: f64) -> f64 {
        ((found - self.high) - self.low).abs() / self.magnitude
    }
}

/// The exact result of a product or of attention.
pub(super) struct Reference(Vec<Exact>);

impl Reference {
    /// Of op(A)·op(B), computed by `threads` threads.
    ///
    /// Products of f32 are exact in f64, whose sums are accurate enough. Products and sums of f64 are kept in two numbers each.
    /// Source: T. J. Dekker, "A floating-point technique for extending the available precision", Numerische Mathematik 18, 1971.
    pub(super) fn of_product<T: Element>(operands: &Operands<T>, threads: usize) -> Reference {
        let Product { m, n, k, transpose_a, transpose_b, .. } = operands.product();
        let columns = columns(operands.b(), (k, n), transpose_b);
        rows_on_threads(m, n, threads, |i, row| {
            let a = |p: usize| operands.a()[if transpose_a { p * m + i } else { i * k + p }].into();
            add_products::<T>(row, (0..k).map(a), columns.as_deref().unwrap_or(operands.b()));
        })
    }

    /// Of attention, likewise. The magnitudes are the weighted sums of the values' absolute values.
    pub(super) fn of_attention<T: Element>(operands: &Attention<T>, threads: usize) -> Reference {
        let Head { queries, size, .. } = operands.shape;
        let dot = |x: &[T], y: &[T]| x.iter().zip(y).map(|(&x, &y)| x.into() * y.into()).sum::<f64>();
        rows_on_threads(queries, size, threads, |i, row| {
            let query = &operands.queries[i * size..][..size];
            let scores = operands.keys.chunks_exact(size).map(|key| operands.shape.scale() * dot(query, key));
            add_products::<T>(row, softmax(scores).into_iter(), &operands.values);
        })
    }

    /// How far a result is from this one.
    pub(super) fn errors(&self, found: impl Iterator<Item = f64>) -> Errors {
        let one = |(exact, found): (&Exact, f64)| {
            let error = exact.error(found);
            // `max` would pass over a NaN.
            if error.is_nan() { f64::INFINITY } else { error }
        };
        let (mut squares, mut max) = (0.0, 0.0f64);
        for error in self.0.iter().zip(found).map(one) {
            squares += error * error;
            max = max.max(error);
        }
        let count = self.0.len();
        Errors { count, rms: (squares / count.max(1) as f64).sqrt(), max }
    }
}

/// B (k, n) row-major, if it is stored transposed.
fn columns<T: Element>(b: &[T], (k, n): (usize, usize), transposed: bool) -> Option<Vec<T>> {
    let element = |p: usize, j: usize| b[j * k + p];
    transposed.then(|| (0..k).flat_map(|p| (0..n).map(move |j| element(p, j))).collect())
}

/// Fills rows of `cols` elements, each by one call.
fn rows_on_threads(rows: usize, cols: usize, threads: usize, fill: impl Fn(usize, &mut [Exact]) + Sync) -> Reference {
    let mut all = vec![Exact::default(); rows * cols];
    let rows_each = rows.div_ceil(threads.max(1)).max(1);
    thread::scope(|scope| {
        for (part, elements) in all.chunks_mut(rows_each * cols).enumerate() {
            let fill = &fill;
            scope.spawn(move || {
                for (i, row) in elements.chunks_exact_mut(cols).enumerate() {
                    fill(part * rows_each + i, row);
                }
            });
        }
    });
    Reference(all)
}

/// Columns that are summed at a time: their sums stay in registers or close by.
const BLOCK: usize = 64;

/// `row` += Σ factor · its row of `b` (k, `row.len()`).
fn add_products<T: Element>(row: &mut [Exact], factors: impl Iterator<Item = f64> + Clone, b: &[T]) {
    let n = row.len();
    for (block, elements) in row.chunks_mut(BLOCK).enumerate() {
        let mut sums = BlockSums::default();
        for (factor, b) in factors.clone().zip(b.chunks_exact(n)) {
            let b = &b[block * BLOCK..][..elements.len()];
            if T::ROUNDOFF > f64::ROUNDOFF { sums.add(factor, b) } else { sums.add_in_two(factor, b) }
        }
        for (j, element) in elements.iter_mut().enumerate() {
            *element = Exact { high: sums.high[j], low: sums.low[j], magnitude: sums.magnitude[j] };
        }
    }
}

/// The sums of one block.
struct BlockSums {
    high: [f64; BLOCK],
    low: [f64; BLOCK],
    magnitude: [f64; BLOCK],
}

impl Default for BlockSums {
    fn default() -> BlockSums {
        BlockSums { high: [0.0; BLOCK], low: [0.0; BLOCK], magnitude: [0.0; BLOCK] }
    }
}

impl BlockSums {
    /// Adds factor·b. Products must be exact in one number.
    fn add<T: Element>(&mut self, factor: f64, b: &[T]) {
        for ((high, magnitude), &b) in self.high.iter_mut().zip(&mut self.magnitude).zip(b) {
            let product = factor * b.into();
            *high += product;
            *magnitude += product.abs();
        }
    }

    /// Adds factor·b, each product and each sum with what its rounding lost.
    fn add_in_two<T: Element>(&mut self, factor: f64, b: &[T]) {
        let (factor_high, factor_low) = split(factor);
        let sums = self.high.iter_mut().zip(&mut self.low).zip(&mut self.magnitude);
        for (((high, low), magnitude), &b) in sums.zip(b) {
            let b = b.into();
            let product = factor * b;
            let (b_high, b_low) = split(b);
            let rest =
                ((factor_high * b_high - product) + factor_high * b_low + factor_low * b_high) + factor_low * b_low;
            let sum = *high + product;
            let moved = sum - *high;
            *low += ((*high - (sum - moved)) + (product - moved)) + rest;
            *high = sum;
            *magnitude += product.abs();
        }
    }
}

/// Two numbers of 26 bits whose sum is x.
fn split(x: f64) -> (f64, f64) {
    const FACTOR: f64 = (1u64 << 27) as f64 + 1.0;
    let shifted = FACTOR * x;
    let high = shifted - (shifted - x);
    (high, x - high)
}

#[cfg(test)]
mod tests {
    use super::super::sample::Data;
    use super::*;

    /// Σ over p of A[i][p]·B[p][j] as the nearest f64 to the exact sum, in whole multiples of 2⁻¹⁰⁴ (operands are multiples of 2⁻⁵²).
    fn by_integers(operands: &Operands<f64>, (i, j): (usize, usize)) -> i128 {
        let Product { n, k, .. } = operands.product();
        let whole = |x: f64| (x * (1u64 << 52) as f64) as i128;
        (0..k).map(|p| whole(operands.a()[i * k + p]) * whole(operands.b()[p * n + j])).sum()
    }

    #[test]
    fn reference_of_f64_is_exact_to_more_than_its_digits() {
        let product = "3x70x9".parse().expect("a product");
        let operands = Operands::<f64>::new(product, Data::Uniform, 3).expect("little memory");
        let Reference(found) = Reference::of_product(&operands, 2);
        for (index, exact) in found.iter().enumerate() {
            let wanted = by_integers(&operands, (index / 70, index % 70));
            let unit = (1u128 << 104) as f64;
            let rest = wanted - (exact.high * unit) as i128;
            assert!((rest as f64 / unit - exact.low).abs() < 1e-30, "{index}: {exact:?}");
        }
    }

    #[test]
    fn errors_are_relative_to_the_sum_of_absolute_products() {
        let mut operands =
            Operands::<f32>::new("1x2x2".parse().expect("a product"), Data::Uniform, 1).expect("little memory");
        operands.matrices().a.copy_from_slice(&[1.0, -1.0]);
        operands.matrices().b.copy_from_slice(&[3.0, 1.0, 2.0, 1.0]);
        let errors = Reference::of_product(&operands, 1).errors([1.625, 0.0].into_iter());
        assert_eq!(errors, Errors { count: 2, rms: (0.125f64 * 0.125 / 2.0).sqrt(), max: 0.125 });
        let not_finite = Reference::of_product(&operands, 1).errors([f64::NAN, 0.0].into_iter());
        assert_eq!(not_finite.max, f64::INFINITY);
    }

    #[test]
    fn errors_of_two_samples_are_those_of_all_elements() {
        let (one, three) = (Errors { count: 1, rms: 2.0, max: 2.0 }, Errors { count: 3, rms: 1.0, max: 1.5 });
        assert_eq!(one.and(three), Errors { count: 4, rms: (7.0f64 / 4.0).sqrt(), max: 2.0 });
        assert_eq!(Errors::default().and(one), one);
    }

    #[test]
    fn reference_of_a_transposed_b_is_the_same() {
        let plain = Operands::<f32>::new("4x5x6".parse().expect("a product"), Data::Normal, 2).expect("little memory");
        let mut transposed =
            Operands::<f32>::new("4x5x6nt".parse().expect("a product"), Data::Normal, 2).expect("little memory");
        (0..30).for_each(|index| transposed.matrices().b[index % 5 * 6 + index / 5] = plain.b()[index]);
        let sums = |operands| Reference::of_product(operands, 1).0.iter().map(|x| x.high).collect::<Vec<_>>();
        assert_eq!(sums(&plain), sums(&transposed));
    }
}
